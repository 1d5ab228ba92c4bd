"""The ledger: every certificate that the CA issued, and every refusal, in one SQLite file.

An issuance is never deleted or altered but for its withdrawal, once; the file itself refuses (triggers). A
refusal adds a row to `refusals` and leaves `issuances` byte for byte. Times are UTC with +00:00. Revocations, CRLs
and roots stand in the same file; `revocation`, `crl` and `rollover` read and write them.
"""

import json
import os
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from runbook_lib.errors import AuthorityError, LedgerBusy
from runbook_lib.inventory.purposes import MAIL
from runbook_lib.messages import message

SCHEMA_VERSION = 3  # the newest that is known; one without a further certificate stays what 0.1.0 knows
_WITHOUT_PURPOSES = 2

# Serials are text: SQLite's integers end at 64 bits.
_VERSION_1 = """
CREATE TABLE issuances (
    serial TEXT PRIMARY KEY CHECK (serial NOT GLOB '*[^0-9A-F]*' AND length(serial) % 2 = 0),
    host TEXT NOT NULL,
    run TEXT NOT NULL,
    names TEXT NOT NULL,  -- JSON
    public_key_sha256 TEXT NOT NULL,
    not_before TEXT NOT NULL,
    not_after TEXT NOT NULL,
    certificate_pem TEXT NOT NULL,
    issued_at TEXT NOT NULL,
    withdrawn_at TEXT,
    withdrawn_run TEXT
) STRICT;
CREATE TABLE refusals (
    id INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    host TEXT NOT NULL,
    run TEXT NOT NULL,
    reasons TEXT NOT NULL,
    csr_sha256 TEXT NOT NULL
) STRICT;
CREATE TRIGGER issuances_are_kept BEFORE DELETE ON issuances
    BEGIN SELECT RAISE(ABORT, 'an issuance is never deleted'); END;
CREATE TRIGGER issuances_stay BEFORE UPDATE ON issuances
    WHEN OLD.withdrawn_at IS NOT NULL OR NEW.withdrawn_at IS NULL OR NEW.withdrawn_run IS NULL
      OR (NEW.serial, NEW.host, NEW.run, NEW.names, NEW.public_key_sha256, NEW.not_before, NEW.not_after,
          NEW.certificate_pem, NEW.issued_at)
      IS NOT (OLD.serial, OLD.host, OLD.run, OLD.names, OLD.public_key_sha256, OLD.not_before, OLD.not_after,
          OLD.certificate_pem, OLD.issued_at)
    BEGIN SELECT RAISE(ABORT, 'an issuance is only ever withdrawn, once'); END;
CREATE TRIGGER refusals_are_kept BEFORE DELETE ON refusals
    BEGIN SELECT RAISE(ABORT, 'a refusal is never deleted'); END;
CREATE TRIGGER refusals_stay BEFORE UPDATE ON refusals
    BEGIN SELECT RAISE(ABORT, 'a refusal is never altered'); END;
"""
# Additions only, each safe to be made twice: two processes may meet a file of version 1 at the same time.
_VERSION_2 = """
CREATE TABLE IF NOT EXISTS revocations (
    serial TEXT PRIMARY KEY REFERENCES issuances (serial),
    at TEXT NOT NULL,
    reason TEXT NOT NULL,
    run TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS crls (
    number INTEGER PRIMARY KEY,
    generation INTEGER NOT NULL,
    this_update TEXT NOT NULL,
    next_update TEXT NOT NULL,
    crl_pem TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS roots (
    generation INTEGER PRIMARY KEY CHECK (generation >= 2),  -- the first is there without a row
    begun_at TEXT NOT NULL,
    switched_at TEXT,
    ended_at TEXT
) STRICT;
CREATE TRIGGER IF NOT EXISTS revocations_are_kept BEFORE DELETE ON revocations
    BEGIN SELECT RAISE(ABORT, 'a revocation is never deleted'); END;
CREATE TRIGGER IF NOT EXISTS revocations_stay BEFORE UPDATE ON revocations
    BEGIN SELECT RAISE(ABORT, 'a revocation is never altered'); END;
CREATE TRIGGER IF NOT EXISTS crls_are_kept BEFORE DELETE ON crls
    BEGIN SELECT RAISE(ABORT, 'a CRL is never deleted'); END;
CREATE TRIGGER IF NOT EXISTS crls_stay BEFORE UPDATE ON crls
    BEGIN SELECT RAISE(ABORT, 'a CRL is never altered'); END;
"""
# Made with the first certificate that is for anything else than mail. What has no row here is for mail.
_VERSION_3 = (
    """CREATE TABLE IF NOT EXISTS purposes (
    serial TEXT PRIMARY KEY REFERENCES issuances (serial),
    purpose TEXT NOT NULL
) STRICT""",
    """CREATE TRIGGER IF NOT EXISTS purposes_are_kept BEFORE DELETE ON purposes
    BEGIN SELECT RAISE(ABORT, 'a purpose is never deleted'); END""",
    """CREATE TRIGGER IF NOT EXISTS purposes_stay BEFORE UPDATE ON purposes
    BEGIN SELECT RAISE(ABORT, 'a purpose is never altered'); END""",
    "PRAGMA user_version = 3",
)

