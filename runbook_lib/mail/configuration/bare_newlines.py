"""Lines that end in a newline alone: how far a Postfix is guarded against SMTP smuggling, and whom that cuts off."""

from collections.abc import Collection, Iterable, Mapping
from typing import Literal

from runbook_lib.mail.configuration.parse import port_of
from runbook_lib.messages import message
from runbook_lib.remote.facts import Fact

BARE_NEWLINE = "smtpd_forbid_bare_newline"
# What tells how far a Postfix is guarded against SMTP smuggling: the guard, and what came with its better form.
GUARDS = (BARE_NEWLINE, "smtpd_forbid_bare_newline_reject_code")
_GUARDED = {
    (3, 5): ("3.5.23", "3.5.24"),
    (3, 6): ("3.6.13", "3.6.14"),
    (3, 7): ("3.7.9", "3.7.10"),
    (3, 8): ("3.8.4", "3.8.5"),
}
BareNewlines = Literal["taken", "normalized", "refused", "cut off"]

# Asked of `postconf`, options of master.cf and its own default included.
FACTS = {
    "bare_newlines": f"postconf -hx {BARE_NEWLINE} 2>/dev/null",
    "bare_newlines_apart": f"postconf -Px '*/inet/{BARE_NEWLINE}' 2>/dev/null",
    "guards_known": f"postconf {' '.join(GUARDS)} 2>/dev/null | cut -d ' ' -f 1",
}
_MILDEST_FIRST: tuple[BareNewlines, ...] = ("taken", "normalized", "cut off", "refused")


def on_submission(facts: Mapping[str, Fact], ports: Iterable[int]) -> BareNewlines:
    """What the strictest of the submission services does with a line that ends in a newline alone.

    Args:
        facts: with the answers to `FACTS`.
        ports: where users submit mail.
    Returns: 'taken' also where Postfix is not there, or does not know the setting; 'cut off' is the first form of
        the protection, which ends the connection.
    Source: postconf(5), smtpd_forbid_bare_newline; of 3.7.9 and 3.8.4 for the first form.
    """
    known = facts["guards_known"].value.split()
    if BARE_NEWLINE not in known:
        return "taken"
    apart = {}
    for line in facts["bare_newlines_apart"].value.splitlines():
        place, _, value = line.partition(" = ")
        apart[port_of("/".join(place.split("/")[:2]))] = value.strip()
    values = {apart.get(port, facts["bare_newlines"].value.strip()) for port in ports}
    return max((_means(value, known) for value in values), key=_MILDEST_FIRST.index, default="taken")


def _means(value: str, known: Iterable[str]) -> BareNewlines:
    if value == "reject":
        return "refused"
    if value in ("normalize", "yes"):
        return "normalized" if normalizes(tuple(known)) else "cut off"
    return "taken"


def normalizes(knows: Collection[str]) -> bool:
    """Whether this Postfix can take bare newlines and end a message at a proper one alone.

    The value `normalize` came in the same patches as the code that answers a rejected line; before them the guard is
    yes or no, and another value stops smtpd. `postconf` is asked, not the version: distributions port this back.
    Source: postconf(5), smtpd_forbid_bare_newline and smtpd_forbid_bare_newline_reject_code.
    """
    return GUARDS[1] in knows


def guarded_from(version: tuple[int, int]) -> str:
    """The first patch level of a version with the guard, and that with its better form, for a person who updates.

    Source: postconf(5) of 3.7.11, smtpd_forbid_bare_newline: 'with settings yes and no available in Postfix 3.8.4,
    3.7.9, 3.6.13, and 3.5.23', 'reject, and normalize with Postfix >= 3.9, 3.8.5, 3.7.10, 3.6.14, and 3.5.24';
    RELEASE_NOTES of the same versions.
    """
    if version not in _GUARDED:
        return message("Postfix has it from 3.5.23 on")
    first, better = _GUARDED[version]
    return message(
        "Postfix {version} has it from {first} on, without cutting off anybody from {better} on",
        version=f"{version[0]}.{version[1]}",
        first=first,
        better=better,
    )
