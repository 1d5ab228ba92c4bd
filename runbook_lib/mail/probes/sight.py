"""One conversation with an endpoint in which most claims look: few connections, whatever the server limits.

Nothing secret is sent, and never DATA: recipients are only named, at RCPT.
"""

import base64
import ssl
from dataclasses import dataclass, field

from runbook_lib.mail.probes.asker import IMPLICIT_TLS_PORT, Asker
from runbook_lib.mail.probes.obstacle import Kind, Obstacle, Stage, Stopped
from runbook_lib.mail.probes.smtp import Conversation, Reply
from runbook_lib.mail.probes.target import Endpoint
from runbook_lib.mail.probes.tls import Tls, read_tls
from runbook_lib.messages import message

PROBE_SENDER = "runbook-probe"
_MX = 25  # where other servers' mail comes in
RAW_EHLO = "runbook-probe.example"  # where no SMTP is expected
MADE_UP_LOGIN = base64.b64encode(b"\0runbook-probe-nobody\0no-password").decode()


@dataclass(frozen=True)
class RelayTry:
    """One try to have mail for a foreign domain taken without a login.

    Args:
        sender_is_local: the sender was of the server's own domain.
        mail: the reply to MAIL.
        rcpt: the reply to RCPT; None: refused at MAIL already.
        in_clear: whether it was made before TLS.
    """

    sender_is_local: bool
    mail: Reply
    rcpt: Reply | None
    in_clear: bool = False


@dataclass
class Sight:
    """What one endpoint showed. A field that stayed None was not reached: `obstacle` says why.

    Args:
        endpoint: who was asked.
        own_recipient: the last reply where a recipient of the domain was named; only on 25.
        token: local part of the refused recipients, by which the host's journal can be searched.
    """

    endpoint: Endpoint
    token: str
    own: str = ""
    greeting: Reply | None = None
    clear_hello: Reply | None = None
    clear_auth: Reply | None = None
    clear_mail: Reply | None = None
    tls: Tls | None = None
    secure_hello: Reply | None = None
    relay: list[RelayTry] = field(default_factory=list)
    smtputf8: Reply | None = None
    own_recipient: Reply | None = None
    obstacle: Obstacle | None = None

    @property
    def is_in_journal(self) -> bool:
        """Whether the server refused a recipient with the token, which is what it writes down."""
        return any(found.rcpt is not None and found.rcpt.code >= 400 for found in self.relay)


def look(asker: Asker, endpoint: Endpoint, token: str) -> Sight:
    """Look at an endpoint once; a second time without trust where the certificate is refused."""
    sight = _converse(asker, Sight(endpoint, token), asker.looking_at(endpoint), untrusted="")
    obstacle = sight.obstacle
    if obstacle and obstacle.kind is Kind.UNTRUSTED:
        return _converse(asker, Sight(endpoint, token), asker.blind, obstacle.words)
    if obstacle and obstacle.kind is Kind.SILENT and obstacle.stage is Stage.GREETING:
        sight.obstacle = _named_silence(asker, endpoint, obstacle)
    return sight


def look_in_clear(asker: Asker, endpoint: Endpoint) -> tuple[bytes, Obstacle | None]:
    """Speak plain SMTP to a port that should know nothing but TLS; return what it answers.

    A TLS server that gets an EHLO closes, with an alert at most; one that waits is given 3 s.
    """
    try:
        with asker.connect(endpoint) as talk:
            return talk.raw_answer(f"EHLO {RAW_EHLO}\r\n".encode(), wait_s=3.0), None
    except Stopped as stop:
        return b"", stop.obstacle


def _converse(asker: Asker, sight: Sight, context: ssl.SSLContext, untrusted: str) -> Sight:
    try:
        with asker.connect(sight.endpoint) as talk:
            sight.own = talk.own
            if sight.endpoint.port != IMPLICIT_TLS_PORT:
                _look_before_tls(asker, talk, sight)
            sight.tls = read_tls(talk.handshake(context, asker.target.name), untrusted)
            sight.secure_hello = asker.hello_after_tls(talk)
            sight.greeting = talk.greeted
            if sight.endpoint.port == _MX and sight.own_recipient is None:
                _try_own_recipient(asker, talk, sight)
            if not sight.relay:
                _try_relay(asker, talk, sight)
            _try_smtputf8(asker, talk, sight)
    except Stopped as stop:
        sight.obstacle = stop.obstacle
    return sight


def _look_before_tls(asker: Asker, talk: Conversation, sight: Sight) -> None:
    sight.greeting = talk.greeting()
    sight.clear_hello = talk.ehlo(asker.target.ehlo)
    sight.clear_auth = talk.command(f"AUTH PLAIN {MADE_UP_LOGIN}")
    sight.clear_mail = talk.command(f"MAIL FROM:<{PROBE_SENDER}@{asker.target.domain}>")
    talk.command("RSET")
    if sight.endpoint.port == _MX and sight.clear_mail.code != 530:
        _try_own_recipient(asker, talk, sight)
    if sight.clear_mail.code != 530 and sight.clear_auth.code != 235:
        # Here and not after TLS, so that an open relay shows where TLS is broken, too.
        _try_relay(asker, talk, sight)
    asker.starttls(talk, sight.clear_hello)


def _try_relay(asker: Asker, talk: Conversation, sight: Sight) -> None:
    target = asker.target
    for local, domain in ((False, target.foreign_domain), (True, target.domain)):
        mail = talk.command(f"MAIL FROM:<{PROBE_SENDER}@{domain}>")
        rcpt = talk.command(f"RCPT TO:<{sight.token}@{target.foreign_domain}>") if mail.code == 250 else None
        sight.relay.append(RelayTry(local, mail, rcpt, in_clear=sight.tls is None))
        talk.command("RSET")


def _try_own_recipient(asker: Asker, talk: Conversation, sight: Sight) -> None:
    """As a server elsewhere brings mail: without a sender, so that no rule about senders answers."""
    reply = talk.command("MAIL FROM:<>")
    if reply.code == 250:
        reply = talk.command(f"RCPT TO:<{asker.target.own_recipient}>")
    sight.own_recipient = reply
    talk.command("RSET")


def _try_smtputf8(asker: Asker, talk: Conversation, sight: Sight) -> None:
    if sight.secure_hello and sight.secure_hello.extension("SMTPUTF8") is not None:
        sight.smtputf8 = talk.command(f"MAIL FROM:<{PROBE_SENDER}@{asker.target.domain}> SMTPUTF8")
        talk.command("RSET")


def _named_silence(asker: Asker, endpoint: Endpoint, found: Obstacle) -> Obstacle:
    """Tell a port that waits for a TLS hello from one that is just silent."""
    try:
        with asker.connect(endpoint) as talk:
            talk.handshake(asker.blind, asker.target.name)
    except Stopped:
        return found
    words = message(
        "the port expects TLS from the first byte (wrapper mode), where plain SMTP with STARTTLS is expected"
    )
    return Obstacle(Stage.GREETING, Kind.NOT_OFFERED, words)
