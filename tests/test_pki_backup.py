"""A CA comes back from its backup, also over a damaged one, and what the backup is too old to know is said and kept."""

import io
import shutil
import stat
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pki_samples as samples
import pytest
from pki_samples import GRANTED, PASSPHRASE
from ruamel.yaml import YAML
from typer.testing import CliRunner

from lab.state import CHECKOUT
from runbook_lib import inventory
from runbook_lib.cli import app
from runbook_lib.credentials import Secret
from runbook_lib.errors import AuthorityError
from runbook_lib.pki import authority, backup
from runbook_lib.pki.authority import Authority, Issued, begin_roll_over
from runbook_lib.pki.csr import check_csr
from runbook_lib.pki.revocation import compromised_keys, revocations, revoke
from runbook_lib.site_ca.own_ca import make_crls
from runbook_lib.site_ca.standing import look_at_ca


@pytest.fixture
def ca(tmp_path: Path) -> Authority:
    return samples.fresh_ca(tmp_path)


@pytest.fixture
def book(ca: Authority, tmp_path: Path) -> str:
    """An inventory of a site with that CA."""
    passphrase = tmp_path / "passphrase"
    passphrase.touch(0o600)
    passphrase.write_text(PASSPHRASE.reveal())
    yaml = YAML()
    values = yaml.load(CHECKOUT / "inventory" / "example.yaml")
    values["site"]["ca"].update(directory=str(ca.directory), passphrase=f"file:{passphrase}")
    path = tmp_path / "site.yaml"
    path.touch(0o600)
    yaml.dump(values, path)
    return str(path)


def issue(ca: Authority, host: str = "mail1") -> Issued:
    return ca.issue(check_csr(samples.csr(), GRANTED, host), GRANTED, host=host, run="run1")


def said(*words: str, code: int = 0) -> str:
    done = CliRunner().invoke(app, ["ca", *words])
    assert done.exit_code == code, (done.output, done.exception)
    return done.output


def test_a_lost_directory_comes_back_whole(ca: Authority, book: str, tmp_path: Path) -> None:
    issued = issue(ca)
    revoke(ca.ledger, issued.serial, "superseded", "run2")
    begin_roll_over(ca.directory, PASSPHRASE, "Example mail CA", 3650)
    make_crls(inventory.load(book).site, 30)
    told = said("backup", str(tmp_path / "kept"), "--inventory", book)
    assert "ca-2.key, ca-2.pem, ca.key, ca.pem, crl.crl, crl.pem, ledger.sqlite3" in told
    assert stat.S_IMODE((tmp_path / "kept").stat().st_mode) == 0o600
    before = ca.ledger.issuances(), revocations(ca.ledger), authority.read_roots(ca.directory)
    shutil.rmtree(ca.directory)
    told = said("restore", str(tmp_path / "kept"), "--inventory", book)
    assert f"{ca.directory} is back from {tmp_path}/kept" in told
    assert "Lost" not in told
    opened = authority.open_ca(ca.directory, PASSPHRASE)
    assert (
        opened.ledger.issuances(),
        revocations(opened.ledger),
        authority.read_roots(ca.directory),
    ) == before
    assert {path.stat().st_mode & 0o777 for path in ca.directory.iterdir()} == {0o600}
    issue(opened, "mail2")


