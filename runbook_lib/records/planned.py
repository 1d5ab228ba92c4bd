"""`plan.json`: what would be done, in one spelling, so that its SHA-256 is what a person approves.

It has no time, no run and none of our words: the same state gives the same bytes. A host has a digest of its own, so
that one which changed since is told apart from the others.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from runbook_lib.errors import RecordError, UsageError
from runbook_lib.messages import message
from runbook_lib.records import canonical, files, index, seal
from runbook_lib.records.index import PLAN
from runbook_lib.records.model import Change, RecordData

BYTES_MAX = 64 << 20
SHORTEST = 12  # hex digits by which a plan may be named
_VERSION = re.compile(r"(?:[0-9]+:)?([0-9]+(?:\.[0-9]+)?)")

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    @property
    def sha256(self) -> str:
        """Digest of its one spelling."""
        return hashlib.sha256(canonical.to_bytes(self.model_dump())).hexdigest()


class Planned(_Part):
    """One change: what is changed, from what to what, and by which commands."""

    kind: str
    thing: str
    before: str
    after: str
    commands: str

    @classmethod
    def of(cls, change: Change) -> Self:
        """As a record has it, without our words."""
        return cls(
            kind=change.kind,
            thing=change.thing or change.title,  # of earlier versions
            before=change.before,
            after=change.after,
            commands=change.commands,
        )


class InChapter(_Part):
    """The changes of one chapter, in order."""

    chapter: str
    changes: tuple[Planned, ...]


class OfHost(_Part):
    """What would be done on one host, and which one that is.

    Args:
        machine: digest of its machine id.
        packages: to be installed, each with the major and minor number of its version: a security update binds nothing.
    """

    host_key: str
    machine: str
    packages: dict[str, str]
    chapters: tuple[InChapter, ...]

    @classmethod
    def of(cls, records: Iterable[RecordData]) -> Self:
        """What the records of a host show that was planned."""
        there = tuple(records)

        def fact(name: str) -> str:
            return next((record.facts[name] for record in there if name in record.facts), "")

        return cls(
            host_key=fact("host_key"),
            machine=fact("machine"),
            packages=_majors(fact("candidates")),
            chapters=tuple(
                InChapter(
                    chapter=record.chapter,
                    changes=tuple(
                        Planned.of(change) for plan in record.last_plans for change in plan.changes
                    ),
                )
                for record in there
            ),
        )

    def changes_of(self, chapter: str) -> tuple[Planned, ...]:
        """What one chapter may do."""
        return tuple(change for one in self.chapters if one.chapter == chapter for change in one.changes)

    def changes_to(self, now: "OfHost") -> Iterator[str]:
        """What is another now, a line each."""
        if self.host_key != now.host_key:
            yield f"SSH host key: was {self.host_key}, is {now.host_key}"
        if self.machine != now.machine:
            yield "machine id: this is another machine"
        if self.packages != now.packages:
            yield f"packages to be installed: was {_listed(self.packages)}, is {_listed(now.packages)}"
        before, after = self._by_thing(), now._by_thing()
        for (chapter, kind, thing), digests in before.items():
            found = after.get((chapter, kind, thing))
            if found != digests:
                told = "would be done otherwise now" if found else "is not to be done any more"
                yield f"{chapter}, {kind} {thing}: {told}"
        for chapter, kind, thing in after.keys() - before.keys():
            yield f"{chapter}, {kind} {thing}: was not in the plan"

    def _by_thing(self) -> dict[tuple[str, str, str], list[str]]:
        found: dict[tuple[str, str, str], list[str]] = {}
        for one in self.chapters:
            for change in one.changes:
                found.setdefault((one.chapter, change.kind, change.thing), []).append(change.sha256)
        return found


class Document(_Part):
    """A whole plan.

    Args:
        inventory, library: digests of the inventory's file, and of the library's files, committed or not.
        commit: of the code, marked where the tree held more than the commit.
        chapters: name to digest of their code.
        parameters: as they were given.
        digests: host to digest of what is planned for it.
    """

    format: Literal[1] = 1
    inventory: str
    commit: str
    library: str
    chapters: dict[str, str]
    parameters: tuple[tuple[str, str], ...]
    digests: dict[str, Sha256]
    hosts: dict[str, OfHost]

    @classmethod
    def of(cls, hosts: Mapping[str, OfHost], **ground: object) -> Self:
        """Of what is planned for each host."""
        digests = {name: host.sha256 for name, host in hosts.items()}
        return cls.model_validate({"digests": digests, "hosts": dict(hosts), **ground})

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if {name: host.sha256 for name, host in self.hosts.items()} != self.digests:
            raise ValueError("the digest of a host is not that of what is planned for it")
        return self

    def changes_to(self, now: "Document") -> list[str]:
        """What is another now beside the hosts, a line each."""
        lines = [
            f"{name}: was {_short(was)}, is {_short(then)}"
            for name in ("inventory", "commit")
            if (was := getattr(self, name)) != (then := getattr(now, name))
        ]
        if self.library != now.library:
            lines.append("runbook_lib: its files are others")
        for name, digest in self.chapters.items():
            if now.chapters.get(name) != digest:
                lines.append(f"chapter {name}: its code is another")
        if self.parameters != now.parameters:
            lines.append("parameters: they are others")
        return lines

    def changes_on(self, host: str, now: "Document") -> list[str]:
        """What is another now on a host, a line each; none where it is as it was planned."""
        if self.digests[host] == now.digests.get(host):
            return []
        return list(self.hosts[host].changes_to(now.hosts[host])) or ["its steps are in another order"]


def _short(digest: str) -> str:
    first, _, more = digest.partition(" ")
    return f"{first[:16] or 'unknown'} {more}".rstrip()


def _listed(packages: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in packages.items()) or "nothing"


def _majors(candidates: str) -> dict[str, str]:
    """Package to major and minor number, from lines 'NAME: VERSION'; '' where nobody knows one."""
    found: dict[str, str] = {}
    for line in candidates.splitlines():
        name, _, version = line.partition(": ")
        known = _VERSION.match(version)
        found[name] = known[1] if known else ""
    return found


def to_bytes(document: Document) -> bytes:
    """The one spelling of a plan; its SHA-256 is the plan's digest."""
    return canonical.to_bytes(document.model_dump())


