"""Options that more than one command has."""

from pathlib import Path
from typing import Annotated

import typer

from runbook_lib.visible import visible, visible_json

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
    """Write a line of the result to standard output; what came from outside stays text."""
    typer.echo(visible(text))


def say_document(document: object) -> None:
    """Write the result as one JSON document to standard output, for programs and for eyes."""
    typer.echo(visible_json(document))
