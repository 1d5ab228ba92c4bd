"""The own CA: one root in a directory of mode 0700, its key encrypted, its ledger beside it.

A CSR that was checked goes in, a server certificate comes out, in the ledger first. What this CA is for, and
what it does not do, is in `docs/own-ca.md`.
"""

import hashlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from runbook_lib.credentials import Secret
from runbook_lib.errors import AuthorityError, CsrRefused, PolicyViolation
from runbook_lib.inventory.purposes import MAIL
from runbook_lib.messages import joined, message
from runbook_lib.pki import certificate, profile, rollover, storage
from runbook_lib.pki.clock import BACKDATE, now_for_signing
from runbook_lib.pki.csr import NOTHING_SIGNED, CheckedCsr, check_csr
from runbook_lib.pki.ledger import Issuance, Ledger
from runbook_lib.pki.names import is_within, name_fault
from runbook_lib.pki.revocation import compromised_keys, taken_away, withdrawn_privilege
from runbook_lib.x509 import keys
from runbook_lib.x509.certificate import spelled_serial

# What public CAs might sign for from 2020 to 2026. Of one's own root Apple takes 825 days; nothing is gained by more.
VALID_DAYS_MAX = 398
CA_VALID_DAYS_MAX = 7300
KEY_BITS = (
    3072  # RSA: Windows 7's mail programs verify it, and it is 128 bits strong (SP 800-57 part 1, 5.6.1)
)


def random_serial() -> int:
    """128 random bits, positive: at most 17 octets of the 20 allowed (RFC 5280 4.1.2.2)."""
    return secrets.randbits(128) or 1


@dataclass(frozen=True)
class Issued:
    """A certificate that was issued; it is in the ledger."""

    certificate_pem: bytes
    serial: str
    not_before: datetime
    not_after: datetime
    names: tuple[str, ...]


