"""Whether records are as they were made: each file, each run, its place in the chain, its signature, and all runs.

Nothing in the records is believed that nothing else vouches for. What this cannot see by itself is what was cut from
the end of a chain, with the runs that stood there, or a site that was made up whole: that takes a head that was kept
elsewhere, or a list of signers of one's own.
"""

import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from runbook_lib.errors import RecordError, RunbookError, UsageError
from runbook_lib.messages import message
from runbook_lib.records import (
    approvals,
    canonical,
    chain,
    comparison,
    decisions,
    kept,
    manifest,
    policy,
    seal,
    signer_lists,
    signers,
    signing,
    stamping,
)  # fmt: skip
from runbook_lib.records.chain import Line
from runbook_lib.records.comparison import Compared
from runbook_lib.records.decisions import Decisions
from runbook_lib.records.index import PAGE, read_run, refuse_unreadable
from runbook_lib.records.seal import Statement
from runbook_lib.visible import one_line

_HEAD_DIGITS_MIN = 16
_NAMES = (signers.NAME, approvals.NAME, policy.NAME)
_BESIDE_RUNS = (".gitattributes", ".lock", PAGE)


@dataclass(frozen=True)
class Head:
    """A line of a stream, as it was kept elsewhere; of its digest the first 16 digits or more."""

    stream: str
    n: int
    sha256: str

    @classmethod
    def parse(cls, text: str) -> "Head":
        """Read STREAM:NUMBER:DIGEST.

        Raises: UsageError.
        """
        stream, _, rest = text.partition(":")
        number, _, digest = rest.partition(":")
        is_hex = set(digest) <= set("0123456789abcdef")
        if not (stream and number.isdecimal() and is_hex and _HEAD_DIGITS_MIN <= len(digest) <= 64):
            raise UsageError(
                message("{text} is not STREAM:NUMBER:DIGEST", text=repr(text)),
                "--head",
                message(
                    "take it from what a run printed, with {least} digits or more", least=_HEAD_DIGITS_MIN
                ),
            )
        return cls(stream, int(number), digest)


@dataclass(frozen=True)
class Check:
    """How a run is, compared with its seal, or with the manifest of format 1; paths are relative to its folder.

    Args:
        sealed: it is in the chain.
        signed_by: who signed the seal, and with which key; '' where nobody did.
        contradicted: what is said of the run, and its records, its folder or the chain do not say.
        signature: what is wrong with the signature, or with its absence; '' where nothing is.
        to_sign: the site signs, and nobody signed this.
        stamped: the moment of the signature's time-stamp; '' where it has none.
        stamp: what is wrong with the time-stamp; '' where nothing is, or there is none.
        deleted: what is not there any more, who deleted it and why: it is no fault.
        review_by: until when somebody else has to review it, since it was made without approval; '' where nobody has.
    """

    run: str
    unchanged: tuple[str, ...] = ()
    altered: tuple[str, ...] = ()
    transported: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    contradicted: tuple[str, ...] = ()
    sealed: bool = False
    signed_by: str = ""
    signature: str = ""
    to_sign: bool = False
    stamped: str = ""
    stamp: str = ""
    deleted: tuple[str, ...] = ()
    review_by: str = ""

    @property
    def holds(self) -> bool:
        """True when every file is as it was, there is no other, and all that is said of the run agrees."""
        wrong = (self.altered, self.transported, self.missing, self.extra, self.contradicted, self.signature)
        return not any((*wrong, self.stamp))

    def report(self) -> str:
        """What was found, a line a file or sentence that is not as it should be."""
        state = f"sealed, {f'signed by {self.signed_by}' if self.signed_by else 'unsigned'}"
        if self.to_sign:
            state += f"; runbook records sign {self.run} signs it"
        if self.stamped:
            state += f", time-stamped {self.stamped}"
        if self.review_by:
            state += f"; made without approval, to be reviewed by {self.review_by}"
        lines = [
            f"{self.run}: {len(self.unchanged)} files are as they were recorded"
            f" ({state if self.sealed else 'not sealed'})"
        ]
        for word, told in (
            ("altered", self.altered),
            ("line ends changed by transport", self.transported),
            ("missing", self.missing),
            ("not in the record's list", self.extra),
            ("said otherwise", self.contradicted),
            ("deleted", self.deleted),
            ("signature", (self.signature,) if self.signature else ()),
            ("time-stamp", (self.stamp,) if self.stamp else ()),
        ):
            lines += [f"  {word}: {one_line(one)}" for one in told]
        return "\n".join(lines)


