"""CSRs that are refused, each with words that its message must have."""

from collections.abc import Callable
from pathlib import Path

import pki_samples as samples
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import (
    AttributeOID,
    AuthorityInformationAccessOID,
    CertificatePoliciesOID,
    ExtendedKeyUsageOID,
    NameOID,
)
from pki_samples import GRANTED, csr, csr_by_hand, csr_for, csr_with, extension_request, openssl_csr, san_of

from runbook_lib.pki import pem

DNS = x509.DNSName(GRANTED[0])
OCSP = x509.AccessDescription(
    AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier("http://ocsp.example.test/")
)
CA_USAGE = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
OTHER_NAME = x509.OtherName(x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), b"\x0c\x01a")
POLICY = x509.PolicyInformation(CertificatePoliciesOID.ANY_POLICY, None)
SAN = san_of(b"mail.example.test")

Make = Callable[[Path], bytes]


def with_city(tag: bytes) -> bytes:
    """A CSR whose subject has München in Latin-1, in a string of this type, as tools of old write it."""
    city = x509.NameAttribute(NameOID.LOCALITY_NAME, "MXnchen")
    made = csr(change=lambda _: x509.CertificateSigningRequestBuilder().subject_name(x509.Name([city])))
    der = x509.load_pem_x509_csr(made).public_bytes(Encoding.DER)
    assert der.count(b"\x0c\x07MXnchen") == 1
    return pem.block("CERTIFICATE REQUEST", der.replace(b"\x0c\x07MXnchen", tag + b"\x07M\xfcnchen"))


def unframed(old: bytes, new: bytes) -> Make:
    return lambda _: csr().replace(old, new)


def ec_csr(curve: str, *options: str) -> Make:
    return lambda folder: openssl_csr(
        folder, "-newkey", "ec", "-pkeyopt", f"ec_paramgen_curve:{curve}", *options
    )


def rsa_csr(*options: str) -> Make:
    return lambda folder: openssl_csr(folder, "-newkey", "rsa:2048", *options)


def dsa_csr(folder: Path) -> bytes:
    parameters = str(folder / "dsa.pem")
    samples.openssl("genpkey", "-genparam", "-algorithm", "DSA", "-out", parameters)
    return openssl_csr(folder, "-newkey", f"dsa:{parameters}")


def altered(_: Path) -> bytes:
    """Rightly encoded, but another name than the one that was signed."""
    der = x509.load_pem_x509_csr(csr()).public_bytes(Encoding.DER)
    return pem.block("CERTIFICATE REQUEST", der.replace(b"pop.example", b"pot.example"))


