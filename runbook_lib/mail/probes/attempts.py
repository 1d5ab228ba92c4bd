"""The logins themselves: who tries what where, in an order that leaves no counter of failures behind.

An unknown name, one wrong password, then the right one. Real passwords go only through TLS that was verified
with the users' root.
"""

import base64
import secrets
from dataclasses import dataclass

from runbook_lib.mail.probes.asker import Asker
from runbook_lib.mail.probes.obstacle import Kind, Obstacle, Stage, Stopped
from runbook_lib.mail.probes.smtp import Conversation, Reply
from runbook_lib.mail.probes.survey import Survey
from runbook_lib.mail.probes.target import SUBMISSION_PORTS, Account, Endpoint

MECHANISMS = ("PLAIN", "LOGIN")
# After two refusals of one client Dovecot lets the third login wait 8 s, later ones 15 s, and PAM adds 2 s to each
# (Dovecot, "Authentication penalty"): the right password must not seem to get no answer.
LOGIN_WAIT_S = 30.0
UNKNOWN_USER = "runbook-probe-nobody"
NO_ACCOUNT = "no account for checks: name one under check_account in the inventory"
_OLD_ENCODINGS = ("cp1252", "cp932")  # what old Windows clients send, in the West and in Japan


@dataclass(frozen=True)
class Attempt:
    """One login.

    Args:
        reply: the server's last reply to AUTH, or None where it was not reached.
        obstacle: why it was not.
        note: what was special about the password, for the row.
    """

    reply: Reply | None = None
    obstacle: Obstacle | None = None
    note: str = ""


@dataclass(frozen=True)
class Logins:
    """All logins of one survey: the refusals at one endpoint, then the right password at each.

    `other` has the right password with the name in its other form; None where there is none.
    """

    first: Endpoint | None
    unknown: Attempt
    wrong: Attempt
    right: dict[tuple[Endpoint, str], Attempt]
    other: Attempt | None = None


def login_ports(survey: Survey) -> tuple[int, ...]:
    """The ports at which users log in."""
    target = survey.target
    return tuple(
        port for port in target.ports if port in SUBMISSION_PORTS or (port == 25 and target.auth_on_25)
    )


def log_in(survey: Survey) -> Logins:
    """Make all the logins: the wrong ones first, once each and in a row, then the right one everywhere.

    The right password with the other form of the name stands between them: nobody knows yet which of the two it is.
    """
    account = survey.target.account
    endpoints = survey.endpoints(login_ports(survey))
    first = first_trusted(survey, endpoints)
    if account is None or first is None:
        unasked = _unasked(survey, endpoints)
        return Logins(
            None, unasked, unasked, {(at, mechanism): unasked for at in endpoints for mechanism in MECHANISMS}
        )
    password = account.password.reveal().encode()
    wrong, note = _wrong_password(account)
    tries = [(UNKNOWN_USER, _made_up(), ""), (account.user, wrong, note)]
    tries += [(account.other_form, password, "")] if account.other_form else []
    unknown, refused, *others, leading = _attempts_in_a_row(
        survey.asker, first, [*tries, (account.user, password, "")]
    )

    def log_in_at(endpoint: Endpoint) -> list[Attempt]:
        if leading.reply is None or leading.reply.code != 235:
            # A refused password is not sent again: repeated, it may lock the account.
            again = Attempt(note="not tried, since the first login with it failed")
            return [leading if endpoint == first else again, again]
        plain = (
            leading
            if endpoint == first
            else _attempt(survey.asker, endpoint, account.user, password, "PLAIN")
        )
        return [plain, _attempt(survey.asker, endpoint, account.user, password, "LOGIN")]

    right = {
        (endpoint, mechanism): attempt
        for endpoint, attempts in survey.at_once(log_in_at, endpoints)
        for mechanism, attempt in zip(MECHANISMS, attempts, strict=True)
        if _is_asked_of(survey, endpoint, mechanism)
    }
    return Logins(first, unknown, refused, right, *others)