@dataclass(frozen=True)
class Authority:
    """An opened CA; made by `create` and `open_ca` only."""

    directory: Path
    certificate: x509.Certificate
    ledger: Ledger
    key: rsa.RSAPrivateKey = field(repr=False)
    draw_serial: Callable[[], int] = field(default=random_serial, repr=False)

    @property
    def certificate_pem(self) -> bytes:
        """The root's certificate: what users trust, clean PEM."""
        return certificate.as_pem(self.certificate)

    def check_csr(
        self, pem: bytes, granted: Sequence[str], where: str, *, host: str, run: str, key_bits_min: int = 2048
    ) -> CheckedCsr:
        """`csr.check_csr`, and a refusal is kept in the ledger before it is raised.

        Raises:
            CsrRefused: with every reason at once; the issuance table is unchanged.
            LedgerBusy: another process held the ledger for 10 s.
        """
        try:
            return check_csr(pem, granted, where, key_bits_min=key_bits_min)
        except CsrRefused as refusal:
            self.ledger.record_refusal(host, run, refusal.problem, hashlib.sha256(pem).hexdigest())
            raise

    def issue(
        self,
        csr: CheckedCsr,
        dns_names: Sequence[str],
        valid_days: int = 365,
        *,
        host: str,
        run: str,
        granted_again: str | None = None,
        domains: Sequence[str] = (),
        purpose: str = MAIL,
        now: datetime | None = None,
    ) -> Issued:
        """Issue a server certificate for the names the inventory grants, whatever the CSR asks for.

        Args:
            csr: a checked CSR (`check_csr`); only its public key is used.
            dns_names: DNS-IDs for the SAN, A-labels; the first is also the CN, up to 64 characters.
            valid_days: lifetime in days, 1 to 398, counted from a start 5 minutes ago.
            host, run: for the ledger.
            granted_again: serial of a certificate that was revoked as privilegeWithdrawn, where a person says that the
                host may have another again.
            domains: the only ones in which names are signed, beside what the root itself says; none: any.
            purpose: which of the host's certificates it is.
            now: aware; the default is the clock's.
        Returns: the certificate, in the ledger before it is returned.
        Raises:
            PolicyViolation: a name that is none, a lifetime out of range or past the CA's own end, the CA's
                own key; kept among the refusals, nothing was issued.
            AuthorityError: the clock is behind what the ledger has, or another root signs since.
            LedgerBusy: another run held the CA for 60 s, or its ledger for 10 s; nothing was issued.
        Source: RFC 5280 4.1.2.2 (serial) and 4.2.1 (extensions); RFC 9525 (names only in the SAN).
        """
        with storage.locked(self.directory):
            return self._issue(csr, dns_names, valid_days, host, run, granted_again, domains, purpose, now)

    def _issue(
        self,
        csr: CheckedCsr,
        dns_names: Sequence[str],
        valid_days: int,
        host: str,
        run: str,
        granted_again: str | None,
        domains: Sequence[str],
        purpose: str,
        now: datetime | None,
    ) -> Issued:
        if read_certificate(self.directory) != self.certificate_pem:
            raise AuthorityError(
                message("another root signs since this one was opened; nothing was issued"),
                message("{host}, CA {directory}", host=host, directory=self.directory),
                message("run this again."),
            )
        at = now.astimezone(UTC).replace(microsecond=0) if now else self._now()
        names = tuple(dict.fromkeys(name.lower() for name in dns_names))
        not_before = at - BACKDATE
        # Both ends are part of the validity (RFC 5280 4.1.2.5), hence the second.
        not_after = not_before + timedelta(days=valid_days) - timedelta(seconds=1)
        reasons = self._policy_reasons(csr, names, valid_days, not_before, not_after)
        reasons += outside(self.certificate, names, domains)
        key = csr.public_key_sha256
        if taken := withdrawn_privilege(self.ledger, host, names, key, granted_again, purpose):
            reasons.append(taken_away(taken, purpose))
        if reasons:
            self.ledger.record_refusal(host, run, reasons, csr.csr_sha256, at)
            raise PolicyViolation(
                joined("; ", reasons),
                message("{host}, CA {directory}", host=host, directory=self.directory),
                message(
                    "change what the inventory says of its names or its certificate, or make a new CA in "
                    "time."
                ),
                NOTHING_SIGNED,
            )
        serial = self.draw_serial()
        leaf = profile.sign_leaf(
            self.certificate, self.key, csr.public_key, names, serial, (not_before, not_after)
        )
        issued = Issued(certificate.as_pem(leaf), spelled_serial(serial), not_before, not_after, names)
        self.ledger.record_issuance(
            Issuance(
                issued.serial,
                host,
                run,
                names,
                csr.public_key_sha256,
                not_before,
                not_after,
                issued.certificate_pem.decode(),
                at,
                purpose=purpose,
            )
        )
        return issued

    def _now(self) -> datetime:
        return now_for_signing(message("CA {directory}", directory=self.directory), self.ledger.newest_time())

    def _policy_reasons(
        self,
        csr: CheckedCsr,
        names: Sequence[str],
        valid_days: int,
        not_before: datetime,
        not_after: datetime,
    ) -> list[str]:
        reasons: list[str] = [
            message("the name '{name}' {fault}", name=name, fault=fault)
            for name in names
            if (fault := name_fault(name))
        ]
        if not names:
            reasons.append(message("there is no name to issue for"))
        if not 1 <= valid_days <= VALID_DAYS_MAX:
            reasons.append(
                message(
                    "a lifetime of {days} days was asked for; 1 to {most} are issued",
                    days=valid_days,
                    most=VALID_DAYS_MAX,
                )
            )
        elif not_after > self.certificate.not_valid_after_utc:
            end = self.certificate.not_valid_after_utc.isoformat()
            reasons.append(
                message(
                    "{days} days would end at {not_after}, after the CA's own end at {end}",
                    days=valid_days,
                    not_after=not_after.isoformat(),
                    end=end,
                )
            )
        if not_before < self.certificate.not_valid_before_utc:
            begin = self.certificate.not_valid_before_utc.isoformat()
            reasons.append(
                message(
                    "it would begin at {not_before}, before the CA itself at {begin}",
                    not_before=not_before.isoformat(),
                    begin=begin,
                )
            )
        if csr.public_key_sha256 == keys.public_key_sha256(self.certificate.public_key()):
            reasons.append(message("the CSR carries the CA's own key; a server needs a key of its own"))
        if serial := compromised_keys(self.ledger).get(csr.public_key_sha256):
            reasons.append(
                message(
                    "{serial}, a certificate of this key, was revoked: keyCompromise; chapter 1-1 makes a "
                    "new key",
                    serial=serial,
                )
            )
        return reasons


