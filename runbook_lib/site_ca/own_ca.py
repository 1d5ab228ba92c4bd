"""The site's own CA, as chapters and the command line open it."""

from pathlib import Path

from cryptography import x509

from runbook_lib import credentials, inventory
from runbook_lib.pki import authority, backup, crl, revocation, rollover, storage
from runbook_lib.pki import certificate as certificates
from runbook_lib.pki.authority import Authority
from runbook_lib.pki.crl import Crl
from runbook_lib.pki.revocation import Revocation
from runbook_lib.places import shown_path


def directory(site: inventory.Site) -> Path:
    """Where the CA lives."""
    return Path(site.ca.directory).expanduser()


def domains(site: inventory.Site) -> tuple[str, ...]:
    """The domains in which the CA signs names: the site's, and those that the inventory adds for it."""
    return tuple(dict.fromkeys((site.domain, *site.ca.domains)))


def certificate(site: inventory.Site) -> bytes | None:
    """The certificate (PEM) of the root that signs; None while there is no CA."""
    if not authority.exists(directory(site)):
        return None
    return authority.read_certificate(directory(site))


def roots(site: inventory.Site) -> bytes | None:
    """Every root that users are to trust, one PEM (two while one takes the other's place); None without a CA."""
    if not authority.exists(directory(site)):
        return None
    return authority.read_roots(directory(site))


def every_root(site: inventory.Site) -> bytes:
    """Every root that the CA has had, one PEM, those that have ended included; nothing without a CA."""
    place = directory(site)
    if not authority.exists(place):
        return b""
    there = rollover.roots(authority.open_ledger(place))
    newest = there.coming or there.signing
    return b"".join(authority.read_root(place, generation) for generation in range(1, newest + 1))


def root_file(site: inventory.Site, leaf_pem: bytes | None, where: str) -> str:
    """Where the root lies that issued the first certificate of a file, else the first; for a shell here."""
    if leaf_pem is None or not authority.exists(directory(site)):
        return shown_path(directory(site) / storage.CERTIFICATE)
    leaf = certificates.load(leaf_pem, where)
    there = rollover.roots(authority.open_ledger(directory(site)))
    of_leaf = (
        generation
        for generation in there.handed_out
        if certificates.is_issued_by(
            leaf, certificates.load(authority.read_root(directory(site), generation), where)
        )
    )
    return shown_path(directory(site) / storage.certificate_name(next(of_leaf, storage.FIRST)))


def roots_for(site: inventory.Site, leaf_pem: bytes, where: str) -> bytes | None:
    """What `roots` says, where one of them issued the first certificate of a file; else None."""
    found = roots(site)
    if found is None:
        return None
    leaf = certificates.load(leaf_pem, where)
    issued = any(certificates.is_issued_by(leaf, root) for root in x509.load_pem_x509_certificates(found))
    return found if issued else None


def open_or_create(site: inventory.Site) -> Authority:
    """Open the CA; the first one who needs it makes it.

    Raises:
        AuthorityError: a wrong passphrase, files that others may use.
        PolicyViolation: the inventory's values do not make a CA.
        SecretUnavailable: its passphrase cannot be had.
    """
    place = directory(site)
    passphrase = credentials.resolve(site.ca.passphrase, "site.ca.passphrase")
    place.parent.mkdir(parents=True, exist_ok=True)
    with storage.locked(place):
        if authority.exists(place):
            return authority.open_ca(place, passphrase)
        return authority.create(
            place, passphrase, site.ca.common_name, site.ca.valid_days, domains=domains(site)
        )


def make_crls(site: inventory.Site, days: int) -> list[tuple[Path, Crl]]:
    """Make the list of each root that has issued and that users have; the DER file's path, and the list.

    The files take the place of those before, each in one step.

    Raises:
        AuthorityError: there is no CA, or a wrong passphrase.
        PolicyViolation: days out of range.
    """
    place = directory(site)
    passphrase = credentials.resolve(site.ca.passphrase, "site.ca.passphrase")
    made = []
    authority.open_ledger(place)  # whoever names no CA is told so before a lock is left there
    with storage.locked(place):
        for generation in rollover.roots(authority.open_ledger(place)).with_key:
            opened = authority.open_ca(place, passphrase, generation)
            one = crl.make(opened.ledger, opened.certificate, opened.key, generation, days)
            path = place / storage.crl_name(generation)
            storage.replace(path.with_suffix(".pem"), one.crl_pem)
            storage.replace(path, one.der)
            made.append((path, one))
    return made


def revoke_certificate(site: inventory.Site, pem: bytes, where: str, reason: str, run: str) -> Revocation:
    """Revoke what a root of the CA signed, though the ledger may have lost it.

    Args:
        pem: the certificate; `where` names its file.
    Raises:
        AuthorityError: there is no CA, or none of its roots signed it.
        CertificateRefused, UsageError, ApplyRefused: as `revocation.revoke_certificate`.
    """
    place = directory(site)
    ledger = authority.open_ledger(place)
    had = x509.load_pem_x509_certificates(b"".join(path.read_bytes() for path in _root_files(place)))
    return revocation.revoke_certificate(ledger, had, pem, where, reason, run)


def _root_files(place: Path) -> list[Path]:
    """The certificate of each root, also of one that the ledger lost."""
    return sorted(path for path in place.glob("ca*.pem") if storage.ROOT_NAME.fullmatch(path.name))


def restore(site: inventory.Site, source: Path) -> backup.Restored:
    """Bring the CA back from a file that `backup.write` wrote.

    Raises:
        AuthorityError, LedgerBusy: as `backup.restore`.
        SecretUnavailable: its passphrase cannot be had.
    """
    passphrase = credentials.resolve(site.ca.passphrase, "site.ca.passphrase")
    return backup.restore(directory(site), source, passphrase)


def end_roll_over(site: inventory.Site) -> int:
    """Take the old root from users, once no host needs it; returns its generation.

    Raises:
        ApplyRefused: a host has a certificate of it, or no roll-over came that far.
    """
    ledger = authority.open_ledger(directory(site))
    with storage.locked(directory(site)):
        going = rollover.roots(ledger).going or storage.FIRST
        old = certificates.load(authority.read_root(directory(site), going), f"CA {directory(site)}")
        return rollover.end(ledger, old)
