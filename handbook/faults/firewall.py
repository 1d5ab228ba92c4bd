"""A packet filter, or no listener: the client does not get as far as Postfix."""

from handbook.fault import Ask, Fault

_REACHED = "nc -vz -w 2 MAILHOST 587"

DROPPED = Fault(
    message="timed out",
    made="nft add table inet handbook\n"
    "nft add chain inet handbook input '{ type filter hook input priority 0; }'\n"
    "nft add rule inet handbook input tcp dport 587 drop",
    asked=(Ask(_REACHED, "timed out", "succeeded"),),
    log="",
    cause="a packet filter takes the packets and says nothing, so the client waits. Postfix never sees them",
    cure="nft delete table inet handbook",
    to_do="`nft list ruleset` on the host. Where nothing is there, it is a filter before the host: ask who "
    "keeps it",
    elsewhere="firewalld has a service for it: firewall-cmd --add-service=smtp-submission; ufw: ufw allow "
    "587/tcp",
)
REJECTED = Fault(
    message="No route to host",
    made="nft add table inet handbook\n"
    "nft add chain inet handbook input '{ type filter hook input priority 0; }'\n"
    "nft add rule inet handbook input tcp dport 587 reject with icmpx type admin-prohibited",
    asked=(Ask(_REACHED, "No route to host|Permission denied", "succeeded"),),
    log="",
    cause="a packet filter answers that this is prohibited, as firewalld does. There is a route",
    cure="nft delete table inet handbook",
    to_do="open the port in that filter; `nft list ruleset` shows the rule",
)
