"""A run that stopped goes on where each host stopped; hosts of one group are never at work together."""

import json
from pathlib import Path
from typing import Any

import pytest
from fake_chapters import APPLY, OPEN, SUMMARY, WHOLE, SilentWatch, run_batch, write_chapter

from runbook_lib.batch.results import BatchResult
from runbook_lib.batch.resumption import resume
from runbook_lib.errors import ApplyRefused, UsageError
from runbook_lib.records import undone, verification

# Fails on mail2 as long as the file is not there: a cause that a person mends.
MENDED = (
    OPEN,
    APPLY,
    "import pathlib; assert host != 'mail2' or pathlib.Path(inventory + '.mended').exists()",
    SUMMARY,
)
CHAPTERS = {"11-key": WHOLE, "12-sign": MENDED, "90-verification": WHOLE}


@pytest.fixture(autouse=True)
def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RUNBOOK_RECORDS", str(tmp_path / "records"))
    return tmp_path / "records"


def stopped(tmp_path: Path, **options: Any) -> BatchResult:
    """A run on three production hosts that stopped at the second one's second chapter."""
    return run_batch(
        tmp_path, ["mail1", "mail2", "mail3"], CHAPTERS, production=True, reason="MAIL-1", **options
    )


def go_on(tmp_path: Path, run: str) -> BatchResult | None:
    order = resume(run, tmp_path / "notebooks")
    return order.carry_out(SilentWatch()) if order else None


def test_a_run_goes_on_where_each_host_stopped(tmp_path: Path, records: Path) -> None:
    first = stopped(tmp_path)
    assert [host.state for host in first.hosts] == ["passed", "failed", "not started"]
    assert first.next_commands[0] == ("when the cause on mail2 is mended", f"runbook resume {first.run}")
    (tmp_path / "site.yaml.mended").touch()
    second = go_on(tmp_path, first.run)
    assert second is not None
    assert second.run == first.run
    assert [(host.host, host.state) for host in second.hosts] == [("mail2", "passed"), ("mail3", "passed")]
    ran = {host.host: [chapter.chapter for chapter in host.chapters] for host in second.hosts}
    assert ran == {"mail2": ["12-sign", "90-verification"], "mail3": ["11-key", "12-sign", "90-verification"]}
    kept = json.loads((records / first.run / "mail2" / "12-sign.json").read_text())
    assert (kept["outcome"], kept["reason"]) == ("passed", "MAIL-1")
    assert (
        records / first.run / "mail2" / "12-sign.1.json"
    ).exists()  # the failed one is set aside, not lost
    assert verification.check(records / first.run).holds
    assert go_on(tmp_path, first.run) is None


def test_a_failure_that_is_not_mended_stops_it_again(tmp_path: Path) -> None:
    first = stopped(tmp_path)
    second = go_on(tmp_path, first.run)
    assert second is not None
    assert [host.state for host in second.hosts] == ["failed", "not started"]


def test_one_chapter_of_its_own_goes_on_as_one(tmp_path: Path) -> None:
    first = stopped(tmp_path, only="12-sign")
    (tmp_path / "site.yaml.mended").touch()
    second = go_on(tmp_path, first.run)
    assert second is not None
    assert [[c.chapter for c in host.chapters] for host in second.hosts] == [["12-sign"], ["12-sign"]]


def test_it_is_refused_on_other_ground(tmp_path: Path) -> None:
    first = stopped(tmp_path)
    site = tmp_path / "site.yaml"
    before = site.read_text()
    site.write_text(before + "# a remark is another inventory too\n")
    with pytest.raises(ApplyRefused, match=r"the inventory .*: no longer as when this run began"):
        resume(first.run, tmp_path / "notebooks")
    site.write_text(before)
    write_chapter(tmp_path / "notebooks", "12-sign", *WHOLE)
    with pytest.raises(ApplyRefused, match="chapter 12-sign: no longer"):
        resume(first.run, tmp_path / "notebooks")
    with pytest.raises(UsageError, match="there is no order of such a run"):
        resume("20260101T000000Z-abcd", tmp_path / "notebooks")


def test_hosts_of_one_group_are_never_at_work_together(tmp_path: Path) -> None:
    slow = (OPEN, "import time; time.sleep(0.7)", SUMMARY)
    watch = SilentWatch()
    result = run_batch(
        tmp_path, ["mail1", "mail2", "mail3"], {"11-key": slow}, workers=3, watch=watch,
        groups={"mail1": "mx", "mail3": "mx"},
    )  # fmt: skip
    assert [host.state for host in result.hosts] == ["passed"] * 3
    begun_and_ended = [
        (host, event if isinstance(event, str) else type(event).__name__)
        for _, host, event in sorted(watch.events, key=lambda seen: seen[0])
        if event == "started" or type(event).__name__ == "HostEnded"
    ]
    assert begun_and_ended[:2] == [("mail1", "started"), ("mail2", "started")]
    assert begun_and_ended.index(("mail3", "started")) > begun_and_ended.index(("mail1", "HostEnded"))


def test_a_run_that_was_put_back_is_not_gone_on_with(tmp_path: Path, records: Path) -> None:
    """Neither where it had got through, nor where a chapter of it is missing; its manifest holds as before."""
    first = stopped(tmp_path)
    folder = records / first.run
    for host in ("mail1", "mail2"):
        undone.note(folder.parent, folder.name, host, complete=host == "mail1")
    assert verification.check(folder).holds
    order = resume(first.run, tmp_path / "notebooks")
    assert order is not None
    assert list(order.hosts) == ["mail3"]
    undone.note(folder.parent, folder.name, "mail3", complete=True)
    with pytest.raises(
        ApplyRefused, match=r"mail1: put back at .*; mail2: put back in part at .* nothing to go on"
    ):
        resume(first.run, tmp_path / "notebooks")
