"""The roots of a CA, and how a new one takes the old one's place: handed out before it signs, kept while one needs it.

Each root has a number, its generation. Which of them signs stands in the ledger, so that a switch is one row
written, and no moment has two answers. Both roots are users' at once in between (RFC 4210 4.4 has cross-certificates
in their place, which a path length of 0 rules out, and which the mail programs of phones do not follow).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509

from runbook_lib.errors import ApplyRefused, AuthorityError
from runbook_lib.inventory.typed import apply_command
from runbook_lib.messages import joined, message
from runbook_lib.pki import certificate, storage
from runbook_lib.pki.ledger import Issuance, Ledger, read, written
from runbook_lib.pki.revocation import revocations

HANDED_OUT_DAYS = 14  # before a new root signs, unless somebody says that all users have it


@dataclass(frozen=True)
class Roots:
    """Which roots there are, by generation.

    Args:
        signing: the one that signs.
        coming: made and handed out, signs nothing yet; None outside a roll-over.
        going: signs no certificate any more, users still have it; None outside a roll-over.
        coming_since: when the coming one was made.
    """

    signing: int
    coming: int | None = None
    going: int | None = None
    coming_since: datetime | None = None

    @property
    def handed_out(self) -> tuple[int, ...]:
        """Those that users are to trust, the signing one first."""
        others = (one for one in (self.going, self.coming) if one is not None)
        return (self.signing, *others)

    @property
    def with_key(self) -> tuple[int, ...]:
        """Those that have issued, and whose CRL is still wanted."""
        return (self.signing,) if self.going is None else (self.signing, self.going)

    def state(self, generation: int) -> str:
        """What a root is at this moment, in a word or two."""
        words = {self.signing: message("signs"), self.coming: message("handed out, signs nothing yet")}
        words[self.going] = message("handed out, signs no more")
        return words.get(generation, message("ended"))


def roots(ledger: Ledger) -> Roots:
    """Which roots there are."""
    with ledger.reading() as database:
        rows = database.execute("SELECT * FROM roots ORDER BY generation").fetchall()
    found = Roots(1)
    for generation, begun_at, switched_at, ended_at in rows:
        if ended_at:
            found = Roots(generation)
        elif switched_at:
            found = Roots(generation, going=found.signing)
        else:
            found = Roots(found.signing, generation, coming_since=read(begun_at))
    return found


def begun(ledger: Ledger, generation: int, now: datetime) -> None:
    """Write down that a new root was made.

    Raises:
        AuthorityError: one is under way already.
    """
    with ledger.writing() as database:
        database.execute("INSERT INTO roots (generation, begun_at) VALUES (?, ?)", (generation, written(now)))


def refuse_a_second(ledger: Ledger) -> int:
    """The generation that a new root gets.

    Raises:
        ApplyRefused: a roll-over is under way.
    """
    there = roots(ledger)
    if there.coming or there.going:
        raise ApplyRefused(
            message("a roll-over is under way already"),
            str(ledger.path),
            message(
                "first runbook ca roll-over {command}",
                command="switch" if there.coming else "end",
            ),
        )
    return there.signing + 1


def switch(ledger: Ledger, *, handed_out: bool, now: datetime | None = None) -> int:
    """Let the coming root sign from now on; returns its generation.

    Args:
        handed_out: somebody says that users have it; else it must have been there for 14 days.
    Raises:
        ApplyRefused: no roll-over is under way, or the new root is too young.
    """
    with storage.locked(ledger.path.parent):
        return _switch(ledger, now or datetime.now(UTC), handed_out=handed_out)


def _switch(ledger: Ledger, at: datetime, *, handed_out: bool) -> int:
    there = roots(ledger)
    if there.coming is None or there.coming_since is None:
        raise ApplyRefused(
            message("no new root was made"), str(ledger.path), message("first runbook ca roll-over begin")
        )
    days = (at - there.coming_since).days
    if days < HANDED_OUT_DAYS and not handed_out:
        raise ApplyRefused(
            message(
                "the new root was made {days} days ago; users get {handed_out_days} days to import it",
                days=days,
                handed_out_days=HANDED_OUT_DAYS,
            ),
            str(ledger.path),
            message(
                "hand it out (chapters 3-1, 3-2), and where all users have it already: runbook ca "
                "roll-over switch --handed-out"
            ),
        )
    with ledger.writing() as database:
        database.execute("UPDATE roots SET switched_at = ? WHERE generation = ?", (written(at), there.coming))
    return there.coming


def end(ledger: Ledger, going: x509.Certificate, now: datetime | None = None) -> int:
    """Take the old root from users; returns its generation.

    Args:
        going: the old root.
    Raises:
        ApplyRefused: no roll-over came that far, or a host's certificate is still the old root's.
    """
    with storage.locked(ledger.path.parent):
        return _end(ledger, going, now or datetime.now(UTC))


def _end(ledger: Ledger, going: x509.Certificate, at: datetime) -> int:
    there = roots(ledger)
    if there.going is None:
        raise ApplyRefused(
            message("no root waits for its end"),
            str(ledger.path),
            message("first runbook ca roll-over begin and switch"),
        )
    left = left_of(ledger, going, at)
    if left:
        told = joined(
            "\n    ",
            (
                message(
                    "{host}: {serial}, valid to {end}",
                    host=one.host,
                    serial=one.serial,
                    end=f"{one.not_after:%Y-%m-%d}",
                )
                for one in left
            ),
        )
        raise ApplyRefused(
            message("the old root issued what these hosts have:\n    {told}", told=told),
            str(ledger.path),
            message(
                "run the chapters on them ({command}), or revoke what is in use no more; then this again",
                command=apply_command(dict.fromkeys(one.host for one in left)),
            ),
        )
    with ledger.writing() as database:
        database.execute("UPDATE roots SET ended_at = ? WHERE generation = ?", (written(at), there.signing))
    return there.going


def left_of(ledger: Ledger, root: x509.Certificate, at: datetime) -> list[Issuance]:
    """What hosts have of a root: the newest certificate of each purpose, where it issued it and nobody revoked it."""
    revoked = revocations(ledger)
    with ledger.moment() as now:
        newest = in_use(now.issuances(), at)
    return [one for one in newest if one.serial not in revoked and is_of(one, root)]


def in_use(issuances: Iterable[Issuance], at: datetime) -> list[Issuance]:
    """The newest certificate of each host, and of each purpose there, that was not withdrawn and has not ended."""
    newest = {(one.host, one.purpose): one for one in issuances if one.withdrawn_at is None}
    return [one for one in newest.values() if one.not_after >= at]


def is_of(issuance: Issuance, root: x509.Certificate) -> bool:
    """Whether a root issued it: the signature says so, no column that could say otherwise."""
    return issuer_of(issuance, {0: root}) is not None


def issuer_of(issuance: Issuance, roots: Mapping[int, x509.Certificate]) -> int | None:
    """The root that issued it, by generation, as `is_of` asks; None: none of these.

    Raises:
        CertificateRefused: what the ledger has there is no certificate.
    """
    content = issuance.certificate_pem.encode()
    leaf = certificate.unread(content)
    if leaf is not None:
        for generation, root in roots.items():
            if certificate.is_issued_by(leaf, root):
                return generation
    certificate.load(content, message("ledger, {serial}", serial=issuance.serial))
    return None


def name_of_next(common_name: str, generation: int) -> str:
    """The common name of a further root, so that a phone's list of roots tells them apart.

    Raises:
        AuthorityError: it would be longer than a common name may be.
    """
    name = f"{common_name} {generation}"
    if len(name) > 64:
        raise AuthorityError(
            message("'{name}' has {count} characters, a common name at most 64", name=name, count=len(name)),
            "site.ca.common_name",
            message("give the CA a shorter name in the inventory, for the new root"),
        )
    return name
