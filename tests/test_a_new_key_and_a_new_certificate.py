"""Renewed with the same key, or with a new one: planned, without a gap, once, and given back with the old key."""

import re
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from applied_host import applied, run_cells, runbook
from ruamel.yaml import YAML
from supported import changing, family_of, postfix_chapter
from test_mail_on_an_applied_host import handshakes as handshakes

from lab import Lab
from runbook_lib import records
from runbook_lib.pki import authority
from runbook_lib.pki.revocation import revoke
from runbook_lib.records.origin import run_id
from runbook_lib.site_ca import own_ca

HOST = "debian12"
FOLDER, CERTIFICATE = family_of(HOST).key_directory, family_of(HOST).certificate_directory / "mail-server.pem"
KEY, JOINED = FOLDER / "nopass_mail-server.key", FOLDER / "postfix_mail-server.pem"
SIGNING = ("12-signing",)
LEADING_ZERO = "0AB0112233445566778899AABBCCDDEE"  # one spelling, as openssl has it


@pytest.fixture
def host(lab: Lab) -> str:
    applied(lab, HOST)
    lab.exec(HOST, f"touch -d 2026-01-01 {KEY}")  # as if it had been made then
    return HOST


def inventory(
    lab: Lab, folder: Path, ca: Path | None = None, further: tuple[str, ...] = (), **values: object
) -> str:
    yaml = YAML()
    book = yaml.load(lab.inventory)
    book["hosts"][HOST]["names"]["further"] = list(further)
    if ca is not None:
        book["site"]["ca"]["directory"] = str(ca)
    book["hosts"][HOST].setdefault("certificate", {}).update(values)
    path = folder / "changed.yaml"
    yaml.dump(book, path)
    return str(path)


def run(chosen: str, mode: str = "", chapters: tuple[str, ...] = changing(HOST)) -> tuple[str, str]:
    """The chapters as one run; its id, and all that their cells show."""
    name = run_id(datetime.now(UTC))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RUNBOOK_RUN", name)
        shown = [
            repr(one)
            for chapter in chapters
            for one in run_cells(chapter, host=HOST, inventory=chosen, mode=mode)
        ]
    return name, "\n".join(shown)


def pair(lab: Lab, joined: bool = True) -> tuple[str, str]:
    """Digest of the key's public half, and the certificate's serial: as Postfix reads them, or the document's files."""
    key, leaf = (JOINED, JOINED) if joined else (KEY, CERTIFICATE)
    told = lab.exec(
        HOST,
        f"openssl pkey -in {key} -pubout | sha256sum | cut -c1-64; openssl x509 -in {leaf} -noout -serial",
    )
    public, serial = told.decode().split()
    return public, serial.removeprefix("serial=")


def test_a_key_older_than_the_date_is_replaced_once_and_no_handshake_fails(
    lab: Lab, host: str, tmp_path: Path, handshakes: list[str]
) -> None:
    chosen = inventory(lab, tmp_path, rekey_after="2026-11-20")
    before, tree = pair(lab), lab.exec(host, f"sha256sum {FOLDER}/*mail-server* {CERTIFICATE}")
    _, planned = run(chosen, "plan")
    assert pair(lab) == before
    why = "it was made on 2026-01-01, before certificate.rekey_after (2026-11-20)"
    for line in (
        f"a private key (RSA 2048) is made on the host: {why}",
        f"{CERTIFICATE} is issued: chapter 1-1 makes a new key: {why}",
        f"another pair comes from the chapters before: {why}",
        f"{FOLDER}/csr_mail-server.pem asks for ",
        "Postfix is reloaded: what the plans above change is not known",
    ):
        assert line in planned
    made, _ = run(chosen)
    after = pair(lab)
    assert (after[0] != before[0], after[1] != before[1]) == (True, True)
    assert set(handshakes) == {"ok"}
    assert len(handshakes) > 20
    _, again = run(chosen)
    assert pair(lab) == after
    assert len(re.findall("nothing to do", again.lower())) >= len(changing(host))
    # The old key waits in the journal, for whoever takes the run back.
    kept = lab.exec(host, f"sha256sum /var/lib/runbook/{made}/*.before | cut -c1-64").decode().split()
    assert tree.decode().split()[0] in kept
    assert runbook("rollback", made, "--host", host).returncode == 0
    assert lab.exec(host, f"sha256sum {FOLDER}/*mail-server* {CERTIFICATE}") == tree
    assert set(handshakes) == {"ok"}


