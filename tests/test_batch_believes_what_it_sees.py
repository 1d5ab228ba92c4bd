"""A chapter passed only if every cell ran, none shows an error, and its record is complete."""

from pathlib import Path

import pytest
from fake_chapters import OPEN, SUMMARY, WHOLE, run_batch

from runbook_lib.batch.results import BatchResult, ChapterResult, HostResult
from runbook_lib.records import Record

CASES = {  # by the host that runs it: what the cell does, and what is told
    "magic": ("get_ipython().run_line_magic('nosuchmagic', '')", "nosuchmagic"),
    "exit3": ("raise SystemExit(3)", "SystemExit: 3"),
    "exit0": ("import sys; sys.exit(0)", "SystemExit: 0"),
    "rich": ("from rich.traceback import install; install(); 1 / 0", "division by zero"),
    "killed": ("import os; os.kill(os.getpid(), 9)", "the worker was killed"),
    "error": ("raise ValueError('as it is')", "ValueError: as it is"),
    "fine": ("pass", ""),
}
RUN_CASE = f"exec({ {host: code for host, (code, _) in CASES.items()}!r}[host])"


@pytest.fixture
def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RUNBOOK_RECORDS", str(tmp_path / "records"))
    return tmp_path / "records"


def by_host(result: BatchResult) -> dict[str, HostResult]:
    return {host.host: host for host in result.hosts}


@pytest.mark.parametrize("place", ["before the summary", "after the summary"])
def test_a_cell_that_failed_in_any_way_fails_the_chapter(place: str, records: Path, tmp_path: Path) -> None:
    """After the summary the record says 'passed' already, and still it has not."""
    cells = [OPEN, SUMMARY]
    cells.insert(1 if place == "before the summary" else 2, RUN_CASE)
    result = run_batch(tmp_path, list(CASES), {"11-key": cells})
    assert result.exit_code == 1
    for host, done in by_host(result).items():
        record = Record.open(records / result.run / host / "11-key.json").data
        if host == "fine":
            assert (done.state, record.outcome) == ("passed", "passed")
            continue
        assert (done.state, record.outcome) == ("failed", "failed"), host
        told = CASES[host][1]
        assert told in str(done.chapters[0].problem), host
        assert done.chapters[0].cell == cells.index(RUN_CASE) + 2, host
        assert record.error is not None
        assert told in record.error.message
        assert told in (records / result.run / host / "11-key.html").read_text(encoding="utf-8")


RECORDS = {  # what a chapter leaves behind although all its cells ran
    "none": ("pass", "failed", "left no record"),
    "open": ("{open}", "failed", "'running'"),
    "nosum": ("{open}\nrecord.finish('passed', None)", "failed", "no summary"),
    "unproven": ("{open}\nrecord.finish('not proven', 'One claim could not be tested.')", "not proven", None),
    "whole": ("{open}\nrecord.finish('passed', 'Done.')", "passed", None),
}


@pytest.mark.usefixtures("records")
def test_a_chapter_without_a_complete_record_has_not_passed(tmp_path: Path) -> None:
    opened = OPEN.format(chapter="11-key", title="1-1")
    code = {host: text.replace("{open}", opened) for host, (text, _, _) in RECORDS.items()}
    result = run_batch(tmp_path, list(RECORDS), {"11-key": [f"exec({code!r}[host])"]})
    for host, done in by_host(result).items():
        _, state, told = RECORDS[host]
        assert done.state == state, host
        assert (done.chapters[0].problem is None) == (told is None), host
        assert (told or "") in (done.chapters[0].problem or ""), host
    assert result.exit_code == 1


@pytest.mark.usefixtures("records")
def test_what_could_not_be_proved_stays_and_the_next_chapter_runs(tmp_path: Path) -> None:
    not_proven = SUMMARY.replace('"passed"', '"not proven"')
    result = run_batch(tmp_path, ["mail1"], {"11-key": [OPEN, not_proven], "12-sign": WHOLE})
    (host,) = result.hosts
    assert [chapter.outcome for chapter in host.chapters] == ["not proven", "passed"]
    assert (host.state, result.exit_code) == ("not proven", 1)
    assert host.told() == "mail1: changed 1 thing; 1 of 1 claim proved; applied, not proven"


@pytest.mark.usefixtures("records")
def test_an_error_of_ours_is_told_as_it_is_written(tmp_path: Path) -> None:
    error = "CsrRefused('too many names', 'mail1, csr', 'ask for fewer')"
    code = f"from runbook_lib.errors import CsrRefused\nraise {error}"
    (host,) = run_batch(tmp_path, ["mail1"], {"11-key": [OPEN, code]}).hosts
    assert host.told() == (
        "mail1: 11-key failed at cell 3 of 3\n"
        "    mail1, csr: too many names\n      Nothing was changed.\n      To do: ask for fewer"
    )


def test_what_was_not_proved_is_named_with_its_reason() -> None:
    """Nothing was made in this run, so nothing is called applied."""
    lines = tuple(f"Claim {number}: who runs the firewall must open port {number}" for number in range(5))
    chapter = ChapterResult(
        "90-verification", "Verification", "not proven", 1.0, 3, claims_passed=1, claims_not_tested=5,
        not_proven=lines,
    )  # fmt: skip
    told = HostResult("mail1", "not proven", (chapter,)).told().splitlines()
    assert told == [
        "mail1: nothing to do; 1 of 6 claims proved; not proven",
        *(f"    not proven: {line}" for line in lines[:3]),
        "    not proven: and 2 more, in the record",
    ]
