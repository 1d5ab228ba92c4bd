"""Keys, CSRs and CAs for the tests of the PKI: made with cryptography's builders, openssl, or DER by hand."""

import functools
import hashlib
import ipaddress
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import NameOID

from runbook_lib.credentials import Secret
from runbook_lib.pki import authority, pem
from runbook_lib.pki.ledger import Ledger

GRANTED = ("mail.example.test", "pop.example.test")
PASSPHRASE = Secret("correct horse battery staple")

Change = Callable[[x509.CertificateSigningRequestBuilder], x509.CertificateSigningRequestBuilder]


@functools.cache
def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    """One key for each size: making them is slow."""
    return rsa.generate_private_key(65537, bits)


@functools.cache
def p256_key(which: str = "server") -> ec.EllipticCurvePrivateKey:
    """One key for each purpose."""
    assert which
    return ec.generate_private_key(ec.SECP256R1())


@functools.cache
def _template() -> authority.Authority:
    return authority.create(
        Path(tempfile.mkdtemp(prefix="runbook-test-ca.")) / "ca", PASSPHRASE, "Example mail CA"
    )


def fresh_ca(folder: Path) -> authority.Authority:
    """A CA of the test's own with an empty ledger; its key is every test's: making and opening one is slow."""
    place = shutil.copytree(_template().directory, folder / "ca")
    return replace(_template(), directory=place, ledger=Ledger(place / "ledger.sqlite3"))


def csr(
    names: Sequence[str] = GRANTED,
    common_name: str | None = GRANTED[0],
    key: CertificateIssuerPrivateKeyTypes | None = None,
    change: Change = lambda builder: builder,
) -> bytes:
    """A CSR in PEM; the default is one that is taken."""
    subject = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)] if common_name is not None else []
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(subject))
    if names:
        san = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
        builder = builder.add_extension(san, critical=False)
    return change(builder).sign(key or rsa_key(), hashes.SHA256()).public_bytes(Encoding.PEM)


def foreign_certificate() -> bytes:
    """A certificate in PEM that no CA of ours signed."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "elsewhere")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, p256_key().public_key(), 1, now, now + timedelta(days=1))
    return builder.sign(p256_key(), hashes.SHA256()).public_bytes(Encoding.PEM)


def csr_with(extension: x509.ExtensionType) -> bytes:
    """A CSR with one extension more."""
    return csr(change=lambda builder: builder.add_extension(extension, critical=False))


def csr_for(*names: x509.GeneralName) -> bytes:
    """A CSR whose SAN holds names of any kind."""
    san = x509.SubjectAlternativeName(names)
    return csr(names=(), change=lambda builder: builder.add_extension(san, critical=False))


def address(text: str) -> x509.IPAddress:
    return x509.IPAddress(ipaddress.ip_address(text))


def openssl(*arguments: str, stdin: bytes = b"") -> str:
    """Run the real openssl, which must succeed; what it printed."""
    result = subprocess.run(
        ["openssl", *arguments], input=stdin, capture_output=True, timeout=300, check=False
    )
    assert result.returncode == 0, (result.stdout + result.stderr).decode(errors="backslashreplace")
    return result.stdout.decode()


def openssl_csr(folder: Path, *options: str) -> bytes:
    """A CSR that `openssl req` made for a new key; the options say which key, hash and subject."""
    target = folder / "openssl.csr"
    made = ["req", "-new", "-nodes", "-keyout", str(folder / "openssl.key"), "-out", str(target)]
    openssl(*made, "-subj", f"/CN={GRANTED[0]}", *options)
    return target.read_bytes()


# DER by hand, for what no builder makes (X.690 8.1).
OID_EXTENSION_REQUEST = bytes.fromhex("06092a864886f70d01090e")
OID_SAN = bytes.fromhex("0603551d11")
OID_SHA256_RSA = bytes.fromhex("06092a864886f70d01010b0500")
SEQUENCE, SET, OCTETS, BITS, INTEGER = b"\x30", b"\x31", b"\x04", b"\x03", b"\x02"


def der(tag: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    if len(body) < 128:
        return tag + bytes([len(body)]) + body
    size = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return tag + bytes([0x80 | len(size)]) + size + body


def san_of(*dns_names: bytes) -> bytes:
    """The DER of a SAN extension whose dNSNames are any bytes."""
    names = der(SEQUENCE, *(der(b"\x82", name) for name in dns_names))
    return der(SEQUENCE, OID_SAN, der(OCTETS, names))


def csr_by_hand(*attributes: bytes) -> bytes:
    """A CSR, rightly signed, whose attributes are the given DER (sorted, as DER has a SET OF)."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, GRANTED[0])]).public_bytes()
    spki = rsa_key().public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    info = der(SEQUENCE, der(INTEGER, b"\0"), name, spki, der(b"\xa0", *sorted(attributes)))
    signature = rsa_key().sign(info, padding.PKCS1v15(), hashes.SHA256())
    request = der(SEQUENCE, info, der(SEQUENCE, OID_SHA256_RSA), der(BITS, b"\0", signature))
    return pem.block("CERTIFICATE REQUEST", request)


def extension_request(*extensions: bytes) -> bytes:
    """The attribute that asks for extensions (RFC 2985 5.4.2)."""
    return der(SEQUENCE, OID_EXTENSION_REQUEST, der(SET, der(SEQUENCE, *extensions)))


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def private_pem(key: CertificateIssuerPrivateKeyTypes) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