REFUSED: dict[str, tuple[Make, tuple[str, ...]]] = {
    # Names: only those granted.
    "a name that is not granted": (
        lambda _: csr(("mail.example.test", "www.example.jp")),
        (
            "asks for the name www.example.jp, which the inventory does not grant "
            "(granted: mail.example.test, pop.example.test)",
            "add www.example.jp to this host's names in the inventory",
        ),
    ),
    "a common name that is not granted": (
        lambda _: csr(common_name="www.example.jp"),
        ("name www.example.jp",),
    ),
    "a second common name": (
        rsa_csr("-subj", "/CN=mail.example.test/CN=www.example.jp"),
        ("name www.example.jp",),
    ),
    "a wildcard": (lambda _: csr(("*.example.test",)), ("wildcard not granted",)),
    "no name": (lambda _: csr((), None), ("no name at all",)),
    "an IPv4 address as a DNS name": (
        lambda _: csr(("192.0.2.10",)),
        ("'192.0.2.10'", "is an IP address"),
    ),
    "an IPv6 address as a DNS name": (lambda _: csr(("2001:db8::1",)), ("is an IP address",)),
    "an empty name": (lambda _: csr_by_hand(extension_request(san_of(b""))), ("is empty",)),
    "a blank in a name": (lambda _: csr(("a .jp",)), ("'a .jp'", "has a blank")),
    "a trailing dot": (lambda _: csr(("mail.example.test.",)), ("ends in a dot",)),
    "a U-label in UTF-8": (
        lambda _: csr_by_hand(extension_request(san_of("メール.example.jp".encode()))),
        ("not ASCII", "A-label"),
    ),
    "a NUL in a name": (
        lambda _: csr_by_hand(extension_request(san_of(b"mail.example.test\0.example.jp"))),
        (r"'mail.example.test\x00.example.jp'", "control character"),
    ),
    "a label of 64 characters": (
        lambda _: csr((f"{'a' * 64}.example.test",)),
        ("a label that no host name has",),
    ),
    "an underscore": (lambda _: csr(("_mail.example.test",)), ("a label that no host name has",)),
    "a PrintableString in Latin-1": (
        lambda _: with_city(b"\x13"),
        ("a PrintableString with bytes that are not ASCII ('M\\xfcnchen')", "-utf8"),
    ),
    "an IA5String in Latin-1": (lambda _: with_city(b"\x16"), ("a IA5String with bytes that are not ASCII",)),
    "a T61String in Latin-1": (lambda _: with_city(b"\x14"), ("a T61String (TeletexString) with bytes",)),
    "a UTF8String in Latin-1": (
        lambda _: with_city(b"\x0c"),
        ("a UTF8String that is no UTF-8 ('M\\xfcnchen')",),
    ),
    "more than 100 names": (
        lambda _: csr([f"h{number}.example.test" for number in range(101)]),
        ("asks for 102 names; at most 100",),
    ),
    # Other kinds of names.
    "an e-mail address": (
        lambda _: csr_for(DNS, x509.RFC822Name("root@example.test")),
        ("the e-mail address root@example.test", "only DNS names"),
    ),
    "a URI": (
        lambda _: csr_for(DNS, x509.UniformResourceIdentifier("https://example.test/")),
        ("the URI https://example.test/",),
    ),
    "an IP address": (lambda _: csr_for(DNS, samples.address("192.0.2.10")), ("the IP address 192.0.2.10",)),
    "a directory name": (
        lambda _: csr_for(DNS, x509.DirectoryName(x509.Name.from_rfc4514_string("CN=root"))),
        ("the directory name CN=root",),
    ),
    "a registered ID": (
        lambda _: csr_for(DNS, x509.RegisteredID(x509.ObjectIdentifier("1.2.3"))),
        ("the registered ID",),
    ),
    "a Windows user name": (lambda _: csr_for(DNS, OTHER_NAME), ("the other name 1.3.6.1.4.1.311.20.2.3",)),
    # Extensions.
    "to be a CA": (lambda _: csr_with(x509.BasicConstraints(True, 0)), ("asks to be a CA", "CA:TRUE")),
    "a CA's key usage": (
        lambda _: csr_with(CA_USAGE),
        ("the key usage keyCertSign", "the key usage cRLSign", "refused for 2 reasons"),
    ),
    "to sign code": (
        lambda _: csr_with(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CODE_SIGNING])
        ),
        ("1.3.6.1.5.5.7.3.3 (code signing)", "only serverAuth"),
    ),
    "any extended key usage": (
        lambda _: csr_with(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE])),
        ("2.5.29.37.0 (any extended key usage)",),
    ),
    "an OCSP address": (
        lambda _: csr_with(x509.AuthorityInformationAccess([OCSP])),
        ("1.3.6.1.5.5.7.1.1 (authority information access)",),
    ),
    "name constraints": (
        lambda _: csr_with(x509.NameConstraints([x509.DNSName("example.test")], None)),
        ("2.5.29.30 (name constraints)",),
    ),
    "a policy": (
        lambda _: csr_with(x509.CertificatePolicies([POLICY])),
        ("2.5.29.32 (certificate policies)",),
    ),
    "OCSP must-staple": (
        lambda _: csr_with(x509.TLSFeature([x509.TLSFeatureType.status_request])),
        ("1.3.6.1.5.5.7.1.24 (tls feature)",),
    ),
    "an unknown extension": (
        lambda _: csr_with(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")),
        ("the extension 1.2.3.4",),
    ),
    "the SAN twice": (
        lambda _: csr_by_hand(extension_request(SAN, SAN)),
        ("extensions that cannot be read",),
    ),
    # Attributes.
    "two extension requests": (
        lambda _: csr_by_hand(extension_request(SAN), extension_request(san_of(b"www.example.jp"))),
        ("1.2.840.113549.1.9.14", "2 times"),
    ),
    "an extension request with two values": (
        lambda _: csr_by_hand(
            samples.der(
                samples.SEQUENCE,
                samples.OID_EXTENSION_REQUEST,
                samples.der(samples.SET, samples.der(samples.SEQUENCE), samples.der(samples.SEQUENCE, SAN)),
            )
        ),
        ("attributes that cannot be read",),
    ),
    "a challenge password": (
        lambda _: csr(
            change=lambda builder: builder.add_attribute(AttributeOID.CHALLENGE_PASSWORD, b"geheim")
        ),
        ("1.2.840.113549.1.9.7 (challenge password)",),
    ),
    # Keys.
    "RSA 1024": (lambda _: csr(key=samples.rsa_key(1024)), ("a key of RSA 1024", "2048, 3072, 4096")),
    "RSA 2056": (rsa_csr("-newkey", "rsa:2056"), ("a key of RSA 2056",)),
    "the RSA exponent 3": (
        rsa_csr("-newkey", "rsa", "-pkeyopt", "rsa_keygen_pubexp:3"),
        ("the public exponent 3",),
    ),
    "an RSA-PSS key": (rsa_csr("-newkey", "rsa-pss"), ("odd form",)),
    "P-192": (ec_csr("prime192v1"), ("EC secp192r1", "too weak")),
    "P-384": (ec_csr("secp384r1"), ("EC secp384r1", "not every mail client")),
    "a spelled-out curve": (ec_csr("prime256v1", "-pkeyopt", "ec_param_enc:explicit"), ("odd form",)),
    "Ed25519": (rsa_csr("-newkey", "ed25519"), ("a key of Ed25519", "not every mail client")),
    "DSA": (dsa_csr, ("DSA 2048", "too weak")),
    # Signatures.
    "SHA-1": (rsa_csr("-sha1"), ("signed with SHA1",)),
    "MD5": (rsa_csr("-md5"), ("signed with MD5",)),
    "altered after signing": (altered, ("is not signed by the key it carries",)),
    # Files.
    "an empty file": (lambda _: b"\n", ("the file is empty; expected -----BEGIN CERTIFICATE REQUEST-----",)),
    "two CSRs": (lambda _: csr() + csr(), ("holds 2 CSRs",)),
    "two CSRs glued": (lambda _: csr().rstrip() + csr(), ("holds 2 CSRs",)),
    "a certificate's frame": (
        unframed(b"CERTIFICATE REQUEST", b"CERTIFICATE"),
        ("line 1: holds a CERTIFICATE",),
    ),
    "no CSR in the frame": (
        lambda _: pem.block("CERTIFICATE REQUEST", b"\x05\x00"),
        ("the framing is right, and the content is no CSR",),
    ),
    "a private key in the file": (
        lambda _: samples.private_pem(samples.p256_key()) + csr(),
        ("holds a private key",),
    ),
    "more than 64 KiB": (lambda _: csr() + b"\n" * 65_536, ("at most 65536 are read",)),
    "a word processor's dashes": (
        unframed(b"-----BEGIN", "—–BEGIN".encode()),
        ("line 1: the framing is wrong", "exactly -----BEGIN CERTIFICATE REQUEST-----"),
    ),
}
