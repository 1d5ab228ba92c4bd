"""The lab as it is now, for a person and for a program."""

from collections.abc import Sequence
from dataclasses import dataclass

from lab import dns, hosts
from lab.hosts import LabHost
from lab.network import Network
from lab.state import State


@dataclass(frozen=True)
class HostStatus:
    """A host as it is now.

    Args:
        name: in the inventory.
        state: the starting state it was last given.
        address: IPv4.
        origin: where its image came from.
        systemd: what `systemctl is-system-running` says, or 'not running'.
    """

    name: str
    state: str
    address: str
    origin: str
    systemd: str


@dataclass(frozen=True)
class LabStatus:
    """A lab as it is now."""

    lab_id: str
    folder: str
    subnet: str
    dns_running: bool
    hosts: tuple[HostStatus, ...]


def read_status(state: State, network: Network, lab_hosts: Sequence[LabHost]) -> LabStatus:
    """Look at every part; a part that is missing is said, not raised."""
    data = state.read()
    seen = []
    for host in lab_hosts:
        known = data["hosts"].get(host.name, {"state": "not made", "origin": ""})
        systemd = hosts.systemd_state(host) or "not running"
        seen.append(HostStatus(host.name, known["state"], host.address, known["origin"], systemd))
    return LabStatus(
        lab_id=data["lab_id"],
        folder=str(state.folder),
        subnet=f"{network.subnet4}, {network.subnet6}",
        dns_running=bool(dns.processes(state)),
        hosts=tuple(seen),
    )
