"""DNS names as they stand in certificates, and how a client compares them.

cryptography takes an empty name, `a .jp`, `a.jp.` and `192.0.2.1` as DNS names without a word, so the rules
are here.
"""

import ipaddress
import re
from collections.abc import Sequence

from runbook_lib.inventory.names import ends_in_a_number
from runbook_lib.messages import message

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_SHOWN_CHARACTERS = 100


def printable(text: str) -> str:
    """`text` from outside for a message: what is not printable as its escape, cut when it is long."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return (
        shown if len(shown) <= _SHOWN_CHARACTERS else f"{shown[:_SHOWN_CHARACTERS]}… ({len(text)} characters)"
    )


def is_within(name: str, domains: Sequence[str]) -> bool:
    """Whether a name is one of the domains or below one (RFC 5280 4.2.1.10: labels added on the left)."""
    return any(name == domain or name.endswith(f".{domain}") for domain in domains)


def name_fault(name: str) -> str | None:
    """What is wrong with a name for the SAN, or None.

    Args:
        name: a DNS name, any case; a wildcard only as the whole leftmost label, with two labels after it.
    Source: RFC 5280 4.2.1.6 (preferred name syntax of RFC 1034 3.5, no blank name); RFC 9525 6.3 (wildcards).
    """
    if not name:
        return message("is empty")
    if not name.isascii():
        return message("is not ASCII; a certificate holds the A-label (xn--…)")
    if any(c.isspace() or not c.isprintable() for c in name):
        return message("has a blank or a control character in it")
    if _is_address(name):
        return message(
            "is an IP address, not a DNS name; clients compare addresses with another field and refuse it"
        )
    if name.endswith("."):
        return message("ends in a dot, which a DNS name in a certificate never does")
    if len(name) > 253:
        return message("has {count} characters; a DNS name has at most 253", count=len(name))
    labels = name.lower().split(".")
    if labels[0] == "*":
        labels = labels[1:]
        if len(labels) < 2:
            return message("is a wildcard over a whole top-level domain")
    for label in labels:
        if not label or len(label) > 63 or not _LABEL.fullmatch(label):
            return message("has a label that no host name has ('{label}')", label=label)
    if ends_in_a_number(name):
        return message("ends in a number, as addresses do; no top-level domain is one")
    return None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
