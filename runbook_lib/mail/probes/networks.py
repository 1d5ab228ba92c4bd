"""Whether a client's address is inside a list of networks, as Postfix reads `mynetworks`."""

import ipaddress


def inside(client: str, listed: str) -> bool | None:
    """Whether `mynetworks` takes in one address by a network that leaves others out.

    A list with a network of all addresses is no list of one's own but an open door: nobody is inside of it. Else the
    first pattern that fits decides; `!` in front of it shuts out.

    Args:
        client: IPv4 or IPv6 address.
        listed: the value, as `postconf -hx mynetworks` prints it.
    Returns: None where a table or a file (`cidr:`, `hash:`, a path) might take it in, which cannot be read here.
    Source: postconf(5), mynetworks.
    """
    address = ipaddress.ip_address(client)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped  # as smtpd has it from a socket for both families
    first: bool | None = None
    is_readable = True
    for pattern in listed.replace(",", " ").split():
        bare = pattern.lstrip("!")
        try:
            # [2001:db8::]/32 is Postfix's spelling of 2001:db8::/32.
            network = ipaddress.ip_network(bare.translate({ord("["): None, ord("]"): None}), strict=False)
        except ValueError:
            if bare.startswith("static:"):
                return False  # it fits everybody
            is_readable = is_readable and not (bare.startswith("/") or ":" in bare)
            continue
        if address in network:
            if not network.prefixlen:
                return False
            first = not pattern.startswith("!") if first is None else first
    return first if first is not None or not is_readable else False
