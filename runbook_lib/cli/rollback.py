"""`runbook rollback`: a run is put back."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from runbook_lib.cli import inventories
from runbook_lib.cli.options import Hosts, Inventory, say, say_beside
from runbook_lib.errors import RunbookError, UsageError

if TYPE_CHECKING:
    from runbook_lib.afterwards.way_back import WayBack


def rollback(
    run: Annotated[str, typer.Argument(help="The run's id, as its record has it.")],
    inventory: Inventory = None,
    host: Hosts = None,
) -> None:
    """Put back what a run changed; what somebody changed since is spared and shown."""
    from runbook_lib.afterwards import way_back
    from runbook_lib.records import run_id
    from runbook_lib.remote.rollback import require_id

    require_id(run, "RUN")
    book = inventories.chosen(inventory)
    targets = [book.host(name) for name in host or book.hosts]
    failures: list[RunbookError] = []
    mine = run_id(datetime.now(UTC))
    unsaid = False
    without: list[str] = []
    for target in targets:
        try:
            back = way_back.put_back(book, target, run, mine)
        except RunbookError as error:
            failures.append(error)
            continue
        unsaid = unsaid or bool(back.unsaid)
        if back.conflict:
            failures.append(back.conflict)
        elif back.done and not back.done.journaled:
            without.append(target.name)
            continue
        _tell(target.name, back)
    _tell_without(run, without, asked=bool(host), alone=len(without) == len(targets), failures=failures)
    unsaid = tell_record(mine) or unsaid
    for failure in failures:
        say_beside(str(failure))
    if failures:
        raise typer.Exit(max(failure.exit_code for failure in failures))
    if unsaid:
        raise typer.Exit(1)


def tell_record(run: str) -> bool:
    """Publish what a run that was begun here recorded, where it did; returns whether that failed."""
    from runbook_lib.errors import RecordError
    from runbook_lib.records import root, signing

    if not (root() / run).is_dir():
        return False
    try:
        kept = signing.keep(root(), run)
    except RecordError as error:
        say_beside(str(error))
        return True
    say(f"Record: {root() / run / 'index.html'}")
    say(f"Seal: {kept.told}")
    return False


def _tell(name: str, back: "WayBack") -> None:
    from runbook_lib.records import index

    certificates = f", {back.withdrawn} of the CA's certificates withdrawn" if back.withdrawn else ""
    if back.done:
        say(f"{name}: {index.counted(back.done.put_back, 'thing')} put back{certificates}")
        for line in back.done.lines:
            say(f"    {line}")
    elif back.conflict:
        say(f"{name}: {index.counted(back.conflict.put_back, 'thing')} put back, not all{certificates}")
    for line in (*back.ports, *back.unsaid):
        say(f"    {line}")


def _tell_without(
    run: str, without: list[str], *, asked: bool, alone: bool, failures: list[RunbookError]
) -> None:
    """Hosts without a journal of the run: it changed nothing there, unless there is no such run."""
    from runbook_lib.records import index, root

    if not without:
        return
    known = _hosts_of(run)
    if known is None and alone:
        here = ", ".join(index.runs(root())[:5])
        failures.append(
            UsageError(
                f"there is no run {run}: it has no record here, and no journal on {' or '.join(without)}",
                "RUN",
                f"check the id: {f'the newest with a record here are {here}; ' if here else ''}"
                "`ls /var/lib/runbook` on a host has those that changed it",
            )
        )
        return
    for name in without:
        if asked and known is not None and name not in known:
            failures.append(
                UsageError(
                    f"there is no journal of run {run}, and its record has no such host: it was on {', '.join(known)}",
                    name,
                    "check the run's id and the host's name",
                )
            )
        else:
            say(f"{name}: nothing to put back, the run changed nothing there")


def _hosts_of(run: str) -> tuple[str, ...] | None:
    """The hosts that a run was for, by what is recorded here; None where nothing is."""
    from runbook_lib.batch.written_order import WrittenOrder
    from runbook_lib.records import index, root

    folder = root() / run
    if not folder.is_dir():
        return None
    if (folder / index.ORDER).exists():
        return WrittenOrder.read(folder).hosts
    return index.read_run(folder).hosts
