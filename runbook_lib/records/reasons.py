"""For which reasons runs were applied to a host, kept beside the records so that each record is read once.

`.reasons/HOST.json` is derived: whoever deletes it loses a second. What it says of a run counts as long as nothing was
renamed in the run's folder of this host, which is how each record is written; everything else is read anew.
"""

import os
import time
from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from runbook_lib.errors import RecordNotWritten
from runbook_lib.records import files, model

FOLDER = ".reasons"
_SETTLED_NS = 2 * 10**9  # a file system tells no two changes apart that are closer than its clock is coarse


class _Known(BaseModel):
    """What was read of a run: the folder as it was then, and the reasons of what was applied; none where it goes on."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    changed_ns: int
    inode: int
    reasons: tuple[str, ...]


class _Kept(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    runs: dict[str, _Known] = {}


def newest(root: Path, runs: Iterable[str], host: str, reason: str) -> str | None:
    """The first of the runs that was applied to a host for this reason, to its end; None when there is none.

    Args:
        root: the folder of all records.
        runs: the newest first.
    Raises: RecordError when a record of the host is not readable.
    """
    path = root / FOLDER / f"{host}.json"
    known = _read(path)
    found: dict[str, _Known] = {}
    for run in runs:
        try:
            there = os.stat(f"{root}/{run}/{host}")  # noqa: PTH116  # of thousands: a Path takes five times as long
        except (FileNotFoundError, NotADirectoryError):
            continue
        one = known.get(run)
        if one is None or (one.changed_ns, one.inode) != (there.st_mtime_ns, there.st_ino):
            reasons = _applied(root / run / host)
            one = _Known(changed_ns=there.st_mtime_ns, inode=there.st_ino, reasons=reasons)
        found[run] = one
    _keep(path, known, found)
    return next((run for run, one in found.items() if reason in one.reasons), None)


def _applied(folder: Path) -> tuple[str, ...]:
    records = [model.read(path) for path in sorted(folder.glob("*.json")) if files.attempt(path) == 0]
    if not all(record.outcome in ("passed", "not proven") for record in records):
        return ()
    return tuple(dict.fromkeys(record.reason for record in records if record.mode == "apply"))


def _read(path: Path) -> dict[str, _Known]:
    try:
        return _Kept.model_validate_json(path.read_bytes()).runs
    except (OSError, ValidationError):  # not there, another's, cut off: the records have it
        return {}


def _keep(path: Path, known: dict[str, _Known], found: dict[str, _Known]) -> None:
    """Keep what was read anew; what is at work changes with each step, and is not worth a file."""
    settled = time.time_ns() - _SETTLED_NS
    kept = {run: one for run, one in found.items() if one.changed_ns < settled}
    newest = next(iter(found), None)
    if all(known.get(run) is one for run, one in kept.items() if run != newest):
        return
    try:
        files.write_atomically(path, _Kept(runs=kept).model_dump_json().encode())
    except RecordNotWritten:  # records of somebody else, a full disk: next time they are read again
        return
