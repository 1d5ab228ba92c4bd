"""Who stole the CA's key has to try passphrases slowly, also where the key's file is of before."""

from pathlib import Path

import pki_samples as samples
import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from pki_samples import PASSPHRASE

from runbook_lib.credentials import Secret
from runbook_lib.errors import AuthorityError
from runbook_lib.pki import authority


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    return samples.fresh_ca(tmp_path).directory / "ca.key"


def rounds(path: Path) -> list[str]:
    """The numbers in the file, as openssl reads them: PBKDF2's rounds among them."""
    text = samples.openssl("asn1parse", "-in", str(path))
    return [line.rpartition(":")[2] for line in text.splitlines() if " INTEGER " in line]


def of_before(path: Path) -> None:
    key = load_pem_private_key(path.read_bytes(), PASSPHRASE.reveal().encode())
    encryption = BestAvailableEncryption(PASSPHRASE.reveal().encode())
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))


def opened_by_openssl(path: Path) -> str:
    told = samples.openssl(
        "pkey", "-pubout", "-in", str(path), "-passin", "stdin", stdin=PASSPHRASE.reveal().encode()
    )
    assert told.startswith("-----BEGIN PUBLIC KEY-----")
    return told


def test_a_new_key_is_stretched_600000_times_and_openssl_opens_it(key_file: Path) -> None:
    assert rounds(key_file) == ["0927C0"]
    opened_by_openssl(key_file)


def test_a_key_of_before_is_taken_over_when_the_ca_is_opened(key_file: Path) -> None:
    public = opened_by_openssl(key_file)
    of_before(key_file)
    assert rounds(key_file) == ["0800"]
    authority.open_ca(key_file.parent, PASSPHRASE)
    assert rounds(key_file) == ["0927C0"]
    assert opened_by_openssl(key_file) == public
    assert key_file.stat().st_mode & 0o777 == 0o600
    written = key_file.read_bytes()
    authority.open_ca(key_file.parent, PASSPHRASE)
    assert key_file.read_bytes() == written
    of_before(key_file)
    authority.begin_roll_over(key_file.parent, PASSPHRASE, "Example mail CA", 3650)
    assert rounds(key_file.with_name("ca-2.key")) == rounds(key_file) == ["0927C0"]


def test_a_key_that_a_person_encrypted_by_scrypt_is_left_as_it_is(key_file: Path, tmp_path: Path) -> None:
    (tmp_path / "words").write_text(f"{PASSPHRASE.reveal()}\n" * 2)  # a line each for in and out
    words = f"file:{tmp_path / 'words'}"
    made = samples.openssl(
        "pkcs8", "-topk8", "-scrypt", "-in", str(key_file), "-passin", words, "-passout", words
    )
    key_file.write_text(made)
    authority.open_ca(key_file.parent, PASSPHRASE)
    assert key_file.read_text() == made


def test_what_a_wrong_passphrase_did_not_open_stays_as_it_is(key_file: Path) -> None:
    of_before(key_file)
    before = key_file.read_bytes()
    with pytest.raises(AuthorityError, match="passphrase does not open"):
        authority.open_ca(key_file.parent, Secret("wrong horse battery"))
    assert key_file.read_bytes() == before
