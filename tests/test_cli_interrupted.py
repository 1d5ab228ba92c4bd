"""Ctrl-C once stops between two cells, twice stops now; either way the record is valid."""

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pexpect  # type: ignore[import-untyped]
import psutil  # type: ignore[import-untyped]
import pytest
from fake_chapters import APPLY, OPEN, SUMMARY, WHOLE, write_chapter, write_inventory

from runbook_lib.records import Record, verification

pytestmark = pytest.mark.programs
RUNBOOK = Path(__file__).parents[1] / ".venv" / "bin" / "runbook"


@pytest.fixture
def terminal(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    """`runbook apply` in a terminal of its own, on two hosts; each is in its slow cell, of 4 s if not said."""
    slow = f"import time; time.sleep({getattr(request, 'param', 4)})"
    write_chapter(tmp_path / "notebooks", "11-key", OPEN, APPLY, slow, SUMMARY)
    write_chapter(tmp_path / "notebooks", "12-sign", *WHOLE)
    site = write_inventory(tmp_path, "mail1", "mail2")
    arguments = [
        "apply",
        "--inventory",
        str(site),
        "--notebooks",
        str(tmp_path / "notebooks"),
        "--reason",
        "x",
    ]
    environment = os.environ | {"RUNBOOK_RECORDS": str(tmp_path / "records"), "TERM": "xterm"}
    child = pexpect.spawn(
        str(RUNBOOK), arguments, env=environment, timeout=60, dimensions=(40, 150), encoding="utf-8"
    )
    child.expect(r"mail1.*cell 4 of 5.*mail2.*cell 4 of 5")
    yield child
    child.close(force=True)


def ended(terminal: Any, tmp_path: Path) -> tuple[str, list[Record]]:
    """What was told at the end, and the records of the chapter at work."""
    terminal.expect(pexpect.EOF)
    terminal.wait()
    assert terminal.exitstatus == 1
    (run,) = (path for path in (tmp_path / "records").iterdir() if path.is_dir())
    assert verification.check(run).holds
    assert sorted(path.name for path in run.glob("*/*.json")) == ["11-key.json", "11-key.json"]
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", terminal.before), [
        Record.open(path) for path in sorted(run.glob("*/*.json"))
    ]


def test_once_the_cells_at_work_end_and_no_other_begins(terminal: Any, tmp_path: Path) -> None:
    terminal.sendintr()
    terminal.expect("Ctrl-C again stops now")
    told, records = ended(terminal, tmp_path)
    for record in records:
        assert (record.data.outcome, record.data.changes_made) == ("interrupted", 1)
        assert record.data.error is not None
        assert record.data.error.message == "stopped on request, before this cell"
        assert record.data.undo == f"runbook rollback {record.data.run} --host {record.data.host}"
    assert "mail2: 11-key interrupted at cell 5 of 5" in told
    assert f"runbook resume {records[0].data.run}" in told


@pytest.mark.parametrize("terminal", [50], indirect=True)
def test_twice_the_cells_at_work_are_interrupted(terminal: Any, tmp_path: Path) -> None:
    processes = psutil.Process(terminal.pid).children(recursive=True)
    assert len(processes) >= 4  # the fork server, Python's tracker of resources, a worker a host
    terminal.sendintr()
    terminal.expect("Ctrl-C again stops now")
    terminal.sendintr()
    terminal.expect("Stopping now")
    told, records = ended(terminal, tmp_path)
    for record in records:
        assert record.data.outcome == "interrupted"
        assert record.data.error is not None
        assert record.data.error.message == "stopped on request, in the middle of this cell"
    assert "mail1: 11-key interrupted at cell 4 of 5" in told
    assert psutil.wait_procs(processes, timeout=10)[1] == []


def test_a_service_managers_term_stops_as_ctrl_c_does(terminal: Any, tmp_path: Path) -> None:
    """papermill alone leaves its kernel at work."""
    terminal.kill(signal.SIGTERM)
    _, records = ended(terminal, tmp_path)
    assert {record.data.outcome for record in records} == {"interrupted"}
