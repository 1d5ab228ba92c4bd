"""`runbook ca`: the site's own certificate authority."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from runbook_lib.cli import inventories
from runbook_lib.cli.options import Hosts, Inventory, Json, Purpose, in_batches, say, say_beside, say_shown
from runbook_lib.errors import UsageError

if TYPE_CHECKING:  # models are slow to import for a `--help`
    from runbook_lib.inventory import Inventory as InventoryBook
    from runbook_lib.site_ca.report import CaReport, IssuedCertificate

app = typer.Typer(help="The site's own certificate authority.", no_args_is_help=True)


@contextmanager
def _recorded(
    book: "InventoryBook", command: str, title: str, *, takes_back: bool = False
) -> Iterator[list[str]]:
    """As `recorded.recorded`, with the seal told beside what the command says."""
    from runbook_lib.site_ca.recorded import recorded

    with recorded(book, command, title, takes_back=takes_back) as done:
        yield done.lines
    if done.kept:
        say_beside(f"Seal: {done.kept.told}")


@app.command("init")
def init(inventory: Inventory = None) -> None:
    """Make the CA of the inventory's site, if it is not there yet."""
    from runbook_lib.pki import authority
    from runbook_lib.site_ca import own_ca

    book = inventories.chosen(inventory)
    site = book.site
    place = own_ca.directory(site)
    with _recorded(book, "init", "The own CA made · 認証局の作成") as told:
        was_there = authority.exists(place)
        opened = own_ca.open_or_create(site)
        end = opened.certificate.not_valid_after_utc
        state = "already there" if was_there else "made"
        told.append(f"{place}: {state}, '{site.ca.common_name}', valid to {end:%Y-%m-%d}")
    say(told[0])


@app.command("sign")
def sign(
    host: Annotated[
        str, typer.Option("--host", help="Whose CSR it is; the inventory says which names it may have.")
    ],
    purpose: Purpose = "mail",
    inventory: Inventory = None,
) -> None:
    """Sign the CSR on standard input; the certificate goes to standard output.

    A CSR that asks for more than the inventory grants is refused, and the refusal is kept in the ledger.
    """
    from runbook_lib.records import current_run
    from runbook_lib.site_ca import own_ca

    book = inventories.chosen(inventory)
    target = book.host(host).for_purpose(purpose)
    with _recorded(book, "sign", "A CSR signed · CSRへの署名") as told:
        opened = own_ca.open_or_create(book.site)
        checked = opened.check_csr(
            sys.stdin.buffer.read(), target.names.all, f"{host}, standard input", host=host, run=current_run()
        )
        issued = opened.issue(
            checked,
            target.names.all,
            target.certificate.valid_days,
            host=host,
            run=current_run(),
            granted_again=target.certificate.granted_again,
            domains=own_ca.domains(book.site),
            purpose=target.purpose,
        )
        names = ", ".join(issued.names)
        told.append(f"Issued serial {issued.serial} for {names}, valid to {issued.not_after:%Y-%m-%d}.")
        sys.stdout.buffer.write(issued.certificate_pem)  # issued, whatever becomes of the record
        sys.stdout.buffer.flush()
    say_beside(told[0])


@app.command("list")
def list_issuances(inventory: Inventory = None, host: Hosts = None, as_json: Json = False) -> None:
    """Say who has what until when: what the CA issued and revoked, by which root, and which CSRs it refused."""
    from runbook_lib.site_ca import report

    with report.report(inventories.chosen(inventory).site, host or ()) as told:
        if as_json:
            _say_as_document(told)
        else:
            _say_as_tables(told)


def _say_as_document(told: "CaReport") -> None:
    """One JSON document, written while the ledger is read."""
    say('{\n "format": 1,')
    opened = before = ' "issued": [\n  '
    for some in in_batches(map(_as_data, told.issued)):
        texts = (json.dumps(one, indent=1, ensure_ascii=False).replace("\n", "\n  ") for one in some)
        say(before + ",\n  ".join(texts), nl=False)
        before = ",\n  "
    say(' "issued": [],' if before == opened else "\n ],")
    rest = {name: [asdict(one) for one in getattr(told, name)] for name in ("refused", "roots", "crls")}
    say(json.dumps(rest, indent=1, ensure_ascii=False).removeprefix("{\n"))


def _as_data(one: "IssuedCertificate") -> dict[str, object]:
    from runbook_lib.inventory.purposes import MAIL

    data = asdict(one)
    if one.purpose == MAIL:
        del data["purpose"]
    return data


