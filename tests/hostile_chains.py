"""Certificates whose every byte is the same at each run: keys from numbers, fixed dates and serials, ECDSA of RFC 6979.

So a run without luck tries the same bytes on every machine, and a finding that is kept as a file stays one.
"""

import functools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from runbook_lib.x509.keys import public_key_sha256

NOW = datetime(2026, 11, 1, tzinfo=UTC)
NAME = "mail.example.test"
_KEYS = ("server", "lower", "upper", "root", "other root", "stranger")


@functools.cache
def key(which: str) -> ec.EllipticCurvePrivateKey:
    """The key of a name: its number. Whoever reads this has it, so it is for tests alone."""
    return ec.derive_private_key(1000 + _KEYS.index(which), ec.SECP256R1())


def certificate(
    subject: str,
    issuer: str,
    *,
    days: tuple[float, float] = (-1, 30),
    ca: bool = True,
    name: str = NAME,
    common_name: str | None = None,
    serial: int = 13,
    further: Sequence[x509.ExtensionType] = (),
) -> x509.Certificate:
    """A certificate for the key named `subject`, signed by the key named `issuer`; days from `NOW`.

    Args:
        further: extensions in the place of the usual ones of their kinds.
    """
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(ca=ca, path_length=None), True),
        (x509.SubjectKeyIdentifier.from_public_key(key(subject).public_key()), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(key(issuer).public_key()), False),
    ]
    if ca:
        extensions.append((x509.KeyUsage(False, False, False, False, False, True, True, False, False), True))
    else:
        extensions.append((x509.SubjectAlternativeName([x509.DNSName(name)]), False))
        extensions.append((x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False))
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name or subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key(subject).public_key())
        .serial_number(serial)
        .not_valid_before(NOW + timedelta(days=days[0]))
        .not_valid_after(NOW + timedelta(days=days[1]))
    )
    replaced = {one.oid for one in further}
    for extension, critical in extensions:
        if extension.oid not in replaced:
            builder = builder.add_extension(extension, critical=critical)
    for extension in further:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(key(issuer), hashes.SHA256(), ecdsa_deterministic=True)


ROOT = certificate("root", "root")
UPPER = certificate("upper", "root")
LOWER = certificate("lower", "upper")
LEAF = certificate("server", "lower", ca=False)
SERVER_KEY = public_key_sha256(key("server").public_key())
# What comes back beside the right ones: cross-signed, self-signed, expired, too early, for others, not a CA.
POOL = (
    *(LEAF, LOWER, UPPER, ROOT, certificate("root", "other root"), certificate("other root", "other root")),
    certificate("server", "server", ca=False),
    certificate("server", "lower", days=(-9, -1), ca=False),
    certificate("server", "lower", days=(1, 9), ca=False),
    certificate("server", "lower", ca=False, name="www.example.test"),
    certificate("server", "lower"),
    certificate("upper", "root", ca=False),
    certificate("lower", "upper", days=(-9, -1)),
    certificate("stranger", "lower", ca=False),
)
