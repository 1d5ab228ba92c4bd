"""Nothing is changed outside of a window or in a freeze, unless it is an emergency, and then the record says so."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from command_line import runbook
from fake_chapters import (
    APPLY,
    OPEN,
    PLAN,
    SUMMARY,
    VERIFY,
    WHOLE,
    another_reason,
    write_chapter,
    write_inventory,
)

from runbook_lib.records import model

ONE, TWO = "11-key", "20-postfix"
# One that has no end within the life of these tests, and one that is over.
FREEZE = '{first_day: "2000-01-01", last_day: "2099-12-31", reason: the audit}'
OVER = '{first_day: "2000-01-01", last_day: "2000-01-31", reason: the audit}'
CLOSED = "freeze from 2000-01-01 to 2099-12-31 (the audit)"
OPENS = "it opens 2100-01-01 00:00+09:00 (Asia/Tokyo)"
# As the real ones, which ask the host's calendar: an emergency is applied, and its record says what it passed over.
ASKING = OPEN.replace(
    "record = ",
    "from datetime import UTC, datetime\n"
    "from runbook_lib import inventory as books\n"
    "from runbook_lib.inventory import calendar\n"
    "book = books.load(inventory)\n"
    "passed_over = (\n"
    '    calendar.of(book.site, book.host(host)).closed(datetime.now(UTC)) if mode == "emergency" else "")\n'
    'mode = "apply" if mode == "emergency" else mode\n'
    "record = ",
).replace('inventory_sha256="0" * 64', 'inventory_sha256="0" * 64, emergency=passed_over')


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RUNBOOK_RECORDS", str(tmp_path / "records"))
    return tmp_path


def site(folder: Path, *hosts: str, frozen: Sequence[str] = (), freeze: str = FREEZE) -> Path:
    """An inventory, some of whose hosts are in a freeze."""
    path = write_inventory(folder, *hosts)
    text = path.read_text()
    for name in frozen:
        block = f"\n    maintenance: {{time_zone: Asia/Tokyo, freezes: [{freeze}]}}"
        text = text.replace(f"\n  {name}:", f"\n  {name}:{block}")
    path.write_text(text)
    return path


def chapters(folder: Path, *names: str) -> Path:
    for name in names:
        opened = ASKING.format(chapter=name, title=name)
        write_chapter(folder / "notebooks", name, opened, PLAN, APPLY, VERIFY, SUMMARY)
    return folder / "notebooks"


def typed(folder: Path, *words: str) -> tuple[int, str]:
    """The status of a command, and all that it said, in one line."""
    where = ("--inventory", str(folder / "site.yaml"), "--notebooks", str(folder / "notebooks"))
    done = runbook(*words, *where)
    return done.returncode, " ".join(f"{done.stdout} {done.stderr}".split())


def test_a_batch_is_refused_by_name_before_anything_is_begun(folder: Path) -> None:
    chapters(folder, ONE)
    site(folder, "mail1", "mail2", "mail3", frozen=["mail2"])
    status, said = typed(folder, "apply", "--reason", another_reason())
    assert status == 1
    assert f"mail2: no changes now: {CLOSED}; {OPENS}" in said
    assert "Nothing was changed." in said
    assert "name the others alone with --host (mail1, mail3)" in said
    assert not (folder / "records").exists()
    assert typed(folder, "apply", "--host", "mail1", "--reason", another_reason())[0] == 0


def test_a_freeze_that_is_over_refuses_nothing(folder: Path) -> None:
    chapters(folder, ONE)
    site(folder, "mail1", frozen=["mail1"], freeze=OVER)
    assert typed(folder, "apply", "--reason", another_reason())[0] == 0


def test_a_plan_does_not_wait_and_says_when(folder: Path) -> None:
    chapters(folder, ONE)
    site(folder, "mail1", "mail2", frozen=["mail2"])
    status, said = typed(folder, "plan")
    assert status == 0
    assert f"Maintenance of mail2: no changes now: {CLOSED}; {OPENS}" in said
    assert "Maintenance of mail1" not in said
    status, said = typed(folder, "plan", "--json")
    assert json.loads(said)["maintenance"] == {"mail2": f"no changes now: {CLOSED}; {OPENS}"}


def test_an_approved_plan_waits_too_and_goes_on_in_an_emergency(folder: Path) -> None:
    chapters(folder, ONE)
    site(folder, "mail1", frozen=["mail1"])
    digest = json.loads(typed(folder, "plan", "--json")[1])["plan"]
    runs = set((folder / "records").iterdir())
    status, said = typed(folder, "apply", "--plan", digest, "--reason", another_reason())
    assert (status, CLOSED in said) == (1, True)
    assert set((folder / "records").iterdir()) == runs
    status, said = typed(folder, "apply", "--plan", digest, "--emergency", "--reason", another_reason())
    assert (status, f"Emergency, passed over on mail1: {CLOSED}" in said) == (0, True)


def test_an_emergency_needs_a_reason_and_its_record_says_what_it_passed_over(folder: Path) -> None:
    chapters(folder, ONE, TWO)
    site(folder, "mail1", "mail2", frozen=["mail2"])
    status, said = typed(folder, "apply", "--emergency")
    assert status == 2
    assert "needs a reason" in said
    status, said = typed(folder, "apply", "--emergency", "--reason", another_reason(), "--json")
    told = json.loads(said)
    assert status == 0
    assert told["maintenance"] == {"mail2": CLOSED}
    run = folder / "records" / told["run"]
    found = {
        path.relative_to(run).as_posix(): model.read(path).emergency for path in sorted(run.glob("*/*.json"))
    }
    assert found == {
        f"mail1/{ONE}.json": "",
        f"mail1/{TWO}.json": "",
        f"mail2/{ONE}.json": CLOSED,
        f"mail2/{TWO}.json": CLOSED,
    }
    pages = {host: (run / host / f"{ONE}.html").read_text() for host in ("mail1", "mail2")}
    assert f"passed over: {CLOSED}" in pages["mail2"]
    assert "passed over" not in pages["mail1"]
    assert (run / "index.html").read_text().count(f"passed over: {CLOSED}") == 1


def test_a_run_is_not_gone_on_with_outside_of_a_window(folder: Path) -> None:
    """What it began as, in an emergency, it does not go on as: who goes on says so again."""
    chapters(folder, ONE)
    write_chapter(folder / "notebooks", TWO, *WHOLE[:1], "assert not host")
    site(folder, "mail1", frozen=["mail1"])
    told = json.loads(typed(folder, "apply", "--emergency", "--reason", another_reason(), "--json")[1])
    assert (told["exit_code"], told["hosts"][0]["chapters"][-1]["outcome"]) == (1, "failed")
    records = folder / "records" / told["run"] / "mail1"
    before = {path: path.read_bytes() for path in records.iterdir()}
    status, said = typed(folder, "resume", told["run"])
    assert (status, f"mail1: no changes now: {CLOSED}" in said) == (1, True)
    assert {path: path.read_bytes() for path in records.iterdir()} == before
    status, said = typed(folder, "resume", told["run"], "--emergency")
    assert "Emergency, passed over on mail1" in said
    assert {path: path.read_bytes() for path in records.iterdir()} != before
