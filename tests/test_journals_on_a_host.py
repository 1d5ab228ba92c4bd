"""`runbook journals thin` on a real host: what it shows, what is gone then, who is told, what can still be put back."""

import json
from pathlib import Path, PurePosixPath

import pytest
from applied_host import runbook

from lab import Lab
from runbook_lib import inventory, remote
from runbook_lib.remote.change import Plan
from runbook_lib.remote.files import FileChange, FileState
from runbook_lib.remote.journal import Journal

HOST = "debian12"
FIRST, BACK, LAST = (f"20260101T00000{number}Z-abcd" for number in range(3))
PATH, OTHER = PurePosixPath("/etc/of-a-run"), PurePosixPath("/etc/of-another")


@pytest.fixture(autouse=True)
def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNBOOK_RECORDS", str(tmp_path))


def made(run: str, path: PurePosixPath, content: bytes) -> None:
    book = inventory.load("lab")
    host = remote.connect(book.site, book.host(HOST))
    change = FileChange(path, None, FileState.wanted(content), "of the tests")
    Journal(host, run, "kanri").apply(Plan("Files", (change,)), [])


def test_what_was_named_goes_and_the_rest_can_be_put_back(lab: Lab, tmp_path: Path) -> None:
    lab.reset(HOST, "bare")
    made(FIRST, PATH, b"one\n")
    made(BACK, OTHER, b"one\n")
    lab.exec(HOST, f"sh /var/lib/runbook/{BACK}/undo.sh")
    made(LAST, PATH, b"two\n")

    def there() -> list[str]:
        return lab.exec(HOST, "ls -A /var/lib/runbook").decode().split()

    shown = runbook("journals", "thin", "--host", HOST)
    assert shown.returncode == 0, shown.stderr
    assert f"{BACK}: goes: put back already\n" in shown.stdout
    assert f"{FIRST}: stays: its undo has 1 thing: 1 changed again by later runs\n" in shown.stdout
    assert f"{LAST}: stays: the newest, from whose number the next run counts on\n" in shown.stdout
    assert "Nothing was taken away." in shown.stdout
    refused = runbook("journals", "thin", "--host", HOST, "--run", LAST, "--yes")
    assert refused.returncode == 1
    assert f"the journal of run {LAST} stays: the newest" in refused.stderr
    assert there() == [FIRST, BACK, LAST]
    assert not list(tmp_path.glob("2*"))  # looking leaves no record

    done = runbook("journals", "thin", "--host", HOST, "--before", LAST, "--reason", "MAIL-3", "--yes")
    assert done.returncode == 0, done.stderr
    assert there() == [LAST]
    log = lab.exec(HOST, "journalctl -t runbook -o cat").decode()
    assert f"thinned run={FIRST} sequence=1 by=" in log
    (run,) = json.loads(runbook("records", "list", "--json").stdout)["runs"]
    told = json.loads((tmp_path / run["run"] / "run.json").read_bytes())
    assert (told["kind"], told["reason"]) == ("journals", "MAIL-3")
    record = (tmp_path / run["run"] / HOST / "journals.json").read_text()
    assert f"Journal of run {FIRST} (number 1 here, " in record
    held = runbook("records", "verify")
    assert held.returncode == 0, held.stdout

    back = runbook("rollback", LAST, "--host", HOST)
    assert back.returncode == 0, back.stderr
    assert lab.exec(HOST, f"cat {PATH}") == b"one\n"
    made("20260101T000009Z-abcd", OTHER, b"three\n")
    assert lab.exec(HOST, "cat /var/lib/runbook/20260101T000009Z-abcd/sequence") == b"4\n"
