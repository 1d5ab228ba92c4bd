"""Certificates as bytes, read to the end before anything is done with them.

cryptography reads extensions, keys and names only when they are asked for. One that is garbled inside would be taken
here, and fail where nobody expects it; so each part is asked for at once.
"""

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm


def certificate(content: bytes) -> x509.Certificate:
    """The certificate in DER.

    Raises:
        ValueError: it is none, or a part of it cannot be read.
    """
    try:
        return whole(x509.load_der_x509_certificate(content))
    except x509.InvalidVersion as error:
        raise ValueError(str(error)) from error


def certificates(pem: bytes) -> tuple[x509.Certificate, ...]:
    """All certificates of a text with PEM blocks; at least one.

    Raises:
        ValueError: there is none, or a part of one cannot be read.
    """
    try:
        return tuple(map(whole, x509.load_pem_x509_certificates(pem)))
    except x509.InvalidVersion as error:
        raise ValueError(str(error)) from error


def whole(one: x509.Certificate) -> x509.Certificate:
    """The certificate itself, with every part of it read once.

    Raises:
        ValueError: a part of it cannot be read.
    """
    try:
        _ = (one.version, one.subject, one.issuer, one.not_valid_before_utc, one.not_valid_after_utc)
        _ = (list(one.extensions), one.public_key(), one.signature_algorithm_oid)
    except (
        x509.InvalidVersion,
        x509.DuplicateExtension,
        x509.UnsupportedGeneralNameType,
        UnsupportedAlgorithm,
        TypeError,  # a bit string in a name, where X.520 has none
    ) as error:
        raise ValueError(str(error)) from error
    return one