@dataclass(frozen=True)
class Site:
    """All records under a folder, checked.

    Args:
        runs: each run that is there and that one may read, the oldest first.
        wrong: what is wrong beyond single runs, a sentence each.
        heads: the last line of each stream, to be kept elsewhere.
        to_review: emergencies that are still to be reviewed, each with until when.
        first_signers: who signed the first list of signers: to be compared with what was noted when it was made.
    """

    runs: tuple[Check, ...]
    wrong: tuple[str, ...]
    heads: tuple[str, ...]
    first_signers: str = ""
    to_review: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Nothing is wrong."""
        return not self.told_wrong

    @property
    def told_wrong(self) -> tuple[str, ...]:
        """All that is wrong, of the site and of each run that does not hold."""
        return (*self.wrong, *(run.report() for run in self.runs if not run.holds))


@dataclass(frozen=True)
class _Known:
    """What the chain says, read once."""

    root: Path
    streams: tuple[chain.Stream, ...]
    allowed: Path | None
    own_list: bool
    decisions: Decisions
    tsa: Path | None = None  # roots of one's own for time-stamps
    lines: dict[str, Line] = field(default_factory=dict)  # a run's last seal
    earlier: dict[str, list[str]] = field(default_factory=dict)  # digests of its seals before
    signed: dict[str, Line] = field(default_factory=dict)  # the signature of the last seal
    stamped: dict[str, Line] = field(default_factory=dict)  # the time-stamp of that
    begun: set[str] = field(default_factory=set)
    open: set[str] = field(default_factory=set)  # begun, or gone on, and not sealed since
    found: dict[str, str] = field(default_factory=dict)
    notes: dict[str, kept.Notes] = field(default_factory=dict)

    def has(self, run: str) -> bool:
        """Whether the chain has it."""
        return run in self.begun or run in self.lines or run in self.found


def _known(root: Path, allowed: Path | None, tsa: Path | None = None) -> _Known:
    streams = chain.read_all(root)
    lists = signers.lists(root)
    used = allowed or (lists[-1] if lists else None)
    known = _Known(root, streams, used, allowed is not None, decisions.read(root, streams, used), tsa)
    lines = chain.in_order(streams)
    known.open.update(chain.still_open(lines))
    for line in lines:
        match line.entry:
            case chain.Found():
                known.found.update(line.entry.runs)
            case chain.Begin():
                known.begun.add(line.entry.run)
            case chain.Seal():
                run = line.entry.run
                before = known.lines.get(run)
                if before is not None and isinstance(before.entry, chain.Seal):
                    known.earlier.setdefault(run, []).append(before.entry.sums)
                known.lines[run] = line
                known.signed.pop(run, None)
                known.stamped.pop(run, None)
            case chain.Signed():
                known.signed[line.entry.run] = line
                known.stamped.pop(line.entry.run, None)
            case chain.Stamped():
                known.stamped[line.entry.run] = line
    known.notes.update(kept.gathered(line.entry for line in lines))
    return known


def check(folder: Path, allowed: Path | None = None, tsa: Path | None = None) -> Check:
    """Check one run.

    Args:
        folder: the run's folder.
        allowed: a list of signers of one's own; then each run has to be signed by it. None: that of the records.
        tsa: root certificates of one's own for time-stamps; None: those of the records.
    Raises: RecordError when there is no such run, it is another's to read, or nothing says what belongs to it.
    """
    refuse_unreadable(folder)
    if not folder.is_dir():
        raise RecordError(
            message("there is no such run"),
            str(folder),
            message("runbook records list shows the runs that are here"),
        )
    return _check(folder, _known(folder.absolute().parent, allowed, tsa))


def check_all(
    root: Path, allowed: Path | None = None, heads: Sequence[Head] = (), tsa: Path | None = None
) -> Site:
    """Check every run under a folder of records, the chain, and who may sign.

    Whatever a file holds, the others are looked at.

    Args:
        allowed, tsa: as `check` has it.
        heads: lines of streams that were kept elsewhere.
    """
    known = _known(root, allowed, tsa)
    wrong = [*_wrong_in_chain(known, heads), *_wrong_in_roots(known)]
    first, wrong_lists = signer_lists.check(root, known.streams)
    wrong += wrong_lists
    if known.own_list and known.allowed is not None:
        wrong += signer_lists.another(root, known.allowed)
    wrong += known.decisions.wrong
    runs = []
    to_review: list[str] = []
    there = set()
    for path in sorted(root.iterdir() if root.is_dir() else ()):
        if path.is_symlink():
            wrong.append(f"{path.name}: is a link; what it leads to can change without a trace")
        elif path.is_dir() and not path.name.startswith("."):
            there.add(path.name)
            if not known.has(path.name) and chain.is_empty(path):  # its writer was killed before it began
                continue
            runs.append(check := _checked(path, known))
            if until := check.review_by:
                (wrong if decisions.is_over(until, datetime.now(UTC)) else to_review).append(
                    f"{path.name}: made without approval, to be reviewed by {until}"
                )
        elif not _belongs(path):
            wrong.append(f"{path.name}: is no part of records")
    missing = (known.begun | known.lines.keys() | known.found.keys()) - there
    wrong += [f"{run}: the run is missing" for run in sorted(missing)]
    ends = tuple(stream.lines[-1].head for stream in known.streams if stream.lines)
    return Site(tuple(runs), tuple(wrong), ends, first, tuple(to_review))


def _checked(folder: Path, known: _Known) -> Check:
    try:
        refuse_unreadable(folder)
        return _check(folder, known)
    except RunbookError as error:
        return Check(folder.name, contradicted=(f"{error.problem}",))
    except (OSError, ValueError) as error:
        return Check(folder.name, contradicted=(f"cannot be read: {error}",))


def _belongs(path: Path) -> bool:
    is_chain = path.name.endswith(chain.SUFFIX) and path.is_file()
    is_part = path.name.startswith(_NAMES) and path.is_file()  # which the chain has, or they are named
    is_roots = path.match(stamping.ROOTS) and path.is_file()
    return path.name in _BESIDE_RUNS or path.name.startswith(".") or is_chain or is_part or is_roots


def _check(folder: Path, known: _Known) -> Check:
    run = folder.resolve().name
    if run in known.lines or (folder / seal.STATEMENT).exists():
        return _check_sealed(folder, run, known)
    if run in known.begun:
        return Check(run, contradicted=(_still_open(folder, "was begun and never sealed"),))
    return _check_manifest(folder, run, known)


def _still_open(folder: Path, why: str) -> str:
    return "is at work" if chain.is_at_work(folder) else f"{why}; the next run of this controller does it"


def _check_manifest(folder: Path, run: str, known: _Known) -> Check:
    """A run of format 1, which no seal holds; where a chain began after it, that has the digest of its manifest."""
    told = manifest.read(folder)
    compared = manifest.compare(folder, told)
    contradicted = []
    if run != told.run:
        contradicted.append(f"run: the folder has the name {run}, and is of run {told.run}")
    if compared.holds:
        contradicted += manifest.contradicted(folder, told)
    if known.streams and known.found.get(run) != seal.sha256((folder / manifest.NAME).read_bytes()):
        contradicted.append("the chain does not have this run")
    return _result(run, compared, contradicted)


def _result(run: str, found: Compared, contradicted: Sequence[str], **more: Any) -> Check:
    return Check(
        run,
        found.unchanged,
        found.altered,
        found.transported,
        found.missing,
        found.extra,
        tuple(contradicted),
        **more,
    )


def _check_sealed(folder: Path, run: str, known: _Known) -> Check:
    line = known.lines.get(run)
    contradicted: list[str] = []
    try:
        content = seal.read_regular(folder / seal.SUMS, seal.SUMS_BYTES_MAX)
        listed = seal.parse_sums(content.replace(b"\r\n", b"\n"))
    except ValueError as error:
        return Check(run, contradicted=(f"{seal.SUMS}: {error}",), sealed=line is not None)
    if line is None:
        contradicted.append("the chain does not have this run")
    elif not isinstance(line.entry, chain.Seal) or line.entry.sums != seal.sha256(content):
        contradicted.append(f"{seal.SUMS} is not the one of the chain")
    if run in known.open:
        contradicted.append(_still_open(folder, "went on after its seal, and was not sealed again"))
    paths = seal.paths(folder)
    there = [path for path in paths if path in listed or not seal.is_page(path, listed)]
    contradicted += _irregular(folder, paths)
    statement = None
    try:
        statement = seal.read_statement(folder)
    except RecordError as error:
        contradicted.append(f"{seal.STATEMENT} {error.problem}")
    notes = known.notes.get(run, kept.NOTHING)
    stays = {path: listed[path] for path in listed if not notes.expired or seal.vouches(path)}
    compared = comparison.compare(folder, stays, there, statement.sizes if statement else {})
    contradicted += _otherwise_deleted(folder, notes, listed)
    told: dict[str, Any] = {"sealed": line is not None, "deleted": tuple(_deleted(notes))}
    told |= _stamp(folder, run, known)
    if statement:
        contradicted += _contradicted(run, statement, listed, line, known)
        if compared.holds and not notes.expired and not seal.tells_less(notes):
            contradicted += _otherwise_than_records(folder, statement, known.decisions)
        contradicted += decisions.contradicted(statement, known.decisions)
        told |= _signature(folder, run, statement, known)
        told["review_by"] = decisions.to_review(seal.sha256(content), statement, known.decisions)
        unsigned = not (told["signed_by"] or (folder / seal.SIGNATURE).exists())
        told["to_sign"] = statement.signing != "off" and unsigned
    return _result(run, compared, contradicted, **told)


def _deleted(notes: kept.Notes) -> Iterator[str]:
    """What was deleted, as it is told to people."""
    for path, one in notes.redacted.items():
        yield f"{path}: redacted by {one.by} at {one.at}: {one.reason} (was {one.size} bytes, SHA-256 {one.sha256})"
    if notes.expired:
        yield f"all files: expired by {notes.expired.by} at {notes.expired.at}"


def _otherwise_deleted(folder: Path, notes: kept.Notes, listed: Mapping[str, str]) -> Iterator[str]:
    """Redactions that the chain and the folder tell otherwise, or that broke off; and what was not to be deleted."""
    for path, one in notes.redacted.items():
        beside = f"{path}{seal.REDACTED}"
        if listed.get(path) == one.sha256 and not notes.expired:
            yield f"{path}: its redaction broke off; type it again"
        elif beside not in listed or not _holds_entry(folder / beside, one):
            yield f"{beside}: is not as the chain has it"
    told = {f"{path}{seal.REDACTED}" for path in notes.redacted}
    for path in sorted(path for path in listed if path.endswith(seal.REDACTED) and path not in told):
        yield f"{path}: the chain has no such redaction"
    if notes.was_on_hold:
        yield "its files were deleted while it was on hold"


def _holds_entry(file: Path, entry: chain.Redacted) -> bool:
    try:
        return seal.read_regular(file, 1 << 20) == canonical.to_bytes(entry.model_dump())
    except ValueError:
        return False


def _irregular(folder: Path, paths: Sequence[str]) -> Iterator[str]:
    """What stands beside the seal, or is a page, and is no file."""
    for name in (*seal.BESIDE, chain.AT_WORK):
        beside = folder / name
        if beside.is_symlink() or (beside.exists() and not stat.S_ISREG(beside.lstat().st_mode)):
            yield f"{name} is no file"
    for path in paths:
        if path.endswith(".html") and (folder / path).is_symlink():
            yield f"{path} is a link"


def _contradicted(
    run: str, told: Statement, listed: dict[str, str], line: Line | None, known: _Known
) -> Iterator[str]:
    """What the statement says of the run's name and place, and the folder or the chain do not."""
    if told.run != run:
        yield f"run: the folder has the name {run}, and is of run {told.run}"
    place = (told.chain.stream, told.chain.n, told.chain.prev)
    if line is not None and place != (line.stream, line.entry.n, line.prev):
        yield "chain: the seal is not at the place that it names"
    if run not in known.begun and line is not None:
        yield "chain: the run was sealed and never begun"
    earlier = known.earlier.get(run, [])
    if told.follows != (earlier[-1] if earlier else None):
        yield "follows: the seal before is another"
    beside = {sha256 for path, sha256 in listed.items() if path.startswith(f"{seal.SUMS}.")}
    if not set(earlier) <= beside:
        yield "follows: an earlier seal is not kept"


