"""Where a conversation ended too early, and whether that is the server's fault."""

import errno
import ssl
from dataclasses import dataclass
from enum import Enum

from runbook_lib.mail.probes.row import Verdict
from runbook_lib.messages import message


class Stage(Enum):
    """How far a conversation came."""

    CONNECT = message("at the connection")
    GREETING = message("before the greeting")
    CLEAR = message("in clear")
    HANDSHAKE = message("at the TLS handshake")
    SECURE = message("after TLS began")


class Kind(Enum):
    """What ended it."""

    NOT_REACHED = "no connection"
    LIMITED = "the server has had enough of this client for now"
    NOT_ASKED = "our own side cannot ask this"
    SILENT = "the server accepts the connection and says nothing"
    CLOSED = "the server ends the connection"
    REFUSED = "the server refuses the handshake"
    PLAIN_TEXT = "the server answers a TLS hello in plain text"
    NOT_OFFERED = "the server does not offer, or does not start, what is needed"
    UNTRUSTED = "we refuse the certificate"
    UNREADABLE = "the certificate is garbled"
    NOT_SMTP = "the answer is no SMTP"


# None of these says anything about the server's settings, so none of them puts a change back.
_NOT_THE_SERVERS_FAULT = frozenset({Kind.NOT_REACHED, Kind.LIMITED, Kind.NOT_ASKED})


@dataclass(frozen=True)
class Obstacle:
    """Why nothing more could be asked.

    Args:
        stage: where it ended.
        kind: what ended it.
        words: a sentence without addresses or times; for `UNTRUSTED`, OpenSSL's reason alone.
    """

    stage: Stage
    kind: Kind
    words: str

    def verdict_at(self, *judged: Stage) -> Verdict:
        """FAIL where a claim is about one of the stages `judged` and the server is wrong there.

        A claim about something later is 'could not test': it was not reached.
        """
        wrong = self.kind not in _NOT_THE_SERVERS_FAULT
        return Verdict.FAIL if wrong and self.stage in judged else Verdict.UNTESTED


class Stopped(Exception):
    """Ends a conversation. It never leaves this package: rows do."""

    def __init__(self, obstacle: Obstacle) -> None:
        super().__init__(obstacle)
        self.obstacle = obstacle


UNROUTED = message(
    "no route to this address from here: who publishes the address, or routes for it, must act"
)
_OWN_FIREWALL = message("this machine's own firewall forbids the connection")
_NOT_REACHED = {
    errno.ECONNREFUSED: message("connection refused: nothing listens there, or a firewall answers for it"),
    errno.ENETUNREACH: UNROUTED,
    errno.EHOSTUNREACH: UNROUTED,
    errno.EADDRNOTAVAIL: message("the address to ask from is not on this machine"),
    errno.EACCES: _OWN_FIREWALL,
    errno.EPERM: _OWN_FIREWALL,
}


def not_reached(error: OSError) -> Obstacle:
    """Name what stood before the first byte."""
    if isinstance(error, TimeoutError) or error.errno == errno.ETIMEDOUT:
        words = message(
            "no answer to the connection: a firewall on the way drops it; who runs it must open the port"
        )
    else:
        other = message("no connection: {reason}", reason=error.strerror or type(error).__name__)
        words = _NOT_REACHED.get(error.errno or 0, other)
    return Obstacle(Stage.CONNECT, Kind.NOT_REACHED, words)


def silent(stage: Stage) -> Obstacle:
    """Name a server that accepts the connection and then says nothing until the deadline."""
    words = message("the connection is accepted, but nothing comes {when}", when=stage.value)
    return Obstacle(stage, Kind.SILENT, words)


def closed(stage: Stage) -> Obstacle:
    """Name a server that ends the connection before it has answered."""
    if stage is Stage.HANDSHAKE:
        words = message(
            "the connection is closed at the TLS handshake: the server has no usable key and certificate"
        )
    else:
        words = message("the connection is closed {when}", when=stage.value)
    return Obstacle(stage, Kind.CLOSED, words)


def limited(stage: Stage, code: int) -> Obstacle:
    """Name a server that limits this client: that says nothing about TLS or passwords."""
    return Obstacle(stage, Kind.LIMITED, message("limited by the server ({code})", code=code))


def failed_handshake(error: ssl.SSLError) -> Obstacle:
    """Tell the server's refusal from our own inability, by OpenSSL's reason: the exception type is the same.

    An alert came from the server. `UNSUPPORTED_PROTOCOL` too: it answered with a version outside those asked.
    Whatever else OpenSSL reports (`NO_PROTOCOLS_AVAILABLE`, `NO_CIPHERS_AVAILABLE`, legacy signatures) was
    raised on this side, and the server was never asked.
    """
    stage = Stage.HANDSHAKE
    if isinstance(error, ssl.SSLCertVerificationError):
        return Obstacle(stage, Kind.UNTRUSTED, error.verify_message)
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return closed(stage)
    if not error.reason:
        return Obstacle(stage, Kind.NOT_ASKED, message("could not be asked from here (no reason given)"))
    reason = error.reason
    words = (
        reason.lower().replace("_", " ").removeprefix("sslv3 ").removeprefix("tlsv1 ").removeprefix("tlsv13 ")
    )
    if reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"):
        return Obstacle(
            stage,
            Kind.PLAIN_TEXT,
            message("the port answers in plain text where TLS is expected from the first byte"),
        )
    if "ALERT" in reason or reason == "UNSUPPORTED_PROTOCOL":
        return Obstacle(stage, Kind.REFUSED, message("refused by the server ({reason})", reason=words))
    return Obstacle(stage, Kind.NOT_ASKED, message("could not be asked from here ({reason})", reason=words))
