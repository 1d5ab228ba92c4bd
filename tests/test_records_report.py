"""A report on a period: every run of the chain is a row, whatever became of it, and a spreadsheet runs no cell."""

import csv
import io
import json
import shutil
from datetime import date
from pathlib import Path

import pytest
import sample_record
import tampering
from format_one import made_of_before
from tampering import BEFORE, CUT_OFF, LAST, PLAN

from runbook_lib.errors import UsageError
from runbook_lib.records import Record, chain, model, population, report, seal, verification
from runbook_lib.records.publish import publish

GONE = "20261127T010000Z-eeee"
OPEN = "20261127T020000Z-ffff"
HOSTILE = '=HYPERLINK("http://192.0.2.1"), \'"\r\n\t@x'


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of every fate: of 0.1.0, cut off, without its folder, begun and never sealed, one in an emergency."""
    root = tmp_path_factory.mktemp("site") / "records"
    tampering.record(root, BEFORE)
    made_of_before(root / BEFORE)
    tampering.record(root, PLAN)
    publish(root, PLAN)
    tampering.record(root, CUT_OFF, mode="apply", end=False)
    emergency = sample_record.COMMON | {
        "emergency": "frozen until Monday", "review_by": "2099-12-01T00:00:00.000+00:00", "reason": HOSTILE,
    }  # fmt: skip
    seal.begin(root, LAST)  # seals the one that was cut off
    Record.begin(
        root, LAST, "mail12", "11-key-and-csr", title="Key", facts={}, **emergency  # type: ignore[arg-type]
    ).finish("not proven", "Done.")  # fmt: skip
    publish(root, LAST)
    tampering.record(root, GONE)
    publish(root, GONE)
    shutil.rmtree(root / GONE)
    tampering.record(root, OPEN)
    return root


def cells(made: report.Report) -> dict[str, dict[str, str]]:
    content = dict(made.files())["population.csv"]
    assert content.startswith(b"\xef\xbb\xbf"), "a spreadsheet takes it for another code page"
    assert content.count(b"\n") == content.count(b"\r\n") == content.count(b"\r")
    return {row["run"]: row for row in csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))}


def made(root: Path, since: date | None = None, until: date | None = None) -> report.Report:
    return report.make(root, verification.check_all(root), since, until)


def test_every_run_of_the_chain_is_a_row(root: Path) -> None:
    rows = cells(made(root))
    assert rows.keys() == {BEFORE, PLAN, CUT_OFF, LAST, GONE, OPEN}
    outcomes = {run: row["outcome"] for run, row in rows.items()}
    assert outcomes == {
        BEFORE: "planned",
        PLAN: "planned",
        CUT_OFF: "interrupted",
        LAST: "not proven",
        GONE: "missing",
        OPEN: "at work",
    }
    assert rows[LAST]["emergency"] == "frozen until Monday"
    assert rows[BEFORE]["flags"] == "not sealed"


def test_a_run_that_is_at_work_no_more_is_interrupted(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root, tmp_path / "records")
    assert cells(made(tmp_path / "records"))[OPEN]["outcome"] == "interrupted"


def test_what_is_open_is_named(root: Path) -> None:
    points = {key: {row.run for row in rows} for key, rows in made(root).open_points.items()}
    assert points["to_be_reviewed"] == points["passed_over"] == {LAST}
    assert points["not_ended"] == {CUT_OFF, GONE, OPEN}
    assert points["not_proven"] == {LAST}
    assert points["unsigned"] == points["unstamped"] == {BEFORE, PLAN, CUT_OFF, LAST, GONE, OPEN}
    page = dict(made(root).files())["report.html"].decode()
    assert f"{GONE}: the run is missing" in page


@pytest.mark.parametrize("begin", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1"])
def test_no_cell_is_a_formula(begin: str) -> None:
    row = population.Row(**dict.fromkeys(population.COLUMNS, begin))  # type: ignore[arg-type]
    told = list(csv.reader(io.StringIO(population.to_csv([row]).decode("utf-8-sig"), newline="")))
    assert told[1] == [f"'{begin}"] * len(population.COLUMNS)


def test_a_cell_with_quotes_and_line_ends_is_read_as_it_was_written(root: Path) -> None:
    assert cells(made(root))[LAST]["reason"] == f"'{HOSTILE}"


def test_a_period_has_both_its_days(root: Path) -> None:
    rows = made(root).rows
    day = {row.day for row in rows}.pop()
    assert {row.day for row in rows} == {day}, "the test began before midnight"
    assert made(root, day, day).rows == rows
    assert made(root, date.fromordinal(day.toordinal() + 1)).rows == ()
    assert made(root, None, date.fromordinal(day.toordinal() - 1)).rows == ()


def test_a_report_goes_into_a_new_folder_for_its_owner_alone(root: Path, tmp_path: Path) -> None:
    report.write(root, tmp_path / "report")
    there = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "report").iterdir()}
    assert there == {"population.csv": 0o600, "controls.csv": 0o600, "report.html": 0o600}
    with pytest.raises(UsageError, match="there already"):
        report.write(root, tmp_path / "report")
    with pytest.raises(UsageError, match="before"):
        report.write(root, tmp_path / "other", date(2026, 2, 1), date(2026, 1, 31))


def test_the_same_records_give_the_same_report(root: Path) -> None:
    assert dict(made(root).files()) == dict(made(root).files())


def test_each_field_of_the_controls_is_one_that_is_written() -> None:
    known = {
        "population.csv": set(population.COLUMNS),
        "run.json": set(seal.Statement.model_fields),
        "NN-chapter.json": set(model.RecordData.model_fields),
    }
    rows = report.controls()
    for row in rows:
        assert set(row) == {"control", "source", "edition", "checked_by", "field"}
        assert row["source"] == "NIST SP 800-53", "no other text was read"
        for field in row["field"].split("; "):
            file, name = field.split(": ")
            assert name in known[file], row["control"]
    assert len(rows) > 10


def test_a_run_whose_statement_cannot_be_read_is_a_row_all_the_same(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root, tmp_path / "records")
    statement = tmp_path / "records" / PLAN / seal.STATEMENT
    statement.write_text(json.dumps({"format": 2}))
    rows = cells(made(tmp_path / "records"))
    assert rows[PLAN]["outcome"] == "cannot be read"
    assert "does not hold" in rows[PLAN]["flags"]
    assert rows[PLAN]["stream"] == chain.stream_here()


def test_a_run_with_a_record_that_was_altered_keeps_its_row(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root, tmp_path / "records")
    (tmp_path / "records" / PLAN / "mail12" / "11-key-and-csr.json").write_text("{}\n")
    row = cells(made(tmp_path / "records"))[PLAN]
    assert (row["outcome"], row["hosts"]) == ("planned", "mail12")
    assert "does not hold" in row["flags"]
