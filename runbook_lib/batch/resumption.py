"""Going on with a run that was interrupted, or that stopped at a failure which is mended now."""

from collections.abc import Sequence
from pathlib import Path

from runbook_lib import inventory
from runbook_lib.batch.notebooks import Notebook, chapters_for, find_notebooks
from runbook_lib.batch.order import Order
from runbook_lib.batch.written_order import WrittenOrder, notebook_sha256
from runbook_lib.errors import ApplyRefused
from runbook_lib.records import origin, root
from runbook_lib.records.index import RunIndex, read_run

_DONE = ("passed", "planned", "not proven")


def resume(run: str, notebooks: Path, workers: int | None = None) -> Order | None:
    """The order that brings a run to its end: each host from the first chapter on that did not get through.

    Args:
        run: the run's id.
        notebooks: their folder.
        workers: hosts at work at the same time; None: as the run was ordered.
    Returns: None when every host got through already.
    Raises:
        UsageError: there is no such run.
        ApplyRefused: inventory or chapters are no longer those of the run.
    """
    folder = root() / origin.plain_name(run, "run")
    written = WrittenOrder.read(folder)
    chapters = [notebook for notebook in find_notebooks(notebooks) if notebook.chapter in written.chapters]
    _refuse_other_ground(run, written, chapters)
    found = read_run(folder)
    done = {host: _done(found, host) for host in written.hosts}
    hosts = [host for host in written.hosts if not done[host] >= written.chapters.keys()]
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
        done={host: done[host] for host in hosts},
    )


def _done(found: RunIndex, host: str) -> frozenset[str]:
    """The chapters up to the first that did not get through, and those that are for another family."""
    done: set[str] = set()
    family: str | None = None
    for entry in (entry for entry in found.of_host(host) if entry.attempt == 0):
        if entry.record.outcome not in _DONE:
            break
        done.add(entry.record.chapter)
        family = family or entry.record.facts.get("family")
    return frozenset(done | chapters_for(family))


def _refuse_other_ground(run: str, written: WrittenOrder, chapters: Sequence[Notebook]) -> None:
    """A run is one thing: what was decided on in its first half still holds in its second."""
    changed = []
    if inventory.load(written.inventory).digest != written.inventory_sha256:
        changed.append(f"the inventory {written.inventory}")
    there = {notebook.chapter: notebook_sha256(notebook) for notebook in chapters}
    changed += [f"chapter {name}" for name, digest in written.chapters.items() if there.get(name) != digest]
    if changed:
        raise ApplyRefused(
            f"{', '.join(changed)}: no longer as when this run began, so it cannot go on as one run",
            f"run {run}",
            f"begin a new one: runbook plan, then runbook apply; runbook rollback {run} puts back what this one did",
        )
