"""A record is on disk while its chapter works, whatever becomes of the chapter."""

import json
import os
import re
import secrets
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sample_record

from runbook_lib.errors import UsageError
from runbook_lib.records import Record, origin, run_id

TESTS = Path(__file__).parent


def begin(root: Path, **changed: object) -> Record:
    fields = sample_record.COMMON | {"facts": sample_record.FACTS, "title": "1-1 Private key"} | changed
    return Record.begin(root, sample_record.RUN, "mail12", "11-key-and-csr", **fields)  # type: ignore[arg-type]


def on_disk(record: Record) -> Any:
    return json.loads(record.path.read_text(encoding="utf-8"))


def in_a_process(code: str, **environment: str) -> subprocess.Popen[str]:
    """Python of its own, with the sample at hand."""
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": f"{TESTS}:{TESTS.parent}"} | environment,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_each_event_is_on_disk_before_the_chapter_goes_on(tmp_path: Path) -> None:
    record = begin(tmp_path)
    assert record.path == tmp_path / sample_record.RUN / "mail12" / "11-key-and-csr.json"
    assert on_disk(record)["outcome"] == "running"
    record.add_plan("The private key", "aa11", [sample_record.change("mail-server.key", "key", "+RSA 2048")])
    assert on_disk(record)["steps"][-1]["changes"][0]["title"] == "mail-server.key"
    record.add_apply("aa11", ["mail-server.key"], "/var/lib/runbook/x")
    assert on_disk(record)["steps"][-1]["done"] == ["mail-server.key"]
    record.add_verify("The key is readable by root alone", [sample_record.row("mode", None, "0600")], "pass")
    assert on_disk(record)["steps"][-1]["rows"][0]["seen"] == "0600"
    record.add_note("Port 25 is as before.")
    record.finish("failed", None, undo="runbook rollback X", error=ValueError("no answer"))
    written = on_disk(record)
    assert [step["kind"] for step in written["steps"]] == ["plan", "apply", "verify", "note"]
    assert written["error"] == {"type": "ValueError", "message": "no answer"}
    assert (written["outcome"], written["undo"]) == ("failed", "runbook rollback X")


def test_its_bytes_are_those_that_json_writes_with_an_indent_of_one(tmp_path: Path) -> None:
    """As every record before it: people compare them line by line, and tools read them."""
    record = begin(tmp_path)
    odd = "".join(map(chr, range(0x20))) + '"\\/\x7f\x80 é漢\u2028\ufeff😀 <&>'
    record.add_note(odd)
    record.add_plan("Nothing", "bb", [])
    record.add_verify("A claim", [sample_record.row(odd, None, odd)], "pass")
    record.add_flow([{"port": 25, "level": "", "asked": 10**6, "refused": 0, "unanswered": 0,
                      "longest_gap_s": 0.001, "wrong": []}])  # fmt: skip
    for took_s in (0.0, 1.0, 0.125, 1234567.891, -3600.5):
        record.data = record.data.model_copy(update={"took_s": took_s})
        record.add_note(f"It took {took_s} s.")
        as_json = json.dumps(record.data.model_dump(), ensure_ascii=False, indent=1) + "\n"
        assert record.path.read_bytes() == as_json.encode()


def test_a_killed_chapter_leaves_what_happened_before(tmp_path: Path) -> None:
    code = f"""
import sample_record, time
from pathlib import Path
record = sample_record.postfix_chapter(Path({str(tmp_path)!r}))
record.add_note("the last that was written")
print("written", flush=True)
time.sleep(60)
"""
    chapter = in_a_process(code)
    assert chapter.stdout is not None
    assert chapter.stdout.readline() == "written\n"
    chapter.send_signal(signal.SIGKILL)
    chapter.wait(10)
    left = tmp_path / sample_record.RUN / "mail12"
    assert [path.name for path in left.iterdir()] == ["20-postfix-debian.json"]
    steps = Record.open(left / "20-postfix-debian.json").data.steps
    assert steps[-1].model_dump() == {"kind": "note", "text": "the last that was written"}


def test_a_chapter_run_again_keeps_the_earlier_records(tmp_path: Path) -> None:
    first = begin(tmp_path, reason="first")
    first.finish("failed", None)
    page = first.path.with_suffix(".html")
    page.write_text("the page of the first")
    bytes_of_first = first.path.read_bytes()
    begin(tmp_path, reason="second").finish("failed", None)
    third = begin(tmp_path, reason="third")
    folder = first.path.parent
    assert sorted(path.name for path in folder.iterdir()) == [
        "11-key-and-csr.1.html", "11-key-and-csr.1.json", "11-key-and-csr.2.json", "11-key-and-csr.json",
    ]  # fmt: skip
    assert (folder / "11-key-and-csr.1.json").read_bytes() == bytes_of_first
    assert (folder / "11-key-and-csr.1.html").read_text() == "the page of the first"
    assert on_disk(third)["reason"] == "third"


