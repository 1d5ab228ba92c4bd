"""`runbook csr` and `runbook certificate check`: what goes to a public CA, and what comes back."""

import sys
import textwrap
from pathlib import Path
from typing import Annotated

import typer

from runbook_lib.cli import inventories
from runbook_lib.cli.options import Inventory, Purpose, say_beside

app = typer.Typer(help="What a public CA returned.", no_args_is_help=True)


def csr(
    host: Annotated[str, typer.Argument(metavar="HOST", help="A host of the inventory.")],
    purpose: Purpose = "mail",
    inventory: Inventory = None,
) -> None:
    """Print the CSR that is on a host, to be sent to a public CA; beside it what the CA's form asks.

    The CSR goes to standard output, the rest to standard error. Nothing is changed, and nothing secret is read.
    """
    from runbook_lib.chapters import ordering

    name = inventories.named(inventory)
    pem, rows = ordering.csr_to_send(name, host, purpose)
    sys.stdout.buffer.write(pem)
    sys.stdout.buffer.flush()
    for what, answer in rows:
        say_beside(f"{what}:\n{textwrap.fill(answer, 100, initial_indent='    ', subsequent_indent='    ')}")


@app.command("check")
def check(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="What the CA returned, in any form; a folder of files."),
    ],
    host: Annotated[str, typer.Option("--host", help="The host that it is for.")],
    purpose: Purpose = "mail",
    inventory: Inventory = None,
    sent: Annotated[
        Path | None,
        typer.Option(
            "--csr", metavar="FILE", help="The CSR that was sent; then the host is not asked for its key."
        ),
    ] = None,
) -> None:
    """Make one chain of what a public CA returned, or say what is wrong and where to get what is missing.

    The chain (the server's certificate, then its intermediates; clean PEM) goes to standard output, what was put right
    to standard error. Nothing is changed, nothing is fetched.
    """
    from runbook_lib.chapters import ordering
    from runbook_lib.display import Table
    from runbook_lib.pki.certificate import shown_dn, shown_name
    from runbook_lib.pki.csr import check_csr
    from runbook_lib.site_ca import public_ca
    from runbook_lib.x509.certificate import spelled_serial

    name = inventories.named(inventory)
    target = inventories.chosen(name).host(host).for_purpose(purpose)
    if sent is None:
        public_key = ordering.public_key_of(name, host, purpose)
    else:
        ((_, content),), _ = public_ca.read_files([sent], f"{host}, --csr")
        public_key = check_csr(content, target.names.all, f"{host}, {sent}").public_key_sha256
    proven = public_ca.imported(target, files, public_key)
    sys.stdout.buffer.write(proven.pem)
    sys.stdout.buffer.flush()
    places = dict(proven.places)
    rows = [
        (
            shown_name(one), shown_dn(one.issuer), spelled_serial(one.serial_number),
            f"{one.not_valid_after_utc:%Y-%m-%d}", places[one],
        )
        for one in proven.certificates
    ]  # fmt: skip
    told = Table(("certificate", "issued by", "serial", "valid to", "from"), rows, f"The chain for {host}:")
    say_beside(told.text())
    for note in proven.notes:
        say_beside(f"Put right, or to know: {note}.")
    for original in proven.originals:
        say_beside(f"{original.name}: SHA-256 {original.sha256}")
