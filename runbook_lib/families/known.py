"""Which family a host belongs to: from what it says of itself, never from the inventory."""

import shlex

from runbook_lib.errors import ApplyRefused
from runbook_lib.families import Family, Release
from runbook_lib.families.debian import DEBIAN

FAMILIES = (DEBIAN,)


def find(os_release: str, where: str) -> tuple[Family, Release]:
    """The family and release of a host.

    Args:
        os_release: the text of os-release(5); empty when it could not be read.
        where: the host, for the message.
    Raises:
        ApplyRefused: none that was tried; nothing is guessed.
    """
    said = {
        name: "".join(shlex.split(value))
        for name, _, value in (line.partition("=") for line in os_release.splitlines() if "=" in line)
    }
    names = [said.get("ID", ""), *said.get("ID_LIKE", "").split()]
    for family in FAMILIES:
        if family.os_release_ids & set(names):
            release = family.releases.get(said.get("VERSION_ID", ""))
            if release is not None and said.get("ID") in family.os_release_ids:
                return family, release
    supported = "; ".join(f"{family.name} {', '.join(family.releases)}" for family in FAMILIES)
    raise ApplyRefused(
        f"this runbook was not tried on {said.get('PRETTY_NAME') or 'this system, which has no os-release'} "
        f"(ID={said.get('ID', '?')}, VERSION_ID={said.get('VERSION_ID', '?')}); tried: {supported}",
        where,
        "use it on a supported system; docs/adding-a-family.md shows how another one is added",
    )