def _otherwise_than_records(folder: Path, told: Statement, known: Decisions) -> Iterator[str]:
    """Fields in which the statement differs from the records, and records that belong elsewhere."""
    found = read_run(folder)
    for name, value in seal.told_by_records(found).items():
        if getattr(told, name) != value and name != "library":
            yield f"{seal.STATEMENT}, {name}: the records say otherwise"
    yield from decisions.not_approved(folder, found, told, known)
    for entry in found.entries:
        if entry.record.run != told.run:
            yield f"{entry.path}: is of run {entry.record.run}"
        if entry.record.host != entry.path.parent.name:
            yield f"{entry.path}: is of host {entry.record.host}"


def _signature(folder: Path, run: str, told: Statement, known: _Known) -> dict[str, str]:
    """Who signed, and what is wrong with it."""
    line = known.signed.get(run)
    sig = folder / seal.SIGNATURE
    if line is None and not sig.exists():
        wanted = known.own_list or told.signing == "required"
        return {"signed_by": "", "signature": "there is none" if wanted else ""}
    if line is None or not isinstance(line.entry, chain.Signed):
        return {"signed_by": "", "signature": "the chain does not have it"}
    try:
        content = seal.read_regular(sig, 1 << 20)
    except ValueError as error:
        return {"signed_by": "", "signature": f"{seal.SIGNATURE} {error}"}
    if seal.sha256(content) != line.entry.sig:
        return {"signed_by": "", "signature": "is not the one of the chain"}
    principal = told.operator.principal
    if principal is None or principal != line.entry.by:
        return {"signed_by": "", "signature": "the seal names somebody else"}
    if known.allowed is None:
        return {"signed_by": "", "signature": "there is no list of signers to check it with"}
    sums = (folder / seal.SUMS).read_bytes()
    done = signing.verify(sums, sig, principal, told.sealed_at, known.allowed)
    if not done.good:
        return {"signed_by": "", "signature": f"{principal}: {done.told}"}
    return {"signed_by": f"{principal} with {done.told}", "signature": ""}


