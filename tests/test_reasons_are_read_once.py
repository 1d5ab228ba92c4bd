"""Whether a reason was used is known of old runs without opening their records again; the truth stays in these."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import sample_record

from runbook_lib.records.index import completed_run

HOST, CHAPTER = "mail12", "20-postfix-debian.json"
LONG_AGO_NS = time.time_ns() - 3600 * 10**9
# In a process of its own: a hook stays for good. Folders that are synced are opened, too, and files that are written.
ASKED = """
import os, sys
from pathlib import Path
from runbook_lib.records.index import completed_run
root, host, opened = Path(sys.argv[1]), sys.argv[2], []
def hook(event, arguments):
    if event == "open" and str(arguments[0]).startswith(str(root)) and str(arguments[0]).endswith(".json"):
        opened.append(arguments[0])
sys.addaudithook(hook)
print(completed_run(root, host, sys.argv[3]), len(opened))
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return filled(tmp_path, 20)


def filled(root: Path, runs: int) -> Path:
    """Records of so many runs on one host, each for a reason of its own."""
    sample_record.postfix_chapter(root)
    (first,) = root.glob(f"*/{HOST}/{CHAPTER}")
    text = first.read_text(encoding="utf-8")
    for number in range(runs - 1):
        stored(root, f"20250101T000000Z-{number:04x}", text, f"MAIL-{number}")
    settled(root)
    return root


def stored(root: Path, run: str, text: str, reason: str) -> None:
    path = root / run / HOST / CHAPTER
    path.parent.mkdir(parents=True)
    text = text.replace(sample_record.RUN, run).replace(str(sample_record.COMMON["reason"]), reason)
    path.write_text(text, encoding="utf-8")


def settled(root: Path) -> None:
    for folder in root.glob(f"*/{HOST}"):
        os.utime(folder, ns=(LONG_AGO_NS, LONG_AGO_NS))


def asked(root: Path, reason: str) -> tuple[str, int]:
    """The run, and how many files were opened to find it."""
    words = [sys.executable, "-c", ASKED, str(root), HOST, reason]
    run, opened = subprocess.run(words, check=True, capture_output=True, text=True).stdout.split()
    return run, int(opened)


def test_of_1000_stored_runs_none_is_opened_twice(tmp_path: Path) -> None:
    root = filled(tmp_path, 1000)
    assert asked(root, "MAIL-9999") == ("None", 1001)  # what is known so far is not there yet
    assert asked(root, "MAIL-9999") == ("None", 1)
    assert asked(root, "MAIL-17") == ("20250101T000000Z-0011", 1)
    assert asked(root, str(sample_record.COMMON["reason"])) == (sample_record.RUN, 1)


def test_what_changed_since_is_read_anew_and_nothing_else(root: Path) -> None:
    asked(root, "MAIL-9999")
    path = root / "20250101T000000Z-0011" / HOST / CHAPTER
    text = path.read_text(encoding="utf-8")
    stored(
        root,
        "20250102T000000Z-0000",
        text.replace("MAIL-17", str(sample_record.COMMON["reason"])),
        "MAIL-9999",
    )
    again = path.with_suffix(".part")
    again.write_text(text.replace('"passed"', '"failed"'), encoding="utf-8")
    again.replace(path)  # as each record is written
    assert asked(root, "MAIL-17") == ("None", 3)
    assert completed_run(root, HOST, "MAIL-9999") == "20250102T000000Z-0000"


@pytest.mark.parametrize("spoiled", [None, b"", b"{", b'{"runs": {"20250101T000000Z-0011": {}}}', b"\xff"])
def test_without_it_the_records_say_the_same(root: Path, spoiled: bytes | None) -> None:
    asked(root, "MAIL-9999")
    (kept,) = root.glob(f".reasons/{HOST}.json")
    kept.unlink() if spoiled is None else kept.write_bytes(spoiled)
    assert completed_run(root, HOST, "MAIL-17") == "20250101T000000Z-0011"
    assert completed_run(root, HOST, "MAIL-9999") is None
    assert kept.stat().st_size > len(spoiled or b"")


def test_what_was_written_a_moment_ago_is_not_taken_for_settled(root: Path) -> None:
    run = root / "20250101T000000Z-0011"
    os.utime(run / HOST)
    before = (run / HOST).stat().st_mtime_ns
    assert completed_run(root, HOST, "MAIL-17") == run.name
    path = run / HOST / CHAPTER
    path.write_text(path.read_text(encoding="utf-8").replace('"passed"', '"failed"'), encoding="utf-8")
    assert (run / HOST).stat().st_mtime_ns == before  # by this clock nothing has changed since
    assert completed_run(root, HOST, "MAIL-17") is None
