"""The lab's hosts on which the runbook is tested, and what differs between their families."""

from lab.releases import RELEASES
from runbook_lib.families import Family
from runbook_lib.families.debian import DEBIAN
from runbook_lib.families.enterprise_linux import ENTERPRISE_LINUX

# el10 has other maps than el9, and is otherwise the same: it is in some tests of the promises, not in all.
HOSTS = ("debian12", "debian13", "el9")
# Where a test takes long and its point differs between families alone.
ONE_OF_EACH_FAMILY = ("debian13", "el9")
_FAMILIES = {"debian": DEBIAN, "enterprise linux": ENTERPRISE_LINUX}


def family_of(host: str) -> Family:
    """What the runbook knows of a lab host's family."""
    return _FAMILIES[RELEASES[host].family]


def postfix_chapter(host: str) -> str:
    """The notebook that sets up its Postfix."""
    return family_of(host).postfix_chapter


def changing(host: str) -> tuple[str, ...]:
    """The chapters that change it."""
    return ("11-key-and-csr", "12-signing", postfix_chapter(host))
