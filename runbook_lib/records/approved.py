"""What was approved: in a run that is bound to a plan, each chapter makes that and nothing else."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runbook_lib.errors import ApplyRefused
from runbook_lib.records import origin
from runbook_lib.records.model import RecordData

if TYPE_CHECKING:  # whoever compares plans needs no connection
    from runbook_lib.remote.change import Plan

# A unit that a package of the run brings is not there when the plan is made, and there when the step is.
_BEFORE_IS_OURS = frozenset({"UnitChange"})


@dataclass(frozen=True)
class Step:
    """One plan of a chapter, as it was approved.

    Args:
        digest: of the plan.
        changes: of each of its changes, in order, a digest of what is bound.
    """

    chapter: str
    title: str
    digest: str
    changes: tuple[str, ...]


@dataclass(frozen=True)
class Approved:
    """What one host may be made.

    Args:
        plan: the digest of the whole plan.
        library: digest of the library's files.
    """

    plan: str
    library: str
    steps: tuple[Step, ...]

    @classmethod
    def of(cls, plan: str, library: str, records: Iterable[RecordData]) -> "Approved":
        """What the records of a host show that was planned."""
        steps = tuple(
            Step(
                record.chapter,
                one.title,
                one.digest,
                tuple(
                    _bound_of(change.kind, change.title, change.diff, change.commands)
                    for change in one.changes
                ),
            )
            for record in records
            for one in record.plans
        )
        return cls(plan, library, steps)

    def check(self, chapter: str, plan: "Plan", host: str) -> None:
        """Let a plan through that was approved.

        It is the approved plan, digit for digit; or every change of it is one that was approved, in the same order,
        and some are not needed any more. Why may be told otherwise, when earlier changes of the run are there.

        Raises:
            ApplyRefused: this was not approved, or the library's files are no longer those that made the plan.
        """
        if origin.library_sha256() != self.library:
            raise self._refusal(
                "the files of runbook_lib are no longer those that made the plan", chapter, host
            )
        steps = [step for step in self.steps if (step.chapter, step.title) == (chapter, plan.title)]
        changes = [
            _bound_of(change.kind, change.title, change.diff(), change.commands()) for change in plan.changes
        ]
        for step in steps:
            if plan.digest == step.digest or _is_part(changes, step.changes):
                return
        told = "would be done otherwise now" if steps else "was not in the plan"
        raise self._refusal(f"{plan.title}: {told}", chapter, host)

    def _refusal(self, problem: str, chapter: str, host: str) -> ApplyRefused:
        return ApplyRefused(
            f"not what was approved as {self.plan[:16]}: {problem}",
            f"{host}, {chapter}",
            "see what changed meanwhile, make another plan, and have that approved: runbook plan",
        )


_bound: Approved | None = None


def bind(approved: Approved | None) -> None:
    """From now on the chapters of this process make what was approved; None: nobody approved a plan."""
    global _bound
    _bound = approved


def plan_bound() -> str | None:
    """The digest of the whole plan that this process makes; None where nobody approved one."""
    return _bound.plan if _bound else None


def check(chapter: str, plan: "Plan", host: str) -> None:
    """As `Approved.check`, where this process is bound to a plan."""
    if _bound is not None:
        _bound.check(chapter, plan, host)


def _bound_of(kind: str, title: str, diff: str, commands: str) -> str:
    """What is done, and to what. Why is not bound: behind a title's colon, and in lines of a diff that begin with #."""
    lines = [line for line in diff.split("\n") if not line.startswith("#")]
    told = [kind, title.partition(": ")[0], [] if kind in _BEFORE_IS_OURS else lines, commands]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def _is_part(changes: Sequence[str], approved: Sequence[str]) -> bool:
    """Are these among the approved ones, in the same order?"""
    there = iter(approved)
    return all(change in there for change in changes)
