"""The ledger: every certificate that the CA issued, and every refusal, in one SQLite file.

An issuance is never deleted or altered but for its withdrawal, once; the file itself refuses (triggers). A
refusal adds a row to `refusals` and leaves `issuances` byte for byte. Times are UTC with +00:00.
"""

import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from pathlib import Path

from runbook_lib.errors import AuthorityError, LedgerBusy

SCHEMA_VERSION = 1
BUSY_TIMEOUT_S = 10.0

# Serials are text: SQLite's integers end at 64 bits.
_SCHEMA = """
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


@dataclass(frozen=True)
class Issuance:
    """A certificate that the CA issued, and whether a run that was put back withdrew it."""

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
            database.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
        return cls(path)

    def issuances(self, host: str | None = None) -> tuple[Issuance, ...]:
        """Every issuance, oldest first, of one host or of all."""
        query = "SELECT * FROM issuances WHERE ?1 IS NULL OR host = ?1 ORDER BY issued_at, rowid"
        with self._open() as database:
            return tuple(map(_issuance, database.execute(query, (host,))))

    def refusals(self) -> tuple[Refusal, ...]:
        """Every refusal, oldest first."""
        with self._open() as database:
            rows = database.execute("SELECT at, host, run, reasons, csr_sha256 FROM refusals ORDER BY id")
            return tuple(Refusal(_read(row[0]), *row[1:]) for row in rows)

    def record_issuance(self, issuance: Issuance) -> None:
        """Add a certificate; from here on it may leave the CA.

        Raises:
            LedgerBusy: another process held the ledger too long; nothing was written.
            AuthorityError: the serial is in the ledger already, or the file cannot be written.
        """
        values = [_written(value) for value in astuple(issuance)]
        with self._write() as database:
            database.execute("INSERT INTO issuances VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)

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
        row = (_written(now or datetime.now(UTC)), host, run, text, csr_sha256)
        with self._write() as database:
            database.execute(
                "INSERT INTO refusals (at, host, run, reasons, csr_sha256) VALUES (?, ?, ?, ?, ?)", row
            )

    def withdraw(self, serial: str, run: str, now: datetime | None = None) -> None:
        """Mark a certificate as withdrawn: its run was put back. A second time changes nothing.

        Args:
            serial: as `spelled_serial` spells it.
            run: the run that puts back.
        Raises:
            AuthorityError: no such serial.
            LedgerBusy: another process held the ledger too long.
        """
        with self._write() as database:
            row = database.execute(
                "SELECT withdrawn_at FROM issuances WHERE serial = ?", (serial,)
            ).fetchone()
            if row is None:
                raise AuthorityError(
                    f"the serial {serial} is not in the ledger", str(self.path), "check the serial."
                )
            if row[0] is None:
                database.execute(
                    "UPDATE issuances SET withdrawn_at = ?, withdrawn_run = ? WHERE serial = ?",
                    (_written(now or datetime.now(UTC)), run, serial),
                )

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        """One transaction that holds the write lock from its start."""
        with self._open() as database:
            database.execute("BEGIN IMMEDIATE")
            try:
                yield database
            except BaseException:
                database.execute("ROLLBACK")
                raise
            database.execute("COMMIT")

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            # mode=rw: a ledger that is gone must not come back empty.
            address = f"{self.path.absolute().as_uri()}?mode=rw"
            with closing(
                sqlite3.connect(address, uri=True, isolation_level=None, timeout=self.busy_timeout_s)
            ) as database:
                database.execute("PRAGMA synchronous = FULL")
                (version,) = database.execute("PRAGMA user_version").fetchone()
                if version != SCHEMA_VERSION:
                    raise AuthorityError(
                        f"the ledger has format {version}, this library knows {SCHEMA_VERSION}",
                        str(self.path),
                        "use the library's version that wrote it, or a newer one.",
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
                f"another process held the ledger for {self.busy_timeout_s:g} s; nothing was issued",
                str(self.path),
                "wait until the other run has ended, then run this again.",
            )
        return AuthorityError(
            f"the ledger cannot be used ({error}); nothing was issued",
            str(self.path),
            "see that the file is there, yours and on a disk with room; else restore it from the backup.",
        )


def _issuance(row: tuple[str, ...]) -> Issuance:
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
    ) = row
    return Issuance(
        serial,
        host,
        run,
        tuple(json.loads(names)),
        key,
        _read(not_before),
        _read(not_after),
        certificate_pem,
        _read(issued_at),
        _read(withdrawn_at) if withdrawn_at else None,
        withdrawn_run or None,
    )


def _written(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="seconds")
    return json.dumps(value) if isinstance(value, tuple) else value


def _read(text: str) -> datetime:
    return datetime.fromisoformat(text)
