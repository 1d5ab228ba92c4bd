"""The hello of a client that takes certificates of one kind alone, against OpenSSL servers on loopback."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from probes_certificates import make

from runbook_lib.mail.probes.asker import Asker
from runbook_lib.mail.probes.hello import ALGORITHMS, check_accepted, client_hello, wants_another
from runbook_lib.mail.probes.obstacle import Stopped
from runbook_lib.mail.probes.smtp import Conversation
from runbook_lib.mail.probes.target import Endpoint, Target

NAME = "mail.example.test"
PAIRS = [(version, kind) for version in ("TLS 1.2", "TLS 1.3") for kind in ("RSA", "EC")]


@dataclass(frozen=True)
class Server:
    """A server's certificates and rules, and which pairs it serves."""

    kinds: tuple[str, ...]
    served: tuple[bool, bool, bool, bool]
    rule: Callable[[ssl.SSLContext], None] = lambda _: None


def p256_alone(context: ssl.SSLContext) -> None:
    context.set_ecdh_curve("prime256v1")


SERVERS = {
    "RSA": Server(("RSA",), (True, False, True, False)),
    "EC": Server(("EC",), (False, True, False, True)),
    "both": Server(("RSA", "EC"), (True, True, True, True)),
    "EC, and a list written for RSA": Server(
        ("EC",), (False, False, False, True), lambda c: c.set_ciphers("DEFAULT:!ECDSA:!RSA+AES")
    ),
    "both, and a list written for RSA": Server(
        ("RSA", "EC"), (True, False, True, True), lambda c: c.set_ciphers("DEFAULT:!ECDSA")
    ),
    "one group, as under FIPS": Server(("EC",), (False, True, False, True), p256_alone),
}


def pem_of(kind: str) -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048) if kind == "RSA" else None
    pair = make(kind, None, (NAME,), key=key)
    return pair.key_pem + pair.pem


@contextlib.contextmanager
def running(server: Server, folder: Path) -> Iterator[Endpoint]:
    """Serve each connection by Python's ssl, as many as the pairs and their repetitions."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for kind in server.kinds:
        path = folder / f"{kind}.pem"
        path.write_text(pem_of(kind))
        context.load_cert_chain(path)
    server.rule(context)
    ended = threading.Event()

    def serve(listener: socket.socket) -> None:
        while not ended.is_set():
            with contextlib.suppress(OSError), listener.accept()[0] as client:
                client.settimeout(5)
                context.wrap_socket(client, server_side=True)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        yield Endpoint("127.0.0.1", listener.getsockname()[1])
        ended.set()
        thread.join()


@pytest.mark.parametrize("server", SERVERS.values(), ids=SERVERS)
def test_a_server_serves_the_kinds_that_it_can(server: Server, tmp_path: Path) -> None:
    asker = Asker(Target(name=NAME, domain="example.test"), 5.0)

    def said(endpoint: Endpoint, version: str, kind: str) -> str:
        for context in (asker.only[version], asker.p256[version]):
            with Conversation.to(endpoint, source=None, timeout_s=5.0) as talk:
                answer = talk.first_record(client_hello(context, NAME, ALGORITHMS[kind]))
            if not wants_another(answer):
                break
        try:
            check_accepted(answer)
        except Stopped as stop:
            return stop.obstacle.words
        return "served"

    with running(server, tmp_path) as endpoint:
        words = [said(endpoint, version, kind) for version, kind in PAIRS]
    refused = "refused by the server (handshake failure)"
    assert words == ["served" if served else refused for served in server.served]


def test_what_is_no_tls_is_called_so() -> None:
    with pytest.raises(Stopped, match="no TLS"):
        check_accepted(b"220 mail.example.test ESMTP\r\n")