def _is_asked_of(survey: Survey, endpoint: Endpoint, mechanism: str) -> bool:
    """PLAIN is always; LOGIN is where the target demands it, or else where it is offered."""
    hello = survey.sight(endpoint).secure_hello
    offered = (hello.extension("AUTH") if hello else None) or ()
    return mechanism == "PLAIN" or survey.target.mechanisms is not None or mechanism in offered


def first_trusted(survey: Survey, endpoints: list[Endpoint]) -> Endpoint | None:
    """The first endpoint whose certificate was verified, 587 before 465; only there passwords are sent."""
    fit = [endpoint for endpoint in endpoints if (tls := survey.sight(endpoint).tls) and not tls.untrusted]
    return min(fit, key=lambda endpoint: endpoint.port != 587, default=None)


def authenticate(talk: Conversation, user: str, password: bytes, mechanism: str) -> Reply:
    """Send AUTH PLAIN (RFC 4616) or AUTH LOGIN and return the last reply, whatever its code."""
    talk.wait_up_to(LOGIN_WAIT_S)
    if mechanism == "PLAIN":
        return talk.command("AUTH PLAIN " + _base64(b"\0" + user.encode() + b"\0" + password))
    reply = talk.command("AUTH LOGIN")
    for answer in (user.encode(), password):
        if reply.code != 334:
            return reply
        reply = talk.command(_base64(answer))
    return reply


def _attempt(asker: Asker, endpoint: Endpoint, user: str, password: bytes, mechanism: str) -> Attempt:
    try:
        with asker.connect(endpoint) as talk:
            hello = asker.secure(talk, asker.trusting)
            if mechanism not in (hello.extension("AUTH") or ()):
                return Attempt(
                    obstacle=Obstacle(Stage.SECURE, Kind.NOT_OFFERED, f"{mechanism} is not offered")
                )
            return Attempt(authenticate(talk, user, password, mechanism))
    except Stopped as stop:
        return Attempt(obstacle=stop.obstacle)


def _attempts_in_a_row(
    asker: Asker, endpoint: Endpoint, tries: list[tuple[str, bytes, str]]
) -> list[Attempt]:
    """Try user, password and note one after the other, in one conversation as long as it lasts."""
    attempts: list[Attempt] = []
    while len(attempts) < len(tries):
        try:
            with asker.connect(endpoint) as talk:
                asker.secure(talk, asker.trusting)
                for user, password, note in tries[len(attempts) :]:
                    reply = authenticate(talk, user, password, "PLAIN")
                    attempts.append(Attempt(reply, note=note))
                    if reply.code == 235:
                        break  # who has logged in cannot log in again (RFC 4954, 4)
        except Stopped as stop:
            attempts.append(Attempt(obstacle=stop.obstacle, note=tries[len(attempts)][2]))
    return attempts


def _unasked(survey: Survey, endpoints: list[Endpoint]) -> Attempt:
    """Why nobody logs in at all."""
    if survey.target.account is None:
        return Attempt(note=NO_ACCOUNT)
    sights = [survey.sight(endpoint) for endpoint in endpoints]
    if any(sight.tls for sight in sights):
        return Attempt(note="not tried: no password is sent to a server whose certificate is not trusted")
    return Attempt(obstacle=sights[0].obstacle if sights else None)


def _wrong_password(account: Account) -> tuple[bytes, str]:
    """The one wrong password: the former one, the right one as old clients encode it, or a made-up one."""
    if account.former_password is not None:
        return account.former_password.reveal().encode(), "the former password"
    password = account.password.reveal()
    if not password.isascii():
        sent = (password.encode(encoding, errors="replace") for encoding in _OLD_ENCODINGS)
        fewest_replaced = min(sent, key=lambda octets: octets.count(b"?"))
        return fewest_replaced, "the right letters in an old client's encoding, not in UTF-8"
    return _made_up(), "a made-up password"


def _made_up() -> bytes:
    return secrets.token_hex(12).encode()


def _base64(octets: bytes) -> str:
    return base64.b64encode(octets).decode()
