"""How the own CA stands: its roots and the stage of a roll-over, the ends of its lists, what a person has to do."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

from cryptography import x509

from runbook_lib import inventory
from runbook_lib.inventory.typed import apply_command
from runbook_lib.messages import joined, message
from runbook_lib.pki import authority, certificate, crl, rollover
from runbook_lib.pki.ledger import Ledger, written
from runbook_lib.pki.lists import on_disk
from runbook_lib.pki.revocation import revocations
from runbook_lib.pki.rollover import HANDED_OUT_DAYS, Roots
from runbook_lib.site_ca import own_ca


@dataclass(frozen=True)
class Need:
    """Something that a person has to do.

    Args:
        what: it, in words.
        state: 'due': it can be done in time; 'broken': clients meet it already; 'unknown': it could not be looked at.
        days: whole days until it is broken; None where that is no matter of time.
    """

    what: str
    state: Literal["due", "broken", "unknown"] = "due"
    days: int | None = None

    @classmethod
    def of_end(cls, what: str, days: int, at: str) -> "Need":
        """That something ends in so many days, or has ended."""
        if days < 0:
            return cls(message("{what} ended at {time}", what=what, time=at), "broken", days)
        return cls(
            message("{what} ends in {days} days, at {time}", what=what, days=days, time=at), "due", days
        )


@dataclass(frozen=True)
class CrlEnd:
    """The end of a root's newest list of revoked certificates, in UTC."""

    number: int
    root: int
    next_update: str
    days: int


@dataclass(frozen=True)
class RootEnd:
    """A root that users are to trust at this moment, and its end in UTC.

    Args:
        state: what it is for now; two roots are there while one takes the other's place.
    """

    generation: int
    name: str
    at: str
    days: int
    state: str


@dataclass(frozen=True)
class CaStanding:
    """How the own CA stands, and what a person has to do about it."""

    roots: tuple[RootEnd, ...]
    crls: tuple[CrlEnd, ...]
    needed: tuple[Need, ...]

    @property
    def needs(self) -> tuple[str, ...]:
        """What a person has to do, in words."""
        return tuple(need.what for need in self.needed)


def look_at_ca(site: inventory.Site, days: int, valid_days: int) -> CaStanding:
    """How the CA stands; nothing where there is none.

    Args:
        days: what ends, or can no longer be done, within so many days needs a person.
        valid_days: the longest lifetime that the inventory asks for.
    """
    place = own_ca.directory(site)
    if not authority.exists(place):
        return CaStanding((), (), ())
    ledger = authority.open_ledger(place)
    there = rollover.roots(ledger)
    now = datetime.now(UTC)
    certificates = {
        generation: certificate.load(authority.read_root(place, generation), f"CA {place}")
        for generation in there.handed_out
    }
    roots = {
        generation: RootEnd(
            generation,
            root.subject.rfc4514_string(),
            str(written(root.not_valid_after_utc)),
            (root.not_valid_after_utc - now).days,
            there.state(generation),
        )
        for generation, root in certificates.items()
    }
    lists = crl.newest(ledger)
    ends = tuple(
        CrlEnd(one.number, one.generation, str(written(one.next_update)), (one.next_update - now).days)
        for one in lists
    )
    needs = [
        *_for_the_roots(there, roots[there.signing], days, valid_days, now),
        *(_for_the_old_root(there.going, ledger, certificates[there.going], now) if there.going else ()),
    ]
    needs += [
        _with_command(
            Need.of_end(message("CRL number {number}", number=one.number), one.days, one.next_update),
            "runbook ca crl",
        )
        for one in ends
        if one.days < days
    ]
    listed = max((one.number for one in on_disk(place)), default=0)
    known = crl.last_number(ledger)
    if listed > known:
        needs.append(
            Need(
                message(
                    "the ledger is older than the list beside it (CRL number {listed}; it knows {known}), and lacks "
                    "what was issued since: runbook ca revoke --certificate FILE revokes such a one, runbook ca crl "
                    "makes the next list",
                    listed=listed,
                    known=known,
                )
            )
        )
    newest = max((one.this_update for one in lists), default=datetime.min.replace(tzinfo=UTC))
    needs += [
        Need(message("{serial} is revoked, and no CRL says so: runbook ca crl", serial=one.serial))
        for one in revocations(ledger).values()
        if one.at > newest + timedelta(minutes=5)  # a list says that it began 5 minutes before it was made
    ]
    return CaStanding(tuple(roots.values()), ends, tuple(needs))


def _for_the_roots(
    there: Roots, signing: RootEnd, days: int, valid_days: int, now: datetime
) -> Iterator[Need]:
    if there.coming_since is not None:
        handed_out = (now - there.coming_since).days
        if handed_out >= HANDED_OUT_DAYS:
            yield Need(
                message(
                    "root {root} was made {days} days ago and signs nothing yet: runbook ca roll-over switch",
                    root=there.coming,
                    days=handed_out,
                )
            )
    elif there.going is None and signing.days < valid_days + days:
        end = Need.of_end(message("root {root}", root=signing.generation), signing.days, signing.at)
        told = message(
            "{end}, and signs nothing that would outlive it (certificates have {days} days): runbook ca roll-over "
            "begin",
            end=end.what,
            days=valid_days,
        )
        yield replace(end, what=told)


def _for_the_old_root(
    generation: int, ledger: Ledger, root: x509.Certificate, now: datetime
) -> Iterator[Need]:
    left = rollover.left_of(ledger, root, now)
    for one in left:
        yield Need(
            message(
                "{host} has a certificate of root {root}, which signs no more: {command}; where it is in use no more, "
                "runbook ca revoke {serial}",
                host=one.host,
                root=generation,
                command=apply_command([one.host]),
                serial=one.serial,
            )
        )
    if not left:
        yield Need(
            message(
                "no host has a certificate of root {root} any more: runbook ca roll-over end", root=generation
            )
        )


def _with_command(need: Need, command: str) -> Need:
    return replace(need, what=joined(": ", (need.what, command)))
