"""The page over all runs of a site, `records/index.html`: derived from the chain and the records, and no part of them.

It is filtered by host, month and outcome without a script: a style sheet hides the rows that were not chosen.
"""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from runbook_lib.records import chain, files, index, pages, population, verification
from runbook_lib.records.population import Row


@dataclass(frozen=True)
class Choice:
    """A value that runs can be filtered by, and the class of the rows that have it."""

    style: str
    value: str


@dataclass(frozen=True)
class Listed:
    """A run on the page. `styles`: the classes of all that it can be chosen by; `linked`: it has a page."""

    row: Row
    styles: str
    linked: bool


@dataclass(frozen=True)
class SitePage:
    """All runs, the newest first, and what they can be chosen by; keys of the catalogue name the filters."""

    runs: tuple[Listed, ...]
    filters: dict[str, tuple[Choice, ...]]


def write(root: Path) -> Path:
    """Make the page anew in the folder of records.

    Raises: RecordNotWritten: nothing can be written there.
    """
    there = {run for run in index.runs(root) if (root / run / index.PAGE).is_file()}
    with chain.locked(root):
        files.write_atomically(root / index.PAGE, page(root, there).encode())
    return root / index.PAGE


def page(root: Path, linked: Collection[str]) -> str:
    """The page, as text.

    Args:
        linked: the runs that have a page beside it.
    """
    rows = population.rows(root, verification.Site((), (), ()))  # what was altered is not looked for here
    filters = {
        "host": _choices("h", {host for row in rows for host in _hosts(row)}),
        "month": _choices("m", {_month(row) for row in rows}),
        "outcome": _choices("o", {row.outcome for row in rows}),
    }
    styles = {(key, one.value): one.style for key, found in filters.items() for one in found}
    listed = []
    for row in reversed(rows):
        chosen = [("month", _month(row)), ("outcome", row.outcome), *(("host", host) for host in _hosts(row))]
        listed.append(Listed(row, " ".join(styles[one] for one in chosen), row.run in linked))
    return pages.rendered("site.html.j2", site=SitePage(tuple(listed), filters))


def _choices(letter: str, values: Collection[str]) -> tuple[Choice, ...]:
    return tuple(Choice(f"{letter}{n}", value) for n, value in enumerate(sorted(values)))


def _hosts(row: Row) -> list[str]:
    return row.hosts.split(", ") if row.hosts else []


def _month(row: Row) -> str:
    return row.began[:7]
