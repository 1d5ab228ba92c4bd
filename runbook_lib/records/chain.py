"""The chain: what became of each run of a site, a line an event, each with the digest of the line before.

A stream for each controller and login, `records/STREAM.chain`, to which lines are only added. A line that is altered,
taken out or put between no longer fits the one behind it; that lines are gone from the end shows a head that was kept
elsewhere: stream, number and digest of a line.
"""

import fcntl
import hashlib
import os
import re
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from runbook_lib.errors import RecordError
from runbook_lib.messages import message
from runbook_lib.records import canonical, files, origin
from runbook_lib.records.model import Time

SUFFIX = ".chain"
FIRST = "0" * 64  # what stands before the first line
LOCK_TIMEOUT_S = 30.0
AT_WORK = ".lock"  # in a run's folder, locked by the process that makes the run

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    at: Time
    n: int


class Found(_Entry):
    """The runs that were there before and are in no stream, with the digest of the manifest, '' where there is none."""

    kind: Literal["found"] = "found"
    runs: dict[str, str]


class Begin(_Entry):
    """A run begins, and nothing of it was done before; or it goes on after it was sealed."""

    kind: Literal["begin"] = "begin"
    run: str


class Seal(_Entry):
    """A run is as its SHA256SUMS says, which has this digest. A later one of the same run counts, and not this."""

    kind: Literal["seal"] = "seal"
    run: str
    sums: Sha256


class Signed(_Entry):
    """The last seal of a run was signed; the digest is that of the signature's file."""

    kind: Literal["signed"] = "signed"
    run: str
    sig: Sha256
    by: str


class Stamped(_Entry):
    """The signature of a run was time-stamped; digests of the authority's answer, and of the roots that it has."""

    kind: Literal["stamped"] = "stamped"
    run: str
    tsr: Sha256
    roots: Sha256


class Undone(_Entry):
    """A run was put back on a host. `complete`: nothing of it was left alone; `rollback`: the run that did it."""

    kind: Literal["undone"] = "undone"
    run: str
    host: str
    by: str
    complete: bool
    rollback: str | None


class Signers(_Entry):
    """The list of signers was replaced: number of the list, digests of it and of its signature, and whose that is."""

    kind: Literal["signers"] = "signers"
    number: int
    sha256: Sha256
    sig: Sha256
    by: str


class Approval(_Entry):
    """What somebody decided of a plan or a run was taken in: its number, digests of it and of its signature, whose."""

    kind: Literal["approval"] = "approval"
    number: int
    sha256: Sha256
    sig: Sha256
    by: str


class Bound(_Entry):
    """A run is about to make a plan on these hosts, and spends these approvals of it there."""

    kind: Literal["bound"] = "bound"
    run: str
    plan: Sha256
    hosts: list[str]
    chapters: list[str]
    approvals: list[int]


class Policy(_Entry):
    """What the site wants before changes are made. Without a number and a signature it can ask for more alone."""

    kind: Literal["policy"] = "policy"
    approvals: int
    approval_days: int | None
    review_days: int | None
    number: int | None = None
    sha256: Sha256 | None = None
    sig: Sha256 | None = None
    by: str | None = None


class Hold(_Entry):
    """Nothing of a run may be deleted, until it is released."""

    kind: Literal["hold"] = "hold"
    run: str
    by: str
    reason: str


class Release(_Entry):
    """A run is no longer on hold."""

    kind: Literal["release"] = "release"
    run: str
    by: str
    reason: str


class Redacted(_Entry):
    """A file of a run was deleted; PATH.redacted in its place has this very entry. Digest and size are the file's."""

    kind: Literal["redacted"] = "redacted"
    run: str
    by: str
    path: str
    reason: str
    sha256: Sha256
    size: int


class Expired(_Entry):
    """The files of a run were deleted, since it ended before that day: what vouches for them stays."""

    kind: Literal["expired"] = "expired"
    run: str
    by: str
    before: str


