"""Seal and pages of a run, made anew from its records."""

from collections.abc import Collection
from pathlib import Path

from runbook_lib.records import chain, files, index, manifest, pages, seal
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
        found = index.read_run(folder)
        if (folder / manifest.NAME).exists() and not (folder / seal.STATEMENT).exists():
            manifest.refuse_altered(folder, replaced)  # of format 1, which goes on as format 2
        made = set(replaced)
        for entry in found.entries:
            if script := pages.plan_script(entry.record):
                files.write_atomically(folder / entry.script, script.encode())
                made.add(entry.script.as_posix())
        seal.seal(found, principal, made)
        for entry in found.entries:  # behind the seal, which they are no part of: a disk may become full
            files.write_atomically(folder / entry.page, pages.chapter_page(entry, found).encode())
        files.write_atomically(folder / index.PAGE, pages.index_page(found).encode())
    return found
