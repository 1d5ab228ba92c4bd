"""The seal of a run: what it consists of, who made it, and its place in the chain.

`run.json` says what the run was; `SHA256SUMS` lists every file of it, `run.json` included, as sha256sum(1) reads it; a
line of the chain has the digest of that list. Pages are made from the data and lie outside.
"""

import hashlib
import os
import re
import socket
import stat
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from runbook_lib import places
from runbook_lib.errors import RecordError
from runbook_lib.messages import message
from runbook_lib.records import canonical, chain, comparison, files, index, kept, origin
from runbook_lib.records.index import RunIndex
from runbook_lib.records.model import Approval, RecordData, Time, UndoStep

STATEMENT = "run.json"
SUMS = "SHA256SUMS"
SIGNATURE = "SHA256SUMS.sig"
STAMP = "SHA256SUMS.tsr"
BESIDE = (SUMS, SIGNATURE, STAMP)  # what vouches for a run, and cannot list itself
_OUTSIDE = frozenset((*BESIDE, chain.AT_WORK))
# What cannot be there yet, where this is the last that the chain has of what vouches for a run.
_NOT_YET = {"seal": (SIGNATURE, STAMP), "signed": (STAMP,), "stamped": ()}
_SUM = re.compile(r"(?P<sha256>[0-9a-f]{64})  (?P<path>[^\\/\n][^\n]*)")
_RESERVE = ".reserve"
REDACTED = ".redacted"  # behind the name of a file that was deleted: who did it, and why
_VOUCHES = re.compile(rf"run\.json(\.[0-9]+)?|SHA256SUMS\.[0-9]+(\.[a-z]+)?|.+{re.escape(REDACTED)}")
NOT_BEGUN = "not begun"  # what a host came to of which there is no record
SUMS_BYTES_MAX = 64 << 20  # some 500,000 files