def outside(root: x509.Certificate | None, names: Sequence[str], domains: Sequence[str]) -> list[str]:
    """Why names are not signed since they are outside of the site's domains, or of the root's; a line each.

    Args:
        root: None: it is still to be made.
        domains: the site's, from the inventory; none: any. The root's own stand in it, where it has any.
    """
    told: list[str] = []
    borne = profile.domains_of(root) if root else ()
    for name in names:
        if domains and not is_within(name, domains):
            told.append(
                message(
                    "the name '{name}' is outside of {domains}; where it is the site's, too, add its domain "
                    "to site.ca.domains in the inventory",
                    name=name,
                    domains=", ".join(domains),
                )
            )
        elif borne and not is_within(name, borne):
            told.append(
                message(
                    "the name '{name}' is outside of {borne}, which is all that the root is for; a new one "
                    "has the inventory's domains: runbook ca roll-over begin",
                    name=name,
                    borne=", ".join(borne),
                )
            )
    return told


def create(
    directory: Path,
    passphrase: Secret,
    common_name: str,
    valid_days: int = 3650,
    now: datetime | None = None,
    domains: Sequence[str] = (),
) -> Authority:
    """Make a CA. Whole or not at all: the directory gets its name last.

    Args:
        directory: where it will live, mode 0700; must not be there yet, or be empty.
        passphrase: encrypts the CA's key; at least 12 characters.
        common_name: of the root, 1 to 64 characters (phones list a root by it).
        valid_days: lifetime in days, 1 to 7300.
        now: aware; the default is the clock's.
        domains: the only ones in which its names are accepted, by clients too; none: any.
    Raises:
        AuthorityError: something is there already, it cannot be written, or the clock cannot be right.
        PolicyViolation: common name, lifetime or passphrase out of range.
    Source: RFC 5280 4.2.1.1 to 4.2.1.3 and 4.2.1.9 (what a CA's certificate bears).
    """
    faults = []
    if not 1 <= len(common_name) <= 64 or not common_name.isprintable() or not common_name.strip():
        faults.append(
            message(
                "the common name has {count} characters; expected 1 to 64 printable ones",
                count=len(common_name),
            )
        )
    if not 1 <= valid_days <= CA_VALID_DAYS_MAX:
        faults.append(
            message(
                "a lifetime of {days} days was asked for; 1 to {most} are taken",
                days=valid_days,
                most=CA_VALID_DAYS_MAX,
            )
        )
    if len(passphrase.reveal()) < storage.PASSPHRASE_CHARACTERS_MIN:
        faults.append(
            message(
                "the passphrase has fewer than {least} characters",
                least=storage.PASSPHRASE_CHARACTERS_MIN,
            )
        )
    if faults:
        raise PolicyViolation(
            joined("; ", faults),
            message("CA {directory}", directory=directory),
            message("change site.ca in the inventory."),
        )
    at = (
        now.astimezone(UTC).replace(microsecond=0)
        if now
        else now_for_signing(message("CA {directory}", directory=directory))
    )
    with storage.being_made(directory) as stage:
        key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
        root = profile.sign_root(key, common_name, random_serial(), _root_validity(at, valid_days), domains)
        storage.write_key(stage, key, passphrase)
        storage.write(stage / storage.CERTIFICATE, certificate.as_pem(root))
        Ledger.create(stage / storage.LEDGER)
    return Authority(directory, root, Ledger(directory / storage.LEDGER), key)


def open_ca(directory: Path, passphrase: Secret, generation: int | None = None) -> Authority:
    """Open a CA that `create` made. A key's file of before, which was quick to try passphrases on, is written anew.

    Args:
        generation: the root to open it with; None: the one that signs.

    Raises:
        AuthorityError: no CA there, files that others may use, a wrong passphrase, a key not the root's.
    """
    storage.check_modes(directory)
    ledger = Ledger(directory / storage.LEDGER)
    there = rollover.roots(ledger)
    storage.check_modes(directory, there.handed_out)
    number = generation or there.signing
    name = storage.certificate_name(number)
    root = certificate.load(
        storage.read(directory / name), message("CA {directory}, {name}", directory=directory, name=name)
    )
    key = storage.read_key(directory, passphrase, root, number)
    storage.strengthen_key(directory, key, passphrase, number)
    return Authority(directory, root, ledger, key)


