"""`runbook verify`: the read-only door."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from runbook_lib.cli import inventories
from runbook_lib.cli.options import Inventory, Json, say, say_beside, say_document, say_shown
from runbook_lib.errors import UsageError


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
    root: Annotated[
        Path | None,
        typer.Option("--root", metavar="FILE", help="For a NAME: the root certificate that its users trust."),
    ] = None,
    wrong_password: Annotated[
        bool,
        typer.Option(
            "--wrong-password",
            help="For a HOST: send one wrong password of the account for checks, too. It may count against it.",
        ),
    ] = False,
    keep: Annotated[
        bool,
        typer.Option(
            "--record", help="Leave a run with what was seen: sealed, and signed where the site signs."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Ask from outside whether submission is encrypted and authenticated. Changes nothing.

    By name alone no password is sent. A host of the inventory is also asked over SSH what only it can tell,
    and logged in to where the inventory names an account for checks. Exit status 1 where something is wrong, and
    where no port was reached, so that nothing is known.
    """
    from runbook_lib.chapters import verification
    from runbook_lib.chapters.chapter import measured
    from runbook_lib.inventory import default, find

    name = inventory or default()
    # Without an inventory, any server may be asked; one that was named must be there.
    known = inventories.chosen(name) if inventory or find(name).exists() else None
    if known and (inventory or target in known.hosts):
        inventories.named(inventory)
        known.host(target)
        if root is not None or resolver is not None:
            option = "--root" if root is not None else "--resolver"
            raise UsageError(
                f"{option} is for a NAME", target, "leave it out: the inventory says it for a host"
            )
        rows = verification.verify_host(name, target, ports or (), wrong_password=wrong_password, keep=keep)
    else:
        if wrong_password:
            raise UsageError("--wrong-password is for a HOST", target, "leave it out: by name nobody logs in")
        rows = verification.verify_name(target, resolver, ports or (), root, keep=keep)
    if as_json:
        document = {"format": 1, "target": target, "rows": [asdict(row) for row in rows]}
        say_document(document)
    else:
        say_shown(verification.shown(rows))
        say(f"\n{measured(rows)}")
    if keep:
        _tell_record()
    reached = verification.is_reached(rows)
    if not (reached or as_json):
        say(f"No port of {target} was reached, so nothing is known about it.")
    raise typer.Exit(0 if reached and all(row.verdict != "fail" for row in rows) else 1)


def _tell_record() -> None:
    from runbook_lib.places import shown_path
    from runbook_lib.records import current_run, root, signing

    kept = signing.keep(root(), current_run())
    say_beside(f"Record: {shown_path(kept.index.folder / 'index.html')}")
    say_beside(f"Seal: {kept.told}")