Kind = Literal["plan", "apply", "rollback", "ca", "journals"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Place(_Part):
    """The place of a seal in the chain: hence whoever signs it signs all that was before, too."""

    stream: str
    n: int
    prev: str


class Operator(_Part):
    """Who ran it: the login by its number, and whose key signs the seal; None where nobody signs it."""

    login: str
    principal: str | None


class Controller(_Part):
    """The machine that it was run from: its name, and a digest of its machine id; None where it has none."""

    name: str
    machine: str | None


class OnHost(_Part):
    """What became of a run on one host. `verdicts`: how many claims ended so."""

    outcome: str
    changes: int
    verdicts: dict[str, int]


class Statement(_Part):
    """`run.json`, format 2: what a run was. Times are UTC with their offset.

    Args:
        plan: digest of what was planned, or of the plan that the run is bound to; None of neither.
        approval: who approved that plan; None of a run that is bound to none.
        review_by: until when a run that waited for no approval is to be reviewed; None where it need not be.
        cut_off: the run did not end itself, and was sealed as it was found.
        open: records whose chapters had not ended; these may grow.
        undoes: the run that this one put back.
        sizes: of each file in bytes, but its own.
        follows: digest of the SHA256SUMS of the seal before, where the run went on after it.
    """

    format: Literal[2] = 2
    run: str
    kind: Kind
    chain: Place
    operator: Operator
    controller: Controller
    reason: str | None
    started_at: Time | None
    ended_at: Time | None
    sealed_at: Time
    signing: origin.Signing
    plan: str | None
    approval: Approval | None = None
    review_by: Time | None = None
    library: str
    commit: str | None
    clean_tree: bool | None
    inventory_sha256: str | None
    lock_sha256: str | None
    hosts: dict[str, OnHost]
    cut_off: bool
    open: tuple[str, ...]
    sizes: dict[str, int]
    undoes: str | None
    follows: str | None


def begin(root: Path, run: str) -> None:
    """Write into the chain that a run begins, or goes on after its seal, and hold it.

    Runs that were cut off are sealed first.
    Room for its end is kept from now on, so that a disk that becomes full does not leave it without one.

    Raises:
        RecordError: the chain is damaged, or another process held the records for 30 s.
        RecordNotWritten: nothing can be written there, or there is not room enough for its end. Nothing was begun.
    """
    files.prepare_root(root)
    with chain.locked(root):
        begun = chain.runs_begun(root)
        for earlier, sealed in begun.items():
            if not sealed and earlier != run:
                _seal_cut_off(root, earlier)
        for left in root.glob(f".*{_RESERVE}"):
            of = left.name[1:].removesuffix(_RESERVE)
            if of in begun and not chain.is_at_work(root / of):
                files.give_up(left)
        _take_away_unnoted(root)
        files.reserve(reserve_of(root, run))
        files.make_folder(
            root / run
        )  # before the chain has it: an empty folder is nothing, a missing one is a fault
        chain.hold(root / run)
        if begun.get(run, True):  # sealed already: from here on it may do more than that seal has
            chain.append(root, {"kind": "begin", "run": run})


def reserve_of(root: Path, run: str) -> Path:
    """The room on the disk that is kept for a run from its beginning to its seal."""
    return root / f".{run}{_RESERVE}"


def _take_away_unnoted(root: Path) -> None:
    """Delete signatures and time-stamps whose writer was killed before the chain had them: they prove nothing.

    The folder of records is held, so nobody is between the two at this moment.
    """
    for run, last in chain.last_vouched(root).items():
        for name in _NOT_YET[last]:
            path = root / run / name
            if path.is_file() and not chain.has_digest(root, sha256(path.read_bytes())):
                with files.told_where(path):
                    path.unlink()


def _seal_cut_off(root: Path, run: str) -> None:
    folder = root / run
    if chain.is_at_work(folder) or not folder.is_dir():
        return
    try:
        seal(index.read_run(folder), cut_off=True)
    except RecordError:  # what cannot be read stays open, and `records verify` names it
        return


def seal(
    found: RunIndex, principal: str | None = None, replaced: Collection[str] = (), *, cut_off: bool = False
) -> None:
    """Seal a run as it is now; nothing where it is sealed so already, and did not go on. The folder of records is held.

    What an earlier seal vouched for must still be there: a record set aside keeps its bytes under another name, one
    that was open may have grown. The earlier seal is kept beside.

    Args:
        principal: whose key will sign it.
        replaced: paths in the run's folder that were replaced on purpose.
        cut_off: the run did not end itself.
    Raises:
        RecordError: something in the folder is no file, or is not as it was sealed. The seal was left as it is.
        RecordNotWritten: the disk is full, or takes nothing.
    """
    folder, root = found.folder, found.folder.parent
    files.give_up(reserve_of(root, found.run))
    last = chain.last_seal(root, found.run)
    earlier = _vouched_for(folder, last)
    sums = {path: _sha256_of(folder, path) for path in _to_be_sealed(folder)}
    if earlier is not None:
        _refuse_altered(folder, earlier, sums, replaced)
    before = read_statement(folder) if last and earlier else None
    if (
        before
        and earlier
        and _without(earlier, STATEMENT) == sums
        and principal in (None, before.operator.principal)
        and found.run not in chain.open_runs(root)
    ):
        return
    if before and earlier and not _went_on(earlier, sums, kept.read(root, found.run)):
        cut_off = before.cut_off
    else:
        before = None
    if last and earlier:
        sums |= _set_aside(folder, last)
    place = chain.next_place(root)
    follows = last.sums if last else None
    statement = _statement(found, sums.keys(), place, principal, follows, before, cut_off=cut_off)
    content = canonical.to_bytes(statement.model_dump())
    files.write_atomically(folder / STATEMENT, content)
    sums[STATEMENT] = sha256(content)
    listed = "".join(f"{sums[path]}  {path}\n" for path in sorted(sums)).encode()
    files.write_atomically(folder / SUMS, listed)
    for name in (STAMP, SIGNATURE):
        (folder / name).unlink(missing_ok=True)
    chain.append(root, {"kind": "seal", "run": found.run, "sums": sha256(listed)}, place)


def sha256(content: bytes) -> str:
    """A digest as the seal, the chain and sha256sum(1) spell it."""
    return hashlib.sha256(content).hexdigest()


def read_statement(folder: Path) -> Statement:
    """What a run was, by its `run.json`.

    Raises: RecordError: there is none, or it is not one of format 2.
    """
    path = folder / STATEMENT
    try:
        return Statement.model_validate(canonical.from_bytes(read_regular(path, SUMS_BYTES_MAX)))
    except ValidationError as error:
        reason = f"{'.'.join(map(str, error.errors()[0]['loc']))}: {error.errors()[0]['msg']}"
    except ValueError as error:
        reason = str(error)
    raise RecordError(
        message("cannot be read: {reason}", reason=reason),
        str(path),
        message("take the record again from where it was kept"),
    )


def read_regular(path: Path, bytes_max: int) -> bytes:
    """The bytes of a file that is one, and no longer than that.

    Raises: ValueError: it is not there, is a link or a pipe, or is longer.
    """
    try:
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > bytes_max:
            raise ValueError("is no file of this kind")
        return path.read_bytes()
    except OSError as error:
        raise ValueError(error.strerror or "cannot be read") from None


def read_sums(path: Path) -> tuple[dict[str, str], str]:
    """What a SHA256SUMS lists, path to digest, and its own digest.

    Raises: ValueError: it is not there, or is not as a seal writes it.
    """
    content = read_regular(path, SUMS_BYTES_MAX)
    return parse_sums(content), sha256(content)


def parse_sums(content: bytes) -> dict[str, str]:
    """What a SHA256SUMS lists, path to digest.

    Raises: ValueError: it is not as a seal writes it.
    """
    listed: dict[str, str] = {}
    for line in content.decode().splitlines():
        found = _SUM.fullmatch(line)
        if found is None or found["path"] in listed:
            raise ValueError("has a line that is none")
        listed[found["path"]] = found["sha256"]
    again = "".join(f"{listed[path]}  {path}\n" for path in sorted(listed))
    if again.encode() != content:
        raise ValueError("is not written as a seal writes it")
    return listed


def paths(folder: Path) -> list[str]:
    """Everything in a run's folder that is no folder, by its path in there; what stands beside a seal is left out."""
    found = []
    for here, folders, names in os.walk(folder):  # many times as fast as Path.rglob
        below = "" if here == str(folder) else f"{os.path.relpath(here, folder)}/"
        links = [name for name in folders if Path(here, name).is_symlink()]
        found += [f"{below}{name}" for name in (*names, *links)]
    return sorted(path for path in found if path not in _OUTSIDE or (folder / path).is_symlink())


def is_page(path: str, there: Collection[str]) -> bool:
    """Whether a file is a page that is made from data which is there."""
    if path == index.PAGE:
        return True
    stem, is_notebooks, _ = path.partition(".notebook.html")
    made_from = f"{stem}.ipynb" if is_notebooks else f"{path.removesuffix('.html')}.json"
    return path.count("/") == 1 and path.endswith(".html") and made_from in there


def vouches(path: str) -> bool:
    """Whether a sealed file says of others what they were: it stays when these are deleted."""
    return bool(_VOUCHES.fullmatch(path))


def tells_less(notes: kept.Notes) -> bool:
    """Whether a file was redacted that `run.json` is made from: then it keeps what it said before."""
    return any(
        path in (index.ORDER, index.PLAN) or (path.count("/") == 1 and path.endswith(".json"))
        for path in notes.redacted
    )


def _to_be_sealed(folder: Path) -> list[str]:
    there = set(paths(folder))
    return sorted(path for path in there if path != STATEMENT and not is_page(path, there))


def _sha256_of(folder: Path, path: str) -> str:
    place = folder / path
    if not stat.S_ISREG(place.lstat().st_mode):
        raise _not_sealed(place, message("is no file, so nothing can vouch for it"))
    if not _SUM.fullmatch(f"{chain.FIRST}  {path}") or not path.isprintable():
        raise _not_sealed(place, message("has a name that no list of digests can have"))
    return comparison.sha256_of(place)


def _not_sealed(place: Path, problem: str) -> RecordError:
    return RecordError(
        problem, str(place), message("move it out of the record"), message("The seal was left as it is.")
    )


def _vouched_for(folder: Path, last: chain.Seal | None) -> dict[str, str] | None:
    """What the last seal lists, path to digest; None where there was none.

    Where the chain has no seal, a list that is there is one that did not come into it: it counts all the same.

    Raises: RecordError: the list that the chain has is not there.
    """
    for name in (SUMS, *sorted(path.name for path in folder.glob(f"{SUMS}.*[0-9]"))):
        try:
            listed, digest = read_sums(folder / name)
        except ValueError:
            continue
        if last is None or last.sums == digest:
            return listed
    if last is None:
        return None
    raise _altered(folder, message("{file}: not the one of the chain", file=SUMS))


def _went_on(earlier: Mapping[str, str], sums: Mapping[str, str], notes: kept.Notes) -> bool:
    """Whether a run did more since its last seal than to be signed, or to have files of it redacted."""
    deleted = notes.redacted.keys()
    beside = {f"{path}{REDACTED}" for path in deleted}
    return _without(earlier, STATEMENT, *deleted, *beside) != _without(sums, *deleted, *beside)


def _without(sums: Mapping[str, str], *paths: str) -> dict[str, str]:
    return {path: digest for path, digest in sums.items() if path not in paths}


def _altered(folder: Path, told: str) -> RecordError:
    return RecordError(
        message("{told}: no longer as it was sealed", told=told),
        str(folder),
        message(
            "see runbook records verify {run}; what was altered is not vouched for anew", run=folder.name
        ),
        message("The seal was left as it is."),
    )


def _refuse_altered(
    folder: Path, earlier: Mapping[str, str], sums: Mapping[str, str], replaced: Collection[str]
) -> None:
    grown: tuple[str, ...] = ()
    try:
        grown = read_statement(folder).open
    except RecordError as error:
        if STATEMENT in earlier:
            raise _altered(folder, STATEMENT) from error
    still_there = {*sums.values(), *(_digest(path) for path in folder.glob(f"{STATEMENT}*"))}
    wrong = [
        path
        for path, digest in earlier.items()
        if sums.get(path) != digest
        and digest not in still_there
        and path not in replaced
        and path not in grown
    ]
    if wrong:
        raise _altered(folder, ", ".join(wrong))


def _digest(path: Path) -> str:
    return sha256(path.read_bytes())


def _set_aside(folder: Path, last: chain.Seal) -> dict[str, str]:
    """Keep the last seal beside the one to come; returns the digests of what is kept, by path."""
    if (
        not (folder / SUMS).exists() or _digest(folder / SUMS) != last.sums
    ):  # it was, and what came then broke off
        return {}
    number = 1
    while (folder / f"{SUMS}.{number}").exists():
        number += 1
    kept = {}
    for name, spelled in (
        (STATEMENT, f"{STATEMENT}.{number}"),
        (SIGNATURE, f"{SUMS}.{number}.sig"),
        (STAMP, f"{SUMS}.{number}.tsr"),
        (SUMS, f"{SUMS}.{number}"),  # last: with it the seal is set aside
    ):
        if (folder / name).exists():
            content = (folder / name).read_bytes()
            files.write_atomically(folder / spelled, content)
            kept[spelled] = sha256(content)
    return kept


def _statement(
    found: RunIndex,
    sealed: Collection[str],
    place: chain.Place,
    principal: str | None,
    follows: str | None,
    same: Statement | None,
    *,
    cut_off: bool,
) -> Statement:
    """What a run was. `same`: the statement before, where the run did not go on: who ran it, and where, stays."""
    lock = places.CHECKOUT / "requirements.lock" if places.CHECKOUT else None
    return Statement(
        run=found.run,
        chain=Place(stream=place.stream, n=place.n, prev=place.prev),
        operator=Operator(login=same.operator.login if same else origin.operator(), principal=principal),
        controller=same.controller if same else Controller(name=socket.gethostname(), machine=_machine()),
        sealed_at=origin.now_text(),
        signing=origin.signing(),
        lock_sha256=_digest(lock) if lock and lock.exists() else None,
        cut_off=cut_off,
        open=tuple(entry.path.as_posix() for entry in found.entries if entry.record.outcome == "running"),
        sizes={path: (found.folder / path).stat().st_size for path in sealed},
        follows=follows,
        **_told(found),
    )


def _told(found: RunIndex) -> dict[str, Any]:
    told = told_by_records(found)
    if not tells_less(kept.read(found.folder.parent, found.run)):
        return told
    before = read_statement(found.folder)
    return {name: getattr(before, name) for name in told}


def _machine() -> str | None:
    """The machine's id is confidential (machine-id(5)): only a digest of it is told."""
    try:
        return hashlib.sha256(f"runbook {Path('/etc/machine-id').read_text().strip()}".encode()).hexdigest()
    except OSError:
        return None


def told_by_records(found: RunIndex) -> dict[str, Any]:
    """What a statement has of the records of its run, field by field."""
    current = [entry.record for entry in found.current]
    first = min(current, key=lambda record: record.started_at, default=None)
    undone = [step.run for record in current for step in record.steps if isinstance(step, UndoStep)]
    return {
        "kind": _kind(found, undone),
        "reason": first.reason if first else None,
        "started_at": first.started_at if first else None,
        "ended_at": max((record.ended_at for record in current if record.ended_at), default=None),
        "plan": found.plan,
        "approval": next((record.approval for record in current if record.approval), None),
        "review_by": min((record.review_by for record in current if record.review_by), default=None),
        "library": first.library if first else origin.library_version(),
        "commit": first.commit if first else None,
        # One commit for the whole run, and nothing beside it: only then does the commit say what ran.
        "clean_tree": None
        if first is None or first.commit is None
        else all(r.clean_tree is True and r.commit == first.commit for r in current),
        "inventory_sha256": first.inventory_sha256 if first else None,
        "hosts": {
            host: _on_host([entry.record for entry in found.of_host(host) if entry.attempt == 0])
            for host in found.hosts
        },
        "undoes": undone[0] if undone else None,
    }


def _kind(found: RunIndex, undone: Collection[str]) -> Kind:
    if undone:
        return "rollback"
    if found.hosts == (index.OWN_CA,):
        return "ca"
    if found.current and all(entry.record.chapter == index.JOURNALS for entry in found.current):
        return "journals"
    return "plan" if found.is_plan else "apply"


def worst(outcomes: Collection[str]) -> str:
    """The worst of outcomes; where there is none, nothing was begun."""
    order = ("failed", "interrupted", "running", NOT_BEGUN, "not proven", "passed", "planned")
    return next((one for one in order if one in outcomes), NOT_BEGUN)


def _on_host(records: Sequence[RecordData]) -> OnHost:
    """The worst that a chapter of it came to, and counts."""
    outcomes = [record.outcome for record in records]
    counts: Counter[str] = Counter(step.verdict for record in records for step in record.verifications)
    return OnHost(
        outcome=worst(outcomes),
        changes=sum(record.changes_made for record in records),
        verdicts=dict(counts),
    )
