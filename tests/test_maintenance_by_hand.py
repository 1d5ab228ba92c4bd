"""A chapter that is stepped through asks the host's calendar as one in a batch does."""

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from applied_host import run_cells
from ruamel.yaml import YAML

from lab import Lab
from runbook_lib.chapters import opening
from runbook_lib.errors import ApplyRefused, UsageError
from runbook_lib.inventory.calendar import Calendar
from runbook_lib.inventory.maintenance import Freeze
from runbook_lib.records import model

CHAPTER, HOST = "11-key-and-csr", "debian12"
FREEZE = {"first_day": "2000-01-01", "last_day": "2099-12-31", "reason": "the audit"}
CLOSED = "freeze from 2000-01-01 to 2099-12-31 (the audit)"


def test_a_closed_calendar_is_refused_with_when_it_opens_and_with_both_ways_on() -> None:
    zone = ZoneInfo("Asia/Tokyo")
    frozen = Calendar(zone, (), ((Freeze(**FREEZE), zone),))
    with pytest.raises(ApplyRefused) as refused:
        opening._refuse_closed("mail1", frozen, datetime(2026, 11, 30, tzinfo=UTC))
    assert f"mail1: no changes now: {CLOSED}; it opens 2100-01-01 00:00+09:00 (Asia/Tokyo)" in str(
        refused.value
    )
    assert "mode='emergency'" in str(refused.value)
    assert "Nothing was changed." in str(refused.value)
    opening._refuse_closed("mail1", frozen, datetime(2100, 1, 1, tzinfo=UTC))  # nine hours later there


def test_an_emergency_without_a_reason_is_refused_before_anything_is_read() -> None:
    with pytest.raises(UsageError, match="an emergency needs a reason"):
        opening.open_host(CHAPTER, frozenset(), "/there/is/none.yaml", HOST, "emergency", "")


@pytest.fixture
def frozen(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An inventory of the lab with a freeze for the host, which is bare."""
    lab.reset(HOST, "bare")
    yaml = YAML()
    book = yaml.load(lab.inventory)
    book["hosts"][HOST]["maintenance"] = {"time_zone": "Asia/Tokyo", "freezes": [FREEZE]}
    path = tmp_path / "frozen.yaml"
    yaml.dump(book, path)
    monkeypatch.setenv("RUNBOOK_RECORDS", str(tmp_path / "records"))
    monkeypatch.setenv("RUNBOOK_RUN", "20991231T000000Z-0001")
    return str(path)


def test_a_cell_is_refused_in_a_freeze_and_shows_a_plan(lab: Lab, frozen: str) -> None:
    with pytest.raises(ApplyRefused, match="no changes now: freeze"):
        run_cells(CHAPTER, inventory=frozen, host=HOST, mode="apply", reason="MAIL-1")
    lab.exec(HOST, "test ! -e /etc/ssl/private/mail-server.key")
    shown = run_cells(CHAPTER, inventory=frozen, host=HOST, mode="plan")
    assert any(f"no changes now: {CLOSED}" in one.text() for one in shown if one is not None)
    assert "planned" in shown[-1].text()


def test_an_emergency_goes_on_and_its_record_says_what_it_passed_over(
    lab: Lab, frozen: str, tmp_path: Path
) -> None:
    shown = run_cells(
        CHAPTER, inventory=frozen, host=HOST, mode="emergency", reason="MAIL-12: the key is out"
    )
    assert any(
        f"Emergency, so this goes on: no changes now: {CLOSED}" in one.text()
        for one in shown
        if one is not None
    )
    assert "passed" in shown[-1].text()
    lab.exec(HOST, "test -e /etc/ssl/private/mail-server.key")
    record = model.read(tmp_path / "records" / "20991231T000000Z-0001" / HOST / f"{CHAPTER}.json")
    assert (record.mode, record.emergency, record.reason) == ("apply", CLOSED, "MAIL-12: the key is out")