def _stamp(folder: Path, run: str, known: _Known) -> dict[str, str]:
    """When the signature was stamped, and what is wrong with that."""
    line = known.stamped.get(run)
    token = folder / seal.STAMP
    if line is None or not isinstance(line.entry, chain.Stamped):
        return {"stamped": "", "stamp": "the chain does not have it" if token.exists() else ""}
    try:
        content = seal.read_regular(token, stamping.ANSWER_BYTES_MAX)
    except ValueError as error:
        return {"stamped": "", "stamp": f"{seal.STAMP} {error}"}
    if seal.sha256(content) != line.entry.tsr:
        return {"stamped": "", "stamp": "is not the one of the chain"}
    roots = known.tsa or known.root / stamping.name_of_roots(line.entry.roots)
    if not roots.is_file():
        return {"stamped": "", "stamp": f"{roots.name}, to check it with, is missing"}
    done = stamping.verify(folder / seal.SIGNATURE, token, roots)
    return {"stamped": done.told, "stamp": ""} if done.good else {"stamped": "", "stamp": done.told}


def _wrong_in_roots(known: _Known) -> Iterator[str]:
    """Roots for time-stamps that are not those of the chain."""
    entries = [line.entry for stream in known.streams for line in stream.lines]
    wanted = {
        stamping.name_of_roots(entry.roots): entry.roots
        for entry in entries
        if isinstance(entry, chain.Stamped)
    }
    there = {path.name: path for path in known.root.glob(stamping.ROOTS)}
    for name in sorted(there.keys() - wanted.keys()):
        yield f"{name}: the chain does not have it"
    for name, digest in sorted(wanted.items()):
        path = there.get(name)
        if (
            path is None
            or path.is_symlink()
            or not path.is_file()
            or seal.sha256(path.read_bytes()) != digest
        ):
            yield f"{name}: is not the one of the chain"


