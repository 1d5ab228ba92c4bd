"""Looks at many hosts, with how far they are: on a terminal's standard error alone, and with an estimate."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from runbook_lib.errors import RunbookError
from runbook_lib.remote import many

H = TypeVar("H", bound=many.Named)
T = TypeVar("T")
_ONE_BY_ONE = 2  # of fewer hosts nobody needs to know how far it is


def told_while_looking(
    hosts: Sequence[H], look: Callable[[H], T], at_once: int | None = None
) -> Iterator[tuple[H, T | RunbookError]]:
    """As `many.look_at_each`, with a bar below what is told meanwhile.

    Args:
        at_once: hosts at work at the same time; None: `many.AT_ONCE`.
    """
    console = Console(stderr=True)
    columns = (
        TextColumn("Looked at"), MofNCompleteColumn(), TextColumn("hosts"), BarColumn(bar_width=24),
        TimeElapsedColumn(), TextColumn("about"), TimeRemainingColumn(), TextColumn("left"),
    )  # fmt: skip
    hidden = not console.is_terminal or len(hosts) < _ONE_BY_ONE
    bar = Progress(
        *columns,
        console=console,
        transient=True,
        disable=hidden,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    with bar:
        task = bar.add_task("", total=len(hosts))
        for host, found in many.look_at_each(hosts, look, at_once or many.AT_ONCE):
            bar.advance(task)
            bar.stop()  # what is told goes to standard output, which may be the same terminal or a file
            yield host, found
            bar.start()