def _say_as_tables(told: "CaReport") -> None:
    from runbook_lib.display import Parts, Shown, Table

    refused = [(f"{one.at[:10]} {one.at[11:16]} UTC", one.host, one.reasons, one.run) for one in told.refused]
    columns = ("serial", "host", "names", "valid to", "state", "root", "run")
    issued, samples = map(_in_columns, told.issued), map(_in_columns, told.issued.samples())
    parts: list[Shown] = [Table(columns, issued, f"{len(told.issued)} issued", like=samples)]
    if refused:
        parts.append(Table(("when", "host", "why", "run"), refused, f"{len(refused)} refused"))
    roots = [(str(one.generation), one.common_name, one.not_after[:10], one.state) for one in told.roots]
    parts.append(Table(("root", "name", "valid to", "state"), roots, ""))
    lists = [(str(one.number), str(one.generation), one.next_update, str(one.entries)) for one in told.crls]
    if lists:
        parts.append(Table(("CRL", "root", "to be renewed before", "entries"), lists, ""))
    say_shown(Parts(parts))


def _in_columns(one: "IssuedCertificate") -> tuple[str, ...]:
    return (
        one.serial,
        one.host_told,
        ", ".join(one.names),
        one.not_after[:10],
        one.state_told,
        str(one.root),
        one.run,
    )


@app.command("revoke")
def revoke(
    reason: Annotated[
        str, typer.Option("--reason", help="As RFC 5280 names it: keyCompromise, superseded, and so on.")
    ],
    serial: Annotated[
        str | None, typer.Argument(help="Of the certificate, as openssl or the ledger spell it.")
    ] = None,
    certificate: Annotated[
        Path | None,
        typer.Option(
            "--certificate",
            metavar="FILE",
            help="In place of SERIAL: what a root of this CA signed, also where the ledger lost it.",
        ),
    ] = None,
    inventory: Inventory = None,
) -> None:
    """Revoke a certificate, for good: the ledger has it, and each CRL from now on."""
    from runbook_lib.pki import authority, revocation
    from runbook_lib.pki.certificate import FILE_BYTES_MAX
    from runbook_lib.records import current_run
    from runbook_lib.site_ca import own_ca

    if (serial is None) == (certificate is None):
        raise UsageError(
            "one certificate is revoked at a time", "SERIAL", "give its SERIAL, or --certificate FILE"
        )
    book = inventories.chosen(inventory)
    with _recorded(book, "revoke", "A certificate revoked · 証明書の失効", takes_back=True) as told:
        if certificate is not None:
            try:
                with certificate.open("rb") as file:
                    pem = file.read(FILE_BYTES_MAX)
            except OSError as error:
                raise UsageError(
                    f"it cannot be read ({error.strerror})", str(certificate), "name the certificate's file"
                ) from error
            made = own_ca.revoke_certificate(book.site, pem, str(certificate), reason, current_run())
        else:
            ledger = authority.open_ledger(own_ca.directory(book.site))
            made = revocation.revoke(ledger, str(serial), reason, current_run())
        told.append(f"{made.serial} is revoked since {made.at.isoformat()}: {made.reason}")
    say(told[0])
    say("No CRL says so yet: runbook ca crl makes one.")
    if made.reason == revocation.PRIVILEGE_WITHDRAWN:
        say("Its host gets no other before certificate.granted_again in the inventory names this serial.")
    else:
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
    from runbook_lib.site_ca import own_ca

    book = inventories.chosen(inventory)
    with _recorded(
        book, "crl", "Lists of revoked certificates made · 失効リストの作成", takes_back=True
    ) as told:
        told += [
            f"{path} and {path.with_suffix('.pem').name}: number {made.number}, {made.entries} revoked, "
            f"to be renewed before {made.next_update.isoformat()}"
            for path, made in own_ca.make_crls(book.site, days)
        ]
    for line in told:
        say(line)


@app.command("backup")
def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A new file; the keys in it stay encrypted.")],
    inventory: Inventory = None,
) -> None:
    """Write the whole CA into one file: roots, keys, ledger, lists. Also while others work with it."""
    from runbook_lib.pki import backup as backups
    from runbook_lib.site_ca import own_ca

    names = backups.write(own_ca.directory(inventories.chosen(inventory).site), file)
    say(f"{file}: {', '.join(names)}")
    say(
        "Keep it elsewhere, and its passphrase not beside it. Make another after each run that signs or revokes:"
    )
    say("a restore knows nothing of what came later.")


