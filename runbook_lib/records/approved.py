"""What was approved: in a run that is bound to a plan, each chapter makes that and nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from runbook_lib.errors import ApplyRefused
from runbook_lib.messages import message
from runbook_lib.records import origin
from runbook_lib.records.model import Approval, Change
from runbook_lib.records.planned import Document, OfHost, Planned

if TYPE_CHECKING:  # whoever compares plans needs no connection
    from runbook_lib.records.approvals import Binding
    from runbook_lib.remote.change import Plan


@dataclass(frozen=True)
class Approved:
    """What one host may be made.

    Args:
        plan: the digest of the whole plan.
        library: digest of the library's files.
        host: what is planned for this host.
        approval: who approved it.
        is_enough: whether these are as many people as the site wants.
    """

    plan: str
    library: str
    host: OfHost
    approval: Approval
    is_enough: bool

    @classmethod
    def of(cls, document: Document, approval: Approval, *, is_enough: bool) -> "dict[str, Approved]":
        """For each host of a plan what may be done there."""
        return {
            name: cls(approval.plan, document.library, host, approval, is_enough)
            for name, host in document.hosts.items()
        }

    def check(self, chapter: str, plan: "Plan", host: str) -> None:
        """Let a plan through whose every change was approved, in the same order; some may not be needed any more.

        Raises:
            ApplyRefused: this was not approved, or the library's files are no longer those that made the plan.
        """
        if origin.library_sha256() != self.library:
            raise self._refusal(
                message("the files of runbook_lib are no longer those that made the plan"), chapter, host
            )
        told = told_against(self.host.changes_of(chapter), changes_of(plan))
        if told:
            raise self._refusal(message("{title}: {told}", title=plan.title, told=told), chapter, host)

    def _refusal(self, problem: str, chapter: str, host: str) -> ApplyRefused:
        return ApplyRefused(
            message("not what was approved as {plan}: {problem}", plan=self.plan[:16], problem=problem),
            f"{host}, {chapter}",
            message("see what changed meanwhile, make another plan, and have that approved: runbook plan"),
        )


def told_against(approved: Sequence[Planned], changes: Sequence[Planned]) -> str:
    """What speaks against changes; '' where each of them was approved, in this order."""
    there = iter(approved)
    for change in changes:
        if change not in there:
            known = any((one.kind, one.thing) == (change.kind, change.thing) for one in approved)
            told = message("would be done otherwise now") if known else message("was not in the plan")
            return message("{kind} {thing}: {told}", kind=change.kind, thing=change.thing, told=told)
    return ""


_bound: Approved | None = None
_by_hand: "Binding | None" = None


def bind(approved: Approved | None, by_hand: "Binding | None" = None) -> None:
    """From now on the chapters of this process make what was approved; None: nobody approved a plan.

    Args:
        by_hand: what a chapter spends that is run by hand; a batch does so itself.
    """
    global _bound, _by_hand
    _bound, _by_hand = approved, by_hand


def spend(root: Path, run: str, host: str, chapter: str) -> None:
    """Of a chapter that is run by hand: spend what approves its plan.

    Raises: ApplyRefused, RecordError, RecordNotWritten: as `Binding.spend`.
    """
    if _by_hand is not None:
        _by_hand.spend(root, run, [host], [chapter])


def bound() -> Approved | None:
    """What this process is bound to."""
    return _bound


def check(chapter: str, plan: "Plan", host: str) -> None:
    """As `Approved.check`, where this process is bound to a plan."""
    if _bound is not None:
        _bound.check(chapter, plan, host)


def changes_of(plan: "Plan") -> tuple[Planned, ...]:
    """The changes of a plan as a record would have them, without our words."""
    from runbook_lib.records.redaction import masked

    return tuple(Planned.of(Change.model_validate(masked(change))) for change in plan.as_data())
