"""The line that a person types to have chapters applied, as messages, status and pages print it: one that is taken.

A host that is none of the lab's needs a reason, so a line without one is refused.
"""

import shlex
from collections.abc import Iterable

from runbook_lib.inventory.lab_state import may_be_of_the_lab
from runbook_lib.inventory.load import Inventory, find, is_default
from runbook_lib.inventory.models import Host

_REASON = "'TICKET: WHY'"  # to be filled in; a shell takes it as it stands


def needs_reason(host: Host) -> bool:
    """Whether apply on a host is refused without a reason, as far as the inventory tells: the host may know better."""
    return host.production or not may_be_of_the_lab(host.address)


def apply_command(
    hosts: Iterable[str] = (),
    *,
    chapter: str = "",
    start: str = "",
    plan: str = "",
    options: str = "",
    reason: bool = True,
) -> str:
    """`runbook apply` with what it needs.

    Args:
        hosts: their names; none: every host of the inventory.
        chapter: the one to apply; '': all of them.
        start: the chapter to begin with.
        plan: the digest of the plan that it is bound to; the plan has hosts and chapters.
        options: what else it needs, as '--inventory FILE'.
        reason: whether a reason has to be given; True where nobody knows: the lab's hosts take one, too.
    """
    words = ["runbook apply"]
    words += [f"--plan {plan}"] if plan else []
    words += [f"--host {shlex.quote(name)}" for name in hosts]
    words += [f"--only {chapter}"] if chapter else []
    words += [f"--from {start}"] if start else []
    words += [options] if options else []
    words += [f"--reason {_REASON}"] if reason else []
    return " ".join(words)


def apply_to(book: Inventory, host: Host, *, chapter: str = "") -> str:
    """`runbook apply` for one host of an inventory.

    Args:
        chapter: the one to apply; '': all of them.
    """
    return apply_command([host.name], chapter=chapter, options=option_for(book), reason=needs_reason(host))


def option_for(book: Inventory) -> str:
    """The option that names an inventory; '' for the one that is taken without it."""
    if is_default(book.path):
        return ""
    return "--inventory lab" if book.path == find("lab") else f"--inventory {shlex.quote(str(book.path))}"
