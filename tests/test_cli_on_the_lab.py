"""The command line on a real host: apply, again, by hand, and back."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from lab import Lab
from runbook_lib.records import Record, verification

BIN = Path(__file__).parents[1] / ".venv" / "bin"
CHAPTER = "11-key-and-csr"


@pytest.fixture
def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RUNBOOK_RECORDS", str(tmp_path / "records"))
    monkeypatch.delenv("RUNBOOK_RUN", raising=False)
    return tmp_path / "records"


def runbook(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(BIN / "runbook"), *arguments, "--inventory", "lab"]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def apply(*arguments: str) -> dict[str, Any]:
    done = runbook("apply", "--host", "debian12", "--only", CHAPTER, "--json", *arguments)
    told: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == told["exit_code"] == 0, done.stdout
    return told


def comparable(path: Path) -> str:
    """A record without what differs from one run to the next."""
    data = json.loads(path.read_text(encoding="utf-8"))
    for varying in ("run", "started_at", "ended_at", "took_s"):
        del data[varying]
    text = json.dumps(data, ensure_ascii=False, indent=1)
    return re.sub(r"2\d{7}T\d{6}Z-[0-9a-f]{4}|[0-9a-f]{64}|[0-9]+ bits left", "VARYING", text)


def test_applied_again_and_put_back(lab: Lab, records: Path) -> None:
    lab.reset("debian12", "bare")
    first = apply("--reason", "MAIL-1184")
    assert first["hosts"][0]["chapters"][0]["changes_made"] == 2
    record = Record.open(records / first["run"] / "debian12" / f"{CHAPTER}.json").data
    assert (record.outcome, record.lab, record.reason) == ("passed", True, "MAIL-1184")
    assert record.undo == f"runbook rollback {first['run']} --host debian12"
    assert verification.check(records / first["run"]).holds
    again = apply()
    assert again["hosts"][0]["chapters"][0]["changes_planned"] == 0
    back = runbook("rollback", first["run"])
    assert back.returncode == 0, back.stderr
    assert "PUT BACK /etc/ssl/private/mail-server.key" in back.stdout
    assert "debian13: nothing to put back" in back.stdout
    missing = runbook("rollback", first["run"], "--host", "debian13")
    assert (missing.returncode, "there is no journal of run" in missing.stderr) == (2, True)


def test_a_chapter_run_by_hand_leaves_the_same_record_as_the_batch(
    lab: Lab, records: Path, tmp_path: Path
) -> None:
    lab.reset("debian12", "bare")
    batch = records / apply()["run"] / "debian12"
    lab.reset("debian12", "bare")
    notebook = Path(__file__).parents[1] / "notebooks" / f"{CHAPTER}.ipynb"
    by_hand = [str(BIN / "papermill"), str(notebook), str(tmp_path / "out.ipynb"), "-p", "host", "debian12"]
    environment = os.environ | {"RUNBOOK_RUN": "20991231T000000Z-0000"}
    subprocess.run(by_hand, env=environment, capture_output=True, check=True, timeout=120)
    added = subprocess.run(
        [BIN / "runbook", "records", "add", tmp_path / "out.ipynb"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert added.returncode == 0, added.stderr
    hand = records / "20991231T000000Z-0000" / "debian12"
    assert comparable(hand / f"{CHAPTER}.json") == comparable(batch / f"{CHAPTER}.json")
    assert {path.suffix for path in hand.iterdir()} == {path.suffix for path in batch.iterdir()}
    assert verification.check(hand.parent).holds
