"""How a login is written: both forms of each mechanism, and what is no login, in few connections."""

from dataclasses import dataclass

from runbook_lib.mail.probes import byhand
from runbook_lib.mail.probes.attempts import (
    LOGIN_WAIT_S,
    MECHANISMS,
    NO_ACCOUNT,
    NOT_AGAIN,
    NOT_TRUSTED,
    Attempt,
    attempt,
    authenticate,
    is_asked_of,
    log_in,
    login_ports,
)
from runbook_lib.mail.probes.obstacle import Stage, Stopped
from runbook_lib.mail.probes.row import Row, Verdict
from runbook_lib.mail.probes.sight import MADE_UP_LOGIN
from runbook_lib.mail.probes.smtp import Conversation, Reply
from runbook_lib.mail.probes.survey import Judged, Survey, blocked
from runbook_lib.mail.probes.target import Account, Endpoint
from runbook_lib.messages import message

NO_LOGIN_IS_REFUSED = message("What is no login is refused, and the connection goes on")
OTHERWISE = {
    "PLAIN": message("PLAIN in two steps"),
    "LOGIN": message("LOGIN with the name at once"),
}

_ENDED = message("not asked, since the connection had ended before")
_NOBODY = message("not asked, since nobody logged in before it")
_NOT_OFFERED = message("not asked, since AUTH is not offered")


@dataclass(frozen=True)
class Fault:
    """What a broken client says where a login should be.

    Args:
        what: in words.
        lines: what is said; `{mechanism}` is one that the server offers.
        code: what RFC 4954 has for it.
    """

    what: str
    lines: tuple[str, ...]
    code: int


# RFC 4954, section 4. None of these is a password, so none comes to the password check.
_BEFORE_LOGIN = (
    Fault(message("base64 that is none"), ("AUTH {mechanism} !!!!",), 501),
    Fault(message("a login that is broken off with '*'"), ("AUTH {mechanism}", "*"), 501),
    Fault(message("a mechanism that nobody has"), ("AUTH RUNBOOK-PROBE-NONE",), 504),
)
_AFTER_LOGIN = Fault(message("AUTH by who has logged in"), (f"AUTH PLAIN {MADE_UP_LOGIN}",), 503)


@dataclass(frozen=True)
class Refusal:
    """What came back to a fault.

    Args:
        fault: what was said.
        attempt: the reply to it, or why there is none.
        noop: the reply to NOOP after it.
        said: whether it was said: what ended the conversation before is another claim's.
    """

    fault: Fault
    attempt: Attempt
    noop: Reply | None = None
    said: bool = False


@dataclass(frozen=True)
class Exchanges:
    """One port: the right password as it is written otherwise, by mechanism; and what is no login."""

    otherwise: dict[str, Attempt]
    refusals: tuple[Refusal, ...]
    mechanism: str  # the one that the faults begin with


def exchanges(survey: Survey) -> dict[Endpoint, Exchanges]:
    """Ask one address of each port where users log in: how a login is written is the service's, not the address's.

    Two connections a port. The faults and the login by PLAIN share one; nobody logs in twice in a connection.
    The right password goes only where the first login with it went through, and only through TLS that was verified.
    """
    chosen = survey.one_each(login_ports(survey))
    survey.once(log_in)
    return dict(survey.at_once(lambda endpoint: _exchanges(survey, endpoint), chosen))


def no_login_is_refused(survey: Survey) -> list[Row]:
    """A login that is garbled, broken off, unknown or one too many gets its 5xx, and NOOP after it a 250.

    A server that hangs up instead leaves a client that could go on with another mechanism with nothing. Which 5xx it is
    depends on the server (Postfix with Cyrus SASL has 535 for two of them), so that is shown and not judged. For these
    two Postfix also logs a failed login, which fail2ban may count against the address that asks.

    Source: RFC 4954, sections 4 and 6.
    """
    rows = []
    for endpoint, seen in survey.once(exchanges).items():
        for refusal in seen.refusals:
            if refusal.fault is _AFTER_LOGIN and survey.target.account is None:
                continue  # nobody logs in anywhere, which is said once
            judged = _judge(refusal)
            rows.append(
                survey.row(
                    NO_LOGIN_IS_REFUSED, endpoint, judged, _command(survey, endpoint, seen, refusal.fault)
                )
            )
    if rows and survey.target.account is None:
        judged = Verdict.UNTESTED, NO_ACCOUNT
        rows.append(survey.general(NO_LOGIN_IS_REFUSED, judged, survey.first_command))
    return rows or survey.unasked(NO_LOGIN_IS_REFUSED, login_ports(survey))


