"""Options that more than one command has."""

import shutil
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from runbook_lib.visible import visible, visible_json

if TYPE_CHECKING:  # not every command shows a table
    from runbook_lib.display import Shown

T = TypeVar("T")
_PAGE = 120
_AT_ONCE = 250  # lines written together

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
Purpose = Annotated[
    str,
    typer.Option(
        "--purpose", help="Which of the host's certificates it is for: mail, or one of further_certificates."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output, for programs.")]
AtOnce = Annotated[
    int | None,
    typer.Option("--workers", min=1, help="Hosts looked at at the same time. Without it: 8."),
]
Run = Annotated[
    str | None, typer.Option("--run", help="The run it belongs to; without it the newest that fits.")
]
Notebooks = Annotated[Path | None, typer.Option("--notebooks", hidden=True)]


def say(text: str = "", *, nl: bool = True) -> None:
    """Write a line of the result to standard output; what came from outside stays text.

    Args:
        nl: whether the line ends there.
    """
    typer.echo(visible(text), nl=nl)


def say_shown(shown: "Shown") -> None:
    """Write tables and texts, no wider than `page_width` where they can be broken, as they come."""
    for some in in_batches(shown.pieces(page_width())):
        say("\n".join(some))


def in_batches(parts: Iterable[T]) -> Iterator[list[T]]:
    """What comes one by one, some at a time: to write each by itself takes longer than to make it."""
    left = iter(parts)
    while some := list(islice(left, _AT_ONCE)):
        yield some


def page_width() -> int:
    """Columns of the terminal; in a pipe $COLUMNS, else those of a page."""
    return shutil.get_terminal_size((_PAGE, 24)).columns


def say_beside(text: str) -> None:
    """Write to standard error what is no result: notes, failures; what came from outside stays text."""
    typer.echo(visible(text), err=True)


def say_document(document: object) -> None:
    """Write the result as one JSON document to standard output, for programs and for eyes."""
    typer.echo(visible_json(document))


class DocumentByLines:
    """The result as one JSON document of which each host is a line, written as soon as it is known, for programs.

    A line after the first host's begins with the comma that JSON wants between the two; without it, it can be taken for
    itself. Of a command that ends early, the document does too: nobody takes half of it for the whole.

    Args:
        head: what is known before.
        name: of the hosts in it.
        keyed: whether they stand there by their names; else as a list.
    """

    def __init__(self, head: Mapping[str, object], name: str, *, keyed: bool = False) -> None:
        self._keyed, self._following = keyed, ""
        opened = visible_json(dict(head), indent=None).removesuffix("}")
        typer.echo(f"{opened}, {visible_json(name)}: {'{' if keyed else '['}")

    def add(self, value: object, key: str = "") -> None:
        """Write the line of one host."""
        named = f"{visible_json(key)}: " if self._keyed else ""
        typer.echo(f"{self._following}{named}{visible_json(value, indent=None)}")
        self._following = ","

    def end(self, rest: Mapping[str, object]) -> None:
        """Write what is known at the end."""
        close = "}" if self._keyed else "]"
        typer.echo(f"{close}, {visible_json(dict(rest), indent=None).removeprefix('{')}")