def begin_roll_over(
    directory: Path,
    passphrase: Secret,
    common_name: str,
    valid_days: int,
    now: datetime | None = None,
    domains: Sequence[str] = (),
) -> x509.Certificate:
    """Make the root that will sign after this one, and count it among those that users get. It signs nothing yet.

    A root that is in the directory already, though the ledger knows nothing of it, becomes that root.

    Raises:
        ApplyRefused: a roll-over is under way already.
        AuthorityError: no CA there, a wrong passphrase, a common name that gets too long.
        PolicyViolation: a lifetime out of range.
    """
    read_root(directory, storage.FIRST)
    with storage.locked(directory):
        return _begin_roll_over(directory, passphrase, common_name, valid_days, now, domains)


def _begin_roll_over(
    directory: Path,
    passphrase: Secret,
    common_name: str,
    valid_days: int,
    now: datetime | None,
    domains: Sequence[str],
) -> x509.Certificate:
    opened = open_ca(directory, passphrase)  # the passphrase of the new key is the old one's
    generation = rollover.refuse_a_second(opened.ledger)
    name = rollover.name_of_next(common_name, generation)
    if not 1 <= valid_days <= CA_VALID_DAYS_MAX:
        raise PolicyViolation(
            message(
                "a lifetime of {days} days was asked for; 1 to {most} are taken",
                days=valid_days,
                most=CA_VALID_DAYS_MAX,
            ),
            message("CA {directory}", directory=directory),
            message("change site.ca.valid_days in the inventory."),
        )
    at = now.astimezone(UTC).replace(microsecond=0) if now else opened._now()
    there = directory / storage.certificate_name(generation)
    if there.is_file():
        # A begin was cut off before its last line; or the ledger is an older one, and users have this root already.
        root = certificate.load(
            storage.read(there), message("CA {directory}, {name}", directory=directory, name=there.name)
        )
        storage.read_key(directory, passphrase, root, generation)
    else:
        key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
        root = profile.sign_root(key, name, random_serial(), _root_validity(at, valid_days), domains)
        storage.drop_key(directory, generation)  # without its certificate it was nobody's
        storage.write_key(directory, key, passphrase, generation)
        storage.write(there, certificate.as_pem(root))
    rollover.begun(opened.ledger, generation, at)  # the last thing: until here there is no new root
    return root


def _root_validity(at: datetime, valid_days: int) -> tuple[datetime, datetime]:
    return at - BACKDATE, at - BACKDATE + timedelta(days=valid_days) - timedelta(seconds=1)


def read_root(directory: Path, generation: int) -> bytes:
    """The certificate of one root, PEM; needs no passphrase.

    Raises:
        AuthorityError: there is no such root.
    """
    return storage.read(directory / storage.certificate_name(generation))


def read_certificate(directory: Path) -> bytes:
    """The certificate of the root that signs, PEM; needs no passphrase.

    Raises:
        AuthorityError: there is no CA.
    """
    return read_root(directory, rollover.roots(open_ledger(directory)).signing)


def read_roots(directory: Path) -> bytes:
    """Every root that users are to trust, one PEM, the signing one first; needs no passphrase.

    Raises:
        AuthorityError: there is no CA.
    """
    there = rollover.roots(open_ledger(directory))
    return b"".join(read_root(directory, generation) for generation in there.handed_out)


def exists(directory: Path) -> bool:
    """Whether a CA was made in this directory."""
    return (directory / storage.CERTIFICATE).is_file()


def open_ledger(directory: Path) -> Ledger:
    """The ledger of a CA; needs no passphrase.

    Raises:
        AuthorityError: there is no CA.
    """
    read_root(directory, storage.FIRST)
    return Ledger(directory / storage.LEDGER)
