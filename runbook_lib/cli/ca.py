"""`runbook ca`: the site's own certificate authority."""

import json
import sys
from dataclasses import asdict
from typing import Annotated

import typer

from runbook_lib.cli import inventories
from runbook_lib.cli.options import Hosts, Inventory, Json, say

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
def list_issuances(inventory: Inventory = None, host: Hosts = None, as_json: Json = False) -> None:
    """Say who has what until when: what the CA issued and revoked, by which root, and which CSRs it refused."""
    from runbook_lib.chapters import ca_report
    from runbook_lib.display import Parts, Shown, Table

    told = ca_report.report(inventories.chosen(inventory).site, host or ())
    if as_json:
        say(json.dumps({"format": 1, **asdict(told)}, indent=1, ensure_ascii=False))
        return
    issued = [
        (
            one.serial,
            one.host,
            ", ".join(one.names),
            one.not_after[:10],
            one.state_told,
            str(one.root),
            one.run,
        )
        for one in told.issued
    ]
    refused = [(f"{one.at[:10]} {one.at[11:16]} UTC", one.host, one.reasons, one.run) for one in told.refused]
    columns = ("serial", "host", "names", "valid to", "state", "root", "run")
    parts: list[Shown] = [Table(columns, issued, f"{len(issued)} issued")]
    if refused:
        parts.append(Table(("when", "host", "why", "run"), refused, f"{len(refused)} refused"))
    roots = [(str(one.generation), one.common_name, one.not_after[:10], one.state) for one in told.roots]
    parts.append(Table(("root", "name", "valid to", "state"), roots, ""))
    lists = [(str(one.number), str(one.generation), one.next_update, str(one.entries)) for one in told.crls]
    if lists:
        parts.append(Table(("CRL", "root", "to be renewed before", "entries"), lists, ""))
    say(repr(Parts(parts)))


@app.command("revoke")
def revoke(
    serial: Annotated[str, typer.Argument(help="Of the certificate, as openssl or the ledger spell it.")],
    reason: Annotated[
        str, typer.Option("--reason", help="As RFC 5280 names it: keyCompromise, superseded, and so on.")
    ],
    inventory: Inventory = None,
) -> None:
    """Revoke a certificate, for good: the ledger has it, and each CRL from now on."""
    from runbook_lib.chapters import own_ca
    from runbook_lib.pki import authority, revocation
    from runbook_lib.records import current_run

    ledger = authority.open_ledger(own_ca.directory(inventories.chosen(inventory).site))
    made = revocation.revoke(ledger, serial, reason, current_run())
    say(f"{made.serial} is revoked since {made.at.isoformat()}: {made.reason}")
    say("No CRL says so yet: runbook ca crl makes one.")
    say(
        "The next plan of its host has a new certificate"
        + (", and a new key." if made.reason == revocation.KEY_COMPROMISE else ".")
    )


@app.command("crl")
def crl(
    inventory: Inventory = None,
    days: Annotated[int, typer.Option("--days", help="Until the next one is due.")] = 90,
) -> None:
    """Make the list of revoked certificates of each root, PEM and DER, beside the CA."""
    from runbook_lib.chapters import own_ca

    for path, made in own_ca.make_crls(inventories.chosen(inventory).site, days):
        say(
            f"{path} and {path.with_suffix('.pem').name}: number {made.number}, {made.entries} revoked, "
            f"to be renewed before {made.next_update.isoformat()}"
        )


roll_over = typer.Typer(help="A new root takes the old one's place.", no_args_is_help=True)
app.add_typer(roll_over, name="roll-over")


@roll_over.command("begin")
def begin(inventory: Inventory = None) -> None:
    """Make the new root. Users get it beside the old one; it signs nothing yet."""
    from runbook_lib import credentials
    from runbook_lib.chapters import own_ca
    from runbook_lib.pki import authority, certificate

    site = inventories.chosen(inventory).site
    passphrase = credentials.resolve(site.ca.passphrase, "site.ca.passphrase")
    root = authority.begin_roll_over(
        own_ca.directory(site), passphrase, site.ca.common_name, site.ca.valid_days
    )
    say(f"Made: {root.subject.rfc4514_string()}, SHA-256 {certificate.fingerprint(root)}")
    say("Hand it out: runbook apply --from 31 makes the pages with both. Then: runbook ca roll-over switch")


@roll_over.command("switch")
def switch(
    inventory: Inventory = None,
    handed_out: Annotated[
        bool, typer.Option("--handed-out", help="All users have the new root, also before 14 days are over.")
    ] = False,
) -> None:
    """Let the new root sign from now on. The next plan of each host has a certificate of the new root."""
    from runbook_lib.chapters import own_ca
    from runbook_lib.pki import authority, rollover

    ledger = authority.open_ledger(own_ca.directory(inventories.chosen(inventory).site))
    generation = rollover.switch(ledger, handed_out=handed_out)
    say(f"Root {generation} signs from now on. Run the chapters on each host, then: runbook ca roll-over end")


@roll_over.command("end")
def end(inventory: Inventory = None) -> None:
    """Take the old root from the users' pages. Refused while a host has a certificate of it."""
    from runbook_lib.chapters import own_ca

    generation = own_ca.end_roll_over(inventories.chosen(inventory).site)
    say(
        f"Root {generation} is no longer handed out. Users may remove it; pages made from now on have the new one."
    )
