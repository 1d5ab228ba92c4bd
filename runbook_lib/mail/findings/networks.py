"""Who sends without a login on port 25: the ranges of mynetworks."""

import ipaddress
import re
from collections.abc import Iterator

from runbook_lib.mail.findings.finding import Finding, Look

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_NAT = "behind NAT or a proxy every stranger may come from it, and the server is an open relay then"


def ranges(value: str) -> tuple[Network, ...]:
    """The networks of a `mynetworks` value that lead beyond this host.

    What is no address is left out: `!` exceptions, `type:table` and `/file/name` (postconf(5)).
    """
    found = []
    for word in re.split(r"[\s,]+", value):
        text = re.sub(r"^\[(.*)\](/\d+)?$", r"\1\2", word)
        try:
            network = ipaddress.ip_network(text, strict=False)
        except ValueError:
            continue
        mapped = getattr(network.network_address, "ipv4_mapped", None)
        if not (network.is_loopback or (mapped and mapped.is_loopback)):
            found.append(network)
    return tuple(found)


def find(look: Look) -> Iterator[Finding]:
    """The entry that counts, where it lets in more than this host itself (case P11)."""
    entry = next((one for one in reversed(look.state.main) if one.name == "mynetworks"), None)
    if entry is not None and told(entry.value):
        yield Finding("main.cf, mynetworks", entry.number, entry.text, told(entry.value))


def told(value: str) -> str:
    """What the ranges mean, the private and the wide ones by name; "" where only this host is in them."""
    found = ranges(value)
    if not found:
        return ""
    listed = ", ".join(map(str, found))
    words = f"clients of {listed} send anywhere without a login on port 25"
    private = [str(one) for one in found if one.is_private]
    wide = [str(one) for one in found if not one.is_private and one.num_addresses > _much(one)]
    if private:
        words += f"; private: {', '.join(private)}: {_NAT}"
    if wide:
        words += f"; wide: {', '.join(wide)}: few sites have that many machines of their own"
    return words


def _much(network: Network) -> int:
    """A /24, or one IPv6 link."""
    return 256 if network.version == 4 else 2**64
