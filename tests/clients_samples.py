"""Client settings for tests that need no host: one CA of their own, one server."""

import functools
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from runbook_lib.clients import CaFile, ClientSettings

NAMES = ("mail.example.test", "pop.example.test")


@functools.cache
def ca_pem(common_name: str = "Example mail CA") -> bytes:
    """A CA's certificate, PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=3650))
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def settings(**changed: Any) -> ClientSettings:
    """Settings of one server, with what the test changes."""
    values: dict[str, Any] = {
        "site": "Example Corp.",
        "domain": "example.test",
        "smtp_name": NAMES[0],
        "pop_name": NAMES[1],
        "ports": (465, 587),
        "realm": "",
        "cas": (CaFile.from_pem(ca_pem(), "Example Corp."),),
        "certificate_names": NAMES,
    }
    return ClientSettings(**(values | changed))
