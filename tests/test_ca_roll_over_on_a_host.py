"""A new root takes the old one's place at a real server: who has both is served at every moment, on every port."""

import json
import os
import re
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
from applied_host import RUNBOOK, applied, run_cells
from cryptography import x509
from ruamel.yaml import YAML
from supported import postfix_chapter

from lab import Lab
from runbook_lib.pki.authority import read_root
from runbook_lib.x509.certificate import spelled_serial

HOST, NAME = "debian12", "mail12.example.test"
PORTS = {25: ("-starttls", "smtp"), 465: (), 587: ("-starttls", "smtp")}
EVERYWHERE = set(PORTS)


class Site:
    """An inventory of one lab host with a CA of its own ledger, and the commands as its operator types them."""

    def __init__(self, folder: Path, lab: Lab) -> None:
        self.folder, self.lab = folder, lab
        self.ca = shutil.copytree(lab.folder / "ca", folder / "ca")
        # Other tests' hosts of this lab have certificates of the first root, too: withdrawn here, as by a rollback.
        with closing(sqlite3.connect(self.ca / "ledger.sqlite3")) as ledger, ledger:
            ledger.execute(
                "UPDATE issuances SET withdrawn_at = issued_at, withdrawn_run = run "
                "WHERE host <> ? AND withdrawn_at IS NULL",
                (HOST,),
            )
        book = YAML(typ="safe").load(lab.inventory)
        book["site"]["ca"]["directory"] = str(self.ca)
        book["hosts"] = {HOST: book["hosts"][HOST]}
        self.inventory = folder / "site.yaml"
        YAML().dump(book, self.inventory)

    def runbook(self, *words: str, code: int = 0) -> str:
        done = subprocess.run(
            [str(RUNBOOK), *words, "--inventory", str(self.inventory)],
            env=os.environ | {"COLUMNS": "400"},
            cwd=self.folder, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def roots_of_users(self) -> set[str]:
        """Serials of the roots beside the pages that chapters 3-1 and 3-2 make now."""
        run = re.findall(
            r"records\S*/(\S+?)/index.html", self.runbook("apply", "--host", HOST, "--from", "31")
        )
        folder = Path(os.environ["RUNBOOK_RECORDS"]) / run[0] / HOST / "for-users"
        return {serial(x509.load_der_x509_certificate(file.read_bytes())) for file in folder.glob("*.cer")}

    def accepted(self, *roots: bytes) -> set[int]:
        """The ports whose chain a client with these roots, and none of the system's, accepts for the users' name."""
        store = self.folder / "store.pem"
        store.write_bytes(b"".join(roots))
        good = set()
        for port, how in PORTS.items():
            address = f"{self.lab.host(HOST).address}:{port}"
            seen = subprocess.run(
                ["openssl", "s_client", "-connect", address, *how, "-CAfile", str(store), "-no-CApath", "-no-CAstore",
                 "-x509_strict", "-verify_return_error", "-verify_hostname", NAME],
                input=b"QUIT\n", capture_output=True, timeout=30, check=False,
            )  # fmt: skip
            assert b"BEGIN CERTIFICATE" in seen.stdout or b"verify error" in seen.stderr, seen.stderr.decode()
            if seen.returncode == 0 and b"Verify return code: 0 (ok)" in seen.stdout:
                good.add(port)
        return good


def serial(one: x509.Certificate) -> str:
    return spelled_serial(one.serial_number)


def test_who_has_both_roots_is_served_on_every_port_at_every_stage(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    applied(lab, HOST)
    site = Site(tmp_path, lab)
    old = read_root(site.ca, 1)

    # Handed out first: the server goes on as before.
    site.runbook("ca", "roll-over", "begin")
    new = read_root(site.ca, 2)
    numbers = [serial(x509.load_pem_x509_certificate(root)) for root in (old, new)]
    assert site.roots_of_users() == set(numbers)
    assert (site.accepted(old, new), site.accepted(old), site.accepted(new)) == (
        EVERYWHERE,
        EVERYWHERE,
        set(),
    )
    told = site.runbook("status")
    assert re.search(r"root 1, CN=.*: signs *\n.*root 2, CN=.* 2: handed out, signs nothing yet *\n", told)

    # It signs: said of the host that is to be renewed, and the old root cannot go yet.
    site.runbook("ca", "roll-over", "switch", "--handed-out")
    told = site.runbook("status", code=1)
    assert re.search(r"root 2, CN=.* 2: signs *\n.*root 1, CN=.*: handed out, signs no more *\n", told)
    assert f"CA: {HOST} has a certificate of root 1, which signs no more: runbook apply --host {HOST}" in told
    assert "the old root issued what these hosts have" in site.runbook("ca", "roll-over", "end", code=1)

    # The next run renews with the new root, and every port serves that.
    monkeypatch.setenv("RUNBOOK_RUN", "20991231T000000Z-0ca2")
    for chapter in ("12-signing", postfix_chapter(HOST)):
        run_cells(chapter, host=HOST, inventory=str(site.inventory))
    monkeypatch.delenv("RUNBOOK_RUN")
    assert (site.accepted(old, new), site.accepted(new), site.accepted(old)) == (
        EVERYWHERE,
        EVERYWHERE,
        set(),
    )
    issued = json.loads(site.runbook("ca", "list", "--json"))["issued"][-1]
    (host,) = json.loads(site.runbook("status", "--json", code=1))["hosts"].values()
    assert [(port["port"], port["serial"]) for port in host["ports"]] == [
        (port, issued["serial"]) for port in PORTS
    ]
    assert (issued["host"], issued["root"]) == (HOST, 2)
    assert "CA: no host has a certificate of root 1 any more" in site.runbook("status", code=1)

    # The old one goes; the verification asks with the new one alone.
    site.runbook("ca", "roll-over", "end")
    assert site.roots_of_users() == {numbers[1]}
    told = site.runbook("status")
    assert "Nothing needs a person." in told
    assert "root 1" not in told
