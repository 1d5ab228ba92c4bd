"""Which issuer signs for a host, and what chapters and commands ask of it."""

from collections.abc import Collection, Mapping, Sequence

from runbook_lib import inventory
from runbook_lib.remote.change import Plan
from runbook_lib.site_ca import issuing, public_ca
from runbook_lib.site_ca.issuer import Asked, Described, Issuer, Proposed

OWN, PUBLIC = "own CA", "public CA"
ISSUERS: Mapping[str, Issuer] = {
    OWN: issuing,
    PUBLIC: public_ca,
}  # by `certificate.signed_by` of the inventory


def _by_inventory(host: inventory.Host, returned: Sequence[str]) -> str | None:
    """What came back is a public CA's; else as the inventory says; None: it says nothing."""
    return PUBLIC if returned else host.certificate.signed_by


def described(site: inventory.Site, host: inventory.Host, returned: Sequence[str]) -> Described:
    """Whoever signs for a host, by the inventory alone.

    Args:
        returned: files that a CA returned.
    """
    return ISSUERS[_by_inventory(host, returned) or OWN].described(site, host)


def propose(asked: Asked) -> Proposed:
    """The certificate that a host would get, by the one who signs for it.

    Where nobody said who, that is the own CA, unless a public one's is there: users' programs trust that, and would be
    shown a stranger.

    Raises: as `Issuer.propose`.
    """
    name = _by_inventory(asked.host, asked.returned)
    return ISSUERS[name or (PUBLIC if public_ca.there(asked).is_public else OWN)].propose(asked)


def issue(plan: Plan, asked: Asked, run: str) -> tuple[Plan, tuple[str, ...]]:
    """Put what was proposed in its place, by the one who proposed it.

    Raises: as `Issuer.issue`.
    """
    told: tuple[str, ...] = ()
    for issuer in ISSUERS.values():
        plan, more = issuer.issue(plan, asked, run)
        told += more
    return plan, told


def withdraw(site: inventory.Site, host: str, run: str, there: Collection[str]) -> int:
    """Mark what a run issued for a host as withdrawn, whoever issued it.

    Args:
        there: serials that the host still has in its files; these certificates are not withdrawn.
    Returns: how many certificates.
    """
    return sum(issuer.withdraw(site, host, run, there) for issuer in ISSUERS.values())
