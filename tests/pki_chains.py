"""Small public CAs for the tests of chains: a root, intermediates, a cross-signed one, a server."""

import re
from datetime import UTC, datetime, timedelta

import pki_samples as samples
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID
from pki_samples import p256_key

from runbook_lib.pki.certificate import as_pem
from runbook_lib.pki.keys import public_key_sha256

NOW = datetime.now(UTC).replace(microsecond=0)
NAME = "mail.example.test"
SERVER_KEY = public_key_sha256(p256_key("server").public_key())


def certificate(
    subject: str, issuer: str, *, days: tuple[int, int] = (-1, 30), ca: bool = True, name: str = NAME
) -> x509.Certificate:
    """A certificate for the key named `subject`, signed by the key named `issuer`; days from now."""
    key, signer = p256_key(subject).public_key(), p256_key(issuer)
    usage = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only",
         "decipher_only"), False,
    )  # fmt: skip
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name.from_rfc4514_string(f"CN={subject}"))
        .issuer_name(x509.Name.from_rfc4514_string(f"CN={issuer}"))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + timedelta(days=days[0]))
        .not_valid_after(NOW + timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(digital_signature=not ca, key_cert_sign=ca, crl_sign=ca, **usage), critical=True
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
    )
    if not ca:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False
        ).add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    return builder.sign(signer, hashes.SHA256())


ROOT = certificate("root", "root")
UPPER = certificate("upper", "root")
LOWER = certificate("lower", "upper")
LEAF = certificate("server", "lower", ca=False)
OTHER_ROOT = certificate("other root", "other root")

ROOT_PEM = as_pem(ROOT)


def file_of(*certificates: x509.Certificate) -> bytes:
    return b"".join(map(as_pem, certificates))


def read_by_openssl(content: bytes) -> list[str]:
    """The subjects of every certificate that OpenSSL's own loader reads from a file, in its order."""
    printed = samples.openssl("storeutl", "-certs", "-text", "-noout", "/dev/stdin", stdin=content)
    return re.findall(r"Subject: CN ?= ?(.+)", printed)