def parse(content: bytes, where: str) -> Document:
    """Read a plan; every digest in it is made anew.

    Raises: RecordError: it is none, is spelled otherwise, or a digest in it is not that of what it says.
    """
    try:
        return Document.model_validate(canonical.from_bytes(content))
    except ValidationError as error:
        reason = f"{'.'.join(map(str, error.errors()[0]['loc']))}: {error.errors()[0]['msg']}".lstrip(": ")
    except ValueError as error:
        reason = str(error)
    raise RecordError(
        message("is no plan as `runbook plan` writes it: {reason}", reason=reason),
        where,
        message("take it again: runbook plan"),
    )


def keep(folder: Path, plan: Document) -> None:
    """Keep a plan beside the records: of a run that planned it, or that is bound to it."""
    files.write_atomically(folder / PLAN, to_bytes(plan))


def read(folder: Path) -> Document:
    """The plan beside the records of a run.

    Raises:
        UsageError: there is none.
        RecordError: it is none any more.
    """
    path = folder / PLAN
    try:
        content = seal.read_regular(path, BYTES_MAX)
    except ValueError:
        raise UsageError(
            message("there is no plan beside the records of this run"),
            str(path),
            message("make one: runbook plan"),
        ) from None
    return parse(content, str(path))


def find(root: Path, digest: str) -> tuple[Path, Document]:
    """The newest plan with this digest, or whose digest begins so: the folder of its run, and the plan.

    Raises:
        UsageError: too short, or no plan here has it.
        RecordError: what lies there is no plan any more.
    """
    if len(digest) < SHORTEST:
        raise UsageError(
            message("has {count} digits", count=len(digest)),
            "--plan",
            message("give {shortest} or more of the digest", shortest=SHORTEST),
        )
    for run in index.runs(root):
        if not (index.planned(root / run) or "").startswith(digest):
            continue
        order = index.ordered(root / run)
        if order is not None and order.mode == "plan":  # a run that is bound to it has the same file
            return root / run, read(root / run)
    raise UsageError(
        message("no plan under {root} has the digest {digest}", root=root, digest=digest),
        "--plan",
        message("take it from what `runbook plan` printed last; a plan that was altered has another digest"),
    )
