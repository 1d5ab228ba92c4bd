"""Who is revoked stays revoked: with many at work at once, and with an old ledger copied back."""

import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType
from typing import Any

import pki_samples as samples
import pytest
from cryptography import x509
from pki_samples import GRANTED, PASSPHRASE

from lab.state import CHECKOUT
from runbook_lib import inventory
from runbook_lib.errors import ApplyRefused, AuthorityError, LedgerBusy
from runbook_lib.pki import authority, certificate, crl, revocation, rollover, storage
from runbook_lib.pki.authority import Authority, Issued, begin_roll_over, open_ca
from runbook_lib.pki.csr import check_csr
from runbook_lib.pki.revocation import compromised_keys, revocations, revoke
from runbook_lib.site_ca import own_ca
from runbook_lib.x509.certificate import fingerprint

LEDGER = "ledger.sqlite3"


@pytest.fixture
def ca(tmp_path: Path) -> Authority:
    return samples.fresh_ca(tmp_path)


@pytest.fixture
def site(ca: Authority, tmp_path: Path) -> inventory.Site:
    (tmp_path / "passphrase").write_text(PASSPHRASE.reveal())
    (tmp_path / "passphrase").chmod(0o600)
    site = inventory.load(CHECKOUT / "inventory" / "example.yaml").site
    values = site.ca.model_copy(
        update={"directory": str(ca.directory), "passphrase": f"file:{tmp_path}/passphrase"}
    )
    return site.model_copy(update={"ca": values})


def issue(ca: Authority, host: str = "mail1") -> Issued:
    return ca.issue(check_csr(samples.csr(), GRANTED, host), GRANTED, host=host, run="run1")


def published(ca: Authority) -> tuple[int, set[str]]:
    """Number and serials of the list that others fetch, as openssl reads it."""
    text = samples.openssl("crl", "-noout", "-text", "-inform", "DER", "-in", str(ca.directory / "crl.crl"))
    number = int(text.partition("X509v3 CRL Number: \n")[2].split()[0])
    return number, {line.split()[-1] for line in text.splitlines() if "Serial Number:" in line}


def test_a_list_with_a_higher_number_never_knows_less(ca: Authority) -> None:
    """One maker is held where it has read who is revoked; meanwhile somebody revokes and makes a list, too."""
    first, second = issue(ca), issue(ca)
    revoke(ca.ledger, first.serial, "superseded", "run2")
    has_read, goes_on = threading.Event(), threading.Event()
    lists: list[crl.Crl] = []

    def slow() -> None:
        def trace(frame: FrameType, event: str, _: object) -> Callable[..., Any] | None:
            if frame.f_code is revocation.revocations.__code__ and event == "call":
                return after
            return None

        def after(_frame: FrameType, event: str, _: object) -> Callable[..., Any]:
            if event == "return":
                has_read.set()
                goes_on.wait(10)
            return after

        sys.settrace(trace)
        try:
            lists.append(crl.make(ca.ledger, ca.certificate, ca.key, 1))
        finally:
            sys.settrace(None)

    def quick() -> None:
        revoke(ca.ledger, second.serial, "keyCompromise", "run2")
        lists.append(crl.make(ca.ledger, ca.certificate, ca.key, 1))

    makers = [threading.Thread(target=slow), threading.Thread(target=quick)]
    makers[0].start()
    assert has_read.wait(30)
    makers[1].start()
    makers[1].join(2)  # without a lock it is done by then
    goes_on.set()
    for maker in makers:
        maker.join(30)
    by_number = sorted(lists, key=lambda one: one.number)
    assert [(one.number, one.entries) for one in by_number] == [(1, 1), (2, 2)]


def test_six_commands_at_once_make_six_lists_and_the_newest_is_on_disk(
    ca: Authority, site: inventory.Site
) -> None:
    revoke(ca.ledger, issue(ca).serial, "superseded", "run2")
    start = threading.Barrier(6)

    def one(_: int) -> int:
        start.wait(30)
        (made,) = (listed for _, listed in own_ca.make_crls(site, 30))
        return made.number

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(one, range(6))) == [1, 2, 3, 4, 5, 6]
    assert published(ca)[0] == 6
    assert x509.load_pem_x509_crl((ca.directory / "crl.pem").read_bytes()).extensions.get_extension_for_class(
        x509.CRLNumber
    ).value == x509.CRLNumber(6)
    assert not list(ca.directory.glob(".*.new"))


REVOKES_AND_LISTS = """
import sys
from pathlib import Path
from runbook_lib.credentials import Secret
from runbook_lib.pki import authority, crl, revocation, storage
place, passphrase = Path(sys.argv[1]), Secret(sys.stdin.read())
opened = authority.open_ca(place, passphrase)
revocation.revoke(opened.ledger, sys.argv[2], "superseded", "run2")
crl.make(opened.ledger, opened.certificate, opened.key, 1)
"""