Afterwards = Undone | Hold | Release | Redacted | Expired  # what becomes of a run that was made
Entry = Found | Begin | Seal | Signed | Stamped | Signers | Approval | Bound | Policy | Afterwards
_BEGUN = re.compile(rb'"kind":"(?P<kind>begin|seal)","n":(?P<n>[0-9]+),"run":"(?P<run>[A-Za-z0-9._-]+)"')
_VOUCHED = re.compile(
    rb'"kind":"(seal|signed|stamped)","n":[0-9]+,(?:"roots":"[0-9a-f]+",)?"run":"([A-Za-z0-9._-]+)"'
)
_AT = re.compile(rb'[0-9a-f]{64} {"at":"([^"]*)"')
_ENTRY: TypeAdapter[Entry] = TypeAdapter(Annotated[Entry, Field(discriminator="kind")])


@dataclass(frozen=True)
class Line:
    """One line of a stream.

    Args:
        prev: digest of the line before.
        sha256: of the line itself.
    """

    stream: str
    prev: str
    sha256: str
    entry: Entry

    @property
    def head(self) -> str:
        """What is kept elsewhere of it."""
        return f"{self.stream}:{self.entry.n}:{self.sha256}"


@dataclass(frozen=True)
class Stream:
    """A stream as far as each line follows the one before; `wrong` says why it goes no further, '' where it does."""

    name: str
    lines: tuple[Line, ...]
    wrong: str = ""


def stream_here() -> str:
    """The stream of this controller and login."""
    plain = re.sub(r"[^A-Za-z0-9._-]", "-", f"{socket.gethostname()}-{origin.login()}")
    return plain.lstrip("._-") or "controller"


def read_all(root: Path) -> tuple[Stream, ...]:
    """Every stream of a folder of records, by name."""
    return tuple(read(path) for path in sorted(root.glob(f"*{SUFFIX}")))


def read(path: Path) -> Stream:
    """A stream, up to the first line that does not follow."""
    name = path.name.removesuffix(SUFFIX)
    if path.is_symlink() or not path.is_file():
        return Stream(name, (), "is no file")
    lines: list[Line] = []
    prev = FIRST
    for n, line in enumerate(path.read_bytes().splitlines(keepends=True), 1):
        try:
            lines.append(_line(name, line, n, prev))
        except ValueError as error:
            return Stream(name, tuple(lines), f"line {n} {error}")
        prev = lines[-1].sha256
    return Stream(name, tuple(lines))


def _line(stream: str, line: bytes, n: int, prev: str) -> Line:
    """Raises: ValueError: the line does not follow the one before, or is none."""
    if not line.endswith(b"\n"):
        raise ValueError("is cut off")
    if line[:65] != f"{prev} ".encode():
        raise ValueError("does not follow the line before")
    try:
        entry = _ENTRY.validate_python(canonical.from_bytes(line[65:]))
    except ValidationError:
        raise ValueError("is no entry") from None
    if entry.n != n:
        raise ValueError(f"has the number {entry.n}")
    return Line(stream, prev, hashlib.sha256(line).hexdigest(), entry)


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """Hold the folder of records: pages, seals and streams are written by one process at a time.

    Raises:
        RecordError: another process held it for 30 s.
        RecordNotWritten: nothing can be written there.
    """
    lock = FileLock(root / ".lock", mode=0o600)  # whoever may open it may hold it
    with files.told_where(root / ".lock"):
        try:
            lock.acquire(timeout=LOCK_TIMEOUT_S)
        except Timeout:
            raise RecordError(
                message(
                    "another process has been publishing records for {seconds} s",
                    seconds=f"{LOCK_TIMEOUT_S:g}",
                ),
                str(root),
                message(
                    "wait for it to end, then: runbook records add NOTEBOOK, or runbook resume RUN, "
                    "publishes again"
                ),
                "",
            ) from None
    try:
        yield
    finally:
        lock.release()


@dataclass(frozen=True)
class Place:
    """Where the next line of a stream goes."""

    stream: str
    n: int
    prev: str