@app.command("restore")
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What runbook ca backup wrote.")],
    inventory: Inventory = None,
) -> None:
    """Bring the CA back from a backup, and say what it lost. What is there is set aside; newer lists are kept."""
    from runbook_lib.pki.ledger import written
    from runbook_lib.site_ca import own_ca

    book = inventories.chosen(inventory)
    site = book.site
    with _recorded(book, "restore", "The own CA brought back · 認証局の復元") as told:
        back = own_ca.restore(site, file)
        newest = (
            f"the newest thing that it knows is of {written(back.newest)}" if back.newest else "it is empty"
        )
        told.append(f"{own_ca.directory(site)} is back from {file}; of its ledger, {newest}.")
    say(told[0])
    if back.aside:
        say(f"What was there is in {back.aside}.")
    else:
        say(
            "No list of revoked certificates was there. Before runbook ca crl, put the newest that you published into "
            "that directory, as crl.crl:"
        )
        say("else its number is given out a second time, and who stands in it alone is forgotten.")
    for number in back.kept_lists:
        say(
            f"CRL number {number} was there and is newer than the backup: it is kept, and who is in it stays revoked."
        )
    for generation in back.kept_roots:
        say(
            f"Root {generation} was there and is not in the backup: it is kept. runbook ca roll-over begin takes it."
        )
    if back.lost is None:
        say("The ledger that was there could not be read, so what this one lacks is not known.")
    for one in back.lost or ():
        say(f"Lost: {one.serial}, issued for {one.host}, valid to {one.not_after:%Y-%m-%d}.")
    for lost in back.revoked:
        say(f"Lost: the revocation of {lost}; revoke it again.")
    say(
        "Whatever was issued or revoked later than the backup is in no ledger now. Such a certificate is revoked by"
    )
    from runbook_lib.inventory.typed import apply_command

    say("runbook ca revoke --certificate FILE; a host gets one that the ledger has by another run:")
    say(apply_command())


roll_over = typer.Typer(help="A new root takes the old one's place.", no_args_is_help=True)
app.add_typer(roll_over, name="roll-over")


@roll_over.command("begin")
def begin(inventory: Inventory = None) -> None:
    """Make the new root. Users get it beside the old one; it signs nothing yet."""
    from runbook_lib import credentials
    from runbook_lib.inventory.typed import apply_command
    from runbook_lib.pki import authority
    from runbook_lib.site_ca import own_ca
    from runbook_lib.x509.certificate import fingerprint

    book = inventories.chosen(inventory)
    site = book.site
    with _recorded(book, "roll-over-begin", "A new root made · 新しいルート証明書の作成") as told:
        passphrase = credentials.resolve(site.ca.passphrase, "site.ca.passphrase")
        root = authority.begin_roll_over(
            own_ca.directory(site),
            passphrase,
            site.ca.common_name,
            site.ca.valid_days,
            domains=own_ca.domains(site),
        )
        told.append(f"Made: {root.subject.rfc4514_string()}, SHA-256 {fingerprint(root)}")
    say(told[0])
    again = apply_command(start="31", options=inventories.as_option(inventory))
    say(f"Hand it out: {again} makes the pages with both. Then: runbook ca roll-over switch")


@roll_over.command("switch")
def switch(
    inventory: Inventory = None,
    handed_out: Annotated[
        bool, typer.Option("--handed-out", help="All users have the new root, also before 14 days are over.")
    ] = False,
) -> None:
    """Let the new root sign from now on. The next plan of each host has a certificate of the new root."""
    from runbook_lib.pki import authority, rollover
    from runbook_lib.site_ca import own_ca

    book = inventories.chosen(inventory)
    with _recorded(book, "roll-over-switch", "The new root signs · 新しいルート証明書への切り替え") as told:
        ledger = authority.open_ledger(own_ca.directory(book.site))
        generation = rollover.switch(ledger, handed_out=handed_out)
        told.append(f"Root {generation} signs from now on.")
    say(f"{told[0]} Run the chapters on each host, then: runbook ca roll-over end")


@roll_over.command("end")
def end(inventory: Inventory = None) -> None:
    """Take the old root from the users' pages. Refused while a host has a certificate of it."""
    from runbook_lib.site_ca import own_ca

    book = inventories.chosen(inventory)
    with _recorded(book, "roll-over-end", "The old root taken away · 古いルート証明書の廃止") as told:
        generation = own_ca.end_roll_over(book.site)
        told.append(f"Root {generation} is no longer handed out.")
    say(f"{told[0]} Users may remove it; pages made from now on have the new one.")
