"""The ledger keeps every issuance and refusal, whoever writes at the same time, and alters nothing."""

import json
import multiprocessing
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from runbook_lib.errors import AuthorityError, LedgerBusy
from runbook_lib.pki.ledger import SCHEMA_VERSION, Issuance, Ledger

NOW = datetime(2026, 11, 25, 4, 30, 0, tzinfo=UTC)
ONE = Issuance(
    "0D", "mail1", "run1", ("mail.example.test", "pop.example.test"), "ab" * 32, NOW, NOW, "-----BEGIN…", NOW
)  # fmt: skip


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger.create(tmp_path / "ledger.sqlite3")


def test_what_was_written_is_read_back(ledger: Ledger) -> None:
    second = replace(ONE, serial="0AB0", host="mail2")
    ledger.record_issuance(ONE)
    ledger.record_issuance(second)
    ledger.record_refusal("mail1", "run1", ["first", "second"], "cd" * 32, NOW)
    assert ledger.issuances() == (ONE, second)
    assert ledger.issuances("mail2") == (second,)
    (refusal,) = ledger.refusals()
    assert (refusal.at, refusal.reasons, refusal.csr_sha256) == (NOW, "first\nsecond", "cd" * 32)


def test_certificates_are_found_by_their_serials(ledger: Ledger) -> None:
    others = [
        replace(ONE, serial=f"{number:04X}", host=f"mail{number}") for number in range(0x0A00, 0x0A00 + 1200)
    ]
    for one in (ONE, *others[:3]):
        ledger.record_issuance(one)
    assert ledger.of_serials([others[2].serial, "0D", "FFFF"]) == (ONE, others[2])
    assert ledger.of_serials(one.serial for one in others) == tuple(
        others[:3]
    )  # more than SQLite takes values
    assert ledger.of_serials([]) == ()


def test_a_moment_stays_as_it_was_whoever_writes_meanwhile(ledger: Ledger) -> None:
    second, third = (
        replace(ONE, serial="0AB0", host="mail2"),
        replace(ONE, serial="0AB1", host="mail3", purpose="mx"),
    )
    ledger.record_issuance(ONE)
    ledger.record_issuance(second)
    with ledger.moment() as now:
        assert next(now.issuances()) == ONE
        ledger.record_issuance(third)
        ledger.withdraw("0D", "run2", NOW)
        assert list(now.issuances()) == [ONE, second]
        assert now.count() == 2
        assert sorted(now.serials()) == ["0AB0", "0D"]
    with ledger.moment() as now:
        assert list(now.issuances(["mail2", "mail3", "mail4"])) == [second, third]
        assert list(now.issuances(("mail3",))) == [third]
        assert now.count(["mail2", "mail3"]) == 2
        assert list(now.texts(["mail3"])) == [("0AB1", "mail3", "run1", json.dumps(ONE.names), None, "mx")]
        assert [text[4] for text in now.texts(["mail1"])] == [NOW.isoformat()]


def test_whether_any_has_ended_is_asked_of_the_moment(ledger: Ledger) -> None:
    assert not ledger.has_ended(NOW)
    ledger.record_issuance(ONE)
    assert not ledger.has_ended(NOW)  # its last second is one of its own
    assert ledger.has_ended(NOW + timedelta(seconds=1))


