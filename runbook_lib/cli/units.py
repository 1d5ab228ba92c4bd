"""`runbook unit`: units of systemd that look at the servers regularly."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from runbook_lib.cli.options import say

_FOLDER = Path(__file__).with_name("units")
_RUNBOOK = "@RUNBOOK@"  # where this command lies


def unit(
    kind: Annotated[
        Literal["service", "timer"], typer.Argument(help="Which of the two, as systemd calls it.")
    ],
) -> None:
    """Print a unit that writes what status says for Prometheus' node exporter, or the timer that starts it each hour.

    They belong into /etc/systemd/system, as runbook-status.service and runbook-status.timer.
    """
    text = (_FOLDER / f"runbook-status.{kind}").read_text(encoding="utf-8")
    say(text.replace(_RUNBOOK, str(Path(sys.executable).with_name("runbook"))).rstrip("\n"))
