"""How every conversation of one verification begins: from which address, by which name, with which trust."""

import errno
import ssl
import time
from dataclasses import replace
from functools import cached_property

from runbook_lib.mail.probes.obstacle import Kind, Obstacle, Stage, Stopped, limited
from runbook_lib.mail.probes.smtp import Conversation, Reply
from runbook_lib.mail.probes.target import Endpoint, Target
from runbook_lib.mail.probes.tls import ANONYMOUS_CIPHERS, blind, trusting
from runbook_lib.mail.probes.vantage import Vantage
from runbook_lib.messages import joined, message

IMPLICIT_TLS_PORT = 465


class Asker:
    """Opens conversations with the endpoints of a target.

    Contexts for versions are made here, once and in one thread: making those for old ones alters Python's warning
    filters for a moment, which is no business of a worker thread.

    The first contact with an endpoint decides from where it is asked ever after: from this machine, or, where that
    does not reach it, from the host itself.

    Args:
        target: the server.
        timeout_s: deadline of each conversation.
        vantage: the host itself as the place to ask from, or None.
    """

    def __init__(self, target: Target, timeout_s: float, vantage: Vantage | None = None) -> None:
        self.target = target
        self.vantage = vantage
        self._unreached: dict[Endpoint, Obstacle | None] = {}
        self._shut: dict[Endpoint, str] = {}
        self._clients: dict[Endpoint, str] = {}
        self._elsewhere: set[str] = set()
        self.timeout_s = timeout_s
        self._kept, kept_root = target.kept, target.kept.named_root if target.kept else None
        self._kept_trusting = trusting(kept_root) if kept_root else None
        self._kept_any_name = trusting(kept_root) if kept_root else None
        if self._kept_any_name:
            self._kept_any_name.check_hostname = False  # other servers come by the MX's name
        self.blind = blind()
        self.old = blind(ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1)
        self.only = {
            "TLS 1.0": blind(ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1),
            "TLS 1.1": blind(ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_1),
            "TLS 1.2": blind(ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2),
            "TLS 1.3": blind(ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_3),
        }

        # A client that takes no certificate at all: encrypted, with whoever answers.
        self.anonymous = blind(ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2)
        self.anonymous.set_ciphers(ANONYMOUS_CIPHERS)

        # For servers that take no other group, as under FIPS.
        self.p256 = {
            version: blind(only.minimum_version, only.maximum_version) for version, only in self.only.items()
        }
        for context in self.p256.values():
            context.set_ecdh_curve("prime256v1")

    @cached_property
    def trusting(self) -> ssl.SSLContext:
        """A user's client. Made when it is needed: to read a system's roots takes longer than a handshake."""
        return trusting(self.target.ca_pem)

    @cached_property
    def trusting_any_name(self) -> ssl.SSLContext:
        """One that sends no name: the chain alone is OpenSSL's to verify."""
        context = trusting(self.target.ca_pem)
        context.check_hostname = False
        return context

    def looking_at(self, endpoint: Endpoint) -> ssl.SSLContext:
        """By whom an endpoint is judged: the users' root and the target's name, or the root named for what stays."""
        named = self._kept and endpoint.port in self._kept.ports and self._kept_any_name
        return named or self.trusting

    def trusted_at(self, endpoint: Endpoint) -> ssl.SSLContext:
        """What a password may go through at an endpoint: the name is always verified."""
        named = self._kept and endpoint.port in self._kept.ports and self._kept_trusting
        return named or self.trusting

    def connect(self, endpoint: Endpoint) -> Conversation:
        """Connect; raises `Stopped` where that fails."""
        unreached = self._unreached.get(endpoint)
        if unreached is None:
            source = self.target.source_v6 if endpoint.is_v6 else self.target.source_v4
            try:
                talk = Conversation.to(endpoint, source=source, timeout_s=self.timeout_s)
            except Stopped as stop:
                if endpoint in self._unreached:  # it was reached before, and is not asked from two places
                    raise
                unreached = self._unreached[endpoint] = stop.obstacle
            else:
                self._unreached[endpoint] = None
                return talk
        return self._connect_from_host(endpoint, unreached)

    def unreached(self, endpoint: Endpoint) -> Obstacle | None:
        """Why this machine does not reach the endpoint, or None where it does (or has not tried)."""
        return self._unreached.get(endpoint)

    def client_on_host(self, endpoint: Endpoint) -> str:
        """The host's own address that an endpoint was asked from; empty where it was not asked from the host."""
        return self._clients.get(endpoint, "")

    def shut(self, endpoint: Endpoint) -> str:
        """Why the host itself did not reach the endpoint, either; empty where it did."""
        return self._shut.get(endpoint, "")

    def is_elsewhere(self, endpoint: Endpoint) -> bool:
        """Whether the host was found not to have the endpoint's address."""
        return endpoint.address in self._elsewhere

    def _connect_from_host(self, endpoint: Endpoint, unreached: Obstacle) -> Conversation:
        if self.vantage is None or endpoint in self._shut:  # who did not answer once is not waited for again
            raise self._neither(endpoint, unreached)
        deadline = time.monotonic() + self.timeout_s
        try:
            connected, client = self.vantage.connect(endpoint.address, endpoint.port, self.timeout_s / 2)
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                self._elsewhere.add(endpoint.address)
            self._shut[endpoint] = error.strerror or str(error)
            raise self._neither(endpoint, unreached) from error
        self._clients[endpoint] = client
        return Conversation(endpoint, connected, client, deadline)

    def _neither(self, endpoint: Endpoint, unreached: Obstacle) -> Stopped:
        """Why neither this machine nor the host reaches the endpoint, as far as the host was asked."""
        words = joined("; ", filter(None, (unreached.words, self.shut(endpoint))))
        return Stopped(replace(unreached, words=words))

    def begin_tls(self, talk: Conversation, context: ssl.SSLContext, name: str | None = "") -> ssl.SSLSocket:
        """Start TLS as the port wants it: from the first byte on 465, by STARTTLS elsewhere.

        Args:
            name: whom to ask for in place of the target; None: no name is sent (no SNI).
        """
        self._up_to_tls(talk)
        return talk.handshake(context, self.target.name if name == "" else name)

    def begin_raw(self, talk: Conversation, hello: bytes) -> bytes:
        """Send a TLS hello where TLS begins; returns the first record of the answer."""
        self._up_to_tls(talk)
        return talk.first_record(hello)

    def _up_to_tls(self, talk: Conversation) -> None:
        if talk.endpoint.port != IMPLICIT_TLS_PORT:
            talk.greeting()
            self.starttls(talk, talk.ehlo(self.target.ehlo))

    def secure(self, talk: Conversation, context: ssl.SSLContext) -> Reply:
        """Start TLS and return the EHLO reply after it."""
        self.begin_tls(talk, context)
        return self.hello_after_tls(talk)

    def hello_after_tls(self, talk: Conversation) -> Reply:
        """Say EHLO after TLS began; on 465 the greeting comes first."""
        if talk.endpoint.port == IMPLICIT_TLS_PORT:
            talk.greeting()
        return talk.ehlo(self.target.ehlo)

    def starttls(self, talk: Conversation, hello: Reply) -> None:
        """Ask for STARTTLS; raises `Stopped` where the server does not offer or start it."""
        if hello.extension("STARTTLS") is None:
            raise Stopped(Obstacle(Stage.HANDSHAKE, Kind.NOT_OFFERED, message("STARTTLS is not offered")))
        reply = talk.command("STARTTLS")
        if reply.code == 220:
            return
        if "too many" in reply.brief.lower():  # smtpd_client_new_tls_session_rate_limit
            raise Stopped(limited(Stage.HANDSHAKE, reply.code))
        words = message("STARTTLS is refused ({reply})", reply=reply.brief)
        raise Stopped(Obstacle(Stage.HANDSHAKE, Kind.NOT_OFFERED, words))
