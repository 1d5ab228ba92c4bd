"""`runbook ca`: the site's own certificate authority."""

import sys
from typing import Annotated

import typer

from runbook_lib.cli import inventories
from runbook_lib.cli.options import Inventory, say

app = typer.Typer(help="The site's own certificate authority.", no_args_is_help=True)


@app.command("init")
def init(inventory: Inventory = None) -> None:
    """Make the CA of the inventory's site, if it is not there yet."""
    from runbook_lib.chapters import own_ca
    from runbook_lib.pki import authority

    site = inventories.chosen(inventory).site
    place = own_ca.directory(site)
    was_there = authority.exists(place)
    opened = own_ca.open_or_create(site)
    end = opened.certificate.not_valid_after_utc
    say(
        f"{place}: {'already there' if was_there else 'made'}, '{site.ca.common_name}', valid to {end:%Y-%m-%d}"
    )


@app.command("sign")
def sign(
    host: Annotated[
        str, typer.Option("--host", help="Whose CSR it is; the inventory says which names it may have.")
    ],
    inventory: Inventory = None,
) -> None:
    """Sign the CSR on standard input; the certificate goes to standard output.

    A CSR that asks for more than the inventory grants is refused, and the refusal is kept in the ledger.
    """
    from runbook_lib.chapters import own_ca
    from runbook_lib.records import current_run

    book = inventories.chosen(inventory)
    target = book.host(host)
    opened = own_ca.open_or_create(book.site)
    checked = opened.check_csr(
        sys.stdin.buffer.read(), target.names.all, f"{host}, standard input", host=host, run=current_run()
    )
    issued = opened.issue(
        checked, target.names.all, target.certificate.valid_days, host=host, run=current_run()
    )
    sys.stdout.buffer.write(issued.certificate_pem)
    sys.stdout.buffer.flush()
    names = ", ".join(issued.names)
    typer.echo(f"Issued serial {issued.serial} for {names}, valid to {issued.not_after:%Y-%m-%d}.", err=True)


@app.command("list")
def list_issuances(inventory: Inventory = None) -> None:
    """Say what the CA issued, and which CSRs it refused."""
    from runbook_lib.chapters import own_ca
    from runbook_lib.display import Parts, Shown, Table
    from runbook_lib.pki import authority

    ledger = authority.open_ledger(own_ca.directory(inventories.chosen(inventory).site))
    issued = [
        (one.serial, one.host, ", ".join(one.names), f"{one.not_after:%Y-%m-%d}",
         f"withdrawn {one.withdrawn_at:%Y-%m-%d}" if one.withdrawn_at else "issued", one.run)
        for one in ledger.issuances()
    ]  # fmt: skip
    refused = [(f"{one.at:%Y-%m-%d %H:%M} UTC", one.host, one.reasons, one.run) for one in ledger.refusals()]
    parts: list[Shown] = [
        Table(("serial", "host", "names", "valid to", "state", "run"), issued, f"{len(issued)} issued")
    ]
    if refused:
        parts.append(Table(("when", "host", "why", "run"), refused, f"{len(refused)} refused"))
    say(repr(Parts(parts)))
