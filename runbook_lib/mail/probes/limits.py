"""The claim about what a login opens: whose name it may send in, and whose password it tests."""

from runbook_lib.mail.probes import byhand
from runbook_lib.mail.probes.attempts import NO_ACCOUNT, log_in
from runbook_lib.mail.probes.row import WARNING, Row, Verdict
from runbook_lib.mail.probes.survey import Judged, Survey, blocked

LOGIN_IS_NARROW = "A login sends in its own name, and is nobody's who may become root"

_NO_VIEW = "who may become root is not known here: it needs SSH to the host"


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
        judged = Verdict.UNTESTED, "nobody logged in, so nobody named another sender"
        return [survey.general(LOGIN_IS_NARROW, judged, survey.first_command)]
    command = byhand.as_another(logins.first, survey.target, account, survey.own(logins.first))
    reply = logins.leading.as_another
    if reply is None:
        judged = blocked(logins.leading.obstacle)
    elif reply.code in (250, 251):
        judged = (
            Verdict.PASS,
            (
                f"{WARNING}who has logged in may send in any other name (postmaster@{survey.target.domain} was taken): "
                "reject_sender_login_mismatch, with smtpd_sender_login_maps, holds each to their own"
            ),
        )
    else:
        judged = Verdict.PASS, f"another sender is refused ({reply.brief})"
    return [survey.row(LOGIN_IS_NARROW, logins.first, judged, command)]


def _row_of_administrators(survey: Survey) -> Row:
    sudoers = "grep -rhsE '^[a-z_]+[[:space:]].*=' /etc/sudoers /etc/sudoers.d"
    command = f"{sudoers}; grep -E '^(sudo|wheel|admin):' /etc/group"
    if survey.view is None:
        return survey.general(LOGIN_IS_NARROW, (Verdict.UNTESTED, _NO_VIEW), command)
    found = survey.view.administrators()
    judged: Judged = Verdict.PASS, "no account that may use sudo has a password to log in with here"
    if found:
        words = (
            f"{', '.join(found)} may use sudo and can log in here: 465 and 587 test that password for whoever asks; "
            "sasl.minimum_uid above the account's id keeps it out"
        )
        judged = Verdict.PASS, f"{WARNING}{words}"
    return survey.general(LOGIN_IS_NARROW, judged, command)
