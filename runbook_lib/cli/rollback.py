"""`runbook rollback`: a run is put back."""

from typing import Annotated

import typer

from runbook_lib.cli import inventories
from runbook_lib.cli.options import Hosts, Inventory, say
from runbook_lib.errors import RunbookError, UsageError


def rollback(
    run: Annotated[str, typer.Argument(help="The run's id, as its record has it.")],
    inventory: Inventory = None,
    host: Hosts = None,
) -> None:
    """Put back what a run changed; what somebody changed since is spared and shown."""
    from runbook_lib import remote
    from runbook_lib.chapters import own_ca
    from runbook_lib.records import operator
    from runbook_lib.remote.rollback import rollback as put_back

    book = inventories.chosen(inventory)
    targets = [book.host(name) for name in host or book.hosts]
    failures: list[RunbookError] = []
    for target in targets:
        try:
            done = put_back(remote.connect(book.site, target), run, operator())
        except UsageError as error:
            if host:
                failures.append(error)
            else:  # asked of all hosts: one where the run changed nothing is no fault
                say(f"{target.name}: nothing to put back, the run changed nothing there")
        except RunbookError as error:
            failures.append(error)
        else:
            withdrawn = own_ca.withdraw(book.site, target.name, run)
            certificates = f", {withdrawn} of the CA's certificates withdrawn" if withdrawn else ""
            say(f"{target.name}: {done.put_back} things put back{certificates}")
            for line in done.lines:
                say(f"    {line}")
    for failure in failures:
        typer.echo(str(failure), err=True)
    if failures:
        raise typer.Exit(max(failure.exit_code for failure in failures))
