"""Firewalls as administrators write them: what each keeps closed, and the place that is to blame."""

import contextlib
import re
import shlex
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from probes_postfix import MailHost

PORTS = (25, 465, 587)
ALL: dict[int, tuple[int, ...]] = {4: PORTS, 6: PORTS}
NONE: dict[int, tuple[int, ...]] = {4: (), 6: ()}
START = "type filter hook input priority 0; policy"
USUAL = "iifname lo accept; ct state established,related accept; meta l4proto { icmp, ipv6-icmp } accept;"

NFT_CASES: dict[str, tuple[str, dict[int, tuple[int, ...]], str]] = {
    "a policy that drops": (
        f"table inet filter {{ chain input {{ {START} drop; {USUAL} tcp dport 22 accept; }} }}",
        ALL,
        "nftables, table inet filter, chain input: policy drop",
    ),
    "a rule at the end that refuses": (
        f"table inet filter {{ chain input {{ {START} accept; {USUAL} tcp dport {{ 22, 25 }} accept; counter log; "
        "reject with icmpx type admin-prohibited; } }",
        {4: (465, 587), 6: (465, 587)},
        "nftables, table inet filter, chain input: rule `reject`",
    ),
    "one rule about one port, for IPv4 alone": (
        f"table ip wall {{ chain in {{ {START} accept; iifname != lo tcp dport 465 drop; }} }}",
        {4: (465,), 6: ()},
        "nftables, table ip wall, chain in: rule `tcp dport 465 drop`",
    ),
    "all ports but some": (
        f"table inet wall {{ chain in {{ {START} accept; {USUAL} meta l4proto tcp tcp dport != {{ 1-24, 587 }} "
        "reject with tcp reset; } }",
        {4: (25, 465), 6: (25, 465)},
        "nftables, table inet wall, chain in: rule `tcp dport != { 1-24, 587 } reject`",
    ),
    "maps, and chains that are called": (
        "table inet filter { chain services { tcp dport vmap { 22 : accept, 587 : accept, 465 : drop }; } "
        f"chain input {{ {START} drop; ct state vmap {{ established : accept, related : accept, invalid : drop }}; "
        "iifname lo accept; icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept; jump services; } }",
        {4: (25, 465), 6: (25, 465)},
        "nftables, table inet filter, chain services: rule `tcp dport 465 drop`",
    ),
    "a set with a name": (
        "table inet filter { set open { type inet_service; flags interval; elements = { 20-30, 587 }; } "
        f"chain input {{ {START} drop; {USUAL} tcp dport @open accept; }} }}",
        {4: (465,), 6: (465,)},
        "nftables, table inet filter, chain input: policy drop",
    ),
    "open to others than this client": (
        f"table inet filter {{ chain input {{ {START} drop; {USUAL} ip saddr 192.0.2.0/24 tcp dport 587 accept; "
        "ip6 saddr 2001:db8::/32 accept; tcp dport { 22, 25, 465 } ct state new accept; } }",
        {4: (587,), 6: (587,)},
        "nftables, table inet filter, chain input: policy drop",
    ),
    "an accept in one table that another table does not heed": (
        f"table inet one {{ chain input {{ {START} accept; tcp dport 587 accept; }} }} "
        "table inet two { chain raw { type filter hook prerouting priority -300; policy accept; "
        "iifname != lo tcp dport 587 drop; } }",
        {4: (587,), 6: (587,)},
        "nftables, table inet two, chain raw: rule `tcp dport 587 drop`",
    ),
    "what lets everything in": (
        f"table inet filter {{ chain input {{ {START} accept; ct state invalid drop; udp dport 25 drop; "
        "ip saddr 192.0.2.0/24 drop; tcp dport 1-24 accept; tcp flags & (fin | syn) == (fin | syn) drop; } }",
        NONE,
        "",
    ),
}
IPTABLES_CASES: dict[str, tuple[str, dict[int, tuple[int, ...]], str]] = {
    "ufw's default": (
        "ufw --force reset; ufw default deny; ufw allow 22/tcp; ufw allow from 192.0.2.0/24 to any port 465 proto tcp;"
        "ufw --force enable",
        ALL,
        "(ufw, chain INPUT: policy drop)",
    ),
    "ufw that refuses one port": (
        "ufw --force reset; ufw default allow; ufw reject 465/tcp; ufw limit 587/tcp; ufw --force enable",
        {4: (465,), 6: (465,)},
        "(ufw, chain ufw-user-input: rule `tcp dport 465 reject`)",
    ),
    "ufw that refuses it with both protocols": (
        "ufw --force reset; ufw default allow; ufw deny 465; ufw --force enable",
        {4: (465,), 6: (465,)},
        "(ufw, chain ufw-user-input: rule `tcp dport 465 drop`)",
    ),
    "iptables for IPv4 alone": (
        "iptables -P INPUT DROP; iptables -A INPUT -i lo -j ACCEPT; iptables -A INPUT -p icmp -j ACCEPT;"
        "iptables -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT;"
        "iptables -N mail; iptables -A INPUT -p tcp -j mail; iptables -A INPUT -s 192.0.2.1 -j ACCEPT;"
        "iptables -A mail -p tcp -m multiport --dports 22,25 -m comment --comment 'not -j DROP' -j ACCEPT",
        {4: (465, 587), 6: ()},
        "(iptables, chain INPUT: policy drop)",
    ),
    "iptables with a rule": (
        "iptables -A INPUT ! -i lo -p tcp -m tcp --dport 586:588 --syn -j REJECT --reject-with tcp-reset;"
        "ip6tables -A INPUT ! -i lo -p tcp -m tcp ! --dport 1:465 -m state --state NEW -j DROP",
        {4: (587,), 6: (587,)},
        "(iptables, chain INPUT: rule `tcp dport 586-588 reject`)",
    ),
}


def loaded(ruleset: str) -> str:
    """Load a ruleset; nft wants a line for each rule and each end of a chain."""
    lines = re.sub(r"\} (?=chain|table|})", "}\n", ruleset.replace("; ", "\n"))
    return f"printf '%s\\n' {shlex.quote(lines)} | nft -f -"


@contextlib.contextmanager
def firewall(host: MailHost, script: str) -> Iterator[None]:
    """A firewall for a while; afterwards there is none."""
    tidy = "command -v ufw >/dev/null && ufw --force disable; nft flush ruleset"
    host.sh(f"{{ {tidy}; {script}; }} >/dev/null 2>&1")
    try:
        yield
    finally:
        host.sh(f"{{ {tidy}; }} >/dev/null 2>&1")


def unreached(host: MailHost) -> dict[int, tuple[int, ...]]:
    """By family, the ports at which a client really gets no connection."""
    at = host.lab.host(host.name)
    pairs = [(family, port) for family in (4, 6) for port in PORTS]

    def tried(pair: tuple[int, int]) -> bool:
        try:
            with socket.create_connection(
                (at.address if pair[0] == 4 else at.address6, pair[1]), timeout=1.5
            ):
                return True
        except OSError:
            return False

    with ThreadPoolExecutor(6) as pool:
        reached = dict(zip(pairs, pool.map(tried, pairs), strict=True))
    return {family: tuple(port for port in PORTS if not reached[family, port]) for family in (4, 6)}
