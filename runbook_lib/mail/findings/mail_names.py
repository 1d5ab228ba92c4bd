"""Names that clash: what the server calls itself, and what it takes mail for."""

import re
from collections.abc import Iterator

from runbook_lib.inventory.place import Place
from runbook_lib.mail.findings.finding import Finding, Look
from runbook_lib.messages import message

# Names that each machine gives itself, and that are in no DNS (RFC 6761, RFC 6762).
_HAND = message("write the name that the DNS has for this server")
_NOBODYS = re.compile(r"(^|\.)(localhost|localdomain|local|invalid)$")


def _of_somebody_else(look: Look, own: str) -> str:
    """Why a name with a domain is not this server's; '' where nothing speaks against it."""
    name = own.lower()
    if name in look.state.host.every_name:
        return ""
    if name in look.others:
        return message(
            "{name} is the name of {host} in the inventory: two servers greet as one, and mail between them 'loops "
            "back to myself'",
            name=own,
            host=look.others[name],
        )
    if _NOBODYS.search(name):
        return message(
            "{name} is a name that no server has in the DNS: others are greeted with it, and many refuse that",
            name=own,
        )
    return ""


def find(look: Look) -> Iterator[Finding]:
    """A host name without a domain, and one that mail is not taken for."""
    if look.state.refused:
        return  # Postfix could not be asked
    lines = {entry.name: entry for entry in look.state.main if entry.name}
    own = look.state.facts["myhostname"].value
    entry = lines.get("myhostname")
    line, text = (
        (entry.number, entry.text)
        if entry
        else (0, message("{entry}, as the system has it", entry=f"myhostname = {own}"))
    )
    if own and "." not in own:
        no_domain = message(
            "{name} has no domain: other servers are greeted with it and many refuse that, and mydomain is a guess of "
            "Postfix's",
            name=own,
        )
        yield Finding(Place.main("myhostname", line), text, no_domain, _HAND)
        return
    if meaning := _of_somebody_else(look, own):
        yield Finding(Place.main("myhostname", line), text, meaning, _HAND)
    taken = look.state.facts["mydestination"].value.replace(",", " ").split()
    elsewhere = (look.defaults or {}).get("elsewhere", "").replace(",", " ").split()
    if own and own not in (*taken, *elsewhere):
        there = lines.get("mydestination")
        line, text = (there.number, there.text) if there else (0, "mydestination")
        meaning = message(
            "mail for this server's own name, {name}, is not taken: it 'loops back to myself'", name=own
        )
        hand = message("add {name} (or $myhostname) to mydestination", name=own)
        yield Finding(Place.main("mydestination", line), text, meaning, hand)
