"""Claims about logging in: what is offered, and what an unknown, a wrong and the right password come to."""

from runbook_lib.mail.probes import byhand
from runbook_lib.mail.probes.attempts import (
    NO_ACCOUNT,
    UNKNOWN_USER,
    Attempt,
    log_in,
    login_ports,
)
from runbook_lib.mail.probes.obstacle import Stage
from runbook_lib.mail.probes.row import WARNING, Row, Verdict
from runbook_lib.mail.probes.sight import Sight
from runbook_lib.mail.probes.smtp import Reply
from runbook_lib.mail.probes.survey import Judged, Survey, blocked
from runbook_lib.mail.probes.target import SUBMISSION_PORTS, Account

AUTH_AFTER_TLS = "After TLS began, AUTH is offered where users submit mail"
UNKNOWN_NAME_REFUSED = "An unknown name is refused"
WRONG_PASSWORD_REFUSED = "A wrong password is refused"  # noqa: S105 - a claim
RIGHT_PASSWORD_ACCEPTED = "The right password is accepted, by PLAIN and by LOGIN"  # noqa: S105 - a claim

SASLAUTHD_BYTES_MAX = 255  # its request buffer holds 256; a longer password fails as if it were wrong


def auth_after_tls(survey: Survey) -> list[Row]:
    """465 and 587 offer the expected mechanisms, no others; 25 offers AUTH only where that is asked for."""
    target = survey.target

    def judge(sight: Sight) -> Judged:
        if sight.secure_hello is None:
            return blocked(sight.obstacle, Stage.SECURE)
        offered = sight.secure_hello.extension("AUTH")
        if sight.endpoint.port not in SUBMISSION_PORTS and not target.auth_on_25:
            if offered is None:
                return Verdict.PASS, "AUTH is not offered"
            words = f"AUTH is offered ({' '.join(offered)})"
            if target.auth_on_25 is None:
                return Verdict.PASS, f"{words}, as found"
            return Verdict.FAIL, f"{words}, and nobody asked for that on 25"
        return _judge_mechanisms(offered, target.mechanisms)

    return survey.judge_each(
        AUTH_AFTER_TLS, target.ports, judge, lambda endpoint: byhand.hello(endpoint, target)
    )


def unknown_name_refused(survey: Survey) -> list[Row]:
    """A name that no system has is refused with 535. A PAM stack that permits everything passes this."""
    return _refusal_row(survey, UNKNOWN_NAME_REFUSED, survey.once(log_in).unknown, UNKNOWN_USER)


def wrong_password_refused(survey: Survey) -> list[Row]:
    """One wrong password of the account for checks is refused with 535."""
    account = survey.target.account
    user = account.user if account else UNKNOWN_USER
    return _refusal_row(survey, WRONG_PASSWORD_REFUSED, survey.once(log_in).wrong, user)


def right_password_accepted(survey: Survey) -> list[Row]:
    """The account logs in on each address and submission port, by PLAIN (UTF-8, RFC 4616) and by LOGIN."""
    target = survey.target
    if target.account is None:
        judged = Verdict.UNTESTED, NO_ACCOUNT
        return [survey.general(RIGHT_PASSWORD_ACCEPTED, judged, survey.first_command)]
    rows = []
    for (endpoint, mechanism), attempt in survey.once(log_in).right.items():
        verdict, words = _judge_right(attempt, target.account, target.asks_at)
        command = byhand.login(endpoint, target, target.account.user, mechanism)
        rows.append(
            survey.row(RIGHT_PASSWORD_ACCEPTED, endpoint, (verdict, f"{mechanism}: {words}"), command)
        )
    return [*rows, *_other_form(survey, target.account)] or survey.unasked(
        RIGHT_PASSWORD_ACCEPTED, login_ports(survey)
    )


