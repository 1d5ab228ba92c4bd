"""Claims about logging in: what is offered, and what an unknown, a wrong and the right password come to."""

import unicodedata

from runbook_lib.mail.probes import byhand
from runbook_lib.mail.probes.attempts import (
    MADE_UP,
    NO_ACCOUNT,
    UNKNOWN_USER,
    Attempt,
    Logins,
    log_in,
    login_ports,
)
from runbook_lib.mail.probes.exchanges import OTHERWISE, exchanges
from runbook_lib.mail.probes.obstacle import Stage
from runbook_lib.mail.probes.row import Row, Verdict, warning
from runbook_lib.mail.probes.sight import Sight
from runbook_lib.mail.probes.smtp import Reply
from runbook_lib.mail.probes.survey import Judged, Survey, blocked
from runbook_lib.mail.probes.target import SUBMISSION_PORTS, Account
from runbook_lib.mail.probes.view import ACCOUNT_IS_OUT
from runbook_lib.messages import joined, message

AUTH_AFTER_TLS = message("After TLS began, AUTH is offered where users submit mail")
UNKNOWN_NAME_REFUSED = message("An unknown name is refused")
WRONG_PASSWORD_REFUSED = message("A wrong password is refused")
RIGHT_PASSWORD_ACCEPTED = message("The right password is accepted, by PLAIN and by LOGIN")

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
                return Verdict.PASS, message("AUTH is not offered")
            names = " ".join(offered)
            if target.auth_on_25 is None:
                return Verdict.PASS, message("AUTH is offered ({mechanisms}), as found", mechanisms=names)
            return Verdict.FAIL, message(
                "AUTH is offered ({mechanisms}), and nobody asked for that on 25", mechanisms=names
            )
        return _judge_mechanisms(offered, target.mechanisms)

    return survey.judge_each(
        AUTH_AFTER_TLS, target.ports, judge, lambda at: byhand.hello(at, target, survey.own(at))
    )


def unknown_name_refused(survey: Survey) -> list[Row]:
    """A name that no system has is refused with 535. A PAM stack that permits everything passes this."""
    return _refusal_row(survey, UNKNOWN_NAME_REFUSED, survey.once(log_in).unknown, UNKNOWN_USER)


def wrong_password_refused(survey: Survey) -> list[Row]:
    """One wrong password of the account for checks is refused with 535; where one more locks it, none is sent.

    Nor is one where that is left out on purpose: that is a verdict of its own.
    """
    account = survey.target.account
    logins = survey.once(log_in)
    user = account.user if account else UNKNOWN_USER
    return _refusal_row(survey, WRONG_PASSWORD_REFUSED, logins.wrong, user, logins)


def right_password_accepted(survey: Survey) -> list[Row]:
    """The account logs in on each address and submission port, by PLAIN (UTF-8, RFC 4616) and by LOGIN.

    Each of the two can be written in two ways, which clients use: the other one is asked on one address of each port.
    """
    target = survey.target
    if target.account is None:
        judged = Verdict.UNTESTED, NO_ACCOUNT
        return [survey.general(RIGHT_PASSWORD_ACCEPTED, judged, survey.first_command)]
    rows = []
    for (endpoint, mechanism), attempt in survey.once(log_in).right.items():
        verdict, words = _judge_right(survey, attempt, target.account)
        command = byhand.login(endpoint, target, target.account.user, mechanism, own=survey.own(endpoint))
        judged = verdict, message("{login}: {answer}", login=mechanism, answer=words)
        rows.append(survey.row(RIGHT_PASSWORD_ACCEPTED, endpoint, judged, command))
    rows += _otherwise(survey, target.account)
    return [*rows, *_other_form(survey, target.account)] or survey.unasked(
        RIGHT_PASSWORD_ACCEPTED, login_ports(survey)
    )


def _otherwise(survey: Survey, account: Account) -> list[Row]:
    """The right password, written the other way: a row for each port and mechanism."""
    rows = []
    for endpoint, seen in survey.once(exchanges).items():
        own = survey.own(endpoint)
        for mechanism, attempt in seen.otherwise.items():
            verdict, words = _judge_right(survey, attempt, account)
            lines = byhand.login_lines(account.user, mechanism, otherwise=True)
            command = byhand.dialogue_in_tls(endpoint, survey.target, own, *lines)
            judged = verdict, message("{login}: {answer}", login=OTHERWISE[mechanism], answer=words)
            rows.append(survey.row(RIGHT_PASSWORD_ACCEPTED, endpoint, judged, command))
    return rows


