"""What decides a plan, and its digest: apply can be bound to the very plan that somebody approved."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from runbook_lib.batch.written_order import WrittenOrder
from runbook_lib.errors import UsageError
from runbook_lib.records import index
from runbook_lib.records.approved import Approved
from runbook_lib.records.model import RecordData

SHORTEST = 12  # hex digits by which a plan may be named


@dataclass(frozen=True)
class HostDecided:
    """What decides the plan of one host.

    Args:
        machine: digest of its machine id.
        candidates: the versions of packages that would be installed.
        plans: chapter, title and digest of each plan, in order.
    """

    host: str
    host_key: str
    machine: str
    candidates: str
    plans: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class Decided:
    """What decides a whole plan.

    Args:
        commit: of the code, marked where the tree held more than the commit.
        library: digest of the library's files, committed or not.
        chapters: name and digest of their code.
        parameters: as they were given.
    """

    inventory: str
    commit: str
    library: str
    chapters: tuple[tuple[str, str], ...]
    parameters: tuple[tuple[str, str], ...]
    hosts: tuple[HostDecided, ...]

    @property
    def digest(self) -> str:
        """SHA-256 over all of it, in hexadecimal."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    def changes_to(self, now: "Decided") -> list[str]:
        """What is another now, a line each."""
        lines = []
        for name in ("inventory", "commit"):
            before, after = getattr(self, name), getattr(now, name)
            if before != after:
                lines.append(f"{name}: was {_short(before)}, is {_short(after)}")
        if self.library != now.library:
            lines.append("runbook_lib: its files are others")
        for name, digest in self.chapters:
            if dict(now.chapters).get(name) != digest:
                lines.append(f"chapter {name}: its code is another")
        if self.parameters != now.parameters:
            lines.append("parameters: they are others")
        hosts = {host.host: host for host in now.hosts}
        for host in self.hosts:
            lines += [f"{host.host}: {line}" for line in _host_changes(host, hosts.get(host.host))]
        return lines


def _host_changes(before: HostDecided, now: HostDecided | None) -> Iterator[str]:
    if now is None:
        yield "could not be planned to the end"
        return
    if before.host_key != now.host_key:
        yield f"SSH host key: was {before.host_key}, is {now.host_key}"
    if before.machine != now.machine:
        yield "machine id: this is another machine"
    if before.candidates != now.candidates:
        was, is_ = set(before.candidates.splitlines()), set(now.candidates.splitlines())
        yield f"packages to be installed: was {_listed(was - is_)}, is {_listed(is_ - was)}"
    there = {(chapter, title): digest for chapter, title, digest in now.plans}
    for chapter, title, digest in before.plans:
        if there.get((chapter, title)) != digest:
            yield f"{chapter}, {title}: would be done otherwise now"
    known = {(chapter, title) for chapter, title, _ in before.plans}
    for chapter, title in there.keys() - known:
        yield f"{chapter}, {title}: was not in the plan"


def _short(digest: str) -> str:
    first, _, more = digest.partition(" ")
    return f"{first[:16] or 'unknown'} {more}".rstrip()


def _listed(lines: set[str]) -> str:
    return ", ".join(sorted(lines)) or "nothing"


def decided(folder: Path) -> Decided:
    """What decided the plan of a run.

    Args:
        folder: the run's folder, of a run in plan mode.
    """
    order, found = WrittenOrder.read(folder), index.read_run(folder)
    records = [entry.record for entry in found.current]
    # An installed package has no commit: what it is, the digest of its files says.
    more = {record.commit: " and more" for record in records if record.commit and not record.clean_tree}
    commits = {f"{record.commit or ''}{more.get(record.commit or '', '')}" for record in records}
    return Decided(
        inventory=order.inventory_sha256,
        commit=" ".join(sorted(commits)),
        library=order.library,
        chapters=tuple(sorted(order.chapters.items())),
        parameters=order.parameters,
        hosts=tuple(
            _host_decided(host, [record for record in records if record.host == host]) for host in order.hosts
        ),
    )


def _host_decided(host: str, records: list[RecordData]) -> HostDecided:
    def fact(name: str) -> str:
        return next((record.facts[name] for record in records if name in record.facts), "")

    plans = tuple((record.chapter, plan.title, plan.digest) for record in records for plan in record.plans)
    return HostDecided(host, fact("host_key"), fact("machine"), fact("candidates"), plans)


def approved(folder: Path, plan: Decided) -> dict[str, Approved]:
    """For each host what its chapters may do, by the records of a run in plan mode.

    Args:
        folder: the run's folder, of the run that was compared with what was approved.
        plan: what was approved.
    """
    records = [entry.record for entry in index.read_run(folder).current]
    return {
        host.host: Approved.of(plan.digest, plan.library, [one for one in records if one.host == host.host])
        for host in plan.hosts
    }


def find_plan(root: Path, digest: str) -> tuple[Path, Decided]:
    """The newest plan with this digest, or whose digest begins so: the folder of its run, and what decided it.

    Raises:
        UsageError: too short, or no plan here has it.
    """
    if len(digest) < SHORTEST:
        raise UsageError(f"has {len(digest)} digits", "--plan", f"give {SHORTEST} or more of the digest")
    for run in index.runs(root):
        if not (root / run / index.ORDER).exists():
            continue
        mode = WrittenOrder.read(root / run).mode
        if mode == "plan" and (found := decided(root / run)).digest.startswith(digest):
            return root / run, found
    raise UsageError(
        f"no plan under {root} has the digest {digest}",
        "--plan",
        "take it from what `runbook plan` printed last; a plan whose record was altered has another digest",
    )