def next_place(root: Path) -> Place:
    """Where the next line of this controller's stream goes; the folder is held.

    A stream begins with the runs that were there before it. A last line without its end was never written whole: it
    is taken away.

    Raises:
        RecordError: the stream is damaged.
        RecordNotWritten: nothing can be written there.
    """
    stream = stream_here()
    path = root / f"{stream}{SUFFIX}"
    if not path.exists():
        _append(root, Place(stream, 1, FIRST), {"kind": "found", "runs": _there_before(root)})
    with files.told_where(path), path.open("r+b") as file:
        content = file.read()
        whole = content[: content.rfind(b"\n") + 1]
        if whole != content:
            file.truncate(len(whole))
    last = whole[whole.rfind(b"\n", 0, -1) + 1 :]
    n = whole.count(b"\n")
    try:
        if n == 0:
            raise ValueError("has no line")
        line = _line(stream, last, n, last[:64].decode("ascii", "replace"))
    except ValueError as error:
        raise RecordError(
            message("the chain is damaged: its last line {error}", error=str(error)),
            str(path),
            message("see runbook records verify; take the file again from where it was kept"),
        ) from None
    return Place(stream, n + 1, line.sha256)


def append(root: Path, fields: Mapping[str, object], place: Place | None = None) -> str:
    """Add a line to this controller's stream; the folder is held. It is on the disk when this returns.

    Args:
        fields: of the entry, without its number and time.
        place: where it goes, as `next_place` said.
    Returns: the stream's head now.
    Raises: as `next_place`.
    """
    return _append(root, place or next_place(root), fields)


def _append(root: Path, place: Place, fields: Mapping[str, object]) -> str:
    entry = _ENTRY.validate_python({"at": origin.now_text(), "n": place.n, **fields})
    line = f"{place.prev} ".encode() + canonical.to_bytes(entry.model_dump())
    path = root / f"{place.stream}{SUFFIX}"
    with files.told_where(path):
        files.append(path, line)
    return f"{place.stream}:{place.n}:{hashlib.sha256(line).hexdigest()}"


