"""The logins themselves: who tries what where, in an order that leaves no counter of failures behind.

An unknown name, one wrong password, then the right one. Real passwords go only through TLS that was verified
with the users' root.
"""

import base64
import secrets
from dataclasses import dataclass, replace

from runbook_lib.mail.probes.asker import Asker
from runbook_lib.mail.probes.obstacle import Kind, Obstacle, Stage, Stopped
from runbook_lib.mail.probes.smtp import Conversation, Reply
from runbook_lib.mail.probes.survey import Survey
from runbook_lib.mail.probes.target import SUBMISSION_PORTS, Account, Endpoint
from runbook_lib.mail.probes.view import LoginLock
from runbook_lib.messages import message

MECHANISMS = ("PLAIN", "LOGIN")
# After two refusals of one client Dovecot lets the third login wait 8 s, later ones 15 s, and PAM adds 2 s to each
# (Dovecot, "Authentication penalty"): the right password must not seem to get no answer.
LOGIN_WAIT_S = 30.0
UNKNOWN_USER = "runbook-probe-nobody"
NO_ACCOUNT = message("no account for checks: name one under check_account in the inventory")
MADE_UP = message("a made-up password")
NOT_AGAIN = message("not tried, since the first login with it failed")
NOT_TRUSTED = message("not tried: no password is sent to a server whose certificate is not trusted")
_OLD_ENCODINGS = ("cp1252", "cp932")  # what old Windows clients send, in the West and in Japan


@dataclass(frozen=True)
class Attempt:
    """One login.

    Args:
        reply: the server's last reply to AUTH, or None where it was not reached.
        obstacle: why it was not.
        note: what was special about the password, for the row; or why it was not sent.
        is_recoded: the password was the right one in an old client's encoding.
        as_another: after the login: the reply to a message in the name of somebody else, at MAIL or RCPT.
    """

    reply: Reply | None = None
    obstacle: Obstacle | None = None
    note: str = ""
    is_recoded: bool = False
    as_another: Reply | None = None

    @property
    def is_accepted(self) -> bool:
        """Whether the server let it in."""
        return self.reply is not None and self.reply.code == 235


@dataclass(frozen=True)
class Logins:
    """All logins of one survey: the refusals at one endpoint, then the right password at each.

    `other` has the right password with the name in its other form; None where there is none. `lock` is what counted
    wrong logins before.
    """

    first: Endpoint | None
    unknown: Attempt
    wrong: Attempt
    right: dict[tuple[Endpoint, str], Attempt]
    other: Attempt | None = None
    lock: LoginLock | None = None

    @property
    def leading(self) -> Attempt | None:
        """The first login with the right password; None where nobody logged in."""
        return self.right.get((self.first, "PLAIN")) if self.first else None


def login_ports(survey: Survey) -> tuple[int, ...]:
    """The ports at which users log in."""
    target = survey.target
    return tuple(
        port for port in target.ports if port in SUBMISSION_PORTS or (port == 25 and target.auth_on_25)
    )


