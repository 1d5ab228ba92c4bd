"""`runbook unit`: units of systemd that look at the servers regularly, and that renew what is due."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from runbook_lib.cli.options import say

_FOLDER = Path(__file__).with_name("units")
_RUNBOOK = "@RUNBOOK@"  # where this command lies
_FILES = {
    "service": "runbook-status.service",
    "timer": "runbook-status.timer",
    "renew-service": "runbook-renew.service",
    "renew-timer": "runbook-renew.timer",
}


def unit(
    kind: Annotated[
        Literal["service", "timer", "renew-service", "renew-timer"],
        typer.Argument(help="Which unit: service or timer, as systemd calls it."),
    ],
) -> None:
    """Print a unit that writes what status says for Prometheus' node exporter, or the timer that starts it each hour.

    They belong into /etc/systemd/system, as runbook-status.service and runbook-status.timer. The other two, as
    runbook-renew.service and runbook-renew.timer, renew what is due each day.
    """
    text = (_FOLDER / _FILES[kind]).read_text(encoding="utf-8")
    say(text.replace(_RUNBOOK, str(Path(sys.executable).with_name("runbook"))).rstrip("\n"))
