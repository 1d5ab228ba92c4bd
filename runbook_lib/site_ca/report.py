"""What the own CA did, for people and programs: who has what until when, by which root, revoked or not."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from cryptography import x509
from cryptography.x509.oid import NameOID

from runbook_lib import inventory
from runbook_lib.inventory.purposes import MAIL
from runbook_lib.pki import authority, certificate, crl, rollover
from runbook_lib.pki.ledger import Issuance, Moment, written
from runbook_lib.pki.revocation import Revocation, revocations
from runbook_lib.site_ca import own_ca


@dataclass(frozen=True)
class IssuedCertificate:
    """A certificate and what became of it; times in UTC.

    Args:
        state: 'issued', 'withdrawn' (its run was put back, or it did not come to the host) or 'revoked'.
        since: since when it is withdrawn or revoked; ''.
        reason: of a revocation; ''.
        root: generation of the root that issued it.
        purpose: which of the host's certificates it is.
    """

    serial: str
    host: str
    names: tuple[str, ...]
    not_before: str
    not_after: str
    state: str
    since: str
    reason: str
    root: int
    run: str
    purpose: str

    @property
    def host_told(self) -> str:
        """The host in a line of a table, with what the certificate is for where that is not mail."""
        return self.host if self.purpose == MAIL else f"{self.host} ({self.purpose})"

    @property
    def state_told(self) -> str:
        """The state in a line of a table."""
        return " ".join(
            filter(None, (self.state, self.since[:10], f"({self.reason})" if self.reason else ""))
        )


@dataclass(frozen=True)
class RefusedCsr:
    """A CSR that was not signed."""

    at: str
    host: str
    reasons: str
    run: str


@dataclass(frozen=True)
class Root:
    """A root, and what it is for at this moment."""

    generation: int
    common_name: str
    not_after: str
    state: str


@dataclass(frozen=True)
class ListOfRevoked:
    """The newest CRL of a root."""

    number: int
    generation: int
    this_update: str
    next_update: str
    entries: int


@dataclass(frozen=True)
class Issued:
    """What was issued, as the ledger has it at one moment: gone through one by one, and not kept.

    Args:
        hosts: of these alone; empty: of all.
    """

    moment: Moment
    hosts: Sequence[str]
    revoked: Mapping[str, Revocation]
    roots: Mapping[int, x509.Certificate]

    def __len__(self) -> int:
        return self.moment.count(self.hosts)

    def __iter__(self) -> Iterator[IssuedCertificate]:
        for one in self.moment.issuances(self.hosts):
            yield _issued(one, self.revoked.get(one.serial), self.roots)

    def samples(self) -> Iterator[IssuedCertificate]:
        """Some of them, without the root: enough to know how wide the columns of a table of all have to be.

        Each host, list of names and state stands in one of them, and so does the longest serial and run.
        """
        seen: set[object] = set()
        chosen = []
        for serial, host, run, names, withdrawn_at, purpose in self.moment.texts(self.hosts):
            revocation = self.revoked.get(serial)
            state = (revocation.at.date(), revocation.reason) if revocation else (withdrawn_at or "")[:10]
            kinds = {
                ("host", host, purpose),
                ("names", names),
                ("state", state),
                ("serial", len(serial)),
                ("run", len(run)),
            }
            if not kinds <= seen:
                seen |= kinds
                chosen.append(serial)
        for one in self.moment.of_serials(chosen):
            yield _issued(one, self.revoked.get(one.serial), {})


@dataclass(frozen=True)
class CaReport:
    """All of it, the oldest first."""

    issued: Issued
    refused: tuple[RefusedCsr, ...]
    roots: tuple[Root, ...]
    crls: tuple[ListOfRevoked, ...]


@contextmanager
def report(site: inventory.Site, hosts: Sequence[str] = ()) -> Iterator[CaReport]:
    """Read the ledger; of these hosts alone, where any are named.

    Raises:
        AuthorityError: there is no CA, or its ledger cannot be read to the end.
    """
    place = own_ca.directory(site)
    ledger = authority.open_ledger(place)
    there = rollover.roots(ledger)
    newest_root = there.coming or there.signing
    roots = {
        generation: certificate.load(authority.read_root(place, generation), f"CA {place}")
        for generation in range(1, newest_root + 1)
    }
    refused = tuple(
        RefusedCsr(_time(one.at), one.host, one.reasons, one.run)
        for one in ledger.refusals()
        if not hosts or one.host in hosts
    )
    told = tuple(
        Root(
            generation,
            str(root.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value),
            _time(root.not_valid_after_utc),
            there.state(generation),
        )
        for generation, root in roots.items()
    )
    lists = tuple(
        ListOfRevoked(one.number, one.generation, _time(one.this_update), _time(one.next_update), one.entries)
        for one in crl.newest(ledger)
    )
    revoked = revocations(ledger)
    with ledger.moment() as now:
        yield CaReport(Issued(now, hosts, revoked, roots), refused, told, lists)


def _issued(
    one: Issuance, revocation: Revocation | None, roots: Mapping[int, x509.Certificate]
) -> IssuedCertificate:
    state, since, reason = "issued", "", ""
    if revocation:
        state, since, reason = "revoked", _time(revocation.at), revocation.reason
    elif one.withdrawn_at:
        state, since = "withdrawn", _time(one.withdrawn_at)
    root = (rollover.issuer_of(one, roots) or 0) if roots else 0
    return IssuedCertificate(
        one.serial,
        one.host,
        one.names,
        _time(one.not_before),
        _time(one.not_after),
        state,
        since,
        reason,
        root,
        one.run,
        one.purpose,
    )


def _time(value: object) -> str:
    return str(written(value))
