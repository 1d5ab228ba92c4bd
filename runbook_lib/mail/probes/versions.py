"""Which TLS versions an endpoint takes: really tried, each answer told from 'could not be asked'."""

import ssl
from dataclasses import dataclass

from runbook_lib.mail.probes.asker import Asker
from runbook_lib.mail.probes.obstacle import Kind, Obstacle, Stage, Stopped
from runbook_lib.mail.probes.target import Endpoint
from runbook_lib.mail.probes.tls import Tls, read_tls
from runbook_lib.messages import message

OLD = ("TLS 1.0", "TLS 1.1")
NEW = ("TLS 1.2", "TLS 1.3")
NO_NAME_IN = "TLS 1.2"  # TLS 1.3 demands the name of its clients (RFC 8446, 9.2)
_SPELLED = {"TLSv1": "TLS 1.0", "TLSv1.1": "TLS 1.1", "TLSv1.2": "TLS 1.2", "TLSv1.3": "TLS 1.3"}


@dataclass(frozen=True)
class Answer:
    """What came of offering some versions.

    Args:
        accepted: the version that the server took ('TLS 1.1'), or None.
        obstacle: why none was taken.
        own: own address, empty where no connection was made.
        unnamed: what was shown where no name was sent; None: one was.
    """

    accepted: str | None
    obstacle: Obstacle | None
    own: str = ""
    unnamed: Tls | None = None

    @property
    def refused(self) -> bool:
        """Whether the server itself refused; ending the connection at the hello counts (Postfix 2.10)."""
        found = self.obstacle
        return (
            found is not None and found.stage is Stage.HANDSHAKE and found.kind in (Kind.REFUSED, Kind.CLOSED)
        )

    @property
    def words(self) -> str:
        """The answer without its version."""
        if self.obstacle is None:
            return message("accepted")
        closed = self.obstacle.kind is Kind.CLOSED and self.obstacle.stage is Stage.HANDSHAKE
        return message("refused by the server (it ends the connection)") if closed else self.obstacle.words


def spelled(version: str | None) -> str:
    """Spell OpenSSL's 'TLSv1' or 'TLSv1.3' as people do."""
    return _SPELLED.get(version or "", version or "unknown")


def offer(asker: Asker, endpoint: Endpoint, context: ssl.SSLContext, *, named: bool = True) -> Answer:
    """Offer the versions of a context to an endpoint, and hang up again after the handshake.

    Args:
        named: whether the client says which server it wants.
    """
    own = ""
    try:
        with asker.connect(endpoint) as talk:
            own = talk.own
            if named:
                return Answer(spelled(asker.begin_tls(talk, context).version()), None, own)
            secured = asker.begin_tls(talk, context, None)
            return Answer(spelled(secured.version()), None, own, read_tls(secured, "not verified"))
    except Stopped as stop:
        return Answer(None, stop.obstacle, own)


def offer_old(asker: Asker, endpoint: Endpoint) -> dict[str, Answer]:
    """Offer TLS 1.0 and 1.1: in one hello first, which a server from 1.2 on refuses for both.

    Only a server that takes one of them is asked a second time, for the lower one alone.
    """
    both = offer(asker, endpoint, asker.old)
    if both.accepted is None:
        return dict.fromkeys(OLD, both)
    if both.accepted == "TLS 1.1":
        return {"TLS 1.0": offer(asker, endpoint, asker.only["TLS 1.0"]), "TLS 1.1": both}
    # The server chose 1.0 though 1.1 was offered: it does not take 1.1.
    return {"TLS 1.0": both, "TLS 1.1": offer(asker, endpoint, asker.only["TLS 1.1"])}


def offer_new(asker: Asker, endpoint: Endpoint, known: str | None) -> dict[str, Answer]:
    """Offer TLS 1.2 and 1.3, each alone, but for the one that a conversation has already used.

    TLS 1.2 is offered as its old clients do it, who send no name; what they are shown comes with the answer. Only a
    server that refuses them is offered it once more with the name.

    Args:
        known: version of an earlier conversation as OpenSSL spells it, or None.
    """
    answers = {}
    for version in NEW:
        if spelled(known) == version:
            answers[version] = Answer(version, None)
            continue
        named = version != NO_NAME_IN
        answers[version] = offer(asker, endpoint, asker.only[version], named=named)
        if answers[version].refused and not named:
            answers[version] = offer(asker, endpoint, asker.only[version])
    return answers
