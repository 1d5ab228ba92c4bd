"""What a host's own packet filter does with a new connection to a port: read, never changed.

found = Firewall.of(looks)           # what nft, iptables-save and ip6tables-save printed
found.closed(465, is_v6=False)       # the rule or policy that keeps 465 closed, or None
found.words((465, 587), is_v6=False) # by port: what keeps it closed, and the line to add
"""

from runbook_lib.mail.firewall.look import IP6TABLES, IPTABLES, NFT, UFW, Firewall, Look

__all__ = ["IP6TABLES", "IPTABLES", "NFT", "UFW", "Firewall", "Look"]
