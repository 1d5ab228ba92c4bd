"""What became of the chapters and the hosts of a run: values that workers send and the command line shows."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from runbook_lib.records.index import counted
from runbook_lib.records.model import Outcome, RecordData

Mode = Literal["plan", "apply"]
Ended = Literal["failed", "interrupted"]
LINES_SHOWN = 3
HostState = Literal["passed", "planned", "not proven", "failed", "interrupted", "not started", "refused"]


@dataclass(frozen=True)
class ChapterResult:
    """One chapter on one host.

    Args:
        problem: why it did not pass, as the chapter said it; None when it did.
        cell: the code cell it stopped at, counted from 1; None when it did not stop at one.
        needed_root: names of the looks of a plan that needed root.
        left_to: who has lines of it to add, since the files are theirs.
        not_proven: what could not be tested, a line for each reason.
        open_decisions: the places that a person has to decide about before apply goes on.
    """

    chapter: str
    title: str
    outcome: Outcome
    seconds: float
    cells: int
    changes_planned: int = 0
    changes_made: int = 0
    claims_passed: int = 0
    claims_failed: int = 0
    claims_not_tested: int = 0
    problem: str | None = None
    cell: int | None = None
    needed_root: tuple[str, ...] = ()
    left_to: tuple[str, ...] = ()
    not_proven: tuple[str, ...] = ()
    open_decisions: tuple[str, ...] = ()

    @property
    def goes_on(self) -> bool:
        """True when the next chapter may run: a change that could not be proved stays in place."""
        return self.outcome in ("passed", "planned", "not proven")

    def told(self) -> str:
        """The result in one line, without the problem's text."""
        changes = self.changes_made or self.changes_planned
        word = "made" if self.changes_made else "planned"
        parts = [f"{counted(changes, 'change')} {word}"] if changes else []
        claims = self.claims_passed + self.claims_failed + self.claims_not_tested
        if claims:
            parts.append(f"{self.claims_passed} of {counted(claims, 'claim')} proved")
        parts += [f"lines left to {' and '.join(self.left_to)}"] if self.left_to else []
        place = f" at cell {self.cell} of {self.cells}" if self.cell else ""
        return f"{self.chapter} {self.outcome}{place}" + (f": {', '.join(parts)}" if parts else "")


def from_record(record: RecordData | None) -> dict[str, Any]:
    """The counts and lists of a chapter's record, and who must act, for its result."""
    if record is None:
        return {}
    return {
        "changes_planned": record.changes_planned,
        "changes_made": record.changes_made,
        "claims_passed": record.count("pass"),
        "claims_failed": record.count("fail"),
        "claims_not_tested": record.count("could not test"),
        "needed_root": tuple(record.needed_root),
        "left_to": record.left_to,
        "not_proven": record.not_proven,
        "open_decisions": tuple(record.open_decisions),
    }


