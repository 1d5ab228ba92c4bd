"""The list of revoked certificates of each root (RFC 5280 5), with an end of its own that is watched."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from runbook_lib.errors import PolicyViolation
from runbook_lib.messages import message
from runbook_lib.pki import lists, pem, rollover, storage
from runbook_lib.pki.clock import BACKDATE, now_for_signing
from runbook_lib.pki.ledger import Ledger, read, written
from runbook_lib.pki.revocation import revocations

DAYS = 90  # longer than the 30 days before an end at which status asks for a person
DAYS_MAX = 398


@dataclass(frozen=True)
class Crl:
    """A list that was made; it is in the ledger.

    Args:
        number: higher than that of every list before (RFC 5280 5.2.3).
        generation: of the root that signed it.
    """

    number: int
    generation: int
    this_update: datetime
    next_update: datetime
    crl_pem: bytes

    @property
    def der(self) -> bytes:
        """As programs fetch it (RFC 5280 4.2.1.13: DER)."""
        return x509.load_pem_x509_crl(self.crl_pem).public_bytes(Encoding.DER)

    @property
    def entries(self) -> int:
        """How many certificates stand in it."""
        return len(x509.load_pem_x509_crl(self.crl_pem))


def make(
    ledger: Ledger,
    root: x509.Certificate,
    key: rsa.RSAPrivateKey,
    generation: int,
    days: int = DAYS,
    now: datetime | None = None,
) -> Crl:
    """Make the list of a root's revoked certificates; those that ended since stay in it, and so does who is on disk.

    Everything is read inside the CA's lock: a list that has a higher number never has fewer entries.

    Args:
        root, key, generation: of the root.
        days: until the next one is due, 1 to 398.
        now: aware; the default is the clock's.
    Raises:
        PolicyViolation: days out of range.
        AuthorityError: the clock is behind what the ledger has.
        LedgerBusy: another process held the ledger too long; nothing was made.
    Source: RFC 5280 5.1.2 (fields), 5.2.1 and 5.2.3 (identifier and number, both required), 5.3.1 (a reason, left out
        where it is unspecified).
    """
    if not 1 <= days <= DAYS_MAX:
        raise PolicyViolation(
            message("a list for {days} days was asked for; 1 to {most} are made", days=days, most=DAYS_MAX),
            "--days",
            message("a short life means that a revocation is known soon; make the list again before it ends"),
        )
    with storage.locked(ledger.path.parent):
        return _make(ledger, root, key, generation, days, now)


def _make(
    ledger: Ledger,
    root: x509.Certificate,
    key: rsa.RSAPrivateKey,
    generation: int,
    days: int,
    now: datetime | None,
) -> Crl:
    at = (
        now.astimezone(UTC).replace(microsecond=0)
        if now
        else now_for_signing(message("CA {directory}", directory=ledger.path.parent), ledger.newest_time())
    )
    this_update, next_update = at - BACKDATE, at + timedelta(days=days)
    identifier = root.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(root.subject)
        .last_update(this_update)
        .next_update(next_update)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False
        )
    )
    there = lists.on_disk(ledger.path.parent)
    of_root = {entry.serial for one in there if one.generation == generation for entry in one.entries}
    revoked = revocations(ledger)
    of_root |= {one.serial for one in ledger.of_serials(revoked) if rollover.is_of(one, root)}
    for one in revoked.values():
        if one.serial in of_root:
            entry = (
                x509.RevokedCertificateBuilder().serial_number(int(one.serial, 16)).revocation_date(one.at)
            )
            reason = x509.ReasonFlags(one.reason)
            if reason is not x509.ReasonFlags.unspecified:
                entry = entry.add_extension(x509.CRLReason(reason), critical=False)
            builder = builder.add_revoked_certificate(entry.build())
    number = max(last_number(ledger), *(one.number for one in there), 0) + 1
    with ledger.writing() as database:
        signed = builder.add_extension(x509.CRLNumber(number), critical=False).sign(key, hashes.SHA256())
        crl_pem = pem.block("X509 CRL", signed.public_bytes(Encoding.DER))
        database.execute(
            "INSERT INTO crls VALUES (?, ?, ?, ?, ?)",
            (number, generation, written(this_update), written(next_update), crl_pem.decode()),
        )
    return Crl(number, generation, this_update, next_update, crl_pem)


def last_number(ledger: Ledger) -> int:
    """The highest number that the ledger has given to a list; 0: none."""
    with ledger.reading() as database:
        (last,) = database.execute("SELECT coalesce(max(number), 0) FROM crls").fetchone()
    return int(last)


def newest(ledger: Ledger) -> tuple[Crl, ...]:
    """The newest list of each root that users still have and that has made one, the signing root's first."""
    found = []
    with ledger.reading() as database:
        rows = database.execute("SELECT * FROM crls ORDER BY number").fetchall()
    latest = {row[1]: row for row in rows}
    for generation in rollover.roots(ledger).with_key:
        if generation in latest:
            number, _, this_update, next_update, text = latest[generation]
            found.append(Crl(number, generation, read(this_update), read(next_update), text.encode()))
    return tuple(found)
