"""`runbook status`: how each host stands at this moment."""

from dataclasses import asdict

import typer

from runbook_lib.cli import inventories
from runbook_lib.cli.options import Hosts, Inventory, Json, say, say_document
from runbook_lib.errors import RunbookError


def status(inventory: Inventory = None, host: Hosts = None, as_json: Json = False) -> None:
    """Say what is at work on each host, and what is so if you close the laptop now. Touches nothing."""
    from runbook_lib import remote
    from runbook_lib.remote import runs

    book = inventories.chosen(inventory)
    failures: list[RunbookError] = []
    found = {}
    for target in [book.host(name) for name in host or book.hosts]:
        try:
            found[target.name] = standing = runs.look(remote.connect(book.site, target))
        except RunbookError as error:
            failures.append(error)
            continue
        if as_json:
            continue
        say(f"{target.name}: {standing.told}")
        say(f"    If you close the laptop now: {standing.if_left}.")
        if standing.last and not standing.last.is_back:
            words = (
                "runbook rollback",
                standing.last.run,
                "--host",
                target.name,
                inventories.as_option(inventory),
            )
            say(f"    To put it back, here: {' '.join(words).rstrip()}")
            say(f"    on the host, without us: {standing.last.undo_command}")
    if as_json:
        say_document({"format": 1, "hosts": {n: asdict(s) for n, s in found.items()}})
    for failure in failures:
        typer.echo(str(failure), err=True)
    if failures:
        raise typer.Exit(max(failure.exit_code for failure in failures))
