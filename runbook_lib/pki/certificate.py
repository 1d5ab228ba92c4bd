"""A certificate: its spelling, what it says, and whether it still fits the server it is for."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding

from runbook_lib.errors import CertificateRefused
from runbook_lib.messages import joined, message
from runbook_lib.pki import pem
from runbook_lib.pki.names import printable
from runbook_lib.visible import one_line
from runbook_lib.x509 import der, dns_id, keys
from runbook_lib.x509.certificate import fingerprint, spelled_serial

LABELS = ("CERTIFICATE", "X509 CERTIFICATE")  # OpenSSL reads both
FILE_BYTES_MAX = 256 * 1024
FITS = "fits"


def as_pem(certificate: x509.Certificate) -> bytes:
    """Clean PEM, with LF and a last newline."""
    return pem.block("CERTIFICATE", certificate.public_bytes(Encoding.DER))


def load(content: bytes, where: str) -> x509.Certificate:
    """The first certificate of a PEM file.

    Args:
        where: host and file, for the message.
    Raises:
        CertificateRefused: OpenSSL would read no certificate there.
    """
    framing = pem.read(content, "CERTIFICATE", FILE_BYTES_MAX)
    faults = list(framing.faults) or [
        message("line {line}: holds a {label}, not a CERTIFICATE", line=block.line, label=block.label)
        for block in framing.blocks[:1]
        if block.label not in LABELS
    ]
    if faults:
        raise CertificateRefused(
            joined("; ", faults), where, message("bring the file as the CA returned it.")
        )
    return parse(framing.blocks[0], where)


def unread(content: bytes) -> x509.Certificate | None:
    """The first certificate of a PEM file, before any part of it is read; None where `load` would refuse it at once.

    For whoever asks for a signature first: it vouches for all parts, and to read each takes a third of the time more.
    """
    framing = pem.read(content, "CERTIFICATE", FILE_BYTES_MAX)
    if framing.faults or framing.blocks[0].label not in LABELS:
        return None
    try:
        return x509.load_der_x509_certificate(framing.blocks[0].der)
    except (ValueError, x509.InvalidVersion):
        return None


def parse(block: pem.Block, where: str) -> x509.Certificate:
    """The certificate in a block.

    Raises:
        CertificateRefused: its content is no certificate.
    """
    try:
        return der.certificate(block.der)
    except ValueError as error:
        raise CertificateRefused(
            message(
                "line {line}: the framing is right, and the content is no certificate: cut or altered",
                line=block.line,
            ),
            where,
            message("ask the CA for the file again."),
        ) from error


def alternatives(certificate: x509.Certificate) -> tuple[str, ...]:
    """Every entry of the SAN as text: DNS names as they are, lower case, others with their kind before them."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(
        name.value.lower()
        if isinstance(name, x509.DNSName)
        else f"IP {name.value}"
        if isinstance(name, x509.IPAddress)
        else f"{type(name).__name__} {printable(str(name.value))}"
        for name in names
    )


def shown_name(certificate: x509.Certificate) -> str:
    """The subject for a message; without one, the names."""
    if certificate.subject:
        return shown_dn(certificate.subject)
    return message("a certificate for {names}", names=", ".join(dns_id.of(certificate)))


def shown_dn(name: x509.Name) -> str:
    """A distinguished name in quotes; what is not printable as its escape."""
    return f"'{printable(name.rfc4514_string())}'"


def describe(content: bytes, where: str = "certificate") -> list[tuple[str, str]]:
    """Rows (what, value) that show the first certificate of a PEM file; times are UTC.

    Raises:
        CertificateRefused: OpenSSL would read no certificate there.
    """
    certificate = load(content, where)
    return [
        (message("subject"), certificate.subject.rfc4514_string()),
        (message("issuer"), certificate.issuer.rfc4514_string()),
        (message("DNS names"), ", ".join(dns_id.of(certificate)) or message("none")),
        (message("key"), keys.describe_key(certificate.public_key())),
        (message("serial"), spelled_serial(certificate.serial_number)),
        (message("valid from"), certificate.not_valid_before_utc.isoformat()),
        (message("valid to"), certificate.not_valid_after_utc.isoformat()),
        ("SHA-256", fingerprint(certificate)),
    ]


def leaf_status(
    certificate_pem: bytes,
    public_key_sha256: str,
    names: Sequence[str],
    ca_pem: bytes,
    renew_days: int,
    now: datetime | None = None,
) -> str:
    """Say whether a server's certificate still fits, so that a second apply issues nothing.

    Args:
        certificate_pem: the file on the host; empty when there is none.
        public_key_sha256: of the server's key (SPKI, hex).
        names: the DNS names that the inventory grants.
        ca_pem: the CA's certificate.
        renew_days: a certificate with this many days left, or fewer, is renewed.
        now: the time to judge by, aware; the default is the clock's.
    Returns: `fits`, or why a new one is needed.
    """
    at = now or datetime.now(UTC)
    if not certificate_pem.strip():
        return message("there is no certificate yet")
    try:
        leaf = load(certificate_pem, message("the certificate"))
    except CertificateRefused as error:
        return message("the file is not a certificate that OpenSSL reads: {problem}", problem=error.problem)
    if keys.public_key_sha256(leaf.public_key()) != public_key_sha256:
        return message("it is for another key than the server's")
    if not is_issued_by(leaf, load(ca_pem, message("the CA's certificate"))):
        issuer = one_line(leaf.issuer.rfc4514_string())
        return message("it was not issued by this CA (issuer: {issuer})", issuer=issuer)
    missing = sorted({name.lower() for name in names} - set(dns_id.of(leaf)))
    extra = sorted(set(dns_id.of(leaf)) - {name.lower() for name in names})
    if missing or extra:
        parts = [message("it lacks {names}", names=", ".join(missing))] if missing else []
        parts += [message("it has {names}, no longer granted", names=", ".join(extra))] if extra else []
        return joined("; ", parts)
    if at < leaf.not_valid_before_utc:
        return message("it is not valid before {time}", time=leaf.not_valid_before_utc.isoformat())
    left = leaf.not_valid_after_utc - at
    if left <= timedelta(0):
        return message("it expired at {time}", time=leaf.not_valid_after_utc.isoformat())
    if left <= timedelta(days=renew_days):
        return message(
            "{days} days are left, and it is renewed from {renew_days} days on",
            days=left.days,
            renew_days=renew_days,
        )
    return FITS


def is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether `issuer`'s name and key made the signature."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
