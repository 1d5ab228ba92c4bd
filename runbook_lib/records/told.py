"""What hosts were told of runs, in their syslog, compared with the records: neither can be altered alone.

A run's first line on a host names the line of the chain with which the run began, hence all lines before it; its last
line has the digest of the records. Where a log server elsewhere keeps them, nobody on the controller or the host can
alter them any more.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast

from runbook_lib.errors import RecordError
from runbook_lib.records import approved, chain, index
from runbook_lib.records.index import RunIndex

Kind = Literal["begin", "end", "undone"]
NOBODY = "none"  # in place of a plan's digest: the run is bound to none
HEAD_DIGITS = 16
_TIME = r"(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\d[T ]\S+)"
# As rsyslog, syslog-ng and journalctl write it; or the message alone. A message of another program that looks like one
# of ours is none.
_LINE = re.compile(
    rf"(?:(?:<\d+>)?(?:1 )?{_TIME} (?P<machine>\S+) runbook(?:\[\d+\])?(?:: | - - - | \d+ - - ))?"
    r"(?P<kind>begin|end|undone) run=(?P<run>[A-Za-z0-9][A-Za-z0-9._-]*) sequence=(?P<sequence>\d+)(?P<words>(?: .*)?)"
)
_WORD = re.compile(r'(\S+?)=("(?:[^"\\]|\\.)*"|\S+)')


def anchor(root: Path, run: str) -> str:
    """What a run's first line on a host says of the chain, and of the plan that it is bound to.

    Args:
        root: the folder of all records.
    """
    place, _, digest = chain.begun_at(root, run).rpartition(":")
    bound = approved.bound()
    began = f"chain={place}:{digest[:HEAD_DIGITS]} " if place else ""
    return f"{began}plan={f'sha256:{bound.plan}' if bound else NOBODY}"


@dataclass(frozen=True)
class Told:
    """A line of a host's syslog.

    Args:
        machine: what the log calls the host; '' where it does not say so.
        host: what the inventory calls it; '' where the line does not say so, as those of version 0.1.0.
        sequence: the number of the run on that host.
        is_run: of the end: of the whole run, and not of one chapter.
        words: what else it says, by name.
    """

    kind: Kind
    run: str
    machine: str
    host: str
    sequence: int
    is_run: bool
    words: Mapping[str, str]


def read(lines: Iterable[str], host: str = "") -> tuple[Told, ...]:
    """The lines that are ours, in their order.

    Args:
        host: whose they all are; '': as they say themselves.
    """
    found = []
    names: dict[str, str] = {}  # what a host says of itself once holds for its other lines
    for line in lines:
        if (parts := _LINE.fullmatch(line.rstrip("\r\n"))) is None:
            continue
        words = {name: _unquoted(value) for name, value in _WORD.findall(parts["words"])}
        machine = parts["machine"] or ""
        named = host or words.get("host", "")
        if named and machine:
            names[machine] = named
        found.append(
            Told(
                cast(Kind, parts["kind"]), parts["run"], machine, named or names.get(machine, ""),
                int(parts["sequence"]), parts["words"].startswith(" run "), words,
            )
        )  # fmt: skip
    return tuple(found)


def _unquoted(value: str) -> str:
    try:
        return str(json.loads(value)) if value.startswith('"') else value
    except ValueError:
        return value


@dataclass(frozen=True)
class Compared:
    """What was found: `wrong`, a sentence a difference; how many runs are on both sides, and what was not compared."""

    wrong: tuple[str, ...]
    runs: int
    uncovered: tuple[str, ...]


@dataclass(frozen=True)
class Site:
    """The records as they are compared: read once.

    Args:
        plans: run to the digest of the plan that it is bound to.
        found: each run that can be read.
        hosts: run to the hosts that it changed, by its records.
    """

    root: Path
    streams: Mapping[str, chain.Stream]
    begun: frozenset[str]
    undone: frozenset[tuple[str, str]]
    plans: Mapping[str, str]
    found: Mapping[str, RunIndex]
    hosts: Mapping[str, frozenset[str]]
    unread: tuple[str, ...] = field(default=())

    @classmethod
    def read(cls, root: Path) -> "Site":
        """Read the chain and the records."""
        streams = chain.read_all(root)
        begun: set[str] = set()
        undone: set[tuple[str, str]] = set()
        plans: dict[str, str] = {}
        for entry in (line.entry for stream in streams for line in stream.lines):
            match entry:
                case chain.Found():
                    begun.update(entry.runs)
                case chain.Begin():
                    begun.add(entry.run)
                case chain.Undone():
                    undone.add((entry.run, entry.host))
                case chain.Bound():
                    plans[entry.run] = entry.plan
        found: dict[str, RunIndex] = {}
        unread: list[str] = []
        for run in index.runs(root):
            try:
                found[run] = index.read_run(root / run)
            except RecordError as error:
                unread.append(f"{run}: cannot be read: {error.problem}")
        changed = {
            run: frozenset(entry.record.host for entry in one.entries if entry.record.changes_made)
            - {index.OWN_CA}
            for run, one in found.items()
        }
        by_name = {stream.name: stream for stream in streams}
        return cls(root, by_name, frozenset(begun), frozenset(undone), plans, found, changed, tuple(unread))


def compare(site: Site, told: Sequence[Told], asked: Iterable[str] | None = None) -> Compared:
    """Compare what hosts were told with the records.

    Args:
        told: the lines, in the order of the log.
        asked: the hosts whose lines these are; None: of any, as a log server has them.
    """
    wrong = list(site.unread)
    by_run: dict[tuple[str, str], list[Told]] = {}
    for one in told:
        by_run.setdefault((one.run, one.host), []).append(one)
    for (run, host), lines in by_run.items():
        wrong += [
            f"{run}{f', {host}' if host else ''}: {problem}" for problem in _wrong(site, run, host, lines)
        ]
    since = min((one.run for one in told), default="")  # its name begins with its time
    covered, uncovered = [], []
    for run, hosts in sorted(site.hosts.items()):
        for host in sorted(hosts if asked is None else hosts & set(asked)):
            if any((run, name) in by_run for name in (host, "")):
                covered.append(run)
            elif since and run >= since:
                wrong.append(
                    f"{run}, {host}: its record says that it changed the host, and no line tells of it"
                )
            else:
                uncovered.append(f"{run}, {host}")
    return Compared(tuple(wrong), len(set(covered)), tuple(uncovered))


def _wrong(site: Site, run: str, host: str, lines: Sequence[Told]) -> Iterator[str]:
    if run not in site.begun:
        yield "the host tells of it, and the chain does not have it"
    found = site.found.get(run)
    if found is None or (host and host not in found.hosts):
        yield "the host tells of it, and there is no record"
        return
    for line in lines:
        if line.kind == "begin":
            yield from _wrong_begin(site, run, line)
        elif line.kind == "undone" and "from" not in line.words and host and (run, host) not in site.undone:
            yield f"was put back on the host, and the chain does not say so; runbook resume {run} notes it"
    yield from _wrong_end(found, host, lines)


def _wrong_begin(site: Site, run: str, line: Told) -> Iterator[str]:
    if "chain" not in line.words:  # of version 0.1.0, whose plan is the first step's
        return
    place, _, digest = line.words["chain"].rpartition(":")
    stream, _, number = place.rpartition(":")
    lines = site.streams[stream].lines if stream in site.streams else ()
    n = int(number) if number.isdecimal() else 0
    is_there = 0 < n <= len(lines) and lines[n - 1].sha256.startswith(digest)
    if not is_there or len(digest) < HEAD_DIGITS:
        yield f"the host was told of line {number} of {stream} as {digest}, and the chain has another there, or none"
    if line.words.get("plan", "").removeprefix("sha256:") != site.plans.get(run, NOBODY):
        yield "the host was told of another plan than the chain says that it is bound to"


def _wrong_end(found: RunIndex, host: str, lines: Sequence[Told]) -> Iterator[str]:
    """The last end of the run counts, and behind it those of chapters: a run that goes on tells all of it anew."""
    ends = [line for line in lines if line.kind == "end"]
    last = max((n for n, line in enumerate(ends) if line.is_run), default=-1)
    left = ends[last + 1 :] or ends[last:]
    hosts = [host] if host else [one for one in found.hosts if (found.folder / one).is_dir()]
    digests = {one for name in hosts for one in _digests(found.folder / name)}
    for line in left:
        if line.words.get("record", "").removeprefix("sha256:") not in digests:
            what = "of the run" if line.is_run else f"of chapter {line.words.get('chapter', '')}"
            yield f"the host was told of another record {what}, {line.words.get('record', '')}"


def _digests(folder: Path) -> Iterator[str]:
    """Of each record of a host, and of all of them one after the other."""
    records = [path.read_bytes() for path in sorted(folder.glob("*.json"))]
    yield hashlib.sha256(b"".join(records)).hexdigest()
    for content in records:
        yield hashlib.sha256(content).hexdigest()


def compare_journals(site: Site, host: str, journals: Mapping[str, str], told: Sequence[Told]) -> list[str]:
    """Compare a host's own journals, which only root writes there, with the records and with its syslog.

    Args:
        journals: run to its number on that host, '' where it was cut off before it got one.
        told: the lines of its syslog.
    """
    wrong = [
        f"{run}, {host}: the host has a journal of it, and there is no record"
        for run in journals
        if run not in site.found or host not in site.found[run].hosts
    ]
    wrong += [
        f"{run}, {host}: its record says that it changed the host, and there is no journal of it"
        for run, hosts in site.hosts.items()
        if host in hosts and run not in journals
    ]
    numbers = sorted(int(number) for number in journals.values() if number)
    gaps = sorted(set(range(1, max(numbers, default=0) + 1)) - set(numbers))
    wrong += [f"{host}: the journal of its run number {n} is missing" for n in gaps]
    for one in told:
        if journals.get(one.run, "") != str(one.sequence):
            wrong.append(
                f"{one.run}, {host}: a line says number {one.sequence}, and the host's journal does not: anybody there "
                "may write such lines, and it may be none of ours"
            )
    return list(dict.fromkeys(wrong))
