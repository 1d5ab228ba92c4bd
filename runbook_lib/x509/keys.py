"""Public keys: how they are named, told apart, and which ones are strong enough."""

import hashlib
from collections.abc import Sequence

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from runbook_lib.messages import message

RSA_BITS = (2048, 3072, 4096)
# SHA-1 and MD5 can be made to collide (RFC 6194, RFC 6151).
STRONG_HASHES = (hashes.SHA256, hashes.SHA384, hashes.SHA512)


def public_key_sha256(key: CertificatePublicKeyTypes) -> str:
    """SHA-256 of the SubjectPublicKeyInfo, hex: one value for a key, its CSR and its certificate."""
    return hashlib.sha256(spki(key)).hexdigest()


def spki(key: CertificatePublicKeyTypes) -> bytes:
    """The SubjectPublicKeyInfo in its plain form, DER (RFC 5280 4.1.2.7)."""
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def describe_key(key: CertificatePublicKeyTypes) -> str:
    """The kind and size of a key, as in 'RSA 2048' or 'P-256'."""
    match key:
        case rsa.RSAPublicKey():
            return f"RSA {key.key_size}"
        case ec.EllipticCurvePublicKey():
            return "P-256" if isinstance(key.curve, ec.SECP256R1) else f"EC {key.curve.name}"
        case dsa.DSAPublicKey():
            return f"DSA {key.key_size}"
        case ed25519.Ed25519PublicKey():
            return "Ed25519"
        case ed448.Ed448PublicKey():
            return "Ed448"
        case _:
            return type(key).__name__


def key_faults(key: CertificatePublicKeyTypes, rsa_bits_min: int) -> Sequence[str]:
    """Why a server's key is not taken; empty when it is.

    Args:
        rsa_bits_min: the smallest RSA key taken; 2048, 3072 and 4096 are the sizes there are.
    Source: RFC 9325 4.5 (RSA 2048 or more, 224 bits of ECC or more); FIPS 186-5 5.4 (exponent above 65536).
    """
    kind = describe_key(key)
    if isinstance(key, rsa.RSAPublicKey):
        sizes = [bits for bits in RSA_BITS if bits >= rsa_bits_min]
        faults = []
        if key.key_size not in sizes:
            faults.append(
                message(
                    "has a key of {kind}; taken are RSA {sizes} and P-256",
                    kind=kind,
                    sizes=", ".join(map(str, sizes)),
                )
            )
        if key.public_numbers().e < 65537:
            faults.append(
                message(
                    "has an RSA key with the public exponent {exponent}; at least 65537 is taken",
                    exponent=key.public_numbers().e,
                )
            )
        return faults
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return []
    weak = isinstance(key, dsa.DSAPublicKey) or (
        isinstance(key, ec.EllipticCurvePublicKey) and key.key_size < 224
    )
    why = message("is too weak") if weak else message("not every mail client of the day verifies")
    return [
        message("has a key of {kind}, which {why}; make it RSA 2048 or more, or P-256", kind=kind, why=why)
    ]
