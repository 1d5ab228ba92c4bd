"""A worker that is killed where no chapter is at work: index, records and console say the same, and resume goes on."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from fake_chapters import WHOLE, SilentWatch, run_batch
from other_clock import by_another_clock

from runbook_lib.batch.job import ChapterEnded, Event, Job
from runbook_lib.batch.resumption import resume
from runbook_lib.batch.written_order import WrittenOrder
from runbook_lib.records import Record, index
from runbook_lib.records.index import read_run

CHAPTERS = {"11-key": WHOLE, "12-sign": WHOLE}


@pytest.fixture
def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RUNBOOK_RECORDS", str(tmp_path / "records"))
    monkeypatch.delenv("RUNBOOK_RUN", raising=False)
    return tmp_path / "records"


class Killer(SilentWatch):
    """Kills workers: as soon as they are there (None), or when a chapter of theirs has ended."""

    def __init__(self, moments: Mapping[str, str | None]) -> None:
        super().__init__()
        self.moments = moments

    def started(self, job: Job) -> None:
        super().started(job)
        threading.Thread(target=self.kill_at, args=(job, None)).start()  # its process is begun next

    def event(self, job: Job, event: Event) -> None:
        super().event(job, event)
        if isinstance(event, ChapterEnded):
            self.kill_at(job, event.result.chapter)

    def kill_at(self, job: Job, moment: str | None) -> None:
        if self.moments.get(job.host, "never") != moment:
            return
        deadline = time.monotonic() + 30
        while True:
            there = [one for one in multiprocessing.active_children() if one.name == f"runbook {job.host}"]
            if there:
                break
            assert time.monotonic() < deadline, "no worker began"
            time.sleep(0.001)
        (worker,) = there
        assert worker.pid
        os.kill(worker.pid, signal.SIGKILL)


def test_the_index_says_what_the_console_says(tmp_path: Path, records: Path) -> None:
    watch = Killer({"mail1": None, "mail2": "11-key", "mail3": "12-sign"})
    result = run_batch(tmp_path, ["mail1", "mail2", "mail3"], CHAPTERS, watch=watch)
    # Whether the last word of mail3 came before the signal is a matter of luck; that it got through is none.
    assert [host.state for host in result.hosts] == ["failed", "failed", "passed"]
    folder = records / result.run
    for number, chapter in enumerate(("11-key", "12-sign")):
        assert "SIGKILL" in result.hosts[number].told()
        record = Record.open(folder / result.hosts[number].host / f"{chapter}.json").data
        assert (record.outcome, record.error and "SIGKILL" in record.error.message) == ("failed", True)
    found = read_run(folder)
    assert found.headline() == "mail1 failed at 1-1 A chapter, and 1 more"
    assert f"runbook resume {result.run}" in [command for _, command in result.next_commands]
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert "mail1 failed at" in page
    assert f"resume</span> <span>{result.run}" in page
    order = resume(result.run, tmp_path / "notebooks")
    assert order is not None
    assert [host.state for host in order.carry_out(SilentWatch()).hosts] == ["passed", "passed"]
    again = read_run(folder)
    assert not again.stopped
    assert not again.unfinished


def test_a_run_of_which_nobody_closed_the_records_is_not_called_passed(tmp_path: Path, records: Path) -> None:
    """The controller itself was killed: between two chapters nothing is open, and hosts were not begun."""
    result = run_batch(tmp_path, ["mail1", "mail2", "mail3"], CHAPTERS, mode="plan")
    folder = records / result.run
    for path in (folder / "mail2").iterdir():
        path.unlink()
    for path in (folder / "mail1").glob("12-sign.*"):
        path.unlink()
    found = index.read_run(folder)
    assert found.hosts == ("mail1", "mail3", "mail2")
    assert found.unfinished == ("mail1", "mail2")
    assert found.headline() == "mail1 did not get beyond 1-1 A chapter, and 1 more host"
    assert found.next_commands()[0] == ("to go on", f"runbook resume {result.run}")
    assert set(WrittenOrder.read(folder).chapters) == set(CHAPTERS)


CLOCK = "from pathlib import Path; Path({path!r}).write_text({to!r})"
BATCH = """
from pathlib import Path
from fake_chapters import OPEN, SUMMARY, run_batch
result = run_batch(Path({folder!r}), ["mail1"], {{"11-key": ({before!r}, OPEN, {after!r}, SUMMARY)}})
print(result.hosts[0].state, result.hosts[0].chapters[0].seconds, result.run)
"""


@pytest.mark.programs
@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        # First between the chapter's begin and its record's: the record seemed to be an earlier one.
        ("-30", "-7200", "the clock was set back by 119 min"),
        ("+0", "+3600", "the clock was set forward by 60 min 00 s meanwhile"),
    ],
)
def test_the_clock_of_the_controller_may_be_set(
    before: str, after: str, told: str, tmp_path: Path, records: Path
) -> None:
    offset = tmp_path / "offset"
    offset.write_text("+0")
    cells = [CLOCK.format(path=str(offset), to=to) for to in (before, after)]
    script = BATCH.format(folder=str(tmp_path), before=cells[0], after=cells[1])
    command = [word for word in by_another_clock("+0") if word not in ("faketime", "-f", "+0")]
    asked = ["faketime", "-f", "+0", "printenv", "LD_PRELOAD"]
    library = subprocess.run(asked, capture_output=True, text=True, check=True)
    command += [
        f"LD_PRELOAD={library.stdout.strip()}",
        f"FAKETIME_TIMESTAMP_FILE={offset}",
        "FAKETIME_NO_CACHE=1",
    ]
    tests = Path(__file__).parent
    command[1] += f":{tests}:{tests.parent}"
    done = subprocess.run(
        [*command, sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    state, seconds, run = [*done.stdout.split(), "", "", done.stderr][:3]
    assert state == "passed", done.stderr
    assert 0 < float(seconds) < 60
    assert [path.name for path in (records / run / "mail1").glob("*.json")] == ["11-key.json"]
    record = Record.open(records / run / "mail1" / "11-key.json").data
    assert record.took_s is not None
    assert 0 < record.took_s < 60
    notebook = json.loads((records / run / "mail1" / "11-key.ipynb").read_bytes())
    took = [one["metadata"]["papermill"]["duration"] for one in (notebook, *notebook["cells"])]
    assert len(took) > 3
    assert [seconds for seconds in took if seconds is None or not 0 <= seconds < 60] == []
    page = (records / run / "index.html").read_text(encoding="utf-8")
    assert told in page
    assert "-7" not in page.split("Took")[1].split("</table>")[0]
