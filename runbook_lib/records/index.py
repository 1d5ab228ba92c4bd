"""What ran: the records of one run in order, counted, and what to type next."""

import hashlib
import os
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from runbook_lib.errors import RecordError
from runbook_lib.families.chapters import chapters_of_others
from runbook_lib.inventory.typed import apply_command
from runbook_lib.messages import joined, message
from runbook_lib.messages.words import listed
from runbook_lib.records import files, kept, model, origin, reasons
from runbook_lib.records.model import RecordData, UndoStep

OWN_CA = "own-ca"  # stands for a host in what the CA's commands leave
JOURNALS = "journals"  # stands for a chapter in what `runbook journals thin` leaves
PAGE = "index.html"
ORDER = "order.json"  # what was ordered, where the command line did
PLAN = "plan.json"  # what was planned, once every host was planned to its end; or what the run is bound to
_DIGEST = "plan.sha256"  # of a plan, in runs of before that kept nothing else of it


@dataclass(frozen=True)
class Entry:
    """One record and where it lies.

    `path` is relative to the run's folder. `attempt` is 0 for the record that counts, else the number of an
    earlier run of the same chapter, which was set aside.
    """

    path: Path
    attempt: int
    record: RecordData

    @property
    def page(self) -> Path:
        return self.path.with_suffix(".html")

    @property
    def script(self) -> Path:
        return self.path.with_suffix(".sh")

    @property
    def notebook(self) -> Path:
        return self.path.with_suffix(".ipynb")

    @property
    def notebook_page(self) -> Path:
        return self.path.with_suffix(".notebook.html")


_NAMED_AT_MOST = 12
# What a page about many hosts begins with: where somebody has to do something.
_FIRST: tuple[model.Outcome, ...] = ("failed", "interrupted", "running", "not proven", "passed", "planned")


@dataclass(frozen=True)
class HostLine:
    """How a run came out on one host.

    Args:
        outcome: the worst of its chapters; `running` also where those after them have no record.
        stopped: the entry that did not get through; None where there is none.
        changes: those made, of a plan those planned.
        proved, claims: how many claims hold, and of how many that were asked.
        open_decisions: how many places a person has to decide about.
    """

    host: str
    outcome: model.Outcome
    stopped: Entry | None
    changes: int
    proved: int
    claims: int
    open_decisions: int

    @property
    def rank(self) -> int:
        """Where it stands among others; what is 0 did not get through."""
        return _FIRST.index(self.outcome)


@dataclass(frozen=True)
class RunIndex:
    """The records of one run: hosts by name, chapters in order, earlier attempts behind each."""

    run: str
    folder: Path
    entries: tuple[Entry, ...]
    ordered: "Ordered | None" = None
    plan: str | None = None  # the digest of what was planned
    notes: kept.Notes = kept.NOTHING  # what became of it since

    @cached_property
    def current(self) -> tuple[Entry, ...]:
        """The entries that count."""
        return tuple(entry for entry in self.entries if entry.attempt == 0)

    @cached_property
    def hosts(self) -> tuple[str, ...]:
        """Those with a record, then those that were ordered and have none."""
        recorded = [entry.record.host for entry in self.entries]
        return tuple(dict.fromkeys([*recorded, *(self.ordered.hosts if self.ordered else ())]))

    @cached_property
    def unfinished(self) -> tuple[str, ...]:
        """Hosts whose last chapter has no record, and none that says why: cut off, stopped in between, not begun."""
        if self.ordered is None:
            return ()
        stopped = {entry.record.host for entry in self.stopped}
        return tuple(h for h in self.ordered.hosts if h not in stopped and not self._at_end(h, self.ordered))

    def _at_end(self, host: str, ordered: "Ordered") -> bool:
        records = [entry.record for entry in self.of_host(host) if entry.attempt == 0]
        family = next((record.facts["family"] for record in records if record.facts.get("family")), None)
        wanted = ordered.chapters.keys() - chapters_of_others(family)
        return not wanted or max((record.chapter for record in records), default="") >= max(wanted)

    def of_host(self, host: str) -> tuple[Entry, ...]:
        """The entries of one host, earlier attempts included."""
        return tuple(self._by_host.get(host, ()))

    @cached_property
    def host_lines(self) -> tuple[HostLine, ...]:
        """How the run came out on each host: first those that did not get through, then those that are not proven."""
        unfinished = frozenset(self.unfinished)
        lines = (self._line(host, is_unfinished=host in unfinished) for host in self.hosts)
        return tuple(sorted(lines, key=lambda line: line.rank))

    def _line(self, host: str, *, is_unfinished: bool) -> HostLine:
        entries = [entry for entry in self.of_host(host) if entry.attempt == 0]
        records = [entry.record for entry in entries]
        outcomes: list[model.Outcome] = [record.outcome for record in records]
        if is_unfinished or not records:
            outcomes.append("running")
        outcome = min(outcomes, key=_FIRST.index)
        stopped = next((e for e in entries if e.record.outcome in ("failed", "interrupted", "running")), None)
        return HostLine(
            host,
            outcome,
            stopped,
            sum(one.changes_planned if one.mode == "plan" else one.changes_made for one in records),
            sum(one.count("pass") for one in records),
            sum(len(one.verifications) - one.count("not asked") for one in records),
            len({place for one in records for place in one.open_decisions}),
        )

    @cached_property
    def _by_host(self) -> dict[str, list[Entry]]:
        found: dict[str, list[Entry]] = {}
        for entry in self.entries:
            found.setdefault(entry.record.host, []).append(entry)
        return found

    @cached_property
    def stopped(self) -> tuple[Entry, ...]:
        """Where hosts did not get through: failed, interrupted or left running."""
        return tuple(e for e in self.current if e.record.outcome in ("failed", "interrupted", "running"))

    @cached_property
    def not_proven(self) -> tuple[Entry, ...]:
        return tuple(e for e in self.current if e.record.outcome == "not proven")

    @cached_property
    def changes_made(self) -> int:
        return sum(entry.record.changes_made for entry in self.current)

    @property
    def changes_planned(self) -> int:
        return sum(entry.record.changes_planned for entry in self.current)

    def count(self, verdict: model.Verdict) -> int:
        return sum(entry.record.count(verdict) for entry in self.current)

    @property
    def is_plan(self) -> bool:
        return bool(self.current) and all(entry.record.mode == "plan" for entry in self.current)

    @cached_property
    def open_decisions(self) -> dict[str, tuple[str, ...]]:
        """For each host the places that a person has to decide about before apply goes on."""
        found: dict[str, dict[str, str]] = {}
        for entry in self.current:
            found.setdefault(entry.record.host, {}).update(entry.record.open_decisions)
        return {host: tuple(places) for host, places in found.items() if places}

    @property
    def left_to(self) -> tuple[str, ...]:
        """Who owns files on the hosts, and has lines to add to them; each once."""
        return tuple(dict.fromkeys(owner for owners in self._waiting().values() for owner in owners))

    def _waiting(self) -> dict[str, tuple[str, ...]]:
        left = ((entry.record.host, entry.record.left_to) for entry in self.current)
        waiting: dict[str, tuple[str, ...]] = {}
        for host, owners in left:
            if owners:
                waiting[host] = tuple(dict.fromkeys((*waiting.get(host, ()), *owners)))
        return waiting

    def headline(self) -> str:
        """What was done, in one sentence."""
        if self.notes.expired:
            before = self.notes.expired.before
            return message("Its files have expired: it ended before {day}", day=before)
        if not self.hosts:
            return message("Nothing was recorded")
        if self._stands_alone:
            return joined("; ", (f"{e.record.host}: {_title(e.record)}" for e in self.current))
        hosts = message("1 host") if len(self.hosts) == 1 else message("{n} hosts", n=len(self.hosts))
        nothing = (
            message("lines left to {owners}", owners=listed(self.left_to))
            if self.left_to
            else message("nothing to do")
        )
        if self.stopped:
            stopped = _stopped(self.stopped[0].record)
            others = len(self.stopped) - 1
            return message("{stopped}, and {n} more", stopped=stopped, n=others) if others else stopped
        if self.unfinished:
            return self._cut_off()
        if self.is_plan:
            planned = self.changes_planned
            told = message("{changes} planned, none made", changes=changes(planned)) if planned else nothing
            waits = sum(map(len, self.open_decisions.values()))
            if not waits:
                return message("{hosts}: {told}", hosts=hosts, told=told)
            opened = decisions(waits)
            return message("{hosts}: {told}; {decisions} open", hosts=hosts, told=told, decisions=opened)
        made = message("{changes} made", changes=changes(self.changes_made)) if self.changes_made else nothing
        claims = sum(len(entry.record.verifications) for entry in self.current) - self.count("not asked")
        if not claims:
            return message("{hosts}: {told}", hosts=hosts, told=made)
        asked = message("1 claim") if claims == 1 else message("{n} claims", n=claims)
        return message(
            "{hosts}: {told}; {proved} of {claims} proved",
            hosts=hosts,
            told=made,
            proved=self.count("pass"),
            claims=asked,
        )

    @property
    def _stands_alone(self) -> bool:
        """Whether it is no run of chapters: something was put back, journals went, or it was about the own CA."""
        records = [entry.record for entry in self.current]
        return bool(records) and all(
            record.host == OWN_CA
            or record.chapter == JOURNALS
            or any(isinstance(step, UndoStep) for step in record.steps)
            for record in records
        )

    def _cut_off(self) -> str:
        host = self.unfinished[0]
        reached = [_title(entry.record) for entry in self.current if entry.record.host == host]
        told = (
            message("{host} did not get beyond {title}", host=host, title=reached[-1])
            if reached
            else message("{host} was not begun", host=host)
        )
        others = len(self.unfinished) - 1
        if not others:
            return told
        if others == 1:
            return message("{told}, and 1 more host", told=told)
        return message("{told}, and {n} more hosts", told=told, n=others)

    def next_commands(self) -> tuple[tuple[str, str], ...]:
        """What to type next: pairs of a reason and a command. What was ordered with options is gone on with by them."""
        tail = f" {self.ordered.next_options}" if self.ordered and self.ordered.next_options else ""
        commands: list[tuple[str, str]] = [*self._to_go_on(tail)]
        if unproven := [*dict.fromkeys(entry.record.host for entry in self.not_proven)]:
            again = " ".join(map(shlex.quote, unproven))
            commands.append(
                (message("to test {host} again", host=_named(unproven)), f"runbook verify {again}{tail}")
            )
        for host, owners in self._waiting().items():
            who = {"owners": listed(owners), "host": host}
            reason = (
                message("when {owners} has the lines on {host} (chapter 2 of the record)", **who)
                if len(owners) == 1
                else message("when {owners} have the lines on {host} (chapter 2 of the record)", **who)
            )
            again = f"runbook plan{_hosts([host])}{tail}" if self.is_plan else self._apply([host])
            commands.append((reason, again))
        through = not self.stopped and not self.unfinished
        if self.is_plan and self.open_decisions and through:
            decided = message("when what is open on {hosts} is decided", hosts=_named([*self.open_decisions]))
            commands.append((decided, f"runbook plan{_hosts(self.hosts)}{tail}"))
        elif self.is_plan and self.changes_planned and through and self.plan:
            bound = apply_command(
                plan=self.plan[:16],
                options=_whose(tail).strip(),
                reason=not self._reason_serves and self._needs_reason,
            )
            commands.append((message("to make these changes and no others"), bound))
        elif self.is_plan and self.changes_planned and through:  # in JupyterLab: nobody bound it to a digest
            again = f"runbook plan{_hosts(self.hosts)}{tail}"
            commands.append((message("to have these changes approved and made by the command line"), again))
        elif self.current and through and not self.not_proven:
            commands.append(
                (
                    message("to prove it from outside at any time"),
                    f"runbook verify {self.current[0].record.host}{tail}",
                )
            )
        until = min(
            (entry.record.review_by for entry in self.current if entry.record.review_by), default=None
        )
        if until:
            commands.append(
                (
                    message("by {time}, for somebody else: to review it", time=until),
                    f"runbook approve --after {self.run}{_whose(tail)}",
                )
            )
        if self.changes_made:
            commands.append(
                (message("to put back what this run changed"), f"runbook rollback {self.run}{tail}")
            )
        return tuple(commands)

    def _to_go_on(self, tail: str) -> Iterator[tuple[str, str]]:
        """How the hosts that did not get through go on; resume refuses where the inventory is another by then."""
        elsewhere = [entry for entry in self.stopped if _mended_in_the_inventory(entry.record)]
        if elsewhere:
            hosts = [entry.record.host for entry in elsewhere]
            yield (
                message("when the inventory has what {hosts} needs", hosts=_named(hosts)),
                f"runbook plan{_hosts(hosts)}{tail}",
            )
        rest = [entry.record for entry in self.stopped if entry not in elsewhere]
        # What is mended in the inventory ends the run: its other half would be decided by another file.
        if (rest or self.unfinished) and self.ordered is not None:
            failed_on = [record.host for record in rest if record.outcome == "failed"]
            reason = (
                message("when the cause on {hosts} is mended", hosts=_named(failed_on))
                if failed_on
                else message("to go on")
            )
            if elsewhere:
                reason = message("{reason}, before the inventory is changed", reason=reason)
            yield reason, f"runbook resume {self.run}{_whose(tail)}"
            return
        again: dict[tuple[str, str, bool], list[str]] = {}
        for record in rest:
            again.setdefault((record.mode, record.chapter, record.outcome == "failed"), []).append(
                record.host
            )
        for (mode, chapter, failed), hosts in again.items():
            reason = (
                message("when the cause on {hosts} is mended", hosts=_named(hosts))
                if failed
                else message("to go on with {hosts}", hosts=_named(hosts))
            )
            again_from = self._apply(hosts, chapter)
            yield (
                reason,
                again_from if mode == "apply" else f"runbook plan{_hosts(hosts)} --from {chapter}{tail}",
            )

    @property
    def _reason_serves(self) -> bool:
        """Apply takes the plan's reason: hosts of the lab need none, others one that no completed run had."""
        records = [entry.record for entry in self.current if not entry.record.lab]
        used = (completed_run(self.folder.parent, one.host, one.reason) for one in records)
        return all(record.reason for record in records) and not any(used)

    @property
    def _needs_reason(self) -> bool:
        """Whether a host is no host of the lab."""
        return not all(entry.record.lab for entry in self.current)

    def _apply(self, hosts: Iterable[str], start: str = "") -> str:
        options = self.ordered.next_options if self.ordered else ""
        return apply_command(hosts, start=start, options=options, reason=self._needs_reason)


def _mended_in_the_inventory(record: RecordData) -> bool:
    remedy = record.error.message.partition("To do: ")[2] if record.error else ""
    return record.outcome == "failed" and "inventory" in remedy


def _title(record: RecordData) -> str:
    """A chapter's title without the Japanese one behind it."""
    return record.title.partition(" · ")[0]


def _stopped(record: RecordData) -> str:
    where = {"host": record.host, "title": _title(record)}
    if record.outcome == "failed":
        return message("{host} failed at {title}", **where)
    if record.outcome == "interrupted":
        return message("{host} was interrupted at {title}", **where)
    return message("{host} did not finish {title}", **where)


def _whose(tail: str) -> str:
    """The options of a command that looks for records: their inventory, where that says the place."""
    return tail if origin.is_said_by_site() else ""


def _named(hosts: Sequence[str]) -> str:
    """Hosts in a sentence: by name, or how many where nobody would read the names."""
    return listed(hosts) if len(hosts) <= _NAMED_AT_MOST else message("{n} hosts", n=len(hosts))


def _hosts(hosts: Iterable[str]) -> str:
    return "".join(f" --host {shlex.quote(host)}" for host in hosts)


def counted(number: int, noun: str) -> str:
    """A number with its noun: 1 change, 2 changes."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def changes(number: int) -> str:
    """So many changes, in words."""
    return message("1 change") if number == 1 else message("{n} changes", n=number)


def decisions(number: int) -> str:
    """So many decisions, in words."""
    return message("1 decision") if number == 1 else message("{n} decisions", n=number)


def read_run(folder: Path, part: Callable[[RecordData], RecordData] = lambda record: record) -> RunIndex:
    """Read every record of a run.

    Args:
        folder: the run's folder, `records/RUN`.
        part: what is kept of each record; of a thousand hosts, not all that they say need be in memory at once.
    Raises: RecordError when there is no such folder, or a record is not readable.
    """
    refuse_unreadable(folder)
    if not folder.is_dir():
        raise RecordError(
            message("there is no such run"),
            str(folder),
            message("runbook records list shows the runs that are here"),
        )
    entries = []
    for path in sorted(folder.glob("*/*.json")):
        entries.append(Entry(path.relative_to(folder), files.attempt(path), part(model.read(path))))
    entries.sort(key=lambda e: (e.record.host, e.record.chapter, e.attempt != 0, e.attempt))
    return RunIndex(
        folder.name,
        folder,
        tuple(entries),
        ordered(folder),
        planned(folder),
        kept.read(folder.absolute().parent, folder.name),
    )


def refuse_unreadable(folder: Path) -> None:
    """Refuse a folder of records that is there, and is another's.

    Raises: RecordError.
    """
    try:
        if not folder.is_dir() or _may_read(folder):
            return
    except PermissionError:  # of a folder above it
        pass
    raise RecordError(
        message("these records are another's, and you may not read them"),
        str(folder),
        message(
            "have yourself added to the group that the inventory's site.records.group names, or ask "
            "their owner"
        ),
    )


def planned(folder: Path) -> str | None:
    """The digest of what a run planned, or is bound to; None where there is none."""
    plan = folder / PLAN
    if plan.is_file() and not plan.is_symlink():
        return hashlib.sha256(plan.read_bytes()).hexdigest()
    path = folder / _DIGEST
    digest = path.read_text(encoding="ascii", errors="replace").strip() if path.exists() else ""
    return digest if re.fullmatch("[0-9a-f]{64}", digest) else None


class Ordered(BaseModel):
    """What of an order says whether a run is complete: on which hosts which chapters were to run."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    hosts: tuple[str, ...]
    chapters: Annotated[dict[str, str], Field(min_length=1)]
    next_options: str = ""
    mode: str = ""


