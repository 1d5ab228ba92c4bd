"""The tables of the ledger's file, and how a file of an earlier version gets those that it lacks."""

SCHEMA_VERSION = 2

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


def made() -> str:
    """The script that makes an empty ledger."""
    return f"BEGIN; {_VERSION_1} {_VERSION_2} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"


def grown_from_1() -> str:
    """The script that gives a ledger of version 1 what version 2 has besides; its rows stay as they are."""
    return f"BEGIN IMMEDIATE; {_VERSION_2} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
