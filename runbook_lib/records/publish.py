"""Pages and manifest of a run, made anew from its records."""

import hashlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from runbook_lib.errors import RecordError
from runbook_lib.records import files, index, manifest, pages
from runbook_lib.records.index import RunIndex

LOCK_TIMEOUT_S = 30.0


def publish(root: Path, run: str, *, replaced: Collection[str] = ()) -> RunIndex:
    """Make the pages and the manifest of a run from its records.

    An earlier manifest is not simply replaced: what it vouched for must still be there unaltered. Pages are
    made anew; a record set aside keeps its bytes under another name; one that was open may have grown.

    Args:
        root: the folder of all records.
        run: the run.
        replaced: paths in the run's folder that were replaced on purpose.
    Returns: what the run consists of.
    Raises:
        RecordError: a record of the run is not readable, or is no longer what the manifest says; another process
            published for 30 s.
        RecordNotWritten: the disk is full, or takes nothing.
    """
    folder = root / run
    with _locked(root):
        found = index.read_run(folder)
        if (folder / manifest.NAME).exists():
            _refuse_altered(folder, replaced)
        for entry in found.entries:
            files.write_atomically(folder / entry.page, pages.chapter_page(entry, found).encode())
            if script := pages.plan_script(entry.record):
                files.write_atomically(folder / entry.script, script.encode())
        files.write_atomically(folder / "index.html", pages.index_page(found).encode())
        manifest.write(found)
    return found


@contextmanager
def _locked(root: Path) -> Iterator[None]:
    lock = FileLock(root / ".lock", mode=0o600)  # whoever may open it may hold it
    with files.told_where(root / ".lock"):
        try:
            lock.acquire(timeout=LOCK_TIMEOUT_S)
        except Timeout:
            raise RecordError(
                f"another process has been publishing records for {LOCK_TIMEOUT_S:g} s",
                str(root),
                "wait for it to end, then: runbook records add NOTEBOOK, or runbook resume RUN, publishes again",
                "",
            ) from None
    try:
        yield
    finally:
        lock.release()


def _refuse_altered(folder: Path, replaced: Collection[str]) -> None:
    recorded = {file.path: file for file in manifest.read(folder).files}
    found = manifest.check(folder)
    still_there = {
        hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()
    }
    wrong = [
        path
        for path in (*found.altered, *found.transported, *found.missing)
        if not path.endswith((".html", ".sh"))
        and path not in replaced
        and not recorded[path].open
        and recorded[path].sha256 not in still_there
    ]
    if wrong:
        raise RecordError(
            f"{', '.join(wrong)}: no longer as the manifest says",
            str(folder),
            f"see runbook records verify {folder.name}; what was altered is not vouched for anew",
            "The manifest was left as it is.",
        )
