"""Seal and pages of a run, made anew from its records."""

import fcntl
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from runbook_lib.records import chain, files, index, manifest, model, pages, seal
from runbook_lib.records.index import RunIndex


def publish(
    root: Path, run: str, *, replaced: Collection[str] = (), principal: str | None = None
) -> RunIndex:
    """Seal a run, and make its pages from its records.

    An earlier seal is not simply replaced: what it vouched for must still be there unaltered. Pages are
    made anew; a record set aside keeps its bytes under another name; one that was open may have grown.

    Args:
        root: the folder of all records.
        run: the run.
        replaced: paths in the run's folder that were replaced on purpose.
        principal: whose key will sign the seal; None: nobody's.
    Returns: what the run consists of.
    Raises:
        RecordError: a record of the run is not readable, or is no longer as it was sealed; the chain is damaged;
            another process published for 30 s.
        RecordNotWritten: the disk is full, or takes nothing.
    """
    folder = root / run
    with chain.locked(root):
        found = index.read_run(folder, model.told_of)  # a thousand hosts are not in memory at once
        if (folder / manifest.NAME).exists() and not (folder / seal.STATEMENT).exists():
            manifest.refuse_altered(folder, replaced)  # of format 1, which goes on as format 2
        made = set(replaced)
        for entry in found.entries:
            if script := pages.plan_script(model.read(folder / entry.path)):
                files.write_atomically(folder / entry.script, script.encode())
                made.add(entry.script.as_posix())
        seal.seal(found, principal, made)
        sealed = (folder / seal.SUMS).read_bytes()
    # Behind the seal, which pages are no part of: a disk may become full. A thousand hosts' take minutes, in which
    # others may seal their runs. Whoever sealed this one meanwhile makes its pages then.
    with _alone(folder):
        if (folder / seal.SUMS).read_bytes() == sealed:
            for entry in found.entries:
                whole = replace(entry, record=model.read(folder / entry.path))
                files.write_atomically(folder / entry.page, pages.chapter_page(whole, found).encode())
            files.write_atomically(folder / index.PAGE, pages.index_page(found).encode())
    return found


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """The pages of one run are made by one process at a time."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