@dataclass(frozen=True)
class HostResult:
    """One host.

    Args:
        left_out: chapters of another family of systems.
        problem: what is wrong apart from any chapter, as a worker that was killed.
    """

    host: str
    state: HostState
    chapters: tuple[ChapterResult, ...] = ()
    left_out: tuple[str, ...] = ()
    problem: str | None = None

    def told(self) -> str:
        """What was done on the host, in one line; a failure's text stands behind it, indented."""
        stopped = next((chapter for chapter in self.chapters if not chapter.goes_on), None)
        if self.state == "not started":
            return f"{self.host}: not started, nothing was changed there"
        if self.state == "refused":
            return f"{self.host}: refused, nothing was changed there\n{_indented(self.problem or '')}"
        if stopped is None and self.problem:
            return f"{self.host}: {self.state}\n{_indented(self.problem)}"
        made, planned = self.sum("changes_made"), self.sum("changes_planned")
        if stopped:
            before = f" ({counted(made, 'change')} made in this run)" if made else ""
            return f"{self.host}: {stopped.told()}{before}\n{_indented(stopped.problem or '')}".rstrip()
        if self.state == "planned":
            told = f"{counted(planned, 'change')} planned, none made" if planned else "nothing to do here"
            if not planned and not self.left_to:
                told = "nothing to do"
            looks = dict.fromkeys(look for chapter in self.chapters for look in chapter.needed_root)
            rooted = f"\n    needed root to look at: {', '.join(looks)}" if looks else ""
            return f"{self.host}: {told}{self._who_must_act()}{self._who_must_decide()}{rooted}"
        done = f"changed {counted(made, 'thing')}" if made else "nothing to do"
        if self.left_to and not made:
            done = "changed nothing"
        passed = self.sum("claims_passed")
        claims = passed + self.sum("claims_failed") + self.sum("claims_not_tested")
        proof = f"; {passed} of {counted(claims, 'claim')} proved" if claims else ""
        if self.state != "not proven":
            return f"{self.host}: {done}{proof}{self._who_must_act()}"
        state = "applied, not proven" if made else "not proven"
        return f"{self.host}: {done}{proof}; {state}{self._who_must_act()}{self._not_proven()}"

    def _not_proven(self) -> str:
        """The first few of what could not be tested, each with its reason."""
        lines = list(dict.fromkeys(line for chapter in self.chapters for line in chapter.not_proven))
        more = [f"and {len(lines) - LINES_SHOWN} more, in the record"] if len(lines) > LINES_SHOWN else []
        return "".join(f"\n    not proven: {line}" for line in [*lines[:LINES_SHOWN], *more])

    @property
    def left_to(self) -> tuple[str, ...]:
        """Who owns files here, and has lines to add to them; each once."""
        return tuple(dict.fromkeys(owner for chapter in self.chapters for owner in chapter.left_to))

    def _who_must_act(self) -> str:
        owners = " and ".join(self.left_to)
        return f"\n    {owners} must act: the lines to add are in the record of chapter 2" if owners else ""

    def _who_must_decide(self) -> str:
        places = dict.fromkeys(place for chapter in self.chapters for place in chapter.open_decisions)
        if not places:
            return ""
        count = counted(len(places), "decision")
        return (
            f"\n    {count} open: apply refuses until you decide about {'; '.join(places)}"
            "\n    (what each answer does, and the lines for the inventory: chapter 2 of the record)"
        )

    def sum(self, field: str) -> int:
        """A count over all chapters."""
        return sum(int(getattr(chapter, field)) for chapter in self.chapters)


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())


def state_of(chapters: Sequence[ChapterResult]) -> HostState:
    """The state of a host whose chapters have all been run, or which stopped at the last of them."""
    outcomes = [chapter.outcome for chapter in chapters]
    for state in ("failed", "interrupted", "not proven"):
        if state in outcomes:
            return state
    return "planned" if outcomes and all(outcome == "planned" for outcome in outcomes) else "passed"


@dataclass(frozen=True)
class BatchResult:
    """A whole run."""

    run: str
    mode: Mode
    hosts: tuple[HostResult, ...]
    index: Path  # the page to open
    next_commands: tuple[tuple[str, str], ...]
    plan: str | None = None  # its digest, where every host was planned to the end
    problem: str | None = None  # what is wrong with the record of the run
    approval: str = ""  # who approved the plan that it was bound to, in words
    seal: str = ""  # the head of the chain, to be kept elsewhere, and who signed
    # Of a plan: how the calendar of each host that has one stood. Of an emergency: what was passed over, host by host.
    maintenance: Mapping[str, str] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """0: done, or nothing to do, on every host; else 1."""
        return (
            0 if not self.problem and all(host.state in ("passed", "planned") for host in self.hosts) else 1
        )

    def document(self) -> dict[str, Any]:
        """The JSON document of `--json`."""
        return {
            "format": 1,
            "run": self.run,
            "mode": self.mode,
            "exit_code": self.exit_code,
            "record": str(self.index),
            "plan": self.plan,
            "seal": self.seal,
            "approval": self.approval,
            "hosts": [asdict(host) for host in self.hosts],
            "problem": self.problem,
            "maintenance": dict(self.maintenance),
            "next": [command for _, command in self.next_commands],
        }
