"""What may be deleted of records, and how that shows: hold and release, redaction, and the end of their time.

Each is an entry of the chain. What vouches for a run (`run.json`, `SHA256SUMS`, signatures) is never deleted.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from runbook_lib.errors import RecordError, UsageError
from runbook_lib.messages import message
from runbook_lib.records import canonical, chain, files, index, kept, origin, seal, signing, verification
from runbook_lib.records.index import PAGE
from runbook_lib.records.signing import Kept
from runbook_lib.records.verification import Check


def hold(root: Path, run: str, reason: str) -> None:
    """Nothing of a run may be deleted from now on.

    Raises:
        UsageError: there is no reason, or the run is on hold.
        RecordError: there is no such run, its files have expired, or the chain is damaged.
        RecordNotWritten: nothing can be written there.
    """
    notes = _notes_of(root, run, reason)
    if notes.hold:
        raise UsageError(
            message("is on hold already, by {by}: {reason}", by=notes.hold.by, reason=notes.hold.reason),
            run,
            message("nothing is to do"),
        )
    if notes.expired:
        raise _refused(root, run, message("its files have expired"))
    _note(root, {"kind": "hold", "run": run, "by": origin.operator(), "reason": reason})


def release(root: Path, run: str, reason: str) -> None:
    """A run is on hold no more.

    Raises: as `hold`; UsageError also where it is not on hold.
    """
    if not _notes_of(root, run, reason).hold:
        raise UsageError(message("is not on hold"), run, message("nothing is to do"))
    _note(root, {"kind": "release", "run": run, "by": origin.operator(), "reason": reason})


def redact(root: Path, run: str, path: str, reason: str) -> Kept:
    """Delete a file of a run; in its place PATH.redacted says what it was, who deleted it, and why.

    The run is sealed anew, and signed where it was signed or the inventory in use wants that. A redaction that broke
    off goes on when it is asked for again.

    Args:
        path: of the file, in the run's folder.
    Raises:
        UsageError: there is no reason, or no such file, or it was redacted already.
        RecordError: the run is not sealed, at work, on hold, not as it was sealed, or has expired.
        RecordNotSigned: it has to be signed, and no key is there. Nothing was deleted.
        RecordNotWritten: nothing can be written there.
    """
    folder, notes = root / run, _notes_of(root, run, reason)
    _refuse_to_delete(root, run, notes)
    listed = _listed(folder)
    last = notes.redacted.get(path)
    broke_off = last is not None and last.sha256 == listed.get(path)
    if path not in listed:
        told = message("was redacted already") if last else message("is no file of this run")
        raise UsageError(
            told, f"{run}/{path}", message("see {sums} there: it lists every file", sums=seal.SUMS)
        )
    if seal.vouches(path):
        raise UsageError(
            message("says what the others were, so it stays"),
            f"{run}/{path}",
            message("redact the file itself"),
        )
    if not broke_off and not verification.check(folder).holds:
        raise _refused(root, run, message("is not as it was sealed"))
    key = None
    if (folder / seal.SIGNATURE).exists() or origin.signing() == "required":
        key = signing.find_key(root)
        signing.signature(b"runbook: whether this key signs\n", key)
    with chain.locked(root):
        if not broke_off:
            size = (folder / path).stat().st_size
            chain.append(root, {
                "kind": "redacted", "run": run, "by": origin.operator(), "path": path, "reason": reason,
                "sha256": listed[path], "size": size,
            })  # fmt: skip
        entry = kept.read(root, run).redacted[path]
        files.write_atomically(folder / f"{path}{seal.REDACTED}", canonical.to_bytes(entry.model_dump()))
        with files.told_where(folder / path):
            for gone in (path, *_pages_of(path)):
                (folder / gone).unlink(missing_ok=True)
    return signing.keep(root, run, replaced={path, f"{path}{seal.REDACTED}"}, key=key)


def _pages_of(path: str) -> tuple[str, ...]:
    """The pages that are made from a file, and show what is in it."""
    name = Path(path)
    if path.endswith(".ipynb"):
        return (f"{name.with_suffix('')}.notebook.html",)
    return (str(name.with_suffix(".html")), PAGE) if path.endswith(".json") else ()


def made_with(folder: Path, path: str) -> tuple[str, ...]:
    """The other files of the same chapter and host, which may hold the same."""
    stem = path.rpartition("/")[2].partition(".")[0]
    return tuple(
        other for other in seal.paths(folder)
        if Path(other).parent == Path(path).parent and other.rpartition("/")[2].startswith(f"{stem}.")
        and not seal.vouches(other) and not other.endswith(".html")
    )  # fmt: skip


@dataclass(frozen=True)
class Due:
    """A run whose time is over, and what of it would be deleted. `stays`: why it is not; '' where it is."""

    run: str
    ended: date
    paths: tuple[str, ...]
    size: int
    stays: str


def due(root: Path, before: date) -> tuple[Due, ...]:
    """The runs that ended before a day (UTC) and still have files to delete, the oldest first.

    What is not sealed has no day on which it ended for sure, and is left out.
    """
    checks = {check.run: check for check in verification.check_all(root).runs}
    notes = kept.read_all(root)
    return tuple(_due(root, before, checks, notes))


def _due(root: Path, before: date, checks: dict[str, Check], notes: dict[str, kept.Notes]) -> Iterator[Due]:
    for run in sorted(index.runs(root)):
        folder, check = root / run, checks.get(run, Check(run, contradicted=("is a link",)))
        try:
            statement = seal.read_statement(folder)
        except RecordError:
            continue
        ended = datetime.fromisoformat(statement.ended_at or statement.sealed_at).astimezone(UTC).date()
        paths = tuple(path for path in seal.paths(folder) if not seal.vouches(path))
        if ended >= before or not paths:
            continue
        noted = notes.get(run, kept.NOTHING)
        stays = ""
        if noted.hold:
            stays = f"on hold by {noted.hold.by}: {noted.hold.reason}"
        elif chain.is_at_work(folder):
            stays = "at work"
        elif not check.holds and not noted.expired:
            stays = "not as it was sealed"
        size = sum((folder / path).lstat().st_size for path in paths)
        yield Due(run, ended, paths, size, stays)


def expire(root: Path, before: date) -> tuple[Due, ...]:
    """Delete the files of runs that ended before a day (UTC); what vouches for them stays.

    Returns: what `due` said; what has `stays` was left as it is.
    Raises:
        RecordError: the chain is damaged.
        RecordNotWritten: nothing can be written there.
    """
    found = due(root, before)
    for one in found:
        if one.stays:
            continue
        with chain.locked(root):
            if not kept.read(root, one.run).expired:
                entry = {
                    "kind": "expired",
                    "run": one.run,
                    "by": origin.operator(),
                    "before": before.isoformat(),
                }
                chain.append(root, entry)
            _delete(root / one.run, one.paths)
    return found


def _delete(folder: Path, paths: tuple[str, ...]) -> None:
    with files.told_where(folder):
        for path in paths:
            (folder / path).unlink()
        for below in sorted((path for path in folder.rglob("*") if path.is_dir()), reverse=True):
            if not any(below.iterdir()):
                below.rmdir()


def _listed(folder: Path) -> dict[str, str]:
    try:
        return seal.read_sums(folder / seal.SUMS)[0]
    except ValueError as error:
        raise RecordError(
            message("is not sealed: {sums} {error}", sums=seal.SUMS, error=str(error)),
            str(folder),
            message("see runbook records verify {run}", run=folder.name),
        ) from None


def _notes_of(root: Path, run: str, why: str) -> kept.Notes:
    if not why.strip():
        raise UsageError(
            message("is empty"),
            "--reason",
            message("say why, as a ticket or a sentence: it stays in the chain"),
        )
    index.refuse_unreadable(root / run)
    if not (root / run).is_dir():
        raise RecordError(
            message("there is no such run"),
            str(root / run),
            message("runbook records list shows the runs that are here"),
        )
    return kept.read(root, run)


def _refuse_to_delete(root: Path, run: str, notes: kept.Notes) -> None:
    if notes.hold:
        raise _refused(
            root,
            run,
            message("is on hold by {by}: {reason}", by=notes.hold.by, reason=notes.hold.reason),
            message("once that is over: runbook records release {run} --reason TEXT", run=run),
        )
    if notes.expired:
        raise _refused(root, run, message("its files have expired"))
    if chain.is_at_work(root / run):
        raise _refused(root, run, message("is at work"))


def _refused(root: Path, run: str, problem: str, remedy: str = "") -> RecordError:
    return RecordError(
        problem,
        str(root / run),
        remedy or message("see runbook records verify {run}", run=run),
        message("Nothing was deleted."),
    )


def _note(root: Path, entry: dict[str, object]) -> None:
    with chain.locked(root):
        chain.append(root, entry)