def test_what_a_restore_loses_is_said_and_the_revoked_stay_so(
    ca: Authority, book: str, tmp_path: Path
) -> None:
    """The backup is of before two issuances, a list of number 2, and a root that users may have."""
    site = inventory.load(book).site
    first = issue(ca)
    make_crls(site, 30)
    backup.write(ca.directory, tmp_path / "kept")
    listed, unlisted = issue(ca, "mail2"), issue(ca, "mail3")
    revoke(ca.ledger, listed.serial, "keyCompromise", "run2")
    make_crls(site, 30)
    revoke(ca.ledger, first.serial, "superseded", "run3")
    root = begin_roll_over(ca.directory, PASSPHRASE, "Example mail CA", 3650)
    told = said("restore", str(tmp_path / "kept"), "--inventory", book)
    for line in (
        f"What was there is in {ca.directory}.before-restore-",
        "CRL number 2 was there and is newer than the backup: it is kept",
        "Root 2 was there and is not in the backup: it is kept",
        f"Lost: {listed.serial}, issued for mail2, valid to ",
        f"Lost: {unlisted.serial}, issued for mail3, valid to ",
        f"Lost: the revocation of {first.serial}; revoke it again.",
    ):
        assert line in told
    assert set(revocations(ca.ledger)) == {listed.serial}
    assert any("older than the list beside it (CRL number 2; it knows 1)" in one for one in needs(site))
    # What the ledger lost is revoked by its file; the next list has all of them, under a new number.
    (tmp_path / "mail3.pem").write_bytes(unlisted.certificate_pem)
    file = ("--certificate", str(tmp_path / "mail3.pem"))
    said("revoke", *file, "--reason", "keyCompromise", "--inventory", book)
    said("revoke", first.serial, "--reason", "superseded", "--inventory", book)
    ((_, made),) = make_crls(site, 30)
    assert (made.number, made.entries) == (3, 3)
    key = check_csr(samples.csr(), GRANTED, "mail1").public_key_sha256
    assert key in compromised_keys(ca.ledger)
    assert not [one for one in needs(site) if "older than the list" in one]
    assert begin_roll_over(ca.directory, PASSPHRASE, "Example mail CA", 3650) == root


def needs(site: inventory.Site) -> tuple[str, ...]:
    return look_at_ca(site, 5, 365).needs


def test_a_damaged_ledger_is_no_hindrance(ca: Authority, tmp_path: Path) -> None:
    issued = issue(ca)
    backup.write(ca.directory, tmp_path / "kept")
    ca.ledger.path.write_bytes(b"no database at all" * 100)
    back = backup.restore(ca.directory, tmp_path / "kept", PASSPHRASE)
    assert back.lost is None
    assert [one.serial for one in ca.ledger.issuances()] == [issued.serial]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7000])


def climbs(path: Path) -> None:
    with tarfile.open(path, "a") as archive:
        archive.addfile(tarfile.TarInfo("../passphrase"), io.BytesIO())


def links(path: Path) -> None:
    with tarfile.open(path, "a") as archive:
        entry = tarfile.TarInfo("ca-3.pem")
        entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/shadow"
        archive.addfile(entry)


def lacks(path: Path) -> None:
    with tarfile.open(path, "w") as archive:
        archive.addfile(tarfile.TarInfo("ca.pem"), io.BytesIO())