def _judge(refusal: Refusal) -> Judged:
    what, reply, obstacle = refusal.fault.what, refusal.attempt.reply, refusal.attempt.obstacle
    if reply is None:
        judged = (Stage.SECURE,) if refusal.said else ()
        verdict, words = blocked(obstacle, *judged) if obstacle else (Verdict.UNTESTED, refusal.attempt.note)
        return verdict, message("{fault}: {answer}", fault=what, answer=words)
    if "too many" in reply.brief.lower():  # smtpd_client_auth_rate_limit
        return Verdict.UNTESTED, message(
            "{fault}: limited by the server ({code})", fault=what, code=reply.code
        )
    if not 500 <= reply.code <= 599:
        return Verdict.FAIL, message("{fault}: not refused ({reply})", fault=what, reply=reply.brief)
    if reply.code == refusal.fault.code:
        told = message("{fault}: refused ({code})", fault=what, code=reply.code)
    else:
        told = message(
            "{fault}: refused ({code}) (RFC 4954 has {expected})",
            fault=what,
            code=reply.code,
            expected=refusal.fault.code,
        )
    if refusal.noop is None:
        verdict, words = blocked(obstacle, Stage.SECURE)
        return verdict, message("{refusal}; NOOP: {answer}", refusal=told, answer=words)
    words = message("{refusal}; NOOP: {answer}", refusal=told, answer=refusal.noop.code)
    return Verdict.PASS if refusal.noop.code == 250 else Verdict.FAIL, words


def _command(survey: Survey, endpoint: Endpoint, seen: Exchanges, fault: Fault) -> str:
    account, lines = survey.target.account, [byhand.line(one) for one in _lines(fault, seen.mechanism)]
    if fault is _AFTER_LOGIN and account is not None:
        lines = [*byhand.login_lines(account.user, "PLAIN", otherwise=False), *lines]
    return byhand.dialogue_in_tls(endpoint, survey.target, survey.own(endpoint), *lines, byhand.line("NOOP"))


def _exchanges(survey: Survey, endpoint: Endpoint) -> Exchanges:
    sight, unsent = survey.sight(endpoint), _why_unsent(survey, endpoint)
    hello = sight.secure_hello
    mechanisms = [one for one in MECHANISMS if is_asked_of(survey, endpoint, one)]
    mechanism = next((one for one in MECHANISMS if hello and one in (hello.extension("AUTH") or ())), "")
    if not mechanism:
        unasked = Attempt(note=unsent or _NOT_OFFERED) if hello else Attempt(obstacle=sight.obstacle)
        faults = (*_BEFORE_LOGIN, _AFTER_LOGIN)
        return Exchanges(
            dict.fromkeys(mechanisms, unasked), tuple(Refusal(fault, unasked) for fault in faults), "PLAIN"
        )
    plain, refusals = _in_one_connection(survey, endpoint, mechanism, unsent)
    otherwise = {"PLAIN": plain}
    if "LOGIN" in mechanisms:
        login = Attempt(note=unsent)
        otherwise["LOGIN"] = login if unsent else attempt(survey, endpoint, "LOGIN", otherwise=True)
    return Exchanges(otherwise, tuple(refusals), mechanism)


def _in_one_connection(
    survey: Survey, endpoint: Endpoint, mechanism: str, unsent: str
) -> tuple[Attempt, list[Refusal]]:
    """The faults, the login by PLAIN after the server's 334 where it is sent, and AUTH once more after that."""
    tls, asker, account = survey.sight(endpoint).tls, survey.asker, survey.target.account
    refusals: list[Refusal] = []
    plain = Attempt(note=unsent)
    try:
        with asker.connect(endpoint) as talk:
            asker.secure(talk, asker.blind if tls and tls.untrusted else asker.trusted_at(endpoint))
            for fault in _BEFORE_LOGIN:
                refusals.append(_refusal(talk, fault, mechanism, refusals))
            if account and not unsent:
                plain = _right_password(talk, account) if refusals[-1].noop else Attempt(note=_ENDED)
            after = _refusal(talk, _AFTER_LOGIN, mechanism, refusals) if plain.is_accepted else None
            refusals.append(after or Refusal(_AFTER_LOGIN, Attempt(note=_NOBODY)))
    except Stopped as stop:
        stopped = Attempt(obstacle=stop.obstacle)
        return plain if unsent else stopped, [
            Refusal(fault, stopped) for fault in (*_BEFORE_LOGIN, _AFTER_LOGIN)
        ]
    return plain, refusals


def _refusal(talk: Conversation, fault: Fault, mechanism: str, before: list[Refusal]) -> Refusal:
    """Say a fault's lines as far as the server goes along, then NOOP; nothing where the connection ended before."""
    if before and before[-1].noop is None:
        return Refusal(fault, Attempt(note=_ENDED))
    reply = None
    try:
        talk.wait_up_to(LOGIN_WAIT_S)
        for line in _lines(fault, mechanism):
            if reply is None or reply.code == 334:
                reply = talk.command(line)
        return Refusal(fault, Attempt(reply), talk.command("NOOP"), said=True)
    except Stopped as stop:
        return Refusal(fault, Attempt(reply, stop.obstacle), said=True)


def _right_password(talk: Conversation, account: Account) -> Attempt:
    try:
        password = account.password.reveal().encode()
        return Attempt(authenticate(talk, account.user, password, "PLAIN", otherwise=True))
    except Stopped as stop:
        return Attempt(obstacle=stop.obstacle)


def _why_unsent(survey: Survey, endpoint: Endpoint) -> str:
    """Why the right password is not sent here; empty: it is."""
    logins, tls = survey.once(log_in), survey.sight(endpoint).tls
    if survey.target.account is None:
        return NO_ACCOUNT
    if logins.leading is None or not logins.leading.is_accepted:
        return NOT_AGAIN
    if tls is not None and tls.untrusted:
        return NOT_TRUSTED
    return ""


def _lines(fault: Fault, mechanism: str) -> list[str]:
    return [line.format(mechanism=mechanism) for line in fault.lines]
