"""Options that more than one command has."""

from pathlib import Path
from typing import Annotated

import typer

Inventory = Annotated[
    str | None,
    typer.Option(
        "--inventory", help="A name (lab, site) or a file; without it inventory/site.yaml, else the lab."
    ),
]
Hosts = Annotated[
    list[str] | None,
    typer.Option("--host", help="A host of the inventory; may be given again. Without it: all of them."),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output, for programs.")]
Run = Annotated[
    str | None, typer.Option("--run", help="The run it belongs to; without it the newest that fits.")
]
Notebooks = Annotated[Path | None, typer.Option("--notebooks", hidden=True)]


def say(text: str = "") -> None:
    """Write a line of the result to standard output."""
    typer.echo(text)
