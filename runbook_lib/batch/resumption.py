"""Going on with a run that was interrupted, or that stopped at a failure which is mended now."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from runbook_lib import inventory, remote
from runbook_lib.batch.notebooks import Notebook, find_notebooks
from runbook_lib.batch.order import Order
from runbook_lib.batch.written_order import WrittenOrder
from runbook_lib.errors import ApplyRefused, RunbookError
from runbook_lib.families.chapters import chapters_of_others
from runbook_lib.records import approvals, origin, planned, root, undone
from runbook_lib.records.approvals import Binding
from runbook_lib.records.index import PLAN, RunIndex, read_run
from runbook_lib.remote import runs

_DONE = ("passed", "planned", "not proven")


def resume(run: str, notebooks: Path, workers: int | None = None, *, emergency: bool = False) -> Order | None:
    """The order that brings a run to its end: each host from the first chapter on that did not get through.

    Args:
        run: the run's id.
        notebooks: their folder.
        workers: hosts at work at the same time; None: as the run was ordered.
        emergency: as an order has it; what the run began as holds for its beginning alone.
    Returns: None when every host got through already.
    Raises:
        UsageError: there is no such run, or it was bound to a plan that is not here any more.
        ApplyRefused: inventory or chapters are no longer those of the run, or what would be left of it was put back.
    """
    folder = root() / origin.plain_name(run, "run")
    written = WrittenOrder.read(folder)
    chapters = [notebook for notebook in find_notebooks(notebooks) if notebook.chapter in written.chapters]
    _refuse_other_ground(run, written, chapters)
    found = read_run(folder)
    done = {host: _done(found, host) for host in written.hosts}
    back = undone.read(folder)
    hosts = [host for host in written.hosts if host not in back and not done[host] >= written.chapters.keys()]
    if not hosts and back:
        raise ApplyRefused(
            "; ".join(f"{host}: {one}" for host, one in back.items()) + ": there is nothing to go on with",
            f"run {run}",
            f"begin a new one: runbook plan, and what it says then{_to_withdraw(run, back)}",
        )
    if not hosts:
        return None
    first = next(n.chapter for n in chapters if any(n.chapter not in done[host] for host in hosts))
    only, start = written.selection(first)
    return Order(
        mode=written.mode,
        inventory=written.inventory,
        hosts=hosts,
        only=only,
        start=start,
        workers=workers or written.workers,
        reason=written.reason,
        next_options=written.next_options,
        parameters=written.parameters,
        notebooks=notebooks,
        run=run,
        bound=_bound(run, folder, written.plan, hosts) if written.plan else None,  # as its beginning was
        refused=written.refused,
        done={host: done[host] for host in hosts},
        emergency=emergency,
        chapters=frozenset(written.chapters),
    )


def _bound(run: str, folder: Path, digest: str, hosts: Sequence[str]) -> Binding:
    plan = planned.read(folder)
    if plan.sha256 != digest:
        raise ApplyRefused(
            "the plan beside its records is not the one that it was bound to",
            str(folder / PLAN),
            "take it again from where it was kept, or begin a new run: runbook plan",
        )
    return approvals.bind_again(root(), plan, hosts, run)


def _to_withdraw(run: str, back: Mapping[str, undone.Undone]) -> str:
    """What undo.sh alone does not do: it knows nothing of the own CA's ledger."""
    by_hand = any(one.operator == undone.BY_HAND for one in back.values())
    return f"; runbook rollback {run} withdraws what the own CA issued for it" if by_hand else ""


def _done(found: RunIndex, host: str) -> frozenset[str]:
    """The chapters up to the first that did not get through, and those that are for another family."""
    done: set[str] = set()
    family: str | None = None
    for entry in (entry for entry in found.of_host(host) if entry.attempt == 0):
        if entry.record.outcome not in _DONE:
            break
        done.add(entry.record.chapter)
        family = family or entry.record.facts.get("family")
    return frozenset(done | chapters_of_others(family))


def _refuse_other_ground(run: str, written: WrittenOrder, chapters: Sequence[Notebook]) -> None:
    """A run is one thing: what was decided on in its first half still holds in its second."""
    changed = []
    if inventory.load(written.inventory).digest != written.inventory_sha256:
        changed.append(f"the inventory {written.inventory}")
    there = {notebook.chapter: notebook.code_sha256 for notebook in chapters}
    changed += [f"chapter {name}" for name, digest in written.chapters.items() if there.get(name) != digest]
    if changed:
        raise ApplyRefused(
            f"{', '.join(changed)}: no longer as when this run began, so it cannot go on as one run",
            f"run {run}",
            f"begin a new one: runbook plan, and what it says then; runbook rollback {run} puts back what this one did",
        )


def note_undone_there(run: str) -> tuple[str, ...]:
    """Ask the hosts of a run whether it was put back there without us, and note here that where it was.

    A host's journal knows what its undo.sh put back, whoever ran it. Asked are those on which chapters got through that
    changed something, and of which nothing is noted yet; none where the inventory is another by now, since `resume`
    refuses that.

    Returns: a sentence for each host that could not be asked.
    Raises:
        UsageError: there is no such run, or it was not ordered by the command line.
        RecordError: a record cannot be read.
    """
    folder = root() / origin.plain_name(run, "run")
    written = WrittenOrder.read(folder)
    noted, recorded = undone.read(folder), _recorded(run, written)
    asked = [host for host in written.hosts if host not in noted and recorded[host]]
    book = inventory.load(written.inventory)
    if book.digest != written.inventory_sha256:
        return ()
    unasked = []
    for name in asked:
        try:
            found = runs.look(remote.connect(book.site, book.host(name))).runs
        except RunbookError as error:
            why = error.problem.splitlines()[0]
            unasked.append(f"{name}: whether it was put back there by hand is not known: {why}")
            continue
        one = next((one for one in found if one.run == run), None)
        if one is not None and one.back and one.made < recorded[name]:
            undone.note(root(), run, name, complete=one.is_back, by=undone.BY_HAND, at=one.back_at)
    return tuple(unasked)


def _recorded(run: str, written: WrittenOrder) -> dict[str, int]:
    """For each host the changes of chapters that got through: a chapter that failed may have put its own back."""
    found = read_run(root() / run)
    return {
        host: sum(
            entry.record.changes_made
            for entry in found.of_host(host)
            if entry.attempt == 0 and entry.record.outcome in ("passed", "not proven")
        )
        for host in written.hosts
    }
