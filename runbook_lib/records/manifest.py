"""The manifest of a run: size and hash of every file, and what vouches for them; and its check."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from runbook_lib.errors import RecordError
from runbook_lib.records import files, origin
from runbook_lib.records.index import RunIndex

NAME = "manifest.json"


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


@dataclass(frozen=True)
class Check:
    """How a run's files compare with its manifest; paths are relative to the run's folder."""

    run: str
    unchanged: tuple[str, ...]
    altered: tuple[str, ...] = ()
    transported: tuple[str, ...] = ()  # only the line ends differ: a checkout or a mail changed them
    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """True when every file is as it was recorded, and there is no other."""
        return not (self.altered or self.transported or self.missing or self.extra)

    def report(self) -> str:
        """What was found, a line a file that is not as it was recorded."""
        lines = [f"{self.run}: {len(self.unchanged)} files are as they were recorded"]
        for word, paths in (
            ("altered", self.altered),
            ("line ends changed by transport", self.transported),
            ("missing", self.missing),
            ("not in the manifest", self.extra),
        ):
            lines += [f"  {word}: {path}" for path in paths]
        return "\n".join(lines)


def make(run: RunIndex) -> Manifest:
    """The manifest of a run's folder as it is now."""
    current = [entry.record for entry in run.current]
    first = min(current, key=lambda record: record.started_at, default=None)
    ended = [record.ended_at for record in current if record.ended_at]
    opened = {entry.path.as_posix() for entry in run.entries if entry.record.outcome == "running"}
    lock = origin.CHECKOUT / "requirements.lock"
    return Manifest(
        run=run.run,
        made_at=origin.now_text(),
        started_at=first.started_at if first else None,
        ended_at=max(ended, default=None),
        operator=first.operator if first else None,
        reason=first.reason if first else None,
        library=first.library if first else origin.library_version(),
        commit=first.commit if first else None,
        # One commit for the whole run, and nothing beside it: only then does the commit say what ran.
        clean_tree=all(r.clean_tree is True and r.commit == first.commit for r in current) if first else None,
        inventory_sha256=first.inventory_sha256 if first else None,
        lock_sha256=hashlib.sha256(lock.read_bytes()).hexdigest() if lock.exists() else None,
        files=tuple(_file(run.folder, path, path in opened) for path in _paths(run.folder)),
    )


def write(run: RunIndex) -> None:
    """Write the manifest of a run beside its files."""
    text = json.dumps(make(run).model_dump(), ensure_ascii=False, indent=1) + "\n"
    files.write_atomically(run.folder / NAME, text.encode())


def read(folder: Path) -> Manifest:
    """Read a run's manifest.

    Raises: RecordError when there is none, or it is not one.
    """
    path = folder / NAME
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise RecordError(
            "the run has no manifest, so nothing says what belongs to it",
            str(folder),
            "runbook records add NOTEBOOK makes one; if there was one, the record is not complete",
        ) from error
    except ValidationError as error:
        raise RecordError(
            f"the manifest cannot be read: {error.errors()[0]['msg']}",
            str(path),
            "take the record again from where it was kept",
        ) from error


def check(folder: Path) -> Check:
    """Compare every file of a run with its manifest.

    Raises: RecordError when there is no such run, or no manifest to compare with.
    """
    if not folder.is_dir():
        raise RecordError(
            "there is no such run", str(folder), "runbook records list shows the runs that are here"
        )
    manifest = read(folder)
    there = set(_paths(folder))
    sorted_out: dict[str, list[str]] = {"unchanged": [], "altered": [], "transported": []}
    for file in manifest.files:
        if file.path in there:
            sorted_out[_compared(folder / file.path, file)].append(file.path)
    recorded = {file.path for file in manifest.files}
    return Check(
        run=manifest.run,
        unchanged=tuple(sorted_out["unchanged"]),
        altered=tuple(sorted_out["altered"]),
        transported=tuple(sorted_out["transported"]),
        missing=tuple(sorted(recorded - there)),
        extra=tuple(sorted(there - recorded)),
    )


def _compared(path: Path, file: File) -> str:
    if path.is_symlink():  # what it leads to can change without a trace
        return "altered"
    content = path.read_bytes()
    if _sha256(content) == file.sha256 and len(content) == file.size_bytes:
        return "unchanged"
    unix = content.replace(b"\r\n", b"\n")
    if file.sha256 in (_sha256(unix), _sha256(unix.replace(b"\n", b"\r\n"))):
        return "transported"
    return "altered"


def _paths(folder: Path) -> list[str]:
    found = (
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if not path.is_dir() or path.is_symlink()
    )
    return sorted(path for path in found if path != NAME)


def _file(folder: Path, path: str, opened: bool) -> File:
    content = (folder / path).read_bytes()
    return File(path=path, sha256=_sha256(content), size_bytes=len(content), open=opened)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
