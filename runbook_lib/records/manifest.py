"""The manifest of a run: size and hash of every file, and what vouches for them; and its check."""

import hashlib
import json
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from runbook_lib import places
from runbook_lib.errors import RecordError
from runbook_lib.records import files, origin, undone
from runbook_lib.records.index import RunIndex, read_run, refuse_unreadable
from runbook_lib.visible import one_line

NAME = "manifest.json"
_MANIFEST_BYTES_MAX = 64 << 20  # some 200,000 files
_TRANSPORTED_BYTES_MAX = 256 << 20  # more is not looked through for line ends


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
    contradicted: tuple[
        str, ...
    ] = ()  # what the manifest says of the run, and its records or its folder do not

    @property
    def holds(self) -> bool:
        """True when every file is as it was recorded, there is no other, and the manifest says what the records do."""
        return not (self.altered or self.transported or self.missing or self.extra or self.contradicted)

    def report(self) -> str:
        """What was found, a line a file that is not as it was recorded."""
        lines = [f"{self.run}: {len(self.unchanged)} files are as they were recorded"]
        for word, paths in (
            ("altered", self.altered),
            ("line ends changed by transport", self.transported),
            ("missing", self.missing),
            ("not in the manifest", self.extra),
            ("the manifest says otherwise than the records", self.contradicted),
        ):
            lines += [f"  {word}: {one_line(path)}" for path in paths]
        return "\n".join(lines)


def make(run: RunIndex) -> Manifest:
    """The manifest of a run's folder as it is now.

    Raises: RecordError: something in the folder is no file.
    """
    opened = {entry.path.as_posix() for entry in run.entries if entry.record.outcome == "running"}
    lock = places.CHECKOUT / "requirements.lock" if places.CHECKOUT else None
    told = {"library": origin.library_version(), **dict.fromkeys(_OF_RECORDS)} | _told_by_records(run)
    return Manifest.model_validate(
        told
        | {
            "run": run.run,
            "made_at": origin.now_text(),
            "lock_sha256": hashlib.sha256(lock.read_bytes()).hexdigest() if lock and lock.exists() else None,
            "files": tuple(_file(run.folder, path, path in opened) for path in _paths(run.folder)),
        }
    )


_OF_RECORDS = ("started_at", "ended_at", "operator", "reason", "commit", "clean_tree", "inventory_sha256")


def _told_by_records(run: RunIndex) -> dict[str, object]:
    """What a manifest has of the records; nothing where there are none."""
    current = [entry.record for entry in run.current]
    first = min(current, key=lambda record: record.started_at, default=None)
    if first is None:
        return {}
    return {
        "started_at": first.started_at,
        "ended_at": max((record.ended_at for record in current if record.ended_at), default=None),
        "operator": first.operator,
        "reason": first.reason,
        "library": first.library,
        "commit": first.commit,
        # One commit for the whole run, and nothing beside it: only then does the commit say what ran.
        "clean_tree": None
        if first.commit is None
        else all(r.clean_tree is True and r.commit == first.commit for r in current),
        "inventory_sha256": first.inventory_sha256,
    }


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
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > _MANIFEST_BYTES_MAX:
            raise RecordError(
                f"is no file of a manifest: a file of at most {_MANIFEST_BYTES_MAX:,} bytes is expected",
                str(path),
                "take the record again from where it was kept",
            )
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

    Raises: RecordError when there is no such run, it is another's to read, or there is no manifest to compare with.
    """
    refuse_unreadable(folder)
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
    contradicted = []
    if folder.resolve().name != manifest.run:
        contradicted.append(
            f"run: the folder has the name {folder.resolve().name}, and is of run {manifest.run}"
        )
    if recorded == there == set(sorted_out["unchanged"]):
        told = _told_by_records(read_run(folder))
        if manifest.commit is None and manifest.clean_tree is False:  # as earlier versions had it
            told.pop("clean_tree", None)
        contradicted += [name for name, value in told.items() if getattr(manifest, name) != value]
    return Check(
        contradicted=tuple(contradicted),
        run=manifest.run,
        unchanged=tuple(sorted_out["unchanged"]),
        altered=tuple(sorted_out["altered"]),
        transported=tuple(sorted_out["transported"]),
        missing=tuple(sorted(recorded - there)),
        extra=tuple(sorted(there - recorded)),
    )


def _compared(path: Path, file: File) -> str:
    status = path.lstat()
    if not stat.S_ISREG(status.st_mode):  # what a link leads to can change without a trace; a pipe never ends
        return "altered"
    if status.st_size == file.size_bytes and _sha256(path) == file.sha256:
        return "unchanged"
    # Other line ends halve or double a file at most.
    if not file.size_bytes // 2 <= status.st_size <= min(2 * file.size_bytes, _TRANSPORTED_BYTES_MAX):
        return "altered"
    unix = path.read_bytes().replace(b"\r\n", b"\n")
    digests = (hashlib.sha256(text).hexdigest() for text in (unix, unix.replace(b"\n", b"\r\n")))
    return "transported" if file.sha256 in digests else "altered"


def _paths(folder: Path) -> list[str]:
    found = (
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if not path.is_dir() or path.is_symlink()
    )
    return sorted(path for path in found if path not in (NAME, undone.NAME) or (folder / path).is_symlink())


def _file(folder: Path, path: str, opened: bool) -> File:
    place = folder / path
    status = place.lstat()
    if not stat.S_ISREG(status.st_mode):
        raise RecordError(
            "is no file, so nothing can vouch for it", str(place), "move it out of the record",
            "The manifest was left as it is.",
        )  # fmt: skip
    return File(path=path, sha256=_sha256(place), size_bytes=status.st_size, open=opened)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
