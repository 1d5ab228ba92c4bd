"""One rule says what is shaped like a secret, for a batch, for a notebook by itself, and for what is recorded."""

import pytest

from runbook_lib import secret_shape
from runbook_lib.batch.parameters import refuse_secret
from runbook_lib.chapters import parameters
from runbook_lib.errors import SecretInParameter

HASH = "$6$c2FsdHNhbHQ$0123456789abcdefghijABCDEFGHIJ"
# Name and value of a parameter; whether it is taken for a secret.
TABLE = (
    ("sudo_password", "x", True),
    ("rootpasswd", "x", True),
    ("PASSPHRASE", "x", True),
    ("pw", "x", True),
    ("user_pin", "x", True),
    ("pass", "x", True),
    ("api_token", "x", True),
    ("apikey", "x", True),
    ("ssh_key", "x", True),
    ("client_secrets", "x", True),
    ("credential", "x", True),
    ("reason", "-----BEGIN RSA PRIVATE KEY-----", True),
    ("reason", "-----BEGIN PGP PRIVATE KEY BLOCK-----", True),
    ("reason", "$6$salt$hash", True),
    ("reason", "$gy$salt$hash", True),
    ("reason", f"root:{HASH}:19", True),
    ("reason", "price: $5$ and $6", False),
    ("reason", "-----BEGIN CERTIFICATE-----", False),
    ("key_bits", 2048, False),
    ("key_type", "rsa", False),
    ("bypass", "x", False),
    ("passes", "x", False),
    ("spinning", "x", False),
    ("keyring", "x", False),
)


def is_refused_by_a_batch(name: str, value: object) -> bool:
    try:
        refuse_secret(name, str(value))
    except SecretInParameter:
        return True
    return False


def is_refused_by_a_notebook(name: str, value: object) -> bool:
    try:
        parameters.check({name: value}, frozenset({name}), "11-key")
    except SecretInParameter:
        return True
    return False


@pytest.mark.parametrize(("name", "value", "is_secret"), TABLE)
def test_a_batch_and_a_notebook_refuse_the_same(name: str, value: object, is_secret: bool) -> None:
    assert is_refused_by_a_batch(name, value) is is_secret
    assert is_refused_by_a_notebook(name, value) is is_secret


@pytest.mark.parametrize(
    ("text", "kind"), [(HASH, "a password's hash"), ("$6$salt$hash", None), ("$1$2", None)]
)
def test_in_a_text_a_hash_has_its_length(text: str, kind: str | None) -> None:
    assert secret_shape.kind_in(text) == kind