@pytest.mark.usefixtures("host")
def test_a_revoked_certificate_is_replaced_with_its_key_where_that_was_lost(lab: Lab, tmp_path: Path) -> None:
    book = inventory(
        lab, tmp_path, ca=shutil.copytree(lab.folder / "ca", tmp_path / "ca")
    )  # a ledger keeps it for good
    ledger = authority.open_ledger(tmp_path / "ca")
    before = pair(lab)
    revoke(ledger, before[1], "superseded", "by-hand")
    with pytest.MonkeyPatch.context() as patch:
        opened = own_ca.open_or_create
        drawn = int(LEADING_ZERO, 16)
        patch.setattr(own_ca, "open_or_create", lambda site: replace(opened(site), draw_serial=lambda: drawn))
        done, told = run(book, chapters=SIGNING)
    same_key = pair(lab, joined=False)
    assert f"its serial {before[1]} was revoked (superseded)" in told
    assert (same_key[0] == before[0], same_key[1]) == (True, LEADING_ZERO)
    assert ledger.issuances(HOST)[-1].serial == LEADING_ZERO
    record = (records.root() / done / HOST / "12-signing.json").read_text(encoding="utf-8")
    assert f"Issued serial {LEADING_ZERO}, valid to" in record
    revoke(ledger, same_key[1], "keyCompromise", "by-hand")
    _, told = run(book)
    after = pair(lab)
    assert f"its certificate {same_key[1]} was revoked: keyCompromise" in told
    assert (after[0] != before[0], after[1] not in (before[1], same_key[1])) == (True, True)


def test_the_days_left_decide_and_the_inventory_says_with_which_key(
    lab: Lab, host: str, tmp_path: Path
) -> None:
    short = inventory(lab, tmp_path, valid_days=20, renew_days=5)
    lab.exec(host, f"rm {CERTIFICATE}")
    run(short, chapters=SIGNING)
    few = pair(lab, joined=False)
    at_each = inventory(lab, tmp_path, new_key_at_renewal=True)
    _, planned = run(at_each, "plan", ("11-key-and-csr",))
    assert "its certificate has 19 days left, and certificate.new_key_at_renewal is set" in planned
    _, planned = run("lab", "plan", (postfix_chapter(host),))
    assert (
        "another pair comes from the chapters before: 19 days are left, and it is renewed from 30" in planned
    )
    run("lab", chapters=SIGNING)
    renewed = pair(lab, joined=False)
    assert (renewed[0] == few[0], renewed[1] != few[1]) == (True, True)
    _, planned = run(at_each, "plan", ("11-key-and-csr",))
    assert "new_key_at_renewal" not in planned


@pytest.mark.usefixtures("host")
def test_a_name_in_japanese_is_shown_once_as_typed_and_goes_out_as_its_a_label(
    lab: Lab, tmp_path: Path
) -> None:
    """People type the U-label; certificates and DNS know its A-label alone (RFC 5890)."""
    _, planned = run(
        inventory(lab, tmp_path, further=("メール.example.test",)), "plan", ("11-key-and-csr", *SIGNING)
    )
    assert planned.count("xn--4dkua4c.example.test (メール.example.test)") == 1
    assert planned.count("メール") == 1
    assert "+  SAN DNS:xn--4dkua4c.example.test" in planned
