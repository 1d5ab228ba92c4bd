"""The claim about what a login opens: whose name it may send in, and whose password it tests."""

from runbook_lib.mail.probes import byhand
from runbook_lib.mail.probes.attempts import NO_ACCOUNT, log_in
from runbook_lib.mail.probes.row import Row, Verdict, warning
from runbook_lib.mail.probes.survey import Judged, Survey, blocked
from runbook_lib.messages import message

LOGIN_IS_NARROW = message("A login sends in its own name, and is nobody's who may become root")

_NO_VIEW = message("who may become root is not known here: it needs SSH to the host")


def login_is_narrow(survey: Survey) -> list[Row]:
    """Postfix lets whoever has logged in name any sender, and saslauthd checks the password of every account.

    Neither is wrong, and both are for a person to know: warnings, with what narrows it. Asked in the conversation of
    the first right login; nothing is sent.

    Source: postconf(5), reject_sender_login_mismatch and smtpd_sender_login_maps.
    """
    return [*_sender_rows(survey), _row_of_administrators(survey)]


def _sender_rows(survey: Survey) -> list[Row]:
    account = survey.target.account
    if account is None:
        return [survey.general(LOGIN_IS_NARROW, (Verdict.UNTESTED, NO_ACCOUNT), survey.first_command)]
    logins = survey.once(log_in)
    if logins.first is None or logins.leading is None:
        nobody = Verdict.UNTESTED, message("nobody logged in, so nobody named another sender")
        return [survey.general(LOGIN_IS_NARROW, nobody, survey.first_command)]
    command = byhand.as_another(logins.first, survey.target, account, survey.own(logins.first))
    reply = logins.leading.as_another
    judged: Judged
    if reply is None:
        judged = blocked(logins.leading.obstacle)
    elif reply.code in (250, 251):
        words = message(
            "who has logged in may send in any other name (postmaster@{domain} was taken): "
            "reject_sender_login_mismatch, with smtpd_sender_login_maps, holds each to their own",
            domain=survey.target.domain,
        )
        judged = Verdict.PASS, warning(words)
    else:
        judged = Verdict.PASS, message("another sender is refused ({reply})", reply=reply.brief)
    return [survey.row(LOGIN_IS_NARROW, logins.first, judged, command)]


def _row_of_administrators(survey: Survey) -> Row:
    sudoers = "grep -rhsE '^[a-z_]+[[:space:]].*=' /etc/sudoers /etc/sudoers.d"
    command = f"{sudoers}; grep -E '^(sudo|wheel|admin):' /etc/group"
    if survey.view is None:
        return survey.general(LOGIN_IS_NARROW, (Verdict.UNTESTED, _NO_VIEW), command)
    found = survey.view.administrators()
    words = message("no account that may use sudo has a password to log in with here")
    if found:
        words = warning(
            message(
                "{accounts} may use sudo and can log in here: 465 and 587 test that password for whoever asks; "
                "sasl.minimum_uid above the account's id keeps it out",
                accounts=", ".join(found),
            )
        )
    return survey.general(LOGIN_IS_NARROW, (Verdict.PASS, words), command)