def _other_form(survey: Survey, account: Account) -> list[Row]:
    """What the name comes to as users may type it too: shown, whichever it is.

    saslauthd drops what stands behind an '@' as a rule, so both forms may be accepted.
    """
    logins = survey.once(log_in)
    if logins.first is None or logins.other is None:
        return []
    if logins.other.reply is None:
        judged = blocked(logins.other.obstacle)
    elif logins.other.reply.code in (235, 535):
        is_accepted = logins.other.reply.code == 235
        judged = Verdict.PASS, message("accepted (235)") if is_accepted else message("refused (535)")
    else:
        judged = Verdict.UNTESTED, judge_login(logins.other.reply, survey.target.asks_at)[1]
    verdict, answer = judged
    if "@" in account.other_form:
        words = message("PLAIN, the name with a domain: {answer}", answer=answer)
    else:
        words = message("PLAIN, the name without a domain: {answer}", answer=answer)
    command = byhand.login(
        logins.first, survey.target, account.other_form, "PLAIN", own=survey.own(logins.first)
    )
    return [survey.row(RIGHT_PASSWORD_ACCEPTED, logins.first, (verdict, words), command)]


def judge_login(reply: Reply, asks_at: str = "") -> Judged:
    """Put a login's reply into words: a wrong password, a broken check and a limit are three things.

    Args:
        asks_at: the socket where the server's smtpd asks, as `Target` has it.
    """
    if reply.code == 235:
        return Verdict.PASS, message("accepted (235)")
    if reply.code == 535:
        return Verdict.FAIL, message("refused as wrong (535)")
    if "too many" in reply.brief.lower():  # smtpd_client_auth_rate_limit
        return Verdict.UNTESTED, message("limited by the server ({code})", code=reply.code)
    if reply.code == 454:
        if asks_at:
            return Verdict.FAIL, message(
                "the server cannot ask its password check (454): saslauthd is down, its socket is not {socket}, "
                "or postfix may not open it",
                socket=asks_at,
            )
        return Verdict.FAIL, message(
            "the server cannot ask its password check (454): saslauthd is down, its socket is elsewhere, "
            "or postfix may not open it"
        )
    return Verdict.FAIL, message("refused ({reply})", reply=reply.brief)


def _refusal_row(
    survey: Survey, claim: str, attempt: Attempt, user: str, logins: Logins | None = None
) -> list[Row]:
    first = survey.once(log_in).first
    if first is None:
        judged = blocked(attempt.obstacle) if attempt.obstacle else (Verdict.UNTESTED, attempt.note)
        return survey.unasked(claim, login_ports(survey)) or [
            survey.general(claim, judged, survey.first_command)
        ]
    made_up = user == UNKNOWN_USER or attempt.note == MADE_UP or attempt.reply is None
    command = byhand.login(first, survey.target, user, "PLAIN", own=survey.own(first), made_up=made_up)
    unasked = survey.target.account.unasked if survey.target.account else ""
    return [
        survey.row(claim, first, _judge_refusal(attempt, survey.target.asks_at, logins, unasked), command)
    ]


def _judge_refusal(attempt: Attempt, asks_at: str, logins: Logins | None, unasked: str) -> Judged:
    if attempt.reply is None:
        if attempt.obstacle:
            return blocked(attempt.obstacle)
        is_left_out = attempt.note and attempt.note == unasked
        return (Verdict.UNASKED if is_left_out else Verdict.UNTESTED), attempt.note
    if attempt.reply.code == 235:
        leading = logins.leading if logins else None
        if attempt.is_recoded and leading and not leading.is_accepted:
            words = message(
                "accepted (235): the host has the password in that encoding; no wrong one was asked"
            )
            return Verdict.UNTESTED, _noted(attempt, words)
        return Verdict.FAIL, _noted(attempt, message("accepted (235): the password check does not check"))
    if attempt.reply.code == 535:
        counted = [logins.lock.words] if logins and logins.lock else []
        return Verdict.PASS, _noted(attempt, joined("; ", [message("refused (535)"), *counted]))
    verdict, answer = judge_login(attempt.reply, asks_at)
    return verdict, _noted(attempt, answer)


