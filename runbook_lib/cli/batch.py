"""`runbook plan` and `runbook apply`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from runbook_lib.cli import inventories
from runbook_lib.cli.options import Hosts, Inventory, Json, Notebooks, RecordsOf, say
from runbook_lib.errors import RunbookError, UsageError
from runbook_lib.places import NOTEBOOKS

if TYPE_CHECKING:  # papermill is slow to import, and only these commands need it
    from runbook_lib.batch.order import Order
    from runbook_lib.batch.results import BatchResult, Mode
    from runbook_lib.cli.progress import BatchDocument

Only = Annotated[str | None, typer.Option("--only", help="One chapter, by its name or the beginning of it.")]
Start = Annotated[str | None, typer.Option("--from", help="The chapter to begin with.")]
Reason = Annotated[str, typer.Option("--reason", help="A ticket or why; it stands in the record.")]
PlanDigest = Annotated[
    str | None,
    typer.Option("--plan", metavar="DIGEST", help="Make what this plan shows, and refuse anything else."),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        help="Hosts at work at the same time. Without it: 4 that are not in production, and of those that are, 1.",
    ),
]
Emergency = Annotated[
    bool,
    typer.Option(
        "--emergency",
        help="Go on outside of a maintenance window and in a freeze; with a reason, and the record says so.",
    ),
]
Parameters = Annotated[
    list[str] | None,
    typer.Option("--parameter", "-p", metavar="NAME=VALUE", help="A value of a chapter's parameters cell."),
]


def plan(
    inventory: Inventory = None,
    host: Hosts = None,
    only: Only = None,
    start: Start = None,
    workers: Workers = None,
    reason: Reason = "",
    parameter: Parameters = None,
    as_json: Json = False,
    notebooks: Notebooks = None,
) -> None:
    """Show every line that would change, on every host. Touches nothing."""
    _run("plan", inventory, host, only, start, workers, reason, parameter, as_json, notebooks)


def apply(
    inventory: Inventory = None,
    host: Hosts = None,
    only: Only = None,
    start: Start = None,
    workers: Workers = None,
    reason: Reason = "",
    parameter: Parameters = None,
    as_json: Json = False,
    notebooks: Notebooks = None,
    plan: PlanDigest = None,
    emergency: Emergency = False,
) -> None:
    """Make the changes, prove the result from outside, keep a record."""
    if plan is not None:
        decided = {"--only": only, "--from": start, "-p": parameter}
        others = [name for name in decided if decided[name]]
        _apply_plan(plan, inventory, host or (), reason, workers, as_json, notebooks, others, emergency)
    _run("apply", inventory, host, only, start, workers, reason, parameter, as_json, notebooks, emergency)


def _run(
    mode: "Mode",
    inventory: str | None,
    hosts: list[str] | None,
    only: str | None,
    start: str | None,
    workers: int | None,
    reason: str,
    parameters: list[str] | None,
    as_json: bool,
    notebooks: Path | None,
    emergency: bool = False,
) -> None:
    from runbook_lib.batch import quiet  # noqa: F401  # first: it keeps what follows quick and silent
    from runbook_lib.batch.order import Order

    if only and start:
        raise UsageError("cannot be given together", "--only, --from", "choose one of them")
    order = Order(
        mode=mode,
        inventory=inventories.named(inventory),
        next_options=inventories.as_option(inventory),
        hosts=hosts or (),
        only=only,
        start=start,
        workers=workers,
        reason=reason,
        parameters=[_pair(text) for text in parameters or ()],
        notebooks=notebooks or NOTEBOOKS,
        emergency=emergency,
    )
    _carry_out(order, as_json)


def _apply_plan(
    digest: str,
    inventory: str | None,
    hosts: Sequence[str],
    reason: str,
    workers: int | None,
    as_json: bool,
    notebooks: Path | None,
    others: list[str],
    emergency: bool,
) -> None:
    from runbook_lib.batch import quiet  # noqa: F401  # first: it keeps what follows quick and silent
    from runbook_lib.batch.order import apply_plan
    from runbook_lib.cli.progress import BatchDocument, BatchProgress

    inventories.find_records(inventory)
    folder = notebooks or NOTEBOOKS
    document = BatchDocument("apply") if as_json else None
    with BatchProgress(silent=as_json, document=document) as progress:
        result = apply_plan(
            digest,
            progress,
            reason=reason,
            workers=workers,
            notebooks=folder,
            inventory=inventory,
            hosts=hosts,
            others=others,
            emergency=emergency,
        )
    _end(result, document)


def resume(
    run: Annotated[str, typer.Argument(help="The run's id, as its record has it.")],
    inventory: RecordsOf = None,
    workers: Workers = None,
    as_json: Json = False,
    notebooks: Notebooks = None,
    emergency: Emergency = False,
) -> None:
    """Go on with a run: each host from the chapter on that did not get through."""
    from runbook_lib.batch import quiet  # noqa: F401  # first: it keeps what follows quick and silent
    from runbook_lib.batch.resumption import note_undone_there
    from runbook_lib.batch.resumption import resume as order_of
    from runbook_lib.records import root, seal, undone
    from runbook_lib.records.publish import publish

    inventories.find_records(inventory)
    unasked = note_undone_there(run)
    order = order_of(run, notebooks or NOTEBOOKS, workers, emergency=emergency)
    if not as_json:
        for line in unasked:
            say(line)
        for name, one in undone.read(root() / run).items():
            say(f"{name}: {one}, so it is left out")
    if order is None:
        if not (root() / run / seal.SUMS).exists():  # a full disk may have kept it from being written
            publish(root(), run)
        known = " by its record here" if unasked else ""
        say(f"Run {run} got through on every host{known}: there is nothing to go on with.")
        return
    if not as_json:
        _tell_found(order)
    _carry_out(order, as_json)


def _tell_found(order: "Order") -> None:
    """How each host stands: it may have ended a change by itself since, or been cut off in the middle of one."""
    from runbook_lib import remote
    from runbook_lib.remote import runs, system

    book = inventories.chosen(order.inventory)
    for name in order.hosts:
        try:
            host = remote.connect(book.site, book.host(name))
            standing = runs.look(host)
            found = standing.told
            if standing.last and standing.last.open and system.install_is_cut_off(host):
                found += "; an install was cut off: the package manager completes it first"
        except RunbookError as error:  # told in full by the chapter that needs the host
            found = f"how it stands is not known: {error.problem.splitlines()[0]}"
        say(f"Found on {name}: {found}")


def _carry_out(order: "Order", as_json: bool) -> None:
    from runbook_lib.cli.progress import BatchDocument, BatchProgress

    document = BatchDocument(order.mode) if as_json else None
    with BatchProgress(silent=as_json, mode=order.mode, document=document) as progress:
        result = order.carry_out(progress)
    _end(result, document)


def _end(result: "BatchResult", document: "BatchDocument | None") -> None:
    if document:
        document.end(result)
    else:
        _tell(result)
    raise typer.Exit(result.exit_code)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        # The text is not repeated: it may be a secret that lost its name.
        raise UsageError("is not NAME=VALUE", "--parameter", "write it as -p key_bits=3072")
    return name, value


def _tell(result: "BatchResult") -> None:
    for host in result.hosts:
        say(host.told())
    passed_over = "Emergency, passed over on " if result.mode == "apply" else "Maintenance of "
    for name, told in result.maintenance.items():
        say(f"{passed_over}{name}: {told}")
    say()
    say(result.problem or f"Record: {result.index}")
    if result.seal:
        say(f"Seal: {result.seal}")
    if result.approval:
        say(f"Bound to its plan, {result.approval}.")
    if result.plan:
        say(f"Plan: sha256:{result.plan}")
    for reason, command in result.next_commands:
        say(f"Next, {reason}:")
        say(f"    {command}")
