"""Revocations: which certificates shall no longer be trusted, since when, and why (RFC 5280 5.3)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509

from runbook_lib.errors import ApplyRefused, AuthorityError, UsageError
from runbook_lib.inventory.purposes import MAIL, field_of
from runbook_lib.messages import message
from runbook_lib.pki import certificate, lists, storage
from runbook_lib.pki.ledger import Issuance, Ledger, read, written
from runbook_lib.x509 import dns_id
from runbook_lib.x509 import keys as public_keys
from runbook_lib.x509.certificate import spelled_serial

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
PRIVILEGE_WITHDRAWN = x509.ReasonFlags.privilege_withdrawn.value
UNKNOWN_HOST = "(unknown)"  # no host of an inventory can have this name


@dataclass(frozen=True)
class Revocation:
    """A certificate that was revoked.

    Args:
        serial: as `spelled_serial` spells it.
        at: since when.
        reason: as RFC 5280 5.3.1 names it.
        run: the run that wrote it down; where only a list on disk has it, the list's number.
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
            message("'{given}' is no serial number; expected hexadecimal digits", given=given),
            "serial",
            message("take it from runbook ca list, or from openssl x509 -noout -serial"),
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
        raise UsageError(
            message("'{reason}' is no reason", reason=reason),
            "--reason",
            message("give one of {reasons}", reasons=", ".join(REASONS)),
        )
    made = Revocation(spelled, (now or datetime.now(UTC)).astimezone(UTC).replace(microsecond=0), reason, run)
    with storage.locked(ledger.path.parent):
        _write(ledger, made)
    return made


def _write(ledger: Ledger, made: Revocation) -> None:
    spelled = made.serial
    before = revocations(ledger).get(spelled)
    with ledger.writing() as database:
        if not database.execute("SELECT 1 FROM issuances WHERE serial = ?", (spelled,)).fetchone():
            raise AuthorityError(
                message("this CA issued no certificate with the serial {spelled}", spelled=spelled),
                str(ledger.path),
                message(
                    "take the serial from runbook ca list; where the ledger lost it: runbook ca revoke "
                    "--certificate FILE"
                ),
            )
        if before:
            raise ApplyRefused(
                message(
                    "{spelled} is revoked already, since {at} ({reason})",
                    spelled=spelled,
                    at=written(before.at),
                    reason=before.reason,
                ),
                str(ledger.path),
                message("nothing is left to do; runbook ca crl makes the list that says so"),
            )
        database.execute(
            "INSERT INTO revocations VALUES (?, ?, ?, ?)", (spelled, written(made.at), made.reason, made.run)
        )


def revoke_certificate(
    ledger: Ledger,
    roots: Sequence[x509.Certificate],
    pem: bytes,
    where: str,
    reason: str,
    run: str,
    now: datetime | None = None,
) -> Revocation:
    """Revoke what a root signed, whether the ledger has it or not (it may be an older one, from a backup).

    Where the ledger lacks it, it gets the certificate first, as issued for the host `UNKNOWN_HOST`.

    Args:
        roots: every root that this CA has had.
        pem: the certificate, first of its file.
        where: the file, for messages.
    Raises:
        CertificateRefused: it cannot be read.
        AuthorityError: no root of this CA signed it, or it is a root.
        UsageError, ApplyRefused, LedgerBusy: as `revoke`.
    """
    leaf = certificate.load(pem, where)
    if leaf in roots or not any(certificate.is_issued_by(leaf, root) for root in roots):
        raise AuthorityError(
            message("no root of this CA issued that certificate")
            if leaf not in roots
            else message("that is a root of this CA"),
            where,
            message("give the file of a server's certificate that this CA signed"),
        )
    serial = spelled_serial(leaf.serial_number)
    with storage.locked(ledger.path.parent):
        if reason in REASONS and not ledger.of_serials([serial]):
            ledger.record_issuance(
                Issuance(
                    serial,
                    UNKNOWN_HOST,
                    run,
                    dns_id.of(leaf),
                    public_keys.public_key_sha256(leaf.public_key()),
                    leaf.not_valid_before_utc,
                    leaf.not_valid_after_utc,
                    certificate.as_pem(leaf).decode(),
                    leaf.not_valid_before_utc,
                )
            )
        return revoke(ledger, serial, reason, run, now)


def compromised_keys(ledger: Ledger) -> dict[str, str]:
    """Keys that somebody else may have: SHA-256 of the public half, and the serial that was revoked for it."""
    lost = {one.serial for one in revocations(ledger).values() if one.reason == KEY_COMPROMISE}
    return {one.public_key_sha256: one.serial for one in ledger.of_serials(lost)}


def withdrawn_privilege(
    ledger: Ledger,
    host: str,
    names: Sequence[str],
    public_key_sha256: str,
    granted_again: str | None = None,
    purpose: str = MAIL,
) -> Revocation | None:
    """The newest revocation that says that a host, a name or a key is to have no certificate any more; else None.

    A host's certificates are revoked one by one: that of another purpose is barred by its own, or by name and key.

    Args:
        host, names, public_key_sha256: who asks, for what, with which key ('': with any).
        granted_again: serial of the revoked certificate, where a person says that another may be issued.
        purpose: which of the host's certificates it would be.
    """
    taken = {one.serial: one for one in revocations(ledger).values() if one.reason == PRIVILEGE_WITHDRAWN}
    hit = [
        taken[one.serial]
        for one in ledger.of_serials(taken)
        if (one.host, one.purpose) == (host, purpose)
        or set(one.names) & set(names)
        or one.public_key_sha256 == public_key_sha256
    ]
    newest = max(
        reversed(hit), key=lambda one: one.at, default=None
    )  # of the same second the one issued last
    return newest if newest and newest.serial != granted_again else None


def taken_away(taken: Revocation, purpose: str = MAIL) -> str:
    """Why no other certificate is issued, and what a person says where it is to be, in a line."""
    return message(
        "its certificate {serial} was revoked on {at} ({reason}), so it gets no other before a "
        'person says so: {purpose}.granted_again: "{serial}" in the inventory',
        serial=taken.serial,
        at=f"{taken.at:%Y-%m-%d}",
        reason=taken.reason,
        purpose=field_of(purpose),
    )


def revocations(ledger: Ledger) -> dict[str, Revocation]:
    """Every revocation, by serial: of the ledger, and of the lists beside it, which may know more.

    Raises:
        AuthorityError: a list beside the ledger is damaged.
    """
    listed = {
        entry.serial: Revocation(entry.serial, entry.at, entry.reason, f"CRL number {one.number}")
        for one in lists.on_disk(ledger.path.parent)
        for entry in one.entries
    }
    with ledger.reading() as database:
        rows: Sequence[tuple[str, str, str, str]] = database.execute(
            "SELECT serial, at, reason, run FROM revocations"
        ).fetchall()
    known = {serial: Revocation(serial, read(at), reason, run) for serial, at, reason, run in rows}
    found = sorted((listed | known).values(), key=lambda one: (one.at, one.serial))
    return {one.serial: one for one in found}
