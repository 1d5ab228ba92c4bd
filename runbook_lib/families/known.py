"""Which family a host belongs to: from what it says of itself, never from the inventory."""

import re
import shlex
from collections.abc import Mapping
from dataclasses import replace

from runbook_lib.errors import ApplyRefused
from runbook_lib.families.debian import DEBIAN
from runbook_lib.families.enterprise_linux import ENTERPRISE_LINUX
from runbook_lib.families.family import Family, Release
from runbook_lib.messages import message

FAMILIES = (DEBIAN, ENTERPRISE_LINUX)

# Which of the families' package managers a host has: a read-only command for `find`.
MANAGERS_FACT = (
    "for m in "
    + " ".join(manager.command for family in FAMILIES for manager in family.package_managers)
    + '; do if command -v "$m" >/dev/null; then echo "$m"; fi; done'
)


def find(os_release: str, managers: str, where: str) -> tuple[Family, Release]:
    """The family and release of a host.

    Args:
        os_release: the text of os-release(5); empty when it could not be read.
        managers: the package managers that it has, one a line.
        where: the host, for the message.
    Returns: the family, with the package manager that is there as its first; the release.
    Raises:
        ApplyRefused: none that was tried, or one without its package manager; nothing is guessed.
    """
    said = read(os_release)
    likes = set(said.get("ID_LIKE", "").split())
    for family in FAMILIES:
        if said.get("ID") in family.os_release_ids or family.os_release_likes & likes:
            release = family.releases.get(said.get("VERSION_ID", "").partition(".")[0])
            if release is not None:
                return _with_manager(family, managers.split(), where), release
    supported = "; ".join(f"{family.name} {', '.join(family.releases)}" for family in FAMILIES)
    raise ApplyRefused(
        message(
            "this runbook was not tried on {system} (ID={id}, VERSION_ID={version}); tried: {supported}",
            system=said.get("PRETTY_NAME") or message("this system, which has no os-release"),
            id=said.get("ID", "?"),
            version=said.get("VERSION_ID", "?"),
            supported=supported,
        ),
        where,
        message("use it on a supported system; docs/adding-a-family.md shows how another one is added"),
    )


def read(os_release: str) -> Mapping[str, str]:
    """The assignments of os-release(5), quotes taken off; a line that is none is passed over."""
    said = {}
    for name, value in re.findall(r"^([A-Z][A-Z0-9_]*)=(.*)$", os_release, flags=re.MULTILINE):
        try:
            said[name] = "".join(shlex.split(value))
        except ValueError:  # a quote that does not end
            said[name] = value
    return said


def ended(os_release: str, release: Release) -> str:
    """The last day on which the system got security fixes, where that is over; else ''."""
    return release.ended.get(read(os_release).get("ID", ""), release.ended.get("", ""))


def _with_manager(family: Family, there: list[str], where: str) -> Family:
    for manager in family.package_managers:
        if manager.command in there:
            return replace(family, package_managers=(manager,))
    wanted = " or ".join(manager.command for manager in family.package_managers)
    raise ApplyRefused(
        message(
            "its os-release says {family}, and it has no {wanted}: what it has is {there}",
            family=family.name,
            wanted=wanted,
            there=", ".join(there) or message("nothing"),
        ),
        where,
        message(
            "use it on a system of {family} as it is installed; see whether root's PATH has {wanted}",
            family=family.name,
            wanted=wanted,
        ),
    )
