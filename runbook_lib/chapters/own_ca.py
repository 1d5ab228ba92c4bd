"""The site's own CA, as chapters and the command line open it."""

from pathlib import Path

from filelock import FileLock

from runbook_lib import credentials, inventory
from runbook_lib.pki import authority
from runbook_lib.pki.authority import Authority


def directory(site: inventory.Site) -> Path:
    """Where the CA lives."""
    return Path(site.ca.directory).expanduser()


def certificate(site: inventory.Site) -> bytes | None:
    """The root's certificate (PEM), what users trust; None while there is no CA."""
    if not authority.exists(directory(site)):
        return None
    return authority.read_certificate(directory(site))


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
    with FileLock(place.with_name(f".{place.name}.lock"), timeout=60):
        if authority.exists(place):
            return authority.open_ca(place, passphrase)
        return authority.create(place, passphrase, site.ca.common_name, site.ca.valid_days)


def withdraw(site: inventory.Site, host: str, run: str) -> int:
    """Mark what a run issued for a host as withdrawn, since the run was put back.

    Returns: how many certificates.
    """
    if not authority.exists(directory(site)):
        return 0
    ledger = authority.open_ledger(directory(site))
    issued = [one for one in ledger.issuances(host) if one.run == run and one.withdrawn_at is None]
    for one in issued:
        ledger.withdraw(one.serial, run)
    return len(issued)
