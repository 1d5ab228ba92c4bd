"""The command `runbook`: a thin face. It parses, calls, prints, and ends with an exit code.

0: done, or nothing to do. 1: something failed. 2: bad usage, a bad inventory, or a secret that is not to be had.
"""

import os
import sys

import typer

from runbook_lib.cli import (
    approvals,
    batch,
    ca,
    certificate,
    doctor,
    inventories,
    journals,
    jupyter,
    records,
    renew,
    rollback,
    status,
    units,
    verify,
)
from runbook_lib.errors import RunbookError

app = typer.Typer(
    name="runbook",
    help="TLS and SMTP AUTH for Postfix over SSH: every line shown first, proved from outside, given back on request.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=True,
    pretty_exceptions_show_locals=False,  # a local variable may hold a secret
)
app.command("verify")(verify.verify)
app.command("doctor")(doctor.doctor)
app.command("plan")(batch.plan)
app.command("apply")(batch.apply)
app.command("approve")(approvals.approve)
app.add_typer(approvals.app, name="approvals")
app.command("resume")(batch.resume)
app.command("renew")(renew.renew)
app.command("status", cls=status.StatusCommand)(status.status)
app.command("rollback")(rollback.rollback)
app.command("jupyter", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(
    jupyter.jupyter
)
app.add_typer(records.app, name="records")
app.add_typer(journals.app, name="journals")
app.add_typer(ca.app, name="ca")
app.command("csr")(certificate.csr)
app.add_typer(certificate.app, name="certificate")
app.command("unit")(units.unit)
app.command("schema")(inventories.schema)


def main() -> None:
    """Run the command; an error of ours is told as its text, without a trace."""
    # No program (git, ssh) is taken from the folder that one stands in: an empty word of PATH means it, too.
    words = os.environ.get("PATH", os.defpath).split(os.pathsep)
    os.environ["PATH"] = os.pathsep.join(filter(os.path.isabs, words)) or os.defpath
    try:
        app()
    except RunbookError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)
