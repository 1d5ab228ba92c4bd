"""A CA is made whole or not at all, opened by its owner with the right passphrase, and never written over."""

import multiprocessing
import os
import shutil
import signal
import stat
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import pki_samples as samples
import pytest
from pki_samples import PASSPHRASE

from runbook_lib.credentials import Secret
from runbook_lib.errors import AuthorityError, PolicyViolation
from runbook_lib.pki import authority, key_file

FORK = multiprocessing.get_context("fork")


def test_a_ca_is_made_and_opened_again(tmp_path: Path) -> None:
    directory = tmp_path / "deep" / "ca"
    assert not authority.exists(directory)
    made = authority.create(directory, PASSPHRASE, "メールCA", 3650)
    assert authority.exists(directory)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert stat.S_IMODE(directory.parent.stat().st_mode) == 0o700
    opened = authority.open_ca(directory, PASSPHRASE)
    assert opened.certificate_pem == made.certificate_pem == authority.read_certificate(directory)
    assert opened.certificate.subject.rfc4514_string() == "CN=メールCA"
    validity = opened.certificate.not_valid_after_utc - opened.certificate.not_valid_before_utc
    assert validity + timedelta(seconds=1) == timedelta(days=3650)
    assert opened.key.key_size == 3072
    assert [path.name for path in directory.parent.iterdir()] == ["ca"]


def test_an_empty_directory_may_become_a_ca(tmp_path: Path) -> None:
    (tmp_path / "ca").mkdir(mode=0o755)
    authority.create(tmp_path / "ca", PASSPHRASE, "Example mail CA")
    assert stat.S_IMODE((tmp_path / "ca").stat().st_mode) == 0o700


def test_a_second_ca_is_not_made_over_the_first(tmp_path: Path) -> None:
    first = samples.fresh_ca(tmp_path)
    before = {path.name: path.read_bytes() for path in first.directory.iterdir()}
    with pytest.raises(AuthorityError, match="there is something already; a CA is never written over"):
        authority.create(first.directory, PASSPHRASE, "Another CA")
    assert {path.name: path.read_bytes() for path in first.directory.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["ca"]


def test_something_else_in_the_directory_stays(tmp_path: Path) -> None:
    (tmp_path / "ca").mkdir()
    (tmp_path / "ca" / "notes").write_text("mine")
    with pytest.raises(AuthorityError, match="there is something already"):
        authority.create(tmp_path / "ca", PASSPHRASE, "Example mail CA")
    assert (tmp_path / "ca" / "notes").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["ca"]


def killed_at(step: int, directory: Path) -> None:
    """Make a CA in this process, which dies before its nth step."""
    left = step

    def count(event: str, arguments: Any) -> None:
        nonlocal left
        into_ca = event == "open" and ".ca." in str(arguments[0])
        if event in ("os.mkdir", "os.rename", "sqlite3.connect") or into_ca:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    with mock.patch.object(key_file, "ROUNDS", 2_048):  # a figure, not a part
        authority.create(directory, PASSPHRASE, "Example mail CA")


def test_a_creation_that_is_killed_leaves_no_half_made_ca(tmp_path: Path) -> None:
    """Killed before each of its steps in turn: no CA is there, and a new attempt makes one."""
    for step in range(1, 30):
        directory = tmp_path / str(step) / "ca"
        maker = FORK.Process(target=killed_at, args=(step, directory))
        maker.start()
        maker.join(120)
        if maker.exitcode == 0:
            break
        assert maker.exitcode == -signal.SIGKILL
        assert not directory.exists()
    assert step >= 7, "mkdir, temporary directory, two files, the ledger and its opening, rename"
    authority.open_ca(directory, PASSPHRASE)
    authority.create(tmp_path / "1" / "ca", PASSPHRASE, "Example mail CA")


@pytest.mark.parametrize(
    ("passphrase", "common_name", "days", "words"),
    [
        ("short", "Example mail CA", 3650, "fewer than 12 characters"),
        ("", "Example mail CA", 3650, "fewer than 12 characters"),
        ("correct horse battery", "", 3650, "the common name has 0 characters"),
        ("correct horse battery", " ", 3650, "the common name"),
        ("correct horse battery", "a" * 65, 3650, "the common name has 65 characters"),
        ("correct horse battery", "Example\nCA", 3650, "printable"),
        ("correct horse battery", "Example mail CA", 0, "a lifetime of 0 days"),
        ("correct horse battery", "Example mail CA", 7301, "a lifetime of 7301 days"),
    ],
)
def test_values_out_of_range_make_no_ca(
    tmp_path: Path, passphrase: str, common_name: str, days: int, words: str
) -> None:
    with pytest.raises(PolicyViolation, match=words):
        authority.create(tmp_path / "ca", Secret(passphrase), common_name, days)
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_passphrase_is_said_and_not_shown(tmp_path: Path) -> None:
    directory = samples.fresh_ca(tmp_path).directory
    with pytest.raises(AuthorityError, match="the passphrase does not open the key") as refused:
        authority.open_ca(directory, Secret("wrong horse"))
    assert "wrong horse" not in str(refused.value)
    assert "site.ca.passphrase" in refused.value.remedy


@pytest.mark.parametrize(
    ("name", "mode"), [(".", 0o755), ("ca.key", 0o640), ("ca.pem", 0o644), ("ledger.sqlite3", 0o602)]
)
def test_files_that_others_may_use_are_not_used(tmp_path: Path, name: str, mode: int) -> None:
    directory = samples.fresh_ca(tmp_path).directory
    (directory / name).chmod(mode)
    with pytest.raises(AuthorityError, match=f"its mode is {mode:04o}, expected 0[67]00"):
        authority.open_ca(directory, PASSPHRASE)


def test_files_of_somebody_else_are_not_used(tmp_path: Path) -> None:
    directory = samples.fresh_ca(tmp_path).directory
    os.chown(directory / "ca.key", 12345, -1)
    with pytest.raises(AuthorityError, match="belongs to uid 12345"):
        authority.open_ca(directory, PASSPHRASE)


@pytest.mark.parametrize("name", ["ca.key", "ca.pem", "ledger.sqlite3"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    directory = samples.fresh_ca(tmp_path).directory
    (directory / name).unlink()
    with pytest.raises(AuthorityError, match=f"{name} is not there"):
        authority.open_ca(directory, PASSPHRASE)


def test_no_ca_is_said_to_be_none(tmp_path: Path) -> None:
    for question in (
        lambda: authority.open_ca(tmp_path / "ca", PASSPHRASE),
        lambda: authority.read_certificate(tmp_path),
    ):
        with pytest.raises(AuthorityError, match="runbook ca init"):
            question()


def test_a_key_of_another_ca_is_not_used(tmp_path: Path) -> None:
    directory = samples.fresh_ca(tmp_path).directory
    other = authority.create(tmp_path / "other", PASSPHRASE, "Other CA")
    shutil.copy2(other.directory / "ca.key", directory / "ca.key")
    with pytest.raises(AuthorityError, match=r"the key is not the one of ca\.pem"):
        authority.open_ca(directory, PASSPHRASE)


def test_a_key_in_clear_is_not_used(tmp_path: Path) -> None:
    ca = samples.fresh_ca(tmp_path)
    (ca.directory / "ca.key").write_bytes(samples.private_pem(ca.key))
    with pytest.raises(AuthorityError, match="the key is not encrypted"):
        authority.open_ca(ca.directory, PASSPHRASE)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AuthorityError, match="the directory cannot be made"):
        authority.create(tmp_path / "file" / "ca", PASSPHRASE, "Example mail CA")
