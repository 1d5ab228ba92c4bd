"""The manifest of a run of version 0.1.0 (format 1): size and hash of every file. It is read for ever, and not written.

A run of today has a seal (`records.seal`), and one of before that goes on gets one, too.
"""

import hashlib
import stat
from collections.abc import Collection
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from runbook_lib.errors import RecordError
from runbook_lib.messages import message
from runbook_lib.records import comparison, seal, undone
from runbook_lib.records.comparison import Compared
from runbook_lib.records.index import read_run

NAME = "manifest.json"
_BYTES_MAX = 64 << 20  # some 200,000 files
_OF_RECORDS = ("started_at", "ended_at", "reason", "library", "commit", "clean_tree", "inventory_sha256")


class File(BaseModel):
    """One file of a run. `open`: a record whose chapter had not ended when the manifest was made."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    path: str
    sha256: str
    size_bytes: int
    open: bool = False


class Manifest(BaseModel):
    """What a run consists of. Times are UTC with their offset; `lock_sha256` is None outside a checkout."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    format: Literal[1] = 1
    run: str
    made_at: str
    started_at: str | None
    ended_at: str | None
    operator: str | None
    reason: str | None
    library: str
    commit: str | None
    clean_tree: bool | None
    inventory_sha256: str | None
    lock_sha256: str | None
    files: tuple[File, ...]

    @field_validator("files")
    @classmethod
    def _each_once(cls, listed: tuple[File, ...]) -> tuple[File, ...]:
        if len({file.path for file in listed}) < len(listed):
            raise ValueError("a file is listed twice")
        return listed


def read(folder: Path) -> Manifest:
    """Read a run's manifest.

    Raises: RecordError when there is none, or it is not one.
    """
    path = folder / NAME
    try:
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > _BYTES_MAX:
            raise RecordError(
                message(
                    "is no file of a manifest: a file of at most {most} bytes is expected",
                    most=f"{_BYTES_MAX:,}",
                ),
                str(path),
                message("take the record again from where it was kept"),
            )
        return Manifest.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise RecordError(
            message("the run has no manifest, so nothing says what belongs to it"),
            str(folder),
            message("runbook records add NOTEBOOK makes one; if there was one, the record is not complete"),
        ) from error
    except ValidationError as error:
        raise RecordError(
            message("the manifest cannot be read: {reason}", reason=error.errors()[0]["msg"]),
            str(path),
            message("take the record again from where it was kept"),
        ) from error


def compare(folder: Path, manifest: Manifest) -> Compared:
    """Compare every file of a run with its manifest."""
    there = [path for path in seal.paths(folder) if not _is_beside(folder, path)]
    known = {file.path: file.sha256 for file in manifest.files}
    sizes = {file.path: file.size_bytes for file in manifest.files}
    return comparison.compare(folder, known, there, sizes)


def contradicted(folder: Path, manifest: Manifest) -> tuple[str, ...]:
    """What the manifest says of the run, and its records do not."""
    found = read_run(folder)
    if not found.current:
        return ()
    told = {name: value for name, value in seal.told_by_records(found).items() if name in _OF_RECORDS}
    if manifest.commit is None and manifest.clean_tree is False:  # as it was written where there is no commit
        told.pop("clean_tree")
    first = min((entry.record for entry in found.current), key=lambda record: record.started_at)
    told["operator"] = first.operator
    return tuple(name for name, value in told.items() if getattr(manifest, name) != value)


def refuse_altered(folder: Path, replaced: Collection[str]) -> None:
    """Refuse to go on with a run that is no longer as its manifest says; pages are made anew, what was open may grow.

    Raises: RecordError.
    """
    manifest = read(folder)
    recorded = {file.path: file for file in manifest.files}
    found = compare(folder, manifest)
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
            message("{wrong}: no longer as the manifest says", wrong=", ".join(wrong)),
            str(folder),
            message(
                "see runbook records verify {run}; what was altered is not vouched for anew",
                run=folder.name,
            ),
            message("The manifest was left as it is."),
        )


def _is_beside(folder: Path, path: str) -> bool:
    return path in (NAME, undone.NAME) and not (folder / path).is_symlink()
