"""Options that more than one command has."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from runbook_lib.visible import visible, visible_json

if TYPE_CHECKING:  # not every command shows a table
    from runbook_lib.display import Shown

_PAGE = 120

Inventory = Annotated[
    str | None,
    typer.Option(
        "--inventory",
        help="A name (lab, site) or a file. Without it inventory/site.yaml of the checkout, else runbook/site.yaml in "
        "your configuration folder, else the lab; installed, that in your configuration folder, else "
        "./inventory/site.yaml.",
    ),
]
RecordsOf = Annotated[
    str | None,
    typer.Option(
        "--inventory", help="The inventory that says where the records lie; as `runbook plan` takes it."
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


def say_shown(shown: "Shown") -> None:
    """Write tables and texts, no wider than `page_width` where they can be broken."""
    say(shown.fitted(page_width()))


def page_width() -> int:
    """Columns of the terminal; in a pipe $COLUMNS, else those of a page."""
    return shutil.get_terminal_size((_PAGE, 24)).columns


def say_beside(text: str) -> None:
    """Write to standard error what is no result: notes, failures; what came from outside stays text."""
    typer.echo(visible(text), err=True)


def say_document(document: object) -> None:
    """Write the result as one JSON document to standard output, for programs and for eyes."""
    typer.echo(visible_json(document))
