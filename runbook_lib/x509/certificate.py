"""What a certificate says of itself, spelled in one way."""

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from runbook_lib.x509 import keys


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 of the certificate, as `openssl x509 -fingerprint -sha256` prints it: AB:CD:…"""
    return certificate.fingerprint(hashes.SHA256()).hex(":").upper()


def public_key_sha256(certificate: x509.Certificate) -> str:
    """SHA-256 of the certificate's public key (SPKI), in lower-case hex."""
    return keys.public_key_sha256(certificate.public_key())


def spelled_serial(serial: int) -> str:
    """The one spelling of a serial number: upper case hex, an even number of digits, as openssl prints it.

    Python's `%x` gives `d` where OpenSSL says `0D`; a look-up by the other spelling finds nothing.
    """
    digits = f"{serial:X}"
    return digits if len(digits) % 2 == 0 else f"0{digits}"


def demands_stapling(certificate: x509.Certificate) -> bool:
    """Whether a certificate tells clients to refuse it without a stapled OCSP answer ('must-staple').

    Postfix staples none.

    Source: RFC 7633, 4 (TLS feature extension, status_request).
    """
    try:
        features = certificate.extensions.get_extension_for_class(x509.TLSFeature).value
    except (x509.ExtensionNotFound, ValueError):  # what cannot be read is told elsewhere
        return False
    return x509.TLSFeatureType.status_request in features
