"""`runbook doctor`: what would stop a run, and the next step."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from runbook_lib.cli import inventories
from runbook_lib.cli.options import Inventory, Json, say, say_shown


def doctor(
    hosts: Annotated[
        list[str] | None, typer.Argument(metavar="[HOST]...", help="Hosts of the inventory; without: all.")
    ] = None,
    inventory: Inventory = None,
    as_json: Json = False,
) -> None:
    """Say for each host what would stop a run, with the next step. Touches nothing.

    Exit status 1 where something would stop one.
    """
    from runbook_lib import display
    from runbook_lib import doctor as look

    book = inventories.chosen(inventory)
    found = {}
    for target, findings in look.examine_all(book.site, [book.host(name) for name in hosts or book.hosts]):
        found[target.name] = findings
        if as_json:
            continue
        count = look.would_stop(findings)
        say(f"{target.name}: {count or 'nothing'} would stop a run")
        say_shown(display.Table(("what", "", "seen"), [(f.what, f.standing, f.seen) for f in findings]))
        for finding in findings:
            if finding.to_do:
                say(f"  To do, {finding.what}: {finding.to_do}")
        say()
    if as_json:
        rows = {name: [asdict(finding) for finding in findings] for name, findings in found.items()}
        say(json.dumps({"format": 1, "hosts": rows}, ensure_ascii=False, indent=1))
    raise typer.Exit(1 if any(map(look.would_stop, found.values())) else 0)
