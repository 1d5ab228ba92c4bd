"""Apply, bound to a plan: planned anew, compared with what was approved, and only then made."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from runbook_lib.batch import binding
from runbook_lib.batch.order import Order
from runbook_lib.batch.results import BatchResult
from runbook_lib.batch.rollout import Watch
from runbook_lib.errors import ApplyRefused, UsageError
from runbook_lib.records import root, run_id


def apply_plan(
    digest: str,
    watch: Watch,
    *,
    reason: str,
    workers: int | None,
    notebooks: Path,
    others: Sequence[str] = (),
) -> BatchResult:
    """Make the changes of a plan, and no others.

    Args:
        digest: of the plan, or the beginning of it.
        reason: why; empty: as it stands in the plan.
        others: options that were given beside, which the plan has decided already.
    Raises:
        UsageError: no such plan, or options that the plan has decided.
        ApplyRefused: what would be done is not what was approved. Nothing was changed.
    """
    if others:
        raise UsageError(
            "is decided by the plan already", ", ".join(others), "leave it out, or make another plan with it"
        )
    written, approved = binding.find_plan(root(), digest)
    only, start = written.selection(min(written.chapters))
    order = Order(
        mode="plan",
        inventory=written.inventory,
        hosts=written.hosts,
        only=only,
        start=start,
        workers=workers,
        reason=reason or written.reason,
        next_options=written.next_options,
        parameters=written.parameters,
        notebooks=notebooks,
        run=run_id(datetime.now(UTC)),
    )
    apply = order.bound_to(approved.digest)
    apply.jobs()  # whatever is wrong with the order is told before the host is asked
    planned = order.carry_out(watch)
    changes = approved.changes_to(binding.decided(root() / planned.run))
    if planned.plan != approved.digest:
        told = "\n    ".join(changes) or "a host could not be planned to the end"
        raise ApplyRefused(
            f"what would be done now is not what was approved as {approved.digest[:16]}:\n    {told}",
            ", ".join(written.hosts),
            f"read the new plan ({planned.index}), and have it approved: runbook apply --plan "
            f"{(planned.plan or '')[:16]}".rstrip(),
        )
    return apply.carry_out(watch)
