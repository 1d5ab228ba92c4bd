"""The probe for old TLS versions proves itself: it speaks TLS 1.0 and 1.1 to a server that takes them.

A client whose OpenSSL has been built or set up without them 'is refused' by every server, the bad ones
included. So nothing counts as refused before this control has passed, in this process, with the contexts
that the probe uses.
"""

import contextlib
import datetime
import functools
import socket
import ssl
import tempfile
import threading
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from runbook_lib.mail.probes.asker import Asker
from runbook_lib.mail.probes.obstacle import Stopped
from runbook_lib.mail.probes.target import Endpoint, Target
from runbook_lib.mail.probes.tls import OLD_CIPHERS, allow_versions
from runbook_lib.mail.probes.versions import OLD, spelled
from runbook_lib.messages import message

_NAME = "control.example"
_TIMEOUT_S = 5.0


@functools.cache
def prove_old_versions() -> str | None:
    """Speak TLS 1.0 and 1.1 to a server of our own that takes them; once a process.

    Returns: None where both were spoken, else why old versions cannot be tested from here.
    """
    return prove_against(control_server(ssl.TLSVersion.TLSv1))


def prove_against(server: ssl.SSLContext) -> str | None:
    """Try the probe's contexts for TLS 1.0 and 1.1 against a server on loopback.

    Args:
        server: the server's context.
    Returns: None where both versions were spoken, else a sentence.
    """
    asker = Asker(Target(name=_NAME, domain=_NAME), _TIMEOUT_S)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(_TIMEOUT_S)
        thread = threading.Thread(target=_serve, args=(listener, server, len(OLD)), daemon=True)
        thread.start()
        endpoint = Endpoint("127.0.0.1", listener.getsockname()[1])
        spoken = [_spoken(asker, endpoint, version) for version in OLD]
        thread.join(_TIMEOUT_S)
    missing = [version for version, found in zip(OLD, spoken, strict=True) if found != version]
    if not missing:
        return None
    if len(missing) == 1:
        return message(
            "{version} cannot be spoken by this machine's OpenSSL: ask from another one", version=missing[0]
        )
    return message(
        "{older} and {newer} cannot be spoken by this machine's OpenSSL: ask from another one",
        older=missing[0],
        newer=missing[1],
    )


@functools.cache
def control_key() -> rsa.RSAPrivateKey:
    """The key of the control's servers, made once: it protects nothing.

    RSA and not an elliptic curve, since it is servers with RSA that old versions are asked of: what bars only their
    signatures (MD5 with SHA-1) has to stop the control too. And no shorter one, which a machine's policy may refuse.
    """
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def control_server(lowest: ssl.TLSVersion) -> ssl.SSLContext:
    """Make the context of a server that takes every version from `lowest` on."""
    key = control_key()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _NAME)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    allow_versions(context, lowest, ssl.TLSVersion.MAXIMUM_SUPPORTED)
    context.set_ciphers(OLD_CIPHERS)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "control.pem"  # ssl loads keys from files only; this one protects nothing
        path.touch(mode=0o600)
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context.load_cert_chain(path)
    return context


def _spoken(asker: Asker, endpoint: Endpoint, version: str) -> str | None:
    try:
        with asker.connect(endpoint) as talk:
            return spelled(talk.handshake(asker.only[version], _NAME).version())
    except Stopped:
        return None


def _serve(listener: socket.socket, server: ssl.SSLContext, connections: int) -> None:
    for _ in range(connections):
        with contextlib.suppress(OSError), listener.accept()[0] as client:
            client.settimeout(_TIMEOUT_S)
            with server.wrap_socket(client, server_side=True) as secured:
                secured.recv(1)  # until the probe hangs up