# What is asked of 100,000 certificates is found without reading all of them. No part of the format: a ledger of before
# gets them with its next entry, and an earlier library uses one that has them.
_INDICES = """
CREATE INDEX IF NOT EXISTS issuances_by_host ON issuances (host);
CREATE INDEX IF NOT EXISTS issuances_by_key ON issuances (public_key_sha256);
CREATE INDEX IF NOT EXISTS issuances_by_time ON issuances (issued_at);
CREATE INDEX IF NOT EXISTS issuances_by_end ON issuances (not_after);
"""

BUSY_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Issuance:
    """A certificate that the CA issued, and whether a run that was put back withdrew it.

    Args:
        purpose: which of its host's certificates it is; the newest of each purpose is what the host has.
    """

    serial: str
    host: str
    run: str
    names: tuple[str, ...]
    public_key_sha256: str
    not_before: datetime
    not_after: datetime
    certificate_pem: str
    issued_at: datetime
    withdrawn_at: datetime | None = None
    withdrawn_run: str | None = None
    purpose: str = MAIL


@dataclass(frozen=True)
class Refusal:
    """A CSR that the CA did not sign."""

    at: datetime
    host: str
    run: str
    reasons: str
    csr_sha256: str


class Ledger:
    """The ledger's file; each call opens it anew, so that threads and processes may share a path.

    Args:
        path: the file, which `create` has made.
        busy_timeout_s: how long to wait for another writer before LedgerBusy, in seconds.
    """

    def __init__(self, path: Path, busy_timeout_s: float = BUSY_TIMEOUT_S) -> None:
        self.path, self.busy_timeout_s = path, busy_timeout_s

    def __repr__(self) -> str:
        return f"Ledger({str(self.path)!r})"

    @classmethod
    def create(cls, path: Path) -> "Ledger":
        """Make an empty ledger, mode 0600, WAL. A file that is there is an error (FileExistsError)."""
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        with closing(sqlite3.connect(path, isolation_level=None)) as database:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = FULL")
            database.executescript(_made())
        return cls(path)

    @contextmanager
    def moment(self) -> Iterator["Moment"]:
        """The ledger as it is now, however long it is read and whoever writes meanwhile."""
        with self.reading() as database:
            database.execute("BEGIN")
            yield Moment(database)

    def issuances(self, host: str | None = None) -> tuple[Issuance, ...]:
        """Every issuance, oldest first, of one host or of all."""
        with self.moment() as now:
            return tuple(now.issuances(() if host is None else (host,)))

    def of_serials(self, serials: Iterable[str]) -> tuple[Issuance, ...]:
        """The issuances that have these serials, oldest first; of any other serial nothing."""
        with self.moment() as now:
            return tuple(now.of_serials(serials))

    def has_ended(self, now: datetime) -> bool:
        """Whether any certificate has ended by this moment."""
        with self.reading() as database:
            query = "SELECT 1 FROM issuances WHERE not_after < ? LIMIT 1"
            return database.execute(query, (written(now),)).fetchone() is not None

    def first_of_key(self, public_key_sha256: str) -> Issuance | None:
        """The first certificate that was issued for a key, withdrawn or not; None where there is none."""
        with self.moment() as now:
            return now.first_of_key(public_key_sha256)

    def refusals(self) -> tuple[Refusal, ...]:
        """Every refusal, oldest first."""
        with self.reading() as database:
            rows = database.execute("SELECT at, host, run, reasons, csr_sha256 FROM refusals ORDER BY id")
            return tuple(Refusal(read(row[0]), *row[1:]) for row in rows)

    def newest_time(self) -> datetime | None:
        """When something was last issued, revoked or listed, by the clock of then; None: never."""
        query = (
            "SELECT max(at) FROM (SELECT max(issued_at) AS at FROM issuances UNION ALL "
            "SELECT max(at) FROM revocations UNION ALL SELECT max(this_update) FROM crls)"
        )
        with self.reading() as database:
            (newest,) = database.execute(query).fetchone()
        return read(newest) if newest else None

    def record_issuance(self, issuance: Issuance) -> None:
        """Add a certificate; from here on it may leave the CA.

        Raises:
            LedgerBusy: another process held the ledger too long; nothing was written.
            AuthorityError: the serial is in the ledger already, or the file cannot be written.
        """
        *values, purpose = [written(value) for value in astuple(issuance)]
        with self.writing() as database:
            database.execute("INSERT INTO issuances VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
            if purpose == MAIL:
                return
            for statement in _VERSION_3:
                database.execute(statement)
            database.execute("INSERT INTO purposes VALUES (?, ?)", (issuance.serial, purpose))

    def record_refusal(
        self, host: str, run: str, reasons: str | Sequence[str], csr_sha256: str, now: datetime | None = None
    ) -> None:
        """Add a refusal; the issuances stay as they are.

        Args:
            reasons: one text, or several (a line each).
            csr_sha256: of the file as it came, hex.
        Raises:
            LedgerBusy: another process held the ledger too long.
        """
        text = reasons if isinstance(reasons, str) else "\n".join(reasons)
        row = (written(now or datetime.now(UTC)), host, run, text, csr_sha256)
        with self.writing() as database:
            database.execute(
                "INSERT INTO refusals (at, host, run, reasons, csr_sha256) VALUES (?, ?, ?, ?, ?)", row
            )

    def withdraw(self, serial: str, run: str, now: datetime | None = None) -> None:
        """Mark a certificate as withdrawn: its run was put back, or it did not come to the host. Twice changes nothing.

        Args:
            serial: as `spelled_serial` spells it.
            run: the run that puts back, or that failed.
        Raises:
            AuthorityError: no such serial.
            LedgerBusy: another process held the ledger too long.
        """
        with self.writing() as database:
            row = database.execute(
                "SELECT withdrawn_at FROM issuances WHERE serial = ?", (serial,)
            ).fetchone()
            if row is None:
                raise AuthorityError(
                    message("the serial {serial} is not in the ledger", serial=serial),
                    str(self.path),
                    message("check the serial."),
                )
            if row[0] is None:
                database.execute(
                    "UPDATE issuances SET withdrawn_at = ?, withdrawn_run = ? WHERE serial = ?",
                    (written(now or datetime.now(UTC)), run, serial),
                )

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction that holds the write lock from its start."""
        with self.reading() as database:
            database.execute("BEGIN IMMEDIATE")
            try:
                for index in filter(None, map(str.strip, _INDICES.split(";"))):
                    database.execute(index)
                yield database
            except BaseException:
                database.execute("ROLLBACK")
                raise
            database.execute("COMMIT")

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """The database, open for one look."""
        try:
            # mode=rw: a ledger that is gone must not come back empty.
            address = f"{self.path.absolute().as_uri()}?mode=rw"
            with closing(
                sqlite3.connect(address, uri=True, isolation_level=None, timeout=self.busy_timeout_s)
            ) as database:
                database.execute("PRAGMA synchronous = FULL")
                (version,) = database.execute("PRAGMA user_version").fetchone()
                if version == 1:
                    database.executescript(_grown_from_1())
                    version = _WITHOUT_PURPOSES
                if version not in (_WITHOUT_PURPOSES, SCHEMA_VERSION):
                    raise AuthorityError(
                        message(
                            "the ledger has format {version}, this library knows {known}",
                            version=version,
                            known=SCHEMA_VERSION,
                        ),
                        str(self.path),
                        message("use the library's version that wrote it, or a newer one."),
                    )
                yield database
        except sqlite3.Error as error:
            raise self._told(error) from error

    def _told(self, error: sqlite3.Error) -> LedgerBusy | AuthorityError:
        code = (
            getattr(error, "sqlite_errorcode", 0) & 0xFF
        )  # the low byte: extended codes share their primary one
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return LedgerBusy(
                message(
                    "another process held the ledger for {seconds} s; nothing was issued",
                    seconds=f"{self.busy_timeout_s:g}",
                ),
                str(self.path),
                message("wait until the other run has ended, then run this again."),
            )
        return AuthorityError(
            message("the ledger cannot be used ({error}); nothing was issued", error=str(error)),
            str(self.path),
            message(
                "see that the file is there, yours and on a disk with room; else restore it from the backup."
            ),
        )


class Moment:
    """What a ledger has at one moment; whoever reads it one by one has one of a hundred thousand in memory.

    Args:
        database: in a transaction that has begun.
    """

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        (version,) = database.execute("PRAGMA user_version").fetchone()
        # What has no purpose there is for mail.
        purpose, also = (
            ("purpose", "LEFT JOIN purposes USING (serial)") if version == SCHEMA_VERSION else ("NULL", "")
        )
        # Of our own words alone.
        self._of_all = f"SELECT issuances.*, {purpose} FROM issuances {also}"  # noqa: S608
        self._of_columns = f"SELECT {{}}, {purpose} FROM issuances {also}"  # noqa: S608

    def issuances(self, hosts: Collection[str] = ()) -> Iterator[Issuance]:
        """Every issuance, oldest first.

        Args:
            hosts: of these alone; empty: of all.
        """
        return map(_issuance, self._found(self._of_all, hosts, "ORDER BY issued_at, issuances.rowid"))

    def texts(
        self, hosts: Collection[str] = ()
    ) -> Iterator[tuple[str, str, str, str, str | None, str | None]]:
        """Of every issuance what is short and no time but one: serial, host, run, names (JSON), withdrawn at, purpose.

        Args:
            hosts: as `issuances` has them.
        """
        columns = self._of_columns.format("issuances.serial, host, run, names, withdrawn_at")
        return iter(self._found(columns, hosts))

    def count(self, hosts: Collection[str] = ()) -> int:
        """How many issuances there are.

        Args:
            hosts: as `issuances` has them.
        """
        (number,) = self._found("SELECT count(*) FROM issuances", hosts).fetchone()
        return int(number)

    def serials(self) -> Iterator[str]:
        """The serial of every issuance."""
        return (serial for (serial,) in self._database.execute("SELECT serial FROM issuances"))

    def of_serials(self, serials: Iterable[str]) -> Iterator[Issuance]:
        """The issuances that have these serials, oldest first; of any other serial nothing."""
        of = "WHERE issuances.serial IN (SELECT value FROM json_each(?)) ORDER BY issued_at, issuances.rowid"
        asked = json.dumps(sorted(set(serials)))
        return map(_issuance, self._database.execute(f"{self._of_all} {of}", (asked,)))

    def first_of_key(self, public_key_sha256: str) -> Issuance | None:
        """The first certificate that was issued for a key, withdrawn or not; None where there is none."""
        of = "WHERE public_key_sha256 = ? ORDER BY issued_at, issuances.rowid LIMIT 1"
        row = self._database.execute(f"{self._of_all} {of}", (public_key_sha256,)).fetchone()
        return _issuance(row) if row else None

    def _found(self, select: str, hosts: Collection[str], order: str = "") -> sqlite3.Cursor:
        if not hosts:
            return self._database.execute(f"{select} {order}")
        if len(hosts) == 1:  # for which there is an index, whatever else SQLite would rather do
            return self._database.execute(f"{select} WHERE host = ? {order}", tuple(hosts))
        of = "WHERE host IN (SELECT value FROM json_each(?))"
        return self._database.execute(f"{select} {of} {order}", (json.dumps(sorted(set(hosts))),))


def _issuance(row: tuple[Any, ...]) -> Issuance:
    (
        serial,
        host,
        run,
        names,
        key,
        not_before,
        not_after,
        certificate_pem,
        issued_at,
        withdrawn_at,
        withdrawn_run,
        purpose,
    ) = row
    return Issuance(
        serial,
        host,
        run,
        tuple(json.loads(names)),
        key,
        read(not_before),
        read(not_after),
        certificate_pem,
        read(issued_at),
        read(withdrawn_at) if withdrawn_at else None,
        withdrawn_run or None,
        purpose or MAIL,
    )


def written(value: object) -> object:
    """A value as the file has it: times in UTC to the second, several values as JSON."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="seconds")
    return json.dumps(value) if isinstance(value, tuple) else value


def read(text: str) -> datetime:
    """A time as `written` wrote it."""
    return datetime.fromisoformat(text)


def _made() -> str:
    """The script that makes an empty ledger."""
    return f"BEGIN; {_VERSION_1} {_VERSION_2} {_INDICES} PRAGMA user_version = {_WITHOUT_PURPOSES}; COMMIT;"


def _grown_from_1() -> str:
    """The script that gives a ledger of version 1 what version 2 has besides; its rows stay as they are."""
    return f"BEGIN IMMEDIATE; {_VERSION_2} PRAGMA user_version = {_WITHOUT_PURPOSES}; COMMIT;"
