"""A disk of records that becomes full: 1 MiB of it was kept, so the record gets its end and the run its seal."""

import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import tampering
from fake_chapters import APPLY, OPEN, PLAN, SUMMARY, run_batch, without_host

from runbook_lib.errors import RecordNotWritten
from runbook_lib.records import chain, index, model, seal, verification
from runbook_lib.records.publish import publish

FILL = """
import os
from contextlib import suppress
with suppress(OSError), open(records.root() / ".others", "wb") as others:
    while True:
        others.write(os.urandom(1 << 12)); others.flush()
"""
DISK_MIB = 3


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Records on a small disk of their own."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "runbook-test", disk], check=True)
    monkeypatch.setenv("RUNBOOK_RECORDS", str(disk / "records"))
    yield disk / "records"
    subprocess.run(["umount", "-l", disk], check=True)  # this process holds the run that it made last


def test_the_record_gets_its_end_and_the_run_its_seal(root: Path, tmp_path: Path) -> None:
    done = run_batch(tmp_path, ("mail1",), {"11-key": (OPEN, PLAN, FILL, APPLY, SUMMARY)})
    (host,) = done.hosts
    assert host.state == "failed"
    assert "No space left on device" in str(host.chapters[0].problem)
    (entry,) = index.read_run(root / done.run).entries
    assert entry.record.outcome == "failed"
    assert entry.record.error is not None
    assert "No space left on device" in entry.record.error.message
    assert verification.check(root / done.run).holds, verification.check(root / done.run).report()
    assert not seal.read_statement(root / done.run).cut_off
    assert done.problem is None
    assert done.seal == chain.head(root)


def test_what_a_chapter_made_when_the_disk_became_full_is_in_its_record(root: Path) -> None:
    chapter = without_host(tampering.record(root, tampering.LAST, mode="apply", end=False))
    with suppress(OSError), (root / ".others").open("wb", buffering=0) as others:
        while others.write(bytes(1 << 12)):
            pass
    with pytest.raises(RecordNotWritten, match="No space left on device"), chapter.at_work():
        chapter.record.add_apply("aa11", ["mail.key"], "/var/lib/runbook/x")
    kept = model.read(chapter.record.path)
    assert (kept.outcome, kept.changes_made) == ("failed", 1)
    publish(root, tampering.LAST)
    assert verification.check_all(root).holds


def test_a_run_that_ends_gives_the_room_back(root: Path, tmp_path: Path) -> None:
    done = run_batch(tmp_path, ("mail1",), {"11-key": (OPEN, PLAN, APPLY, SUMMARY)})
    kept = sum(path.stat().st_blocks * 512 for path in root.rglob("*"))
    assert done.hosts[0].state == "passed"
    assert kept < 1 << 20, [(path, path.stat().st_size) for path in root.rglob("*")]


def test_room_that_nobody_gave_back_is_given_back_by_a_later_run(tmp_path: Path) -> None:
    """By hand: a chapter was run after the notebook was saved, and the kernel ended."""
    tampering.record(tmp_path, tampering.PLAN)
    publish(tmp_path, tampering.PLAN)
    tampering.record(tmp_path, tampering.PLAN, host="mail13")
    left = seal.reserve_of(tmp_path, tampering.PLAN)
    tampering.record(tmp_path, tampering.CUT_OFF)
    assert left.exists(), "given up while the run was at work: this process held it"
    tampering.record(tmp_path, tampering.LAST)
    assert not left.exists()


def test_without_that_room_nothing_is_begun(root: Path, tmp_path: Path) -> None:
    root.mkdir()
    (root / ".others").write_bytes(bytes((DISK_MIB << 20) - (1 << 19)))
    with pytest.raises(RecordNotWritten, match="No space left on device") as refused:
        run_batch(tmp_path, ("mail1",), {"11-key": (OPEN, PLAN, APPLY, SUMMARY)})
    assert "Nothing was changed." in str(refused.value)
    assert verification.check_all(root).holds
    assert index.runs(root) == ()