def _there_before(root: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    known: set[str] = set()
    for entry in _entries_with(root, '"run'):
        match entry:
            case Found():
                known.update(entry.runs)
            case Begin():
                known.add(entry.run)
    for folder in sorted(root.iterdir()):
        if folder.is_dir() and not folder.name.startswith(".") and folder.name not in known:
            manifest = folder / "manifest.json"
            may_read = manifest.is_file() and os.access(manifest, os.R_OK)
            if is_empty(folder):  # a run that is about to begin
                continue
            found[folder.name] = hashlib.sha256(manifest.read_bytes()).hexdigest() if may_read else ""
    return found


def head(root: Path) -> str:
    """The last line of this controller's stream, as it is kept elsewhere; '' where there is none."""
    path = root / f"{stream_here()}{SUFFIX}"
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    return f"{stream_here()}:{len(lines)}:{hashlib.sha256(lines[-1]).hexdigest()}" if lines else ""


def begun_at(root: Path, run: str) -> str:
    """The line with which a run began, STREAM:NUMBER:SHA256; '' where no stream has it."""
    for path in sorted(root.glob(f"*{SUFFIX}")):
        for line in path.read_bytes().splitlines(keepends=True):
            found = _BEGUN.search(line)
            if found and found["kind"] == b"begin" and found["run"] == run.encode():
                return f"{path.name.removesuffix(SUFFIX)}:{found['n'].decode()}:{hashlib.sha256(line).hexdigest()}"
    return ""


def runs_begun(root: Path) -> dict[str, bool]:
    """The runs of this controller's stream, the oldest first: whether each was sealed, and did not go on since."""
    path = root / f"{stream_here()}{SUFFIX}"
    found = _BEGUN.findall(path.read_bytes()) if path.exists() else ()
    return {run.decode(): kind == b"seal" for kind, _, run in found}


def last_vouched(root: Path) -> dict[str, str]:
    """Run to the last of seal, signed and stamped that this controller's stream has of it."""
    path = root / f"{stream_here()}{SUFFIX}"
    found = _VOUCHED.findall(path.read_bytes()) if path.exists() else ()
    return {run.decode(): kind.decode() for kind, run in found}


def has_digest(root: Path, digest: str) -> bool:
    """Whether a line of any stream has this digest."""
    return any(digest.encode() in path.read_bytes() for path in root.glob(f"*{SUFFIX}"))


def is_empty(folder: Path) -> bool:
    """Whether a run's folder has nothing of a run yet; not where one may not look into it."""
    return os.access(folder, os.R_OK) and all(path.name == AT_WORK for path in folder.iterdir())


def open_runs(root: Path) -> list[str]:
    """Runs of all streams that were begun, or went on, and were not sealed since, by name."""
    return sorted(still_open(in_order(read_all(root))))


def still_open(lines: Iterable[Line]) -> set[str]:
    """Runs whose last beginning has no seal behind it.

    Args:
        lines: of all streams, in their order.
    """
    found: set[str] = set()
    for line in lines:
        match line.entry:
            case Begin(run=run):
                found.add(run)
            case Seal(run=run):
                found.discard(run)
    return found


def last_seal(root: Path, run: str) -> Seal | None:
    """The last seal of a run, in any stream; None where it was never sealed."""
    seals = [one for one in _entries_with(root, f'"run":"{run}","sums":') if isinstance(one, Seal)]
    return seals[-1] if seals else None


def last_list(root: Path) -> int:
    """The number of the last list of signers that came into force; 0: none did."""
    found = (one for one in _entries_with(root, '"kind":"signers"') if isinstance(one, Signers))
    return max((one.number for one in found), default=0)


def undone(root: Path) -> Iterator[Undone]:
    """What was put back, the oldest first."""
    for entry in _entries_with(root, '"kind":"undone"'):
        if isinstance(entry, Undone):
            yield entry


def approvals(root: Path) -> tuple[Approval, ...]:
    """What was taken in, by its number."""
    found = (one for one in _entries_with(root, '"kind":"approval"') if isinstance(one, Approval))
    return tuple(sorted(found, key=lambda entry: entry.number))


def bound(root: Path) -> tuple[Bound, ...]:
    """Which run made which plan on which hosts, in the order of time."""
    return tuple(one for one in _entries_with(root, '"kind":"bound"') if isinstance(one, Bound))


def policies(root: Path) -> tuple[Policy, ...]:
    """What the site wanted, in the order of time."""
    return tuple(one for one in _entries_with(root, '"kind":"policy"') if isinstance(one, Policy))


def afterwards(root: Path) -> list[Afterwards]:
    """What became of runs after they were made, the oldest first."""
    kinds = ("undone", "hold", "release", "redacted", "expired")
    found = _entries_with(root, *(f'"kind":"{kind}"' for kind in kinds))
    return [entry for entry in found if isinstance(entry, Afterwards)]


def _entries_with(root: Path, *marks: str) -> list[Entry]:
    """The entries of all streams whose lines have one of these texts, as `in_order` has them.

    None is compared with the line before, and what is no entry is passed over: `records verify` names both.
    """
    wanted = [mark.encode() for mark in marks]
    found: list[tuple[bytes, Entry]] = []
    for path in sorted(root.glob(f"*{SUFFIX}")):
        latest = b""
        for line in path.read_bytes().splitlines(keepends=True):
            if at := _AT.match(line):
                latest = max(latest, at[1])
            if any(mark in line for mark in wanted):
                with suppress(ValueError):  # pydantic's is one
                    found.append((latest, _ENTRY.validate_python(canonical.from_bytes(line[65:]))))
    found.sort(key=lambda one: one[0])
    return [entry for _, entry in found]


def in_order(streams: Iterable[Stream]) -> list[Line]:
    """The lines of several streams, the oldest first.

    A clock may be set back: within a stream a line counts as not earlier than the one before it.
    """
    found: list[tuple[str, Line]] = []
    for stream in streams:
        latest = ""
        for line in stream.lines:
            latest = max(latest, line.entry.at)
            found.append((latest, line))
    return [line for _, line in sorted(found, key=lambda one: one[0])]


_at_work: int | None = None  # the descriptor by which this process holds the run that it makes


def hold(folder: Path) -> None:
    """Hold a run for as long as this process lives, or until it makes another: nobody seals it as one cut off.

    Raises: RecordNotWritten: nothing can be written there.
    """
    global _at_work
    with files.told_where(folder / AT_WORK):
        descriptor = os.open(folder / AT_WORK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # another kernel of the same run
            os.close(descriptor)
            return
    if _at_work is not None:
        os.close(_at_work)
    _at_work = descriptor


def is_at_work(folder: Path) -> bool:
    """Whether a process makes this run now."""
    try:
        descriptor = os.open(folder / AT_WORK, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
