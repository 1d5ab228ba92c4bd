"""What stands in the certificates: one profile for the root, one for a server (RFC 5280 4.2.1)."""

import ipaddress
from collections.abc import Sequence
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

COMMON_NAME_CHARACTERS_MAX = 64  # ub-common-name, RFC 5280 appendix A

Validity = tuple[datetime, datetime]


def sign_root(
    key: rsa.RSAPrivateKey, common_name: str, serial: int, validity: Validity, domains: Sequence[str] = ()
) -> x509.Certificate:
    """The self-signed root: a CA that may sign servers, and no further CA (pathlen 0).

    Args:
        domains: the only ones in which clients accept its names; then it is good for no address either. None: for any.
    Source: RFC 5280 4.2.1.10 (name constraints, critical; what is not named there is not constrained).
    """
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    builder = _begin(name, name, key.public_key(), serial, validity)
    if domains:
        every_address = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))
        constraints = x509.NameConstraints(
            permitted_subtrees=[x509.DNSName(domain) for domain in domains],
            excluded_subtrees=[x509.IPAddress(network) for network in every_address],
        )
        builder = builder.add_extension(constraints, critical=True)
    return (
        builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .add_extension(identifier, critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False
        )
        .sign(key, hashes.SHA256())
    )


def domains_of(root: x509.Certificate) -> tuple[str, ...]:
    """The domains in which a root's names are accepted; none where it bears no constraint."""
    try:
        constraints = root.extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(one.value for one in constraints.permitted_subtrees or () if isinstance(one, x509.DNSName))


def sign_leaf(
    root: x509.Certificate,
    root_key: rsa.RSAPrivateKey,
    public_key: CertificatePublicKeyTypes,
    names: Sequence[str],
    serial: int,
    validity: Validity,
) -> x509.Certificate:
    """A server's certificate. Names stand in the SAN; the CN repeats the first for people and old clients.

    A SAN beside a subject is not critical; without a subject it must be (RFC 5280 4.2.1.6). No CRL or OCSP
    address: this CA serves neither, and a client that cannot reach one waits for it.
    """
    first = names[0]
    attributes = (
        [x509.NameAttribute(NameOID.COMMON_NAME, first)] if len(first) <= COMMON_NAME_CHARACTERS_MAX else []
    )
    authority = root.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    # RSA key transport is what Windows 7's library uses with a CBC suite (RFC 5246 7.4.2); EC keys only sign.
    usage = _usage(digital_signature=True, key_encipherment=isinstance(public_key, rsa.RSAPublicKey))
    return (
        _begin(x509.Name(attributes), root.subject, public_key, serial, validity)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=not attributes
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(authority), critical=False
        )
        .sign(root_key, hashes.SHA256())
    )


def _begin(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: CertificatePublicKeyTypes,
    serial: int,
    validity: Validity,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(serial)
        .not_valid_before(validity[0])
        .not_valid_after(validity[1])
    )


def _usage(
    *,
    digital_signature: bool = False,
    key_encipherment: bool = False,
    key_cert_sign: bool = False,
    crl_sign: bool = False,
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=key_encipherment,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )
