"""What ran: the records of one run in order, counted, and what to type next."""

import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from runbook_lib.errors import RecordError
from runbook_lib.records import model
from runbook_lib.records.model import RecordData

ORDER = "order.json"  # what was ordered, where the command line did
_EARLIER = re.compile(r"(?P<chapter>.+)\.(?P<number>[0-9]+)")


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


@dataclass(frozen=True)
class RunIndex:
    """The records of one run: hosts by name, chapters in order, earlier attempts behind each."""

    run: str
    folder: Path
    entries: tuple[Entry, ...]

    @property
    def current(self) -> tuple[Entry, ...]:
        """The entries that count."""
        return tuple(entry for entry in self.entries if entry.attempt == 0)

    @property
    def hosts(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(entry.record.host for entry in self.entries))

    def of_host(self, host: str) -> tuple[Entry, ...]:
        """The entries of one host, earlier attempts included."""
        return tuple(entry for entry in self.entries if entry.record.host == host)

    @property
    def stopped(self) -> tuple[Entry, ...]:
        """Where hosts did not get through: failed, interrupted or left running."""
        return tuple(e for e in self.current if e.record.outcome in ("failed", "interrupted", "running"))

    @property
    def not_proven(self) -> tuple[Entry, ...]:
        return tuple(e for e in self.current if e.record.outcome == "not proven")

    @property
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
        if not self.current:
            return "Nothing was recorded"
        hosts = counted(len(self.hosts), "host")
        nothing = f"lines left to {' and '.join(self.left_to)}" if self.left_to else "nothing to do"
        if self.stopped:
            first = self.stopped[0].record
            more = f", and {len(self.stopped) - 1} more" if len(self.stopped) > 1 else ""
            title = first.title.partition(" · ")[0]  # without the Japanese title behind it
            return f"{first.host} {_STOPPED[first.outcome]} {title}{more}"
        if self.is_plan:
            planned = self.changes_planned
            told = f"{counted(planned, 'change')} planned, none made" if planned else nothing
            return f"{hosts}: {told}"
        made = f"{counted(self.changes_made, 'change')} made" if self.changes_made else nothing
        claims = sum(len(entry.record.verifications) for entry in self.current)
        proof = f"; {self.count('pass')} of {counted(claims, 'claim')} proved" if claims else ""
        return f"{hosts}: {made}{proof}"

    def next_commands(self, options: str = "", plan: str | None = None) -> tuple[tuple[str, str], ...]:
        """What to type next: pairs of a reason and a command.

        Args:
            options: what this run was started with and the next needs too, as "--inventory FILE".
            plan: the digest of what was planned, to which apply is bound.
        """
        tail = f" {options}" if options else ""
        commands: list[tuple[str, str]] = []
        again: dict[tuple[str, str, bool], list[str]] = {}
        for record in (entry.record for entry in self.stopped):
            again.setdefault((record.mode, record.chapter, record.outcome == "failed"), []).append(
                record.host
            )
        if again and (self.folder / ORDER).exists():
            failed_on = [host for (*_, failed), hosts in again.items() if failed for host in hosts]
            reason = f"when the cause on {' and '.join(failed_on)} is mended" if failed_on else "to go on"
            commands.append((reason, f"runbook resume {self.run}"))
            again = {}
        for (mode, chapter, failed), hosts in again.items():
            names = " and ".join(hosts)
            reason = f"when the cause on {names} is mended" if failed else f"to go on with {names}"
            commands.append((reason, f"runbook {mode}{_hosts(hosts)} --from {chapter}{tail}"))
        unproven = dict.fromkeys(entry.record.host for entry in self.not_proven)
        commands += [(f"to test {host} again", f"runbook verify {host}{tail}") for host in unproven]
        for host, owners in self._waiting().items():
            reason = f"when {' and '.join(owners)} has the lines on {host} (chapter 2 of the record)"
            commands.append(
                (reason, f"runbook {'plan' if self.is_plan else 'apply'} --host {shlex.quote(host)}{tail}")
            )
        if self.is_plan and self.changes_planned and not self.stopped:
            bound = f" --plan {plan[:16]}" if plan else f"{_hosts(self.hosts)}{tail}"
            commands.append(("to make these changes and no others", f"runbook apply{bound}"))
        elif self.hosts and not self.stopped and not self.not_proven:
            commands.append(("to prove it from outside at any time", f"runbook verify {self.hosts[0]}{tail}"))
        if self.changes_made:
            commands.append(("to put back what this run changed", f"runbook rollback {self.run}{tail}"))
        return tuple(commands)


_STOPPED = {"failed": "failed at", "interrupted": "was interrupted at", "running": "did not finish"}


def _hosts(hosts: Iterable[str]) -> str:
    return "".join(f" --host {shlex.quote(host)}" for host in hosts)


def counted(number: int, noun: str) -> str:
    """A number with its noun: 1 change, 2 changes."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def read_run(folder: Path) -> RunIndex:
    """Read every record of a run.

    Args:
        folder: the run's folder, `records/RUN`.
    Raises: RecordError when there is no such folder, or a record is not readable.
    """
    if not folder.is_dir():
        raise RecordError(
            "there is no such run", str(folder), "runbook records list shows the runs that are here"
        )
    entries = []
    for path in sorted(folder.glob("*/*.json")):
        earlier = _EARLIER.fullmatch(path.stem)
        attempt = int(earlier["number"]) if earlier else 0
        entries.append(Entry(path.relative_to(folder), attempt, model.read(path)))
    entries.sort(key=lambda e: (e.record.host, e.record.chapter, e.attempt != 0, e.attempt))
    return RunIndex(folder.name, folder, tuple(entries))


def runs(root: Path) -> tuple[str, ...]:
    """The runs under a folder of records, the newest first."""
    if not root.is_dir():
        return ()
    found = (path.name for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    return tuple(sorted(found, reverse=True))


def completed_run(root: Path, host: str, reason: str) -> str | None:
    """The newest run that was applied to a host for this reason, to its end; None when there is none.

    Args:
        root: the folder of all records.
    """
    for run in runs(root):
        if not (root / run / host).is_dir():
            continue
        records = [entry.record for entry in read_run(root / run).of_host(host) if entry.attempt == 0]
        done = all(record.outcome in ("passed", "not proven") for record in records)
        if done and any(record.mode == "apply" and record.reason == reason for record in records):
            return run
    return None
