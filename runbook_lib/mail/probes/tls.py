"""TLS contexts, and what a handshake shows."""

import ssl
import warnings
from dataclasses import dataclass
from typing import cast

from cryptography import x509

from runbook_lib.mail.probes.obstacle import Kind, Obstacle, Stage, Stopped
from runbook_lib.messages import message
from runbook_lib.x509 import der, trusted_roots

OLD_CIPHERS = "ALL:@SECLEVEL=0"  # without it OpenSSL 3 does not even send a hello for TLS 1.0 or 1.1

ANONYMOUS_CIPHERS = "aNULL:@SECLEVEL=0"


def trusting(ca_pem: bytes | None) -> ssl.SSLContext:
    """Make the context of a user's client: the users' root alone, names only from the SAN (RFC 9525, 6.3).

    Args:
        ca_pem: the root certificate; None takes the system's roots.
    Raises:
        UsageError, VerificationFailed: this machine has no roots where they are looked for.
    """
    if ca_pem is None:
        context = trusted_roots.context()
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=ca_pem.decode("ascii"))
    context.hostname_checks_common_name = False
    return context


def blind(lowest: ssl.TLSVersion | None = None, highest: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    """Make a context that verifies nothing, to look at what is there. Nothing secret may go through it.

    Args:
        lowest, highest: versions to offer; None for both means TLS 1.2 and later. Versions below 1.2 bring
            the ciphers and signatures with them that OpenSSL bars by default.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    allow_versions(context, lowest or ssl.TLSVersion.TLSv1_2, highest or ssl.TLSVersion.MAXIMUM_SUPPORTED)
    if lowest is not None and lowest < ssl.TLSVersion.TLSv1_2:
        context.set_ciphers(OLD_CIPHERS)
    return context


def allow_versions(context: ssl.SSLContext, lowest: ssl.TLSVersion, highest: ssl.TLSVersion) -> None:
    """Set both bounds of a context. Not for worker threads: the warning filters are the process's own."""
    with warnings.catch_warnings():
        # Python warns of TLS 1.0 and 1.1; to find servers that still take them is the purpose here.
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = lowest
        context.maximum_version = highest


@dataclass(frozen=True)
class Tls:
    """What a handshake showed.

    Args:
        version: as OpenSSL spells it ('TLSv1.3').
        sent: certificates in the server's order, leaf first.
        path: the verified path, leaf to root; empty where nothing was verified.
        untrusted: OpenSSL's reason against the certificate; empty where it was verified.
    """

    version: str
    sent: tuple[x509.Certificate, ...]
    path: tuple[x509.Certificate, ...] = ()
    untrusted: str = ""

    @property
    def leaf(self) -> x509.Certificate:
        return self.sent[0]


def read_tls(secured: ssl.SSLSocket, untrusted: str) -> Tls:
    """Read what the handshake showed from a socket on which it succeeded.

    Args:
        secured: the socket.
        untrusted: why an earlier, verifying handshake refused the certificate; empty: this one verified it.
    Raises:
        Stopped: a certificate cannot be read to its end.
    """
    sent = _certificates(secured, "get_unverified_chain")
    path = () if untrusted else _certificates(secured, "get_verified_chain")
    return Tls(secured.version() or "unknown", sent, path, untrusted)


def _certificates(secured: ssl.SSLSocket, method: str) -> tuple[x509.Certificate, ...]:
    """Call one of the two methods; they are public since Python 3.13, and one level down before."""
    if hasattr(secured, method):
        chain = cast("list[bytes]", getattr(secured, method)())
    else:
        pem_of = (certificate.public_bytes() for certificate in getattr(secured._sslobj, method)() or ())  # type: ignore[attr-defined]
        chain = [ssl.PEM_cert_to_DER_cert(pem) for pem in pem_of]
    try:
        return tuple(map(der.certificate, chain))
    except ValueError as error:
        # OpenSSL takes more than it understands; a client that looks closer is left with nothing.
        words = message("a certificate that the server sends is garbled inside: have it issued anew")
        raise Stopped(Obstacle(Stage.HANDSHAKE, Kind.UNREADABLE, words)) from error