def test_processes_that_revoke_and_list_at_once_leave_one_order(ca: Authority) -> None:
    serials = [issue(ca).serial for _ in range(4)]
    processes = []
    for serial in serials:
        process = subprocess.Popen(
            [sys.executable, "-c", REVOKES_AND_LISTS, str(ca.directory), serial],
            stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdin
        process.stdin.write(PASSPHRASE.reveal())
        process.stdin.close()
        processes.append(process)
    for process in processes:
        assert process.wait(120) == 0, process.stderr and process.stderr.read()
        if process.stderr:
            process.stderr.close()
    (newest,) = crl.newest(ca.ledger)
    assert (newest.number, newest.entries) == (4, 4)


def test_an_old_ledger_copied_back_gives_no_number_twice_and_forgets_nobody(
    ca: Authority, site: inventory.Site, tmp_path: Path
) -> None:
    first, second = issue(ca), issue(ca)
    revoke(ca.ledger, first.serial, "superseded", "run2")
    own_ca.make_crls(site, 30)
    shutil.copy2(ca.directory / LEDGER, tmp_path / "old")
    revoke(ca.ledger, second.serial, "keyCompromise", "run3")
    own_ca.make_crls(site, 30)
    own_ca.make_crls(site, 30)
    assert published(ca) == (3, {first.serial, second.serial})
    copied_back(ca, tmp_path / "old")
    # It is known before any list is made anew: to plans, to status, to whoever signs.
    assert set(revocations(ca.ledger)) == {first.serial, second.serial}
    assert list(compromised_keys(ca.ledger).values()) == [second.serial]
    with pytest.raises(ApplyRefused, match="is revoked already"):
        revoke(ca.ledger, second.serial, "superseded", "run4")
    ((_, made),) = own_ca.make_crls(site, 30)
    assert (made.number, made.entries) == (4, 2)
    assert published(ca) == (4, {first.serial, second.serial})


def copied_back(ca: Authority, old: Path) -> None:
    for beside in ca.directory.glob(f"{LEDGER}-*"):
        beside.unlink()
    shutil.copy2(old, ca.directory / LEDGER)


def test_two_begins_at_once_make_one_root(ca: Authority) -> None:
    start = threading.Barrier(2)

    def begin(_: int) -> str:
        start.wait(30)
        try:
            return fingerprint(begin_roll_over(ca.directory, PASSPHRASE, "Example mail CA", 3650))
        except ApplyRefused as refusal:
            return refusal.problem

    with ThreadPoolExecutor(2) as pool:
        said = set(pool.map(begin, range(2)))
    made = certificate.load(authority.read_root(ca.directory, 2), "root 2")
    assert said == {fingerprint(made), "a roll-over is under way already"}
    assert open_ca(ca.directory, PASSPHRASE, 2).certificate == made


def test_a_root_that_users_have_is_not_made_anew_where_the_ledger_lost_it(
    ca: Authority, tmp_path: Path
) -> None:
    shutil.copy2(ca.directory / LEDGER, tmp_path / "old")
    handed_out = begin_roll_over(ca.directory, PASSPHRASE, "Example mail CA", 3650)
    copied_back(ca, tmp_path / "old")
    assert begin_roll_over(ca.directory, PASSPHRASE, "Example mail CA", 3650) == handed_out


def test_who_opened_the_ca_before_a_switch_signs_nothing_with_the_old_root(ca: Authority) -> None:
    begin_roll_over(ca.directory, PASSPHRASE, "Example mail CA", 3650)
    rollover.switch(ca.ledger, handed_out=True)
    with pytest.raises(AuthorityError, match="another root signs since this one was opened"):
        issue(ca)


def test_who_waits_too_long_is_told_and_does_nothing(ca: Authority) -> None:
    with ThreadPoolExecutor(1) as pool, storage.locked(ca.directory):

        def other() -> str:
            with pytest.raises(LedgerBusy) as busy, storage.locked(ca.directory, timeout_s=0.2):
                pass
            return str(busy.value)

        assert (
            "another process was at work with the CA for 0.2 s; nothing was done"
            in pool.submit(other).result()
        )
    lock = ca.directory.with_name(f".{ca.directory.name}.lock")
    assert lock.stat().st_mode & 0o777 == 0o600  # who may open it may hold it


def test_a_list_that_is_damaged_or_another_roots_is_not_passed_over(ca: Authority, tmp_path: Path) -> None:
    other = authority.create(tmp_path / "other", PASSPHRASE, "Other CA")
    foreign = crl.make(other.ledger, other.certificate, other.key, 1).der
    for content, told in ((b"", "is no list of revoked certificates"), (foreign, "was not signed by ca.pem")):
        (ca.directory / "crl.crl").write_bytes(content)
        with pytest.raises(AuthorityError, match=told):
            crl.make(ca.ledger, ca.certificate, ca.key, 1)
