"""Somebody typed undo.sh on the host: whoever asks here is told so, and nobody is told that the run got through."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from applied_host import RUNBOOK, runbook

from lab import Lab
from runbook_lib import inventory
from runbook_lib.pki import authority
from runbook_lib.records import undone
from runbook_lib.site_ca import own_ca

HOST = "debian12"


def said(*words: str) -> str:
    """What a command says that takes no inventory; both streams, and how it ended."""
    done = subprocess.run([str(RUNBOOK), *words], capture_output=True, text=True, timeout=120, check=False)
    sys.stderr.write(done.stderr)
    return f"{done.stdout}{done.stderr}status {done.returncode}"


@pytest.fixture(autouse=True)
def records(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNBOOK_RECORDS", str(tmp_path))
    lab.reset(HOST, "bare")


def applied(chapter: str) -> str:
    """The run that applied a chapter."""
    done = runbook("apply", "--host", HOST, "--only", chapter, "--reason", "MAIL-1", "--json")
    assert done.returncode == 0, done.stderr
    name: str = json.loads(done.stdout)["run"]
    return name


def test_resume_status_and_the_list_of_records_know_it(lab: Lab, tmp_path: Path) -> None:
    applied("11-key-and-csr")
    run = applied("12-signing")
    assert "got through on every host: there is nothing to go on with.\nstatus 0" in said("resume", run)
    lab.exec(HOST, f"sh /var/lib/runbook/{run}/undo.sh")
    status = runbook("status", "--host", HOST).stdout
    assert f"no run is at work; the last, {run}, was put back\n" in status
    assert f"changes nothing there: runbook rollback {run} --host {HOST} --inventory lab\n" in status

    resumed = said("resume", run)
    assert "got through" not in resumed
    assert f"{HOST}: put back at 20" in resumed
    assert "by undo.sh on the host: there is nothing to go on with" in resumed
    assert f"runbook rollback {run} withdraws what the own CA issued for it" in resumed
    assert resumed.endswith("status 1")
    assert undone.read(tmp_path / run)[HOST].complete
    listed = said("records", "list", "--json")
    (one,) = [entry for entry in json.loads(listed.rpartition("status")[0])["runs"] if entry["run"] == run]
    assert one["undone"][HOST]["operator"] == undone.BY_HAND
    assert "by undo.sh on the host" in " ".join(said("records", "list").split())  # in lines of a table

    ledger = authority.open_ledger(own_ca.directory(inventory.load("lab").site))
    (issued,) = [one for one in ledger.issuances(HOST) if one.run == run]
    assert issued.withdrawn_at is None
    noted = runbook("rollback", run, "--host", HOST)
    assert noted.returncode == 0, noted.stderr
    assert "nothing to put back: what this run changed is back already" in noted.stdout
    (issued,) = [one for one in ledger.issuances(HOST) if one.run == run]
    assert issued.withdrawn_at is not None
    assert "changes nothing there" not in runbook("status", "--host", HOST).stdout


def test_what_was_left_alone_by_hand_is_told(lab: Lab, tmp_path: Path) -> None:
    """The CSR was edited since, so undo.sh spares it, and the key comes away."""
    run = applied("11-key-and-csr")
    lab.exec(HOST, "echo >> /etc/ssl/private/csr_mail-server.pem")
    assert b"CONFLICT" in lab.exec(HOST, f"sh /var/lib/runbook/{run}/undo.sh || :")
    assert "made 1 change, the last of them:" in (status := runbook("status", "--host", HOST).stdout)
    assert "; put back: 1 more\n" in status
    resumed = said("resume", run)
    assert f"{HOST}: put back in part at 20" in resumed
    assert "got through" not in resumed
    assert not undone.read(tmp_path / run)[HOST].complete
