"""Small public CAs for the tests of chains: a root, intermediates, a cross-signed one, a server."""

import ipaddress
import re
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pki_samples as samples
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID
from pki_samples import p256_key

from runbook_lib.pki.certificate import as_pem
from runbook_lib.x509.keys import public_key_sha256

NOW = datetime.now(UTC).replace(microsecond=0)
NAME = "mail.example.test"
SERVER_KEY = public_key_sha256(p256_key("server").public_key())


CLIENT_AUTH = ExtendedKeyUsageOID.CLIENT_AUTH


def certificate(
    subject: str,
    issuer: str,
    *,
    days: tuple[int, int] = (-1, 30),
    ca: bool = True,
    name: str = NAME,
    purpose: x509.ObjectIdentifier = ExtendedKeyUsageOID.SERVER_AUTH,
    signs: bool = True,
    issuer_at: str = "",
    key: CertificatePublicKeyTypes | None = None,
    must_staple: bool = False,
) -> x509.Certificate:
    """A certificate for the key named `subject`, signed by the key named `issuer`; days from now.

    Args:
        name: DNS names and addresses of a leaf, with commas between.
        purpose, signs: of a leaf: its extended key usage, and whether its key may sign.
        issuer_at: the address at which the issuer's certificate is said to be.
        key: certify this one instead.
        must_staple: of a leaf: clients are to refuse it without a stapled OCSP answer.
    """
    signer = p256_key(issuer)
    key = key or p256_key(subject).public_key()
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
            x509.KeyUsage(digital_signature=not ca and signs, key_cert_sign=ca, crl_sign=ca, **usage),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
    )
    if not ca:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([_general(one) for one in name.split(",")]), critical=False
        ).add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    if must_staple:
        builder = builder.add_extension(x509.TLSFeature([x509.TLSFeatureType.status_request]), critical=False)
    if issuer_at:
        place = x509.UniformResourceIdentifier(issuer_at)
        method = AuthorityInformationAccessOID.CA_ISSUERS
        access = x509.AuthorityInformationAccess([x509.AccessDescription(method, place)])
        builder = builder.add_extension(access, critical=False)
    return builder.sign(signer, hashes.SHA256())


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def by_sha1(subject: str, issuer: str, *, ca: bool) -> bytes:
    """One signed with SHA-1, which cryptography does not do any more: by openssl, PEM."""
    extensions = (
        "basicConstraints=critical,CA:TRUE"
        if ca
        else f"subjectAltName=DNS:{NAME}\nextendedKeyUsage=serverAuth"
    )
    files = {
        "issuer.key": samples.private_pem(p256_key(issuer)),
        "issuer.pem": as_pem(certificate(issuer, issuer)),
        "extensions": extensions.encode(),
    }
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            Path(folder, name).write_bytes(content)
        key, ca_file, extfile = (str(Path(folder, name)) for name in files)
        request = samples.csr((), subject, p256_key(subject))
        signed = ("-req", "-CA", ca_file, "-CAkey", key, "-CAcreateserial", "-sha1", "-extfile", extfile)
        return samples.openssl("x509", *signed, "-in", "/dev/stdin", stdin=request).encode()


ROOT = certificate("root", "root")
UPPER = certificate("upper", "root")
LOWER = certificate("lower", "upper")
LEAF = certificate("server", "lower", ca=False)
OTHER_ROOT = certificate("other root", "other root")

ROOT_PEM = as_pem(ROOT)
SHA1_LEAF = by_sha1("server", "lower", ca=False)
SHA1_UPPER = by_sha1("upper", "other root", ca=True)


def file_of(*certificates: x509.Certificate) -> bytes:
    return b"".join(map(as_pem, certificates))


def read_by_openssl(content: bytes) -> list[str]:
    """The subjects of every certificate that OpenSSL's own loader reads from a file, in its order."""
    printed = samples.openssl("storeutl", "-certs", "-text", "-noout", "/dev/stdin", stdin=content)
    return re.findall(r"Subject: CN ?= ?(.+)", printed)


def verify_by_openssl(chain: bytes, roots: bytes, *options: str) -> None:
    """What a client with these roots, and OpenSSL, says of a chain: it must accept it for the server's name."""
    with tempfile.TemporaryDirectory() as folder:
        served, store = Path(folder, "chain.pem"), Path(folder, "roots.pem")
        served.write_bytes(chain)
        store.write_bytes(roots)
        arguments = ("-CAfile", str(store), "-untrusted", str(served), "-verify_hostname", NAME, str(served))
        samples.openssl("verify", *options, *arguments)
