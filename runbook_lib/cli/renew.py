"""`runbook renew`: certificates that are due are renewed, without a person and without anything else."""

from typing import TYPE_CHECKING

import typer

from runbook_lib.cli import inventories
from runbook_lib.cli.batch import Workers
from runbook_lib.cli.options import Hosts, Inventory, Notebooks, say
from runbook_lib.places import NOTEBOOKS

if TYPE_CHECKING:  # papermill is slow to import, and only this command needs it
    from runbook_lib.batch.results import BatchResult


def renew(
    inventory: Inventory = None,
    host: Hosts = None,
    workers: Workers = None,
    notebooks: Notebooks = None,
) -> None:
    """Renew the certificates of the own CA that are due, and have Postfix serve them. Nothing else is changed.

    A host on which anything else would have to be made is refused by name, and stays as it is. Where the site wants
    approvals, a standing one lets it: runbook approve --standing. Ends with 0 where nothing is due.
    """
    from runbook_lib.batch import quiet  # noqa: F401  # first: it keeps what follows quick and silent
    from runbook_lib.batch.renewal import renew as renew_due
    from runbook_lib.cli.progress import BatchProgress

    with BatchProgress(silent=False) as progress:
        done = renew_due(
            inventories.named(inventory),
            progress,
            hosts=host or (),
            workers=workers,
            notebooks=notebooks or NOTEBOOKS,
            next_options=inventories.as_option(inventory),
        )
    for name, one in done.told.items():
        say(f"{name}: {one.text}")
    for run in done.runs:
        for made in run.hosts:
            say(made.told())
        _tell(run)
    if done.plan is not None and not done.runs:
        _tell(done.plan)
    raise typer.Exit(done.exit_code)


def _tell(run: "BatchResult") -> None:
    say(run.problem or f"Record: {run.index}")
    if run.seal:
        say(f"Seal: {run.seal}")
    if run.approval:
        say(f"Bound to its plan, {run.approval}.")
    for reason, command in run.next_commands if run.mode == "apply" else ():
        say(f"Next, {reason}:")
        say(f"    {command}")