def _other_form(survey: Survey, account: Account) -> list[Row]:
    """What the name comes to as users may type it too (case S4): shown, whichever it is.

    saslauthd drops what stands behind an '@' as a rule, so both forms may be accepted.
    """
    logins = survey.once(log_in)
    if logins.first is None or logins.other is None:
        return []
    if logins.other.reply is None:
        judged = blocked(logins.other.obstacle)
    elif logins.other.reply.code in (235, 535):
        words = "accepted (235)" if logins.other.reply.code == 235 else "refused (535)"
        judged = Verdict.PASS, words
    else:
        judged = Verdict.UNTESTED, judge_login(logins.other.reply, survey.target.asks_at)[1]
    verdict, words = judged
    what = "with a domain" if "@" in account.other_form else "without a domain"
    command = byhand.login(logins.first, survey.target, account.other_form, "PLAIN")
    return [
        survey.row(
            RIGHT_PASSWORD_ACCEPTED, logins.first, (verdict, f"PLAIN, the name {what}: {words}"), command
        )
    ]


def judge_login(reply: Reply, asks_at: str = "") -> Judged:
    """Put a login's reply into words: a wrong password, a broken check and a limit are three things.

    Args:
        asks_at: the socket where the server's smtpd asks, as `Target` has it.
    """
    if reply.code == 235:
        return Verdict.PASS, "accepted (235)"
    if reply.code == 535:
        return Verdict.FAIL, "refused as wrong (535)"
    if "too many" in reply.brief.lower():  # smtpd_client_auth_rate_limit
        return Verdict.UNTESTED, f"limited by the server ({reply.code})"
    if reply.code == 454:
        return Verdict.FAIL, (
            f"the server cannot ask its password check (454): saslauthd is down, its socket is "
            f"{f'not {asks_at}' if asks_at else 'elsewhere'}, or postfix may not open it"
        )
    return Verdict.FAIL, f"refused ({reply.brief})"


def _refusal_row(survey: Survey, claim: str, attempt: Attempt, user: str) -> list[Row]:
    first = survey.once(log_in).first
    if first is None:
        judged = blocked(attempt.obstacle) if attempt.obstacle else (Verdict.UNTESTED, attempt.note)
        return survey.unasked(claim, login_ports(survey)) or [
            survey.general(claim, judged, survey.first_command)
        ]
    command = byhand.login(first, survey.target, user, "PLAIN")
    return [survey.row(claim, first, _judge_refusal(attempt, survey.target.asks_at), command)]


def _judge_refusal(attempt: Attempt, asks_at: str) -> Judged:
    note = f"{attempt.note}: " if attempt.note else ""
    if attempt.reply is None:
        return blocked(attempt.obstacle)
    if attempt.reply.code == 235:
        return Verdict.FAIL, f"{note}accepted (235): the password check does not check"
    if attempt.reply.code == 535:
        return Verdict.PASS, f"{note}refused (535)"
    verdict, words = judge_login(attempt.reply, asks_at)
    return verdict, f"{note}{words}"


def _judge_right(attempt: Attempt, account: Account, asks_at: str) -> Judged:
    if attempt.reply is None:
        return (
            blocked(attempt.obstacle, Stage.SECURE) if attempt.obstacle else (Verdict.UNTESTED, attempt.note)
        )
    verdict, words = judge_login(attempt.reply, asks_at)
    size_bytes = len(account.password.reveal().encode())
    if attempt.reply.code == 535 and size_bytes > SASLAUTHD_BYTES_MAX:
        return (
            verdict,
            f"refused (535): the password has {size_bytes} bytes, saslauthd takes {SASLAUTHD_BYTES_MAX}",
        )
    return verdict, words


def _judge_mechanisms(offered: tuple[str, ...] | None, expected: tuple[str, ...] | None) -> Judged:
    if not offered:
        return Verdict.FAIL, "AUTH is not offered"
    words = f"AUTH {' '.join(offered)}"
    if expected is not None and set(offered) != set(expected):
        return Verdict.FAIL, f"{words}, but {' '.join(expected)} is what the password check can do"
    if expected is None and "PLAIN" not in offered:
        return Verdict.PASS, f"{WARNING}{words}, without PLAIN"
    return Verdict.PASS, words
