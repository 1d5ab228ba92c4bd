"""What an auditor reads of a period: all runs as a table for a spreadsheet, and a page with what is open."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from runbook_lib.errors import UsageError
from runbook_lib.messages import message
from runbook_lib.records import files, pages, population, verification
from runbook_lib.records.population import Row
from runbook_lib.records.verification import Head, Site

CONTROLS = Path(__file__).parent / "audit" / "controls.csv"
_NOT_ENDED = ("failed", "interrupted", "running", "not begun", "at work", "missing", "cannot be read")


@dataclass(frozen=True)
class Report:
    """The runs that began in a period, both days included, and how all records are.

    Args:
        wrong: what does not hold, of the whole site: a run that is missing has no period.
    """

    rows: tuple[Row, ...]
    since: date | None
    until: date | None
    heads: tuple[str, ...]
    wrong: tuple[str, ...]

    @property
    def open_points(self) -> dict[str, tuple[Row, ...]]:
        """What somebody has to do or to know, by its key in the catalogue; a run may be under several."""
        return {
            "to_be_reviewed": tuple(row for row in self.rows if row.review_by),
            "passed_over": tuple(row for row in self.rows if row.emergency),
            "not_ended": tuple(row for row in self.rows if row.outcome in _NOT_ENDED),
            "not_proven": tuple(row for row in self.rows if row.outcome == "not proven"),
            "unsigned": tuple(row for row in self.rows if not row.signature),
            "unstamped": tuple(row for row in self.rows if not row.stamped_at),
            "on_hold": tuple(row for row in self.rows if "on hold" in row.flagged),
        }

    def files(self) -> Iterator[tuple[str, bytes]]:
        """The report's files, name and content; the same records give the same bytes."""
        yield "population.csv", population.to_csv(self.rows)
        yield "controls.csv", CONTROLS.read_bytes()
        yield "report.html", pages.rendered("report.html.j2", report=self, controls=controls()).encode()


def controls() -> list[dict[str, str]]:
    """Which field answers which control, with its edition, and who checked the source."""
    return list(csv.DictReader(io.StringIO(CONTROLS.read_text(encoding="utf-8"))))


def make(root: Path, site: Site, since: date | None = None, until: date | None = None) -> Report:
    """A report on the runs of a period.

    Args:
        root: the folder of all records.
        site: what a check of all of it found.
        since, until: days in UTC, both included; None: from the first run on, to the last one.
    """
    rows = population.between(population.rows(root, site), since, until)
    return Report(rows, since, until, site.heads, site.told_wrong)


def write(
    root: Path,
    folder: Path,
    since: date | None = None,
    until: date | None = None,
    allowed: Path | None = None,
    heads: Sequence[Head] = (),
) -> Report:
    """Check all records, and write a report on a period into a new folder, for its owner alone.

    Args:
        allowed, heads: what was kept elsewhere, as `verification.check_all` has it.
    Raises:
        UsageError: the folder is there already, or the period ends before it begins.
        RecordNotWritten: nothing can be written there.
    """
    if since and until and until < since:
        raise UsageError(
            message("the period ends on {until}, before {since}", until=until, since=since),
            "--to",
            message("give a later day, or none"),
        )
    if folder.exists():
        raise UsageError(message("is there already"), str(folder), message("name a new folder"))
    made = make(root, verification.check_all(root, allowed, heads), since, until)
    for name, content in made.files():
        files.write_atomically(folder / name, content)
    return made
