"""Hosts at work together where nothing is at stake, one at a time where there is."""

import os
import time
from pathlib import Path

import nbformat
import psutil  # type: ignore[import-untyped]
import pytest
from fake_chapters import APPLY, NOTHING_TO_DO, OPEN, SUMMARY, WHOLE, SilentWatch, run_batch

from runbook_lib.batch import rollout
from runbook_lib.batch.order import Order
from runbook_lib.records import Record, verification

# It ends when as many hosts as this are in it, or were.
TOGETHER = """
import pathlib, time
pathlib.Path(f"{{inventory}}.at-work.{{host}}").touch()
deadline = time.monotonic() + 60
while len(list(pathlib.Path(inventory).parent.glob("*.at-work.*"))) < {most} and time.monotonic() < deadline:
    time.sleep(0.02)
"""
HERE = "import psutil; open(f'{inventory}.{host}', 'w').write(' '.join(psutil.Process().cmdline()))"
FAILS_ON_MAIL2 = (OPEN, APPLY, "assert host != 'mail2', 'no space on /etc'", SUMMARY)


@pytest.fixture(autouse=True)
def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RUNBOOK_RECORDS", str(tmp_path / "records"))
    return tmp_path / "records"


def most_at_work(watch: SilentWatch) -> int:
    """How many hosts were at work at the same time."""
    at_work, most = 0, 0
    for _, _, event in sorted(watch.events, key=lambda seen: seen[0]):
        at_work += (event == "started") - (type(event).__name__ == "HostEnded")
        most = max(most, at_work)
    return most


def test_a_failing_host_stops_only_itself(tmp_path: Path, records: Path) -> None:
    chapters = {"11-key": FAILS_ON_MAIL2, "12-sign": WHOLE}
    result = run_batch(tmp_path, ["mail1", "mail2", "mail3"], chapters)
    assert [host.state for host in result.hosts] == ["passed", "failed", "passed"]
    assert [len(host.chapters) for host in result.hosts] == [2, 1, 2]
    assert result.hosts[1].told() == (
        "mail2: 11-key failed at cell 4 of 5: 1 change made (1 change made in this run)\n"
        "    AssertionError: no space on /etc"
    )
    assert result.hosts[0].told() == "mail1: changed 2 things; 1 of 1 claim proved"
    failed = Record.open(records / result.run / "mail2" / "11-key.json").data
    assert failed.undo == f"runbook rollback {result.run} --host mail2"
    assert verification.check(records / result.run).holds


@pytest.mark.parametrize(
    ("production", "workers", "most"), [(False, None, 3), (False, 2, 2), (True, None, 1), (True, 2, 2)]
)
def test_as_many_hosts_are_at_work_as_may_be(
    production: bool, workers: int | None, most: int, tmp_path: Path
) -> None:
    watch = SilentWatch()
    result = run_batch(
        tmp_path, ["mail1", "mail2", "mail3"], {"11-key": (OPEN, TOGETHER.format(most=most), SUMMARY)},
        production=production, workers=workers, reason="MAIL-1", watch=watch,
    )  # fmt: skip
    assert [host.state for host in result.hosts] == ["passed"] * 3
    assert most_at_work(watch) == most


def test_production_stops_at_the_first_host_that_fails(tmp_path: Path, records: Path) -> None:
    hosts = ["mail1", "mail2", "mail3"]
    result = run_batch(tmp_path, hosts, {"11-key": FAILS_ON_MAIL2}, production=True, reason="MAIL-1")
    assert [host.state for host in result.hosts] == ["passed", "failed", "not started"]
    assert result.hosts[2].told() == "mail3: not started, nothing was changed there"
    assert not (records / result.run / "mail3").exists()


def test_nothing_to_do_is_told_so(tmp_path: Path) -> None:
    applied = run_batch(tmp_path, ["mail1"], {"11-key": NOTHING_TO_DO})
    assert (applied.hosts[0].told(), applied.exit_code) == ("mail1: nothing to do; 1 of 1 claim proved", 0)
    planned = run_batch(tmp_path, ["mail1"], {"11-key": NOTHING_TO_DO}, mode="plan")
    assert (planned.hosts[0].told(), planned.exit_code) == ("mail1: nothing to do", 0)


def test_a_plan_says_what_would_change_and_how_to_make_it(tmp_path: Path) -> None:
    planned = run_batch(tmp_path, ["mail1"], {"11-key": WHOLE}, mode="plan", next_options="--inventory x")
    assert planned.hosts[0].told() == "mail1: 1 change planned, none made"
    assert planned.plan is not None
    command = f"runbook apply --plan {planned.plan[:16]}"
    assert planned.next_commands == (("to make these changes and no others", command),)