def log_in(survey: Survey) -> Logins:
    """Make all the logins: the wrong ones first, once each and in a row, directly after them the right one.

    Then the name in its other form, and the right login everywhere else: so that wherever wrong logins are counted, the
    count is at nothing again. What it was before is looked at first: where one more locks the account, none is sent.
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
    lock = _lock(survey, account)
    wrong, note, is_recoded = _wrong_password(account)
    unsent = _why_no_wrong_one(account, lock)
    tries = [(UNKNOWN_USER, _made_up(), "")]
    tries += [(account.user, wrong, note)] if not unsent else []
    tries += [(account.user, password, "")]
    with_other = account.other_form and not (lock and lock.next_locks)
    tries += [(account.other_form, password, "")] if with_other else []
    attempts = _attempts_in_a_row(survey.asker, first, tries, account)
    unknown = attempts.pop(0)
    refused = Attempt(note=unsent) if unsent else replace(attempts.pop(0), is_recoded=is_recoded)
    leading, *others = attempts

    def log_in_at(endpoint: Endpoint) -> list[Attempt]:
        if not leading.is_accepted:
            # A refused password is not sent again: repeated, it may lock the account.
            again = Attempt(note=NOT_AGAIN)
            return [leading if endpoint == first else again, again]
        plain = leading if endpoint == first else attempt(survey, endpoint, "PLAIN")
        return [plain, attempt(survey, endpoint, "LOGIN")]

    right = {
        (endpoint, mechanism): made
        for endpoint, both in survey.at_once(log_in_at, endpoints)
        for mechanism, made in zip(MECHANISMS, both, strict=True)
        if is_asked_of(survey, endpoint, mechanism)
    }
    return Logins(first, unknown, refused, right, others[0] if others else None, lock)


def _lock(survey: Survey, account: Account) -> LoginLock | None:
    """What counts wrong logins of the account; with a domain in its name PAM may know it by either form."""
    view = survey.view
    if view is None:
        return None
    found = (view.wrong_logins(name) for name in dict.fromkeys((account.mailbox, account.user)))
    return max((lock for lock in found if lock), key=lambda lock: lock.counted, default=None)


def _why_no_wrong_one(account: Account, lock: LoginLock | None) -> str:
    """Why no wrong password of the account is sent; empty: it is."""
    if account.unasked:
        return account.unasked
    if lock and lock.next_locks:
        return message(
            "not asked: {counted}, and the next one locks {account}",
            counted=lock.words,
            account=account.mailbox,
        )
    return ""


def is_asked_of(survey: Survey, endpoint: Endpoint, mechanism: str) -> bool:
    """PLAIN is always; LOGIN is where the target demands it, or else where it is offered."""
    hello = survey.sight(endpoint).secure_hello
    offered = (hello.extension("AUTH") if hello else None) or ()
    return mechanism == "PLAIN" or survey.target.mechanisms is not None or mechanism in offered


def first_trusted(survey: Survey, endpoints: list[Endpoint]) -> Endpoint | None:
    """The first endpoint whose certificate was verified, 587 before 465; only there passwords are sent."""
    fit = [endpoint for endpoint in endpoints if (tls := survey.sight(endpoint).tls) and not tls.untrusted]
    return min(fit, key=lambda endpoint: endpoint.port != 587, default=None)


def authenticate(
    talk: Conversation, user: str, password: bytes, mechanism: str, *, otherwise: bool = False
) -> Reply:
    """Send a login and return the last reply, whatever its code.

    Args:
        mechanism: PLAIN, in one line with AUTH (RFC 4616), or LOGIN, where the server asks for name and password.
        otherwise: the other way to write it, which clients use as well (RFC 4954, 4): PLAIN after the server's 334,
            LOGIN with the name in the line with AUTH.
    """
    talk.wait_up_to(LOGIN_WAIT_S)
    name = user.encode()
    answers = [b"\0" + name + b"\0" + password] if mechanism == "PLAIN" else [name, password]
    first = "" if (mechanism == "PLAIN") is otherwise else f" {_base64(answers.pop(0))}"
    reply = talk.command(f"AUTH {mechanism}{first}")
    for answer in answers:
        if reply.code != 334:
            return reply
        reply = talk.command(_base64(answer))
    return reply


def attempt(survey: Survey, endpoint: Endpoint, mechanism: str, *, otherwise: bool = False) -> Attempt:
    """Log the account in with the right password, in a conversation of its own.

    Args:
        mechanism, otherwise: as for `authenticate`.
    """
    asker, account = survey.asker, survey.target.account
    if account is None:
        return Attempt(note=NO_ACCOUNT)
    try:
        with asker.connect(endpoint) as talk:
            hello = asker.secure(talk, asker.trusted_at(endpoint))
            if mechanism not in (hello.extension("AUTH") or ()):
                words = message("{mechanism} is not offered", mechanism=mechanism)
                return Attempt(obstacle=Obstacle(Stage.SECURE, Kind.NOT_OFFERED, words))
            password = account.password.reveal().encode()
            return Attempt(authenticate(talk, account.user, password, mechanism, otherwise=otherwise))
    except Stopped as stop:
        return Attempt(obstacle=stop.obstacle)


def _attempts_in_a_row(
    asker: Asker, endpoint: Endpoint, tries: list[tuple[str, bytes, str]], account: Account
) -> list[Attempt]:
    """Try user, password and note one after the other, in one conversation as long as it lasts.

    Whoever comes in names another's address as sender, in the same conversation; no message is sent.
    """
    attempts: list[Attempt] = []
    while len(attempts) < len(tries):
        try:
            with asker.connect(endpoint) as talk:
                asker.secure(talk, asker.trusted_at(endpoint))
                for user, password, note in tries[len(attempts) :]:
                    reply = authenticate(talk, user, password, "PLAIN")
                    attempts.append(Attempt(reply, note=note))
                    if reply.code == 235:
                        attempts[-1] = replace(attempts[-1], as_another=_as_another(talk, asker, account))
                        break  # who has logged in cannot log in again (RFC 4954, 4)
        except Stopped as stop:
            attempts.append(Attempt(obstacle=stop.obstacle, note=tries[len(attempts)][2]))
    return attempts


def _as_another(talk: Conversation, asker: Asker, account: Account) -> Reply | None:
    """MAIL and RCPT in the name of the domain's postmaster, who is not the account; the reply that decides.

    Returns: None where the conversation ended before.
    """
    domain = asker.target.domain
    try:
        reply = talk.command(f"MAIL FROM:<postmaster@{domain}>")
        if reply.code == 250:
            reply = talk.command(f"RCPT TO:<{account.address_in(domain)}>")
            talk.command("RSET")
    except Stopped:
        return None
    return reply


def _unasked(survey: Survey, endpoints: list[Endpoint]) -> Attempt:
    """Why nobody logs in at all."""
    if survey.target.account is None:
        return Attempt(note=NO_ACCOUNT)
    sights = [survey.sight(endpoint) for endpoint in endpoints]
    if any(sight.tls for sight in sights):
        return Attempt(note=NOT_TRUSTED)
    return Attempt(obstacle=sights[0].obstacle if sights else None)


def _wrong_password(account: Account) -> tuple[bytes, str, bool]:
    """The one wrong password: the former one, the right one as old clients encode it (then True), or a made-up one."""
    if account.former_password is not None:
        return account.former_password.reveal().encode(), message("the former password"), False
    password = account.password.reveal()
    if not password.isascii():
        sent = (password.encode(encoding, errors="replace") for encoding in _OLD_ENCODINGS)
        fewest_replaced = min(sent, key=lambda octets: octets.count(b"?"))
        return fewest_replaced, message("the right letters in an old client's encoding, not in UTF-8"), True
    return _made_up(), MADE_UP, False


def _made_up() -> bytes:
    return secrets.token_hex(12).encode()


def _base64(octets: bytes) -> str:
    return base64.b64encode(octets).decode()