def _wrong_in_chain(known: _Known, heads: Sequence[Head]) -> Iterator[str]:
    for stream in known.streams:
        if stream.wrong:
            yield f"{stream.name}{chain.SUFFIX}: {stream.wrong}"
        elif not stream.lines:
            yield f"{stream.name}{chain.SUFFIX}: has no line"
    streams = {stream.name: stream for stream in known.streams}
    for name in sorted(streams.keys() - {head.stream for head in heads}) if heads else ():
        yield f"{name}{chain.SUFFIX}: no head of it was kept elsewhere"
    for head in heads:
        found = streams.get(head.stream)
        if found is None:
            yield f"{head.stream}{chain.SUFFIX}: is missing, and had {head.n} lines"
        elif len(found.lines) < head.n:
            yield f"{head.stream}{chain.SUFFIX}: has {len(found.lines)} lines, and had {head.n}"
        elif head.n < 1 or not found.lines[head.n - 1].sha256.startswith(head.sha256):
            yield f"{head.stream}{chain.SUFFIX}: line {head.n} is not the one that was kept elsewhere"
    sealed_or_begun = known.begun | known.lines.keys()
    for stream in known.streams:
        for line in stream.lines:
            if isinstance(line.entry, chain.Signed) and line.entry.run not in known.lines:
                yield f"{stream.name}{chain.SUFFIX}: line {line.entry.n} signs a run that was not sealed"
            if isinstance(line.entry, chain.Undone):
                by = line.entry.rollback
                if by is not None and by not in sealed_or_begun:
                    yield f"{by}: the run that put {line.entry.run} back is not in the chain"
