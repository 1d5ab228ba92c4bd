"""A new root is with the users before it signs, and the old one until no host needs it; openssl agrees at each step."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pki_samples as samples
import pytest
from pki_samples import GRANTED, PASSPHRASE

from runbook_lib.clients import CaFile
from runbook_lib.errors import ApplyRefused, AuthorityError
from runbook_lib.pki import authority, certificate, crl, rollover
from runbook_lib.pki.authority import Issued, begin_roll_over, open_ca, read_root, read_roots
from runbook_lib.pki.csr import check_csr
from runbook_lib.pki.revocation import revoke
from runbook_lib.pki.rollover import Roots, roots

NAME = "Example mail CA"
NOW = datetime(2026, 11, 25, 4, 30, 0, tzinfo=UTC)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return samples.fresh_ca(tmp_path).directory


def issue(place: Path, host: str = "mail1") -> Issued:
    checked = check_csr(samples.csr(), GRANTED, host)
    return open_ca(place, PASSPHRASE).issue(checked, GRANTED, host=host, run="run1")


def accepted(trusted: bytes, issued: Issued, folder: Path) -> bool:
    (folder / "trusted.pem").write_bytes(trusted)
    ask = ("verify", "-x509_strict", "-CAfile", str(folder / "trusted.pem"))
    try:
        return samples.openssl(*ask, stdin=issued.certificate_pem) == "stdin: OK\n"
    except AssertionError:
        return False


def test_who_has_both_roots_is_served_at_every_moment(place: Path, tmp_path: Path) -> None:
    ledger = authority.open_ledger(place)
    old_root, old = read_roots(place), issue(place)
    begin_roll_over(place, PASSPHRASE, NAME, 3650)
    both = read_roots(place)
    assert both.startswith(old_root)
    assert [file.name for file in CaFile.all_from_pem(both, "Example")] == [
        "example-mail-ca.cer",
        "example-mail-ca-2.cer",
    ]
    in_between = issue(place)  # the new one signs nothing yet
    assert accepted(old_root, in_between, tmp_path)
    assert rollover.switch(ledger, handed_out=True) == 2
    new = issue(place)
    new_root = read_root(place, 2)
    assert [accepted(both, one, tmp_path) for one in (old, in_between, new)] == [True] * 3
    assert accepted(new_root, new, tmp_path)
    assert not accepted(old_root, new, tmp_path)
    assert read_roots(place) == new_root + old_root
    assert rollover.end(ledger, certificate.load(old_root, "old")) == 1
    assert read_roots(place) == new_root
    assert roots(ledger) == Roots(2)
    with pytest.raises(AssertionError):
        assert accepted(read_roots(place), old, tmp_path)


def test_a_new_root_has_a_name_of_its_own_and_the_old_passphrase(place: Path) -> None:
    made = begin_roll_over(place, PASSPHRASE, NAME, 3650)
    assert made.subject.rfc4514_string() == "CN=Example mail CA 2"
    assert open_ca(place, PASSPHRASE, 2).certificate == made
    assert sorted(path.name for path in place.glob("ca*")) == ["ca-2.key", "ca-2.pem", "ca.key", "ca.pem"]
    assert {path.stat().st_mode & 0o777 for path in place.glob("ca*")} == {0o600}


def test_each_step_waits_for_the_one_before(place: Path) -> None:
    ledger = authority.open_ledger(place)
    old = certificate.load(read_root(place, 1), "old")
    with pytest.raises(ApplyRefused, match="no new root was made"):
        rollover.switch(ledger, handed_out=True)
    with pytest.raises(ApplyRefused, match="no root waits for its end"):
        rollover.end(ledger, old)
    begin_roll_over(place, PASSPHRASE, NAME, 3650)
    with pytest.raises(ApplyRefused, match="under way already"):
        begin_roll_over(place, PASSPHRASE, NAME, 3650)
    with pytest.raises(ApplyRefused, match="no root waits for its end"):
        rollover.end(ledger, old)
    rollover.switch(ledger, handed_out=True)
    with pytest.raises(ApplyRefused, match="first runbook ca roll-over end"):
        begin_roll_over(place, PASSPHRASE, NAME, 3650)
    rollover.end(ledger, old)
    assert begin_roll_over(place, PASSPHRASE, NAME, 3650).subject.rfc4514_string().endswith(" 3")


def test_users_get_two_weeks_unless_somebody_says_that_they_have_it(place: Path) -> None:
    ledger = authority.open_ledger(place)
    begin_roll_over(place, PASSPHRASE, NAME, 3650, NOW)
    with pytest.raises(ApplyRefused, match="the new root was made 13 days ago; users get 14 days"):
        rollover.switch(ledger, handed_out=False, now=NOW + timedelta(days=13, hours=23))
    assert roots(ledger).signing == 1
    assert rollover.switch(ledger, handed_out=False, now=NOW + timedelta(days=14)) == 2


def test_the_old_root_stays_while_a_host_has_its_certificate(place: Path) -> None:
    ledger = authority.open_ledger(place)
    old = certificate.load(read_root(place, 1), "old")
    first, second = issue(place, "mail1"), issue(place, "mail2")
    begin_roll_over(place, PASSPHRASE, NAME, 3650)
    rollover.switch(ledger, handed_out=True)
    issue(place, "mail1")
    with pytest.raises(ApplyRefused, match=f"mail2: {second.serial}") as refusal:
        rollover.end(ledger, old)
    assert first.serial not in str(refusal.value)
    revoke(ledger, second.serial, "cessationOfOperation", "run2")
    assert rollover.end(ledger, old) == 1


def test_each_root_lists_its_own_and_numbers_never_repeat(place: Path, tmp_path: Path) -> None:
    ledger = authority.open_ledger(place)
    old = issue(place)
    begin_roll_over(place, PASSPHRASE, NAME, 3650)
    rollover.switch(ledger, handed_out=True)
    new = issue(place)
    for one in (old, new):
        revoke(ledger, one.serial, "superseded", "run2")
    made = []
    for generation in roots(ledger).with_key:
        opened = open_ca(place, PASSPHRASE, generation)
        made.append(crl.make(ledger, opened.certificate, opened.key, generation))
        (tmp_path / "root.pem").write_bytes(opened.certificate_pem)
        told = samples.openssl(
            "crl", "-noout", "-text", "-CAfile", str(tmp_path / "root.pem"), stdin=made[-1].crl_pem
        )
        assert (old.serial in told, new.serial in told) == (generation == 1, generation == 2)
    assert [one.number for one in made] == [1, 2]
    assert [one.generation for one in crl.newest(ledger)] == [2, 1]


def test_a_begin_that_was_cut_off_left_no_root(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full_disk(*_: object) -> None:
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(rollover, "begun", full_disk)
        with pytest.raises(OSError, match="no space"):
            begin_roll_over(place, PASSPHRASE, NAME, 3650)
    assert roots(authority.open_ledger(place)) == Roots(1)
    assert certificate.load(read_roots(place), "roots") == open_ca(place, PASSPHRASE).certificate
    begin_roll_over(place, PASSPHRASE, NAME, 3650)
    assert roots(authority.open_ledger(place)).coming == 2


def test_a_common_name_that_would_get_too_long_is_told_before_a_key_is_made(place: Path) -> None:
    with pytest.raises(AuthorityError, match="a common name at most 64"):
        begin_roll_over(place, PASSPHRASE, "x" * 63, 3650)
    assert sorted(path.name for path in place.glob("ca*")) == ["ca.key", "ca.pem"]