@pytest.mark.parametrize("damage", [cut, climbs, links, lacks, lambda path: path.write_text("x" * 2000)])
def test_what_is_no_backup_takes_nobodys_place(
    ca: Authority, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    backup.write(ca.directory, tmp_path / "kept")
    damage(tmp_path / "kept")
    before = {path.name: path.read_bytes() for path in ca.directory.iterdir()}
    with pytest.raises(AuthorityError):
        backup.restore(ca.directory, tmp_path / "kept", PASSPHRASE)
    assert {path.name: path.read_bytes() for path in ca.directory.iterdir()} == before
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["ca"]


def test_another_passphrase_another_ca_and_a_file_that_is_there_are_refused(
    ca: Authority, tmp_path: Path
) -> None:
    backup.write(ca.directory, tmp_path / "kept")
    with pytest.raises(AuthorityError, match="cannot be written"):
        backup.write(ca.directory, tmp_path / "kept")
    with pytest.raises(AuthorityError, match="passphrase does not open"):
        backup.restore(ca.directory, tmp_path / "kept", Secret("another passphrase"))
    authority.create(tmp_path / "other", PASSPHRASE, "Other CA")
    with pytest.raises(AuthorityError, match="of another CA than the one that is there"):
        backup.restore(tmp_path / "other", tmp_path / "kept", PASSPHRASE)


def test_what_no_root_of_ours_signed_is_not_revoked(ca: Authority, book: str, tmp_path: Path) -> None:
    other = authority.create(tmp_path / "other", PASSPHRASE, "Example mail CA")
    for name, pem in (("foreign", issue(other).certificate_pem), ("root", ca.certificate_pem)):
        (tmp_path / name).write_bytes(pem)
        done = CliRunner().invoke(
            app,
            [
                "ca",
                "revoke",
                "--certificate",
                str(tmp_path / name),
                "--reason",
                "superseded",
                "--inventory",
                book,
            ],
        )
        assert isinstance(done.exception, AuthorityError)
    assert revocations(ca.ledger) == {}
    assert ca.ledger.issuances() == ()


def test_of_a_lost_directory_the_published_list_brings_number_and_revocations_back(
    ca: Authority, book: str, tmp_path: Path
) -> None:
    site = inventory.load(book).site
    issued = issue(ca)
    backup.write(ca.directory, tmp_path / "kept")
    revoke(ca.ledger, issued.serial, "keyCompromise", "run2")
    make_crls(site, 30)
    published = shutil.copy2(ca.directory / "crl.crl", tmp_path)
    shutil.rmtree(ca.directory)
    told = said("restore", str(tmp_path / "kept"), "--inventory", book)
    assert "put the newest that you published into that directory, as crl.crl" in " ".join(told.split())
    shutil.copy2(published, ca.directory)
    ((_, made),) = make_crls(site, 30)
    assert (made.number, made.entries) == (2, 1)


@pytest.mark.programs
def test_all_commands_of_the_ca_at_once_leave_it_whole(ca: Authority, book: str, tmp_path: Path) -> None:
    """Each ends well or says why not; what came later than a backup is not in it, and nothing is there twice."""
    serials = [issue(ca).serial for _ in range(3)]
    commands = [
        ["crl"],
        ["revoke", serials[0], "--reason", "superseded"],
        ["backup", str(tmp_path / "one")],
        ["crl"],
        ["revoke", serials[1], "--reason", "keyCompromise"],
        ["roll-over", "begin"],
        ["roll-over", "begin"],
        ["backup", str(tmp_path / "two")],
        ["revoke", serials[0], "--reason", "superseded"],
    ]
    runbook = Path(sys.executable).with_name("runbook")
    working = [
        subprocess.Popen(
            [runbook, "ca", *words, "--inventory", book],
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for words in commands
    ]
    later = {issue(ca, f"mail{number}").serial for number in range(2, 6)}
    told = [process.communicate(timeout=300)[0] for process in working]
    assert not [text for text in told if "Traceback" in text], told
    codes = [process.returncode for process in working]
    # One of two that begin a roll-over, and one of two that revoke the same, is refused.
    assert [codes[0], *codes[2:5], codes[7]] == [0] * 5, told
    assert sorted((codes[1], codes[8])) == sorted(codes[5:7]) == [0, 1], told
    everything = {one.serial for one in ca.ledger.issuances()}
    assert everything == {*serials, *later}
    site = inventory.load(book).site
    assert set(revocations(ca.ledger)) == set(serials[:2])
    made = make_crls(site, 30)
    assert made[0][1].entries == 2
    with ca.ledger.reading() as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        numbers = [row[0] for row in database.execute("SELECT number FROM crls ORDER BY number")]
    assert numbers == list(range(1, len(numbers) + 1))
    for kept in ("one", "two"):
        backup.restore(tmp_path / f"from {kept}", tmp_path / kept, PASSPHRASE)
        brought = {one.serial for one in authority.open_ledger(tmp_path / f"from {kept}").issuances()}
        assert set(serials) <= brought <= everything