def _noted(attempt: Attempt, answer: str) -> str:
    """An answer, behind what was special about the password."""
    return message("{password}: {answer}", password=attempt.note, answer=answer) if attempt.note else answer


def _judge_right(survey: Survey, attempt: Attempt, account: Account) -> Judged:
    if attempt.reply is None:
        return (
            blocked(attempt.obstacle, Stage.SECURE) if attempt.obstacle else (Verdict.UNTESTED, attempt.note)
        )
    verdict, words = judge_login(attempt.reply, survey.target.asks_at)
    return _judge_535(survey, account) if attempt.reply.code == 535 else (verdict, words)


def _judge_535(survey: Survey, account: Account) -> Judged:
    """Why the right password is refused, as far as it can be known: 535 is the server's word for everything."""
    logins, password = survey.once(log_in), account.password.reveal()
    size_bytes = len(password.encode())
    if size_bytes > SASLAUTHD_BYTES_MAX:
        return Verdict.FAIL, message(
            "refused (535): the password has {bytes} bytes, saslauthd takes {limit}",
            bytes=size_bytes,
            limit=SASLAUTHD_BYTES_MAX,
        )
    known = survey.once(_why_refused)
    if known in ACCOUNT_IS_OUT:
        return Verdict.UNTESTED, message(
            "refused (535), and not as wrong: {reason}, as the host's log says; mend the account, then ask again",
            reason=known,
        )
    if (
        not known and logins.lock and logins.lock.locks
    ):  # of a login that the lock stops, PAM writes no reason
        return Verdict.UNTESTED, message(
            "refused (535), whatever the password: {counted}, which lock {account}: unlock it, then ask again",
            counted=logins.lock.words,
            account=account.mailbox,
        )
    if known:
        return Verdict.FAIL, message(
            "refused (535), and not as wrong: {reason}, as the host's log says", reason=known
        )
    if logins.wrong.is_recoded and logins.wrong.is_accepted:
        return Verdict.FAIL, message(
            "refused (535): the host has it in an old encoding, and accepts it so: set it anew on the host, in UTF-8"
        )
    if logins.other is not None and logins.other.is_accepted:
        if "@" in account.other_form:
            return Verdict.FAIL, message(
                "refused (535): the name with a domain is accepted, so whether a domain (realm) belongs to the name "
                "is what differs"
            )
        return Verdict.FAIL, message(
            "refused (535): the name without a domain is accepted, so whether a domain (realm) belongs to the name "
            "is what differs; saslauthd drops it unless it runs with -r"
        )
    if "@" in account.user and survey.target.asks_at:
        return Verdict.FAIL, message(
            "refused as wrong (535); the name has a domain: without -r saslauthd drops the domain of a name, and PAM "
            "is asked for what is left"
        )
    if password.isascii():
        return Verdict.FAIL, message("refused as wrong (535)")
    if unicodedata.is_normalized("NFC", password):
        return Verdict.FAIL, message(
            "refused as wrong (535); its letters outside ASCII went as UTF-8, composed (NFC): a host that has it in "
            "the other form, or in another charset, takes it for a wrong one"
        )
    return Verdict.FAIL, message(
        "refused as wrong (535); its letters outside ASCII went as UTF-8, decomposed (not NFC): a host that has it in "
        "the other form, or in another charset, takes it for a wrong one"
    )


def _why_refused(survey: Survey) -> str:
    account = survey.target.account
    if survey.view is None or account is None:
        return ""
    found = (
        survey.view.why_refused(name, survey.age_s) for name in dict.fromkeys((account.mailbox, account.user))
    )
    return next((words for words in found if words), "")


def _judge_mechanisms(offered: tuple[str, ...] | None, expected: tuple[str, ...] | None) -> Judged:
    if not offered:
        return Verdict.FAIL, message("AUTH is not offered")
    names = " ".join(offered)
    if expected is not None and set(offered) != set(expected):
        return Verdict.FAIL, message(
            "AUTH {mechanisms}, but {expected} is what the password check can do",
            mechanisms=names,
            expected=" ".join(expected),
        )
    if expected is None and "PLAIN" not in offered:
        return Verdict.PASS, warning(message("AUTH {mechanisms}, without PLAIN", mechanisms=names))
    return Verdict.PASS, f"AUTH {names}"
