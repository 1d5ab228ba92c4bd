"""Revocations: which certificates shall no longer be trusted, since when, and why (RFC 5280 5.3)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509

from runbook_lib.der import spelled_serial
from runbook_lib.errors import ApplyRefused, AuthorityError, UsageError
from runbook_lib.pki.ledger import Ledger, read, written

# RFC 5280 5.3.1 without what is for CAs, for attribute certificates, for delta CRLs, and a hold, which can be lifted.
REASONS = {
    reason.value: reason
    for reason in (
        x509.ReasonFlags.unspecified,
        x509.ReasonFlags.key_compromise,
        x509.ReasonFlags.affiliation_changed,
        x509.ReasonFlags.superseded,
        x509.ReasonFlags.cessation_of_operation,
        x509.ReasonFlags.privilege_withdrawn,
    )
}
KEY_COMPROMISE = x509.ReasonFlags.key_compromise.value


@dataclass(frozen=True)
class Revocation:
    """A certificate that was revoked.

    Args:
        serial: as `spelled_serial` spells it.
        at: since when.
        reason: as RFC 5280 5.3.1 names it.
        run: the run that wrote it down.
    """

    serial: str
    at: datetime
    reason: str
    run: str


def as_spelled(given: str) -> str:
    """A serial as the ledger spells it, from any spelling of openssl, a browser or a person: 0x0d, d, 0D, 0A:B0.

    Raises:
        UsageError: it is no serial number.
    """
    digits = given.strip().replace(":", "").replace(" ", "").lower().removeprefix("0x")
    if not digits or set(digits) - set("0123456789abcdef") or int(digits, 16) == 0:
        raise UsageError(
            f"'{given}' is no serial number; expected hexadecimal digits",
            "serial",
            "take it from runbook ca list, or from openssl x509 -noout -serial",
        )
    return spelled_serial(int(digits, 16))


def revoke(ledger: Ledger, serial: str, reason: str, run: str, now: datetime | None = None) -> Revocation:
    """Write down that a certificate is revoked, for good; CRLs made from now on have it.

    Args:
        serial: in any spelling.
        reason: one of REASONS.
    Raises:
        UsageError: no serial number, or no such reason.
        AuthorityError: this CA issued no such certificate.
        ApplyRefused: it is revoked already.
        LedgerBusy: another process held the ledger too long.
    """
    spelled = as_spelled(serial)
    if reason not in REASONS:
        raise UsageError(f"'{reason}' is no reason", "--reason", f"give one of {', '.join(REASONS)}")
    made = Revocation(spelled, (now or datetime.now(UTC)).astimezone(UTC).replace(microsecond=0), reason, run)
    with ledger.writing() as database:
        if not database.execute("SELECT 1 FROM issuances WHERE serial = ?", (spelled,)).fetchone():
            raise AuthorityError(
                f"this CA issued no certificate with the serial {spelled}",
                str(ledger.path),
                "take the serial from runbook ca list",
            )
        row = database.execute("SELECT at, reason FROM revocations WHERE serial = ?", (spelled,)).fetchone()
        if row:
            raise ApplyRefused(
                f"{spelled} is revoked already, since {row[0]} ({row[1]})",
                str(ledger.path),
                "nothing is left to do; runbook ca crl makes the list that says so",
            )
        database.execute(
            "INSERT INTO revocations VALUES (?, ?, ?, ?)", (spelled, written(made.at), reason, run)
        )
    return made


def compromised_keys(ledger: Ledger) -> dict[str, str]:
    """Keys that somebody else may have: SHA-256 of the public half, and the serial that was revoked for it."""
    with ledger.reading() as database:
        return dict(
            database.execute(
                "SELECT public_key_sha256, serial FROM issuances JOIN revocations USING (serial) WHERE reason = ?",
                (KEY_COMPROMISE,),
            ).fetchall()
        )


def revocations(ledger: Ledger) -> dict[str, Revocation]:
    """Every revocation, by serial."""
    with ledger.reading() as database:
        rows: Sequence[tuple[str, str, str, str]] = database.execute(
            "SELECT serial, at, reason, run FROM revocations ORDER BY at, serial"
        ).fetchall()
    return {serial: Revocation(serial, read(at), reason, run) for serial, at, reason, run in rows}
