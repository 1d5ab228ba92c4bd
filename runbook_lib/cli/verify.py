"""`runbook verify`: the read-only door."""

from collections import Counter
from dataclasses import asdict
from typing import Annotated

import typer

from runbook_lib.cli import inventories
from runbook_lib.cli.options import Inventory, Json, say, say_document

_VERDICTS = ("pass", "fail", "could not test")


def verify(
    target: Annotated[
        str,
        typer.Argument(
            metavar="HOST|NAME", help="A host of the inventory, or the name (or address) of any server."
        ),
    ],
    inventory: Inventory = None,
    resolver: Annotated[
        str | None,
        typer.Option(
            "--resolver", metavar="ADDRESS", help="For a NAME: the DNS server to ask; else the system's."
        ),
    ] = None,
    ports: Annotated[
        list[int] | None,
        typer.Option(
            "--port", min=1, max=65535, help="A port to ask; may be given again. Else 25, 465 and 587."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Ask from outside whether submission is encrypted and authenticated. Changes nothing.

    By name alone no password is sent. A host of the inventory is also asked over SSH what only it can tell,
    and logged in to where the inventory names an account for checks.
    """
    from runbook_lib.chapters import verification
    from runbook_lib.inventory import find

    name = inventory or inventories.default_name()
    # Without an inventory, any server may be asked; one that was named must be there.
    known = inventories.chosen(name) if inventory or find(name).exists() else None
    if known and (inventory or target in known.hosts):
        known.host(target)
        rows = verification.verify_host(name, target, ports or ())
    else:
        rows = verification.verify_name(target, resolver, ports or ())
    if as_json:
        document = {"format": 1, "target": target, "rows": [asdict(row) for row in rows]}
        say_document(document)
    else:
        say(repr(verification.shown(rows)))
        counts = Counter(str(row.verdict) for row in rows)
        say("\n" + ", ".join(f"{counts[verdict]} {verdict}" for verdict in _VERDICTS if counts[verdict]))
    raise typer.Exit(1 if any(row.verdict == "fail" for row in rows) else 0)
