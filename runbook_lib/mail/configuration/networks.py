"""Who sends without a login on port 25: the ranges of mynetworks."""

import ipaddress
import re
from dataclasses import dataclass

from runbook_lib.messages import Message, joined, message

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_IPV4 = re.compile(r"(?P<address>[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+)(?P<length>/[^:/]*)?(?P<port>:.*)?")


@dataclass(frozen=True)
class Fault:
    """Why Postfix cannot read a word of a `mynetworks` value.

    Args:
        why: what is wrong with it.
        whom: the clients that it stops: an address is only compared with those of its own kind.
        right: what to write.
    """

    why: str
    whom: str
    right: str

    @property
    def meaning(self) -> str:
        """A sentence for a person."""
        return message(
            "{why}: Postfix cannot read it, and answers 451 to {whom} that stands in no earlier entry: their mail does "
            "not come in by port 25",
            why=self.why,
            whom=self.whom,
        )


def faults(value: str) -> tuple[Fault, ...]:
    """The words that Postfix cannot read.

    Source: postconf(5), mynetworks; match_list(3), cidr_match(3); what a Postfix 3.7 answered to each.
    """
    return tuple(fault for fault in map(_fault, re.split(r"[\s,]+", value)) if fault)


def _fault(word: str) -> Fault | None:
    text = word.removeprefix("!")
    if match := _IPV4.fullmatch(text):
        if match["port"]:
            return Fault(_has_port(word), _EVERY, _write(f"{match['address']}{match['length'] or ''}"))
        return _network_fault(word, text, "IPv4") if match["length"] else None
    if text.startswith("[") and ":" in text:
        inner = re.fullmatch(r"\[([^\]]*)\](/[^:]*)?(:.*)?", text)
        if inner is None:
            why = message("{word} has a bracket that is not closed", word=word)
            return Fault(why, _by("IPv6"), message("write [address]/length"))
        if inner[3]:
            return Fault(_has_port(word), _by("IPv6"), _write(f"[{inner[1]}]{inner[2] or ''}"))
        return _network_fault(word, f"{inner[1]}{inner[2] or ''}", "IPv6")
    try:
        network = ipaddress.IPv6Network(text, strict=False)
    except ValueError:
        return None
    why = message(
        "{word} is an IPv6 address without brackets, which Postfix takes for a table (type:name)", word=word
    )
    return Fault(why, _EVERY, _write(f"[{network.network_address}]/{network.prefixlen}"))


def _network_fault(word: str, text: str, kind: str) -> Fault | None:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        longest = 128 if kind == "IPv6" else 32
        why = message("{word} is no network (a length is 0 to {longest})", word=word, longest=longest)
        return Fault(why, _by(kind), message("write the network's first address and its length"))
    first, length = str(network.network_address), network.prefixlen
    if ipaddress.ip_address(text.partition("/")[0]) == network.network_address:
        return None
    right = _write(f"[{first}]/{length}" if kind == "IPv6" else f"{first}/{length}")
    why = message(
        "{word} has host bits that are not zero for its length (/{length})", word=word, length=length
    )
    return Fault(why, _by(kind), right)


_EVERY = message("every client")


def _by(kind: str) -> Message:
    return message("every client by {kind}", kind=kind)


def _has_port(word: str) -> Message:
    return message("{word} has a port, and a network has none", word=word)


def _write(network: str) -> Message:
    return message("write {network}", network=network)


def passed_over(value: str) -> tuple[str, ...]:
    """Words that name no client, and that Postfix passes over without a word.

    An address is compared with addresses; a name is looked up nowhere (match_ops.c: what has no digit, dot or colon
    alone is compared as it is). A table, a file or a `$name` is something else.
    """
    words = (word for word in re.split(r"[\s,]+", value) if word)
    return tuple(word for word in words if re.fullmatch(r"!?\.?[A-Za-z][A-Za-z0-9_.-]*", word))


def ranges(value: str) -> tuple[Network, ...]:
    """The networks of a `mynetworks` value that lead beyond this host.

    What is no address, or none that Postfix can read, is left out: `!` exceptions, `type:table` and
    `/file/name` (postconf(5)).
    """
    found = []
    for word in re.split(r"[\s,]+", value):
        if _fault(word):
            continue
        text = re.sub(r"^\[(.*)\](/\d+)?$", r"\1\2", word)
        try:
            network = ipaddress.ip_network(text, strict=False)
        except ValueError:
            continue
        mapped = getattr(network.network_address, "ipv4_mapped", None)
        if not (network.is_loopback or (mapped and mapped.is_loopback)):
            found.append(network)
    return tuple(found)


def told(value: str) -> str:
    """What the ranges mean, the private and the wide ones by name; "" where only this host is in them."""
    found = ranges(value)
    if not found:
        return ""
    listed = ", ".join(map(str, found))
    parts = [message("clients of {networks} send anywhere without a login on port 25", networks=listed)]
    private = [str(one) for one in found if one.is_private]
    wide = [str(one) for one in found if not one.is_private and one.num_addresses > _much(one)]
    if private:
        parts.append(
            message(
                "private: {networks}: behind NAT or a proxy every stranger may come from it, and the server is an open "
                "relay then",
                networks=", ".join(private),
            )
        )
    if wide:
        parts.append(
            message(
                "wide: {networks}: few sites have that many machines of their own", networks=", ".join(wide)
            )
        )
    return joined("; ", parts)


def _much(network: Network) -> int:
    """A /24, or one IPv6 link."""
    return 256 if network.version == 4 else 2**64