def test_every_time_is_utc_with_its_offset(tmp_path: Path) -> None:
    code = f"import sample_record; from pathlib import Path; sample_record.whole_run(Path({str(tmp_path)!r}))"
    assert in_a_process(code, TZ="Asia/Tokyo").wait(30) == 0
    times = [
        value
        for path in tmp_path.rglob("*.json")
        for value in re.findall(r'"(\d{4}-\d\d-\d\dT[^"]*)"', path.read_text(encoding="utf-8"))
    ]
    assert len(times) == 8
    assert all(re.fullmatch(r"[\d-]{10}T[\d:.]{12}\+00:00", moment) for moment in times), times


@pytest.mark.parametrize("name", ["../elsewhere", "", ".hidden", "a/b", "a\nb"])
def test_no_name_leads_out_of_the_folder_of_records(name: str, tmp_path: Path) -> None:
    fields = sample_record.COMMON | {"facts": {}, "title": ""}
    for run, host, chapter in ((name, "h", "c"), ("r", name, "c"), ("r", "h", name)):
        with pytest.raises(UsageError, match="cannot name"):
            Record.begin(tmp_path / "records", run, host, chapter, **fields)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_runs_sort_by_time_and_never_meet() -> None:
    moment = datetime(2026, 11, 25, 4, 30, tzinfo=UTC)
    runs = {run_id(moment) for _ in range(20)}
    assert len(runs) > 1
    assert all(re.fullmatch(r"20261125T043000Z-[0-9a-f]{4}", run) for run in runs)


def test_the_run_is_the_given_one_or_the_same_in_a_process(tmp_path: Path) -> None:
    code = "from runbook_lib import records as r; print(r.current_run(), r.current_run(), r.root())"
    given = in_a_process(code, RUNBOOK_RUN="given-1", RUNBOOK_RECORDS=str(tmp_path)).communicate(timeout=30)[
        0
    ]
    assert given.split() == ["given-1", "given-1", str(tmp_path)]
    own = in_a_process(code, RUNBOOK_RUN="", RUNBOOK_RECORDS="").communicate(timeout=30)[0].split()
    assert own[0] == own[1] != in_a_process(code, RUNBOOK_RUN="").communicate(timeout=30)[0].split()[0]
    assert own[2] == str(TESTS.parent / "records")


def test_commit_and_clean_tree_are_told_or_null(tmp_path: Path) -> None:
    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.test"]
        return subprocess.check_output(["git", "-C", str(tmp_path), *identity, *arguments], text=True).strip()

    def seen() -> origin.CodeState:
        origin.code_state.cache_clear()
        return origin.code_state(tmp_path)

    assert seen() == origin.CodeState(None, None)
    git("init", "-q")
    git("commit", "-q", "--allow-empty", "-m", "first")
    assert seen() == origin.CodeState(git("rev-parse", "HEAD"), True)
    (tmp_path / "new").touch()
    assert seen() == origin.CodeState(git("rev-parse", "HEAD"), False)
    code = "from runbook_lib.records import origin; print(origin.code_state())"
    without_git = in_a_process(code, PATH=str(tmp_path)).communicate(timeout=30)[0]
    assert without_git == "CodeState(commit=None, clean_tree=None)\n"


def test_text_that_utf8_cannot_hold_is_spelled_out(tmp_path: Path) -> None:
    record = begin(tmp_path)
    record.add_note("file name \udce9 in Latin-1, サーバ")
    assert on_disk(record)["steps"][0]["text"] == "file name \\udce9 in Latin-1, サーバ"


@pytest.mark.parametrize(
    ("drawn", "made"), [((5, 5, 4), "0005 0006 0007"), ((0, 0xFEFF, 7), "0000 feff ff00")]
)
def test_a_later_run_of_a_process_sorts_behind_also_within_a_second(
    monkeypatch: pytest.MonkeyPatch, drawn: tuple[int, ...], made: str
) -> None:
    """`apply --plan` plans once more and applies in the same second: the list says the newest first."""
    numbers = iter((*drawn, 1))
    monkeypatch.setattr(origin, "_made_last", "20261201T100058Z-9999")
    monkeypatch.setattr(secrets, "randbelow", lambda _: next(numbers))
    now = datetime(2026, 12, 1, 10, 0, 59, tzinfo=UTC)
    assert " ".join(run_id(now).removeprefix("20261201T100059Z-") for _ in drawn) == made
    assert run_id(now - timedelta(hours=1)) == "20261201T090059Z-0001"  # the clock was set back
