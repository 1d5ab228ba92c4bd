"""The seam behind which certificates come: whoever signs for a host proposes, issues, and withdraws."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import NamedTuple, Protocol

from runbook_lib import inventory
from runbook_lib.remote.change import Plan
from runbook_lib.remote.facts import Fact
from runbook_lib.remote.files import Seen


@dataclass(frozen=True)
class Asked:
    """A certificate that a host is to have, and what is there of it.

    Args:
        site: what the inventory has of it.
        host: seen with the certificate that it is about (`Host.by_certificate`).
        said: what `renewal.facts` asked the host for, and the CSR itself.
        path: where the certificate is on the host.
        seen: what is there.
        csr, key: where the CSR, and the key that Postfix reads, are on the host.
        inventory_name: as a person names the inventory on the command line.
        key_comes: why the server gets a new key first; '': it does not.
        returned: files, or folders of files, that a CA returned.
    """

    site: inventory.Site
    host: inventory.Host
    said: Mapping[str, Fact]
    path: PurePosixPath
    seen: Seen
    csr: PurePosixPath
    key: PurePosixPath
    inventory_name: str
    key_comes: str = ""
    returned: tuple[str, ...] = ()


class Proposed(NamedTuple):
    """What an issuer would do: a plan, and what the record is told beside its notes."""

    plan: Plan
    told: tuple[str, ...] = ()


class Described(NamedTuple):
    """An issuer for a person: its name, the name with what is to be said of it, and how long a certificate lasts."""

    name: str
    shown: str
    lifetime: str


class Issuer(Protocol):
    """Who signs for a host. A module with these functions is one."""

    def described(self, site: inventory.Site, host: inventory.Host) -> Described:
        """What is said of it before anything is read of the host."""

    def propose(self, asked: Asked) -> Proposed:
        """What would have to be done; no change while the certificate that is there serves.

        Raises:
            PolicyViolation: it does not sign for this host.
            CertificateRefused, UsageError: what was returned is not fit to be installed.
        """

    def issue(self, plan: Plan, asked: Asked, run: str) -> tuple[Plan, tuple[str, ...]]:
        """Put what the plan's change at the asked path describes in its place, as a file with its bytes.

        A plan may be about several certificates: of another one, or of what another issuer proposed, nothing is
        touched.

        Args:
            run: the run's id.
        Returns: the plan that can be made, and what the record is told.
        Raises:
            ApplyRefused: it cannot be had now, and what to do about that.
            CsrRefused, PolicyViolation, AuthorityError: it was refused; nothing was issued.
        """

    def withdraw(self, site: inventory.Site, host: str, run: str, there: Collection[str]) -> int:
        """Mark what a run issued for a host as withdrawn, since the run was put back, or failed to install it.

        Args:
            there: serials that the host still has in its files; these certificates are not withdrawn.
        Returns: how many certificates.
        """