def test_no_look_for_a_few_reads_all_of_them_and_a_ledger_of_before_gets_there(ledger: Ledger) -> None:
    indices = ("issuances_by_host", "issuances_by_key", "issuances_by_time", "issuances_by_end")
    with closing(sqlite3.connect(ledger.path)) as database:
        for index in indices:
            database.execute(f"DROP INDEX {index}")
    assert ledger.issuances("mail1") == ()  # it is read as it is
    ledger.record_issuance(ONE)
    asked: list[str] = []

    class Watched(Ledger):
        @contextmanager
        def reading(self) -> Iterator[sqlite3.Connection]:
            with super().reading() as database:
                database.set_trace_callback(asked.append)
                yield database

    watched = Watched(ledger.path)
    watched.issuances("mail1")
    watched.first_of_key("ab" * 32)
    watched.of_serials(["0D"])
    watched.newest_time()
    watched.has_ended(NOW)
    looks = [question for question in asked if question.startswith("SELECT")]
    assert len(looks) == 5
    with closing(sqlite3.connect(ledger.path)) as database:
        for question in looks:
            steps = [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {question}")]
            assert not [step for step in steps if step == "SCAN issuances"], (question, steps)


def test_every_time_in_the_file_is_utc_with_its_offset(ledger: Ledger) -> None:
    ledger.record_issuance(ONE)
    ledger.withdraw("0D", "run2")
    ledger.record_refusal("mail1", "run1", "no", "cd" * 32)
    with closing(sqlite3.connect(ledger.path)) as database:
        times = database.execute(
            "SELECT not_before, not_after, issued_at, withdrawn_at FROM issuances"
        ).fetchone()
        times += database.execute("SELECT at FROM refusals").fetchone()
    assert len(times) == 5
    for time in times:
        assert len(time) == len("2026-11-25T04:30:00+00:00")
        assert time.endswith("+00:00")


def test_a_serial_is_never_used_twice(ledger: Ledger) -> None:
    ledger.record_issuance(ONE)
    with pytest.raises(AuthorityError, match="UNIQUE"):
        ledger.record_issuance(replace(ONE, host="mail2"))
    assert ledger.issuances() == (ONE,)


@pytest.mark.parametrize("serial", ["D", "0d", "0D ", "-0D", "0x0D"])
def test_a_serial_in_another_spelling_is_not_written(ledger: Ledger, serial: str) -> None:
    with pytest.raises(AuthorityError, match="CHECK"):
        ledger.record_issuance(replace(ONE, serial=serial))


def test_a_withdrawal_is_marked_once(ledger: Ledger) -> None:
    ledger.record_issuance(ONE)
    ledger.withdraw("0D", "run2", NOW)
    ledger.withdraw("0D", "run3")
    assert ledger.issuances() == (replace(ONE, withdrawn_at=NOW, withdrawn_run="run2"),)


def test_an_unknown_serial_is_not_withdrawn(ledger: Ledger) -> None:
    with pytest.raises(AuthorityError, match="the serial FF is not in the ledger"):
        ledger.withdraw("FF", "run2")


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM issuances",
        "UPDATE issuances SET host = 'other'",
        "UPDATE issuances SET withdrawn_at = 'now', withdrawn_run = 'run', names = '[]'",
        "UPDATE issuances SET serial = '0E', withdrawn_at = 'now', withdrawn_run = 'run'",
        "DELETE FROM refusals",
        "UPDATE refusals SET reasons = ''",
    ],
)
def test_the_file_itself_refuses_to_forget(ledger: Ledger, statement: str) -> None:
    ledger.record_issuance(ONE)
    ledger.record_refusal("mail1", "run1", "no", "cd" * 32)
    with closing(sqlite3.connect(ledger.path)) as database, pytest.raises(sqlite3.IntegrityError):
        database.execute(statement)


def test_the_file_is_its_owners_alone(ledger: Ledger) -> None:
    """Beside it, while somebody writes, the write-ahead log too."""
    with closing(sqlite3.connect(ledger.path)) as database:
        database.execute("BEGIN IMMEDIATE")
        database.execute(
            "INSERT INTO refusals (at, host, run, reasons, csr_sha256) VALUES ('', '', '', '', '')"
        )
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in ledger.path.parent.iterdir()}
    assert set(modes.values()) == {0o600}
    assert "ledger.sqlite3-wal" in modes


def test_a_writer_waits_and_then_says_who_is_in_the_way(ledger: Ledger) -> None:
    impatient = Ledger(ledger.path, busy_timeout_s=0.2)
    with closing(sqlite3.connect(ledger.path, isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerBusy, match=r"held the ledger for 0\.2 s; nothing was issued"):
            impatient.record_issuance(ONE)
        assert impatient.issuances() == ()
    impatient.record_issuance(ONE)
    assert impatient.issuances() == (ONE,)


def test_a_ledger_that_is_gone_does_not_come_back_empty(tmp_path: Path) -> None:
    with pytest.raises(AuthorityError, match="the ledger cannot be used"):
        Ledger(tmp_path / "ledger.sqlite3").issuances()
    assert list(tmp_path.iterdir()) == []


def test_a_ledger_is_not_made_over_another(ledger: Ledger) -> None:
    ledger.record_issuance(ONE)
    with pytest.raises(FileExistsError):
        Ledger.create(ledger.path)
    assert ledger.issuances() == (ONE,)


def test_a_file_of_another_format_is_left_alone(ledger: Ledger) -> None:
    with closing(sqlite3.connect(ledger.path)) as database:
        database.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    with pytest.raises(
        AuthorityError, match=f"has format {SCHEMA_VERSION + 1}, this library knows {SCHEMA_VERSION}"
    ):
        ledger.issuances()


def test_a_file_that_is_no_database_is_said_to_be_none(ledger: Ledger) -> None:
    ledger.path.write_bytes(b"not a database, and long enough to be looked at" * 20)
    with pytest.raises(AuthorityError, match="restore it from the backup"):
        ledger.issuances()


def _write_twenty(path: Path, writer: int) -> None:
    ledger = Ledger(path, busy_timeout_s=120)  # seven others are before it, and SQLite keeps no order
    for number in range(20):
        ledger.record_issuance(replace(ONE, serial=f"{writer:02X}{number:02X}", host=f"mail{writer}"))
        ledger.record_refusal(f"mail{writer}", "run1", "no", "cd" * 32)


def test_eight_processes_write_at_once_and_nothing_is_lost(ledger: Ledger) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write_twenty, args=(ledger.path, number)) for number in range(8)]
    for process in writers:
        process.start()
    for process in writers:
        process.join(timeout=180)
    assert [process.exitcode for process in writers] == [0] * 8
    assert len({issuance.serial for issuance in ledger.issuances()}) == 160
    assert len(ledger.refusals()) == 160
