"""The file of a CA's key: PKCS #8, encrypted so that trying passphrases is slow for who stole it.

cryptography writes PKCS #8 with 2,048 rounds and takes no other number, so the few bytes around the key are written
here; openssl and cryptography read them.
"""

import base64
import secrets

from cryptography.hazmat.primitives import hashes, padding
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from runbook_lib.credentials import Secret
from runbook_lib.pki import pem

ROUNDS = 600_000  # PBKDF2 with HMAC-SHA-256: OWASP's password storage cheat sheet, 2023

_PBES2 = bytes.fromhex("06092a864886f70d01050d")  # 1.2.840.113549.1.5.13
_PBKDF2 = bytes.fromhex("06092a864886f70d01050c")  # 1.2.840.113549.1.5.12
_SCRYPT = bytes.fromhex("06092b06010401da47040b")  # 1.3.6.1.4.1.11591.4.11
_HMAC_SHA256 = bytes.fromhex("06082a864886f70d02090500")  # 1.2.840.113549.2.9, and NULL
_AES_256_CBC = bytes.fromhex("060960864801650304012a")  # 2.16.840.1.101.3.4.1.42
_INTEGER, _OCTETS, _SEQUENCE = b"\x02", b"\x04", b"\x30"


def encrypted(key: rsa.RSAPrivateKey, passphrase: Secret) -> bytes:
    """The key as PEM, encrypted with AES-256 by PBKDF2 with HMAC-SHA-256 and `ROUNDS` rounds.

    Source: RFC 5958 3 (EncryptedPrivateKeyInfo), RFC 8018 6.2 and appendix A (PBES2, PBKDF2).
    """
    salt, vector = secrets.token_bytes(16), secrets.token_bytes(16)
    derived = PBKDF2HMAC(hashes.SHA256(), 32, salt, ROUNDS).derive(passphrase.reveal().encode())
    filler = padding.PKCS7(algorithms.AES256.block_size).padder()
    clear = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    cipher = Cipher(algorithms.AES256(derived), modes.CBC(vector)).encryptor()
    content = cipher.update(filler.update(clear) + filler.finalize()) + cipher.finalize()
    count = ROUNDS.to_bytes((ROUNDS.bit_length() + 8) // 8, "big")
    stretching = _der(_SEQUENCE, _der(_OCTETS, salt), _der(_INTEGER, count), _der(_SEQUENCE, _HMAC_SHA256))
    scheme = _der(
        _SEQUENCE,
        _der(_SEQUENCE, _PBKDF2, stretching),
        _der(_SEQUENCE, _AES_256_CBC, _der(_OCTETS, vector)),
    )
    whole = _der(_SEQUENCE, _der(_SEQUENCE, _PBES2, scheme), _der(_OCTETS, content))
    return pem.block("ENCRYPTED PRIVATE KEY", whole)


def is_weak(content: bytes) -> bool:
    """Whether the passphrase of a key's file, which was read already, is quick to try: neither scrypt nor `ROUNDS`."""
    if b"-----BEGIN ENCRYPTED PRIVATE KEY-----" not in content:
        return True  # the form of before PKCS #8: one round of MD5
    body = base64.b64decode(b"".join(line for line in content.splitlines() if not line.startswith(b"-----")))
    _, found, rest = body.partition(_PBKDF2)
    if not found:
        return _SCRYPT not in body
    _, parameters = _first(rest)
    salt_end, _ = _first(parameters)
    _, count = _first(parameters[salt_end:])
    return int.from_bytes(count, "big") < ROUNDS


def _first(content: bytes) -> tuple[int, bytes]:
    """Where the first element ends, and its value; lengths here take one byte."""
    end = 2 + content[1]
    return end, content[2:end]


def _der(tag: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    if len(body) < 128:
        return tag + bytes([len(body)]) + body
    size = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return tag + bytes([0x80 | len(size)]) + size + body