def test_the_other_familys_chapter_is_left_out_and_named(tmp_path: Path) -> None:
    chapters = {"11-key": WHOLE, "20-postfix-debian": WHOLE, "21-postfix-centos": WHOLE}
    (host,) = run_batch(tmp_path, ["mail1"], chapters).hosts
    assert host.left_out == ("21-postfix-centos",)
    assert [chapter.chapter for chapter in host.chapters] == ["11-key", "20-postfix-debian"]


def test_only_and_from_choose_chapters(tmp_path: Path) -> None:
    chapters = {"11-key": WHOLE, "12-sign": WHOLE, "90-verification": WHOLE}
    (host,) = run_batch(tmp_path, ["mail1"], chapters, only="12").hosts
    assert [chapter.chapter for chapter in host.chapters] == ["12-sign"]
    (host,) = run_batch(tmp_path, ["mail1"], chapters, start="12-sign").hosts
    assert [chapter.chapter for chapter in host.chapters] == ["12-sign", "90-verification"]


def test_a_killed_worker_fails_its_host_at_its_cell_and_what_ran_is_kept(
    tmp_path: Path, records: Path
) -> None:
    """As when memory runs out and the system ends one."""
    kill = "import os\nif host == 'mail2':\n    open(reason, 'w').write(str(os.getpid())); os.kill(os.getpid(), 9)"
    pid = tmp_path / "pid"
    chapters = {"11-key": (OPEN, APPLY, "print('got here')", kill, SUMMARY)}
    result = run_batch(tmp_path, ["mail1", "mail2"], chapters, reason=str(pid))
    assert [host.state for host in result.hosts] == ["passed", "failed"]
    assert "11-key failed at cell 5 of 6" in result.hosts[1].told()
    assert "the worker was killed by SIGKILL" in result.hosts[1].told()
    kept = nbformat.read(records / result.run / "mail2" / "11-key.ipynb", as_version=4)
    assert [cell.execution_count for cell in kept.cells if cell.cell_type == "code"] == [
        1,
        2,
        3,
        4,
        5,
        None,
        None,
    ]
    assert "got here" in str(kept.cells)
    record = Record.open(records / result.run / "mail2" / "11-key.json").data
    assert (record.outcome, record.changes_made) == ("failed", 1)
    assert record.undo == f"runbook rollback {result.run} --host mail2"
    assert verification.check(records / result.run).holds
    deadline = time.monotonic() + 10
    while runs(int(pid.read_text())):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def runs(pid: int) -> bool:
    """Whether a process still runs; one that ended and that nobody waits for, as in a container, does not."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def test_a_hung_cell_ends_at_its_deadline_and_one_that_does_not_heed_it_is_killed(
    tmp_path: Path, records: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollout, "HUNG_GRACE_S", 5.0)  # a figure, not a part
    hang = """
import signal, time
if host == "mail2":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})  # as C code that does not look
if host != "mail1":
    time.sleep(60)"""
    result = run_batch(
        tmp_path, ["mail1", "mail2", "mail3"], {"11-key": (OPEN, APPLY, hang, SUMMARY)}, cell_deadline_s=5.0
    )
    assert [host.state for host in result.hosts] == ["passed", "failed", "failed"]
    told = [host.told() for host in result.hosts]
    assert "did not heed the cell's deadline of 5 s, and was killed" in told[1]
    assert "the cell took longer than 5 s" in told[2]
    for name, text in zip(("mail2", "mail3"), told[1:], strict=True):
        assert "11-key failed at cell 4 of 5" in text
        record = Record.open(records / result.run / name / "11-key.json").data
        assert (record.outcome, record.changes_made) == ("failed", 1)
        assert (records / result.run / name / "11-key.ipynb").is_file()
    assert verification.check(records / result.run).holds


def test_there_is_no_kernel_and_every_worker_has_ended_with_the_run(tmp_path: Path) -> None:
    run_batch(tmp_path, ["mail1", "mail2"], {"11-key": (OPEN, HERE, SUMMARY)})
    assert "forkserver" in (tmp_path / "site.yaml.mail1").read_text()  # not ipykernel_launcher
    mine = psutil.Process(os.getpid()).children()  # `command_line` may be among them, with workers of its own
    servers = [child for child in mine if "forkserver" in " ".join(child.cmdline())]
    assert len(servers) == 1, servers
    assert servers[0].children(recursive=True) == []


def test_a_notebook_for_another_kernel_is_refused(tmp_path: Path) -> None:
    result = run_batch(tmp_path, ["mail1"], {"11-key": WHOLE})
    assert result.exit_code == 0
    path = tmp_path / "notebooks" / "11-key.ipynb"
    path.write_text(path.read_text(encoding="utf-8").replace('"python3"', '"nosuchkernel"'), encoding="utf-8")
    (host,) = (
        Order("apply", str(tmp_path / "site.yaml"), reason="MAIL-1", notebooks=path.parent)
        .carry_out(SilentWatch())
        .hosts
    )
    assert host.state == "failed"
    assert "nosuchkernel" in host.told()