def ordered(folder: Path) -> Ordered | None:
    """What was ordered; None of a run by hand.

    Raises: RecordError: the order cannot be read.
    """
    path = folder / ORDER
    try:
        return Ordered.model_validate_json(path.read_bytes()) if path.exists() else None
    except ValidationError as error:
        raise RecordError(
            message("the order cannot be read: {reason}", reason=error.errors()[0]["msg"]),
            str(path),
            message("take the record again from where it was kept"),
        ) from error


def runs(root: Path) -> tuple[str, ...]:
    """The runs under a folder of records that one may read, the newest first."""
    return tuple(name for name in _all_runs(root) if _may_read(f"{root}/{name}"))


def runs_of_others(root: Path) -> tuple[str, ...]:
    """The runs under a folder of records that one may not read, the newest first."""
    return tuple(name for name in _all_runs(root) if not _may_read(f"{root}/{name}"))


def _all_runs(root: Path) -> list[str]:
    if not root.is_dir():
        return []
    with os.scandir(root) as there:  # which knows what is a folder; a Path would ask for each of thousands
        return sorted((one.name for one in there if one.is_dir() and one.name[0] != "."), reverse=True)


def _may_read(folder: Path | str) -> bool:
    return os.access(folder, os.R_OK | os.X_OK)


def completed_run(root: Path, host: str, reason: str) -> str | None:
    """The newest run that was applied to a host for this reason, to its end; None when there is none.

    Args:
        root: the folder of all records.
    Raises: RecordError when a record of the host is not readable.
    """
    return reasons.newest(root, runs(root), host, reason)
