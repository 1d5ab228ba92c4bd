"""The lab's network: a bridge of its own, and routes that keep what is meant for a lab on this machine."""

import ipaddress
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.podman import inspect, listed, podman
from lab.state import State, machine_lock
from runbook_lib.errors import LabError

FOLDER_LABEL = "runbook.lab.folder"
ID_LABEL = "runbook.lab.id"
# All labs of a machine are inside these; a bridge is more specific, so its route wins while it is there.
GUARDED = ("10.77.0.0/16", "fd77::/16")
# Labs take 1 to 199. The rest stays without a bridge, so that a test can see the guard at work.
_SUBNETS = range(1, 200)
_GUARD_METRIC = "9999"


@dataclass(frozen=True)
class Network:
    """A lab's network.

    Args:
        name: podman's name of it.
        number: N in 10.77.N.0/24 and fd77:N::/64.
    """

    name: str
    number: int

    @property
    def bridge(self) -> str:
        """The interface on this machine; it is there while a host is up."""
        return str(inspect("network", self.name)[0]["network_interface"])

    @property
    def subnet4(self) -> str:
        """IPv4 subnet."""
        return f"10.77.{self.number}.0/24"

    @property
    def subnet6(self) -> str:
        """IPv6 subnet; N is written as in the IPv4 one, so that both can be read at a glance."""
        return f"fd77:{self.number}::/64"

    @property
    def gateway4(self) -> str:
        """This machine's address on the bridge; the lab's DNS server answers there."""
        return self.address4(1)

    @property
    def gateway6(self) -> str:
        """This machine's IPv6 address on the bridge."""
        return self.address6(1)

    def address4(self, last: int) -> str:
        """An IPv4 address of the subnet."""
        return f"10.77.{self.number}.{last}"

    def address6(self, last: int) -> str:
        """An IPv6 address of the subnet."""
        return f"fd77:{self.number}::{last}"


def set_guard_routes() -> None:
    """Make every lab address unreachable that no bridge claims: no packet for a lab leaves this machine.

    Raises: LabError when the routes cannot be set; no host may be started then.
    """
    for prefix in GUARDED:
        family = f"-{ipaddress.ip_network(prefix).version}"
        done = _ip(family, "route", "replace", "unreachable", prefix, "metric", _GUARD_METRIC)
        if done.returncode:
            raise LabError(
                f"cannot set the guard route for {prefix}: {done.stderr.decode().strip()}",
                "lab",
                "run as root on a machine with IPv4 and IPv6",
            )


def remove_guard_routes() -> None:
    """Take the guard routes away; the caller knows that no lab is left."""
    for prefix in GUARDED:
        family = f"-{ipaddress.ip_network(prefix).version}"
        _ip(family, "route", "del", "unreachable", prefix, "metric", _GUARD_METRIC)


def name_of(data: Mapping[str, Any]) -> str:
    """podman's name of a lab's network, by the lab's state."""
    number = data.get("networks_before", 0)
    return f"runbook-{data['lab_id']}" + (f"-{number + 1}" if number else "")


def create(state: State) -> Network:
    """The lab's network, made where it is missing; the next free subnet when another lab has this one.

    Args:
        state: says which subnet the lab had; the one taken is written there.
    """
    lab_id = state.read()["lab_id"]
    name = name_of(state.read())
    with machine_lock():
        set_guard_routes()
        taken = _taken()
        if name in taken:
            return _remember(state, Network(name, taken[name]))
        before = state.read()["subnet"]
        for number in [*([before] if before else []), *_SUBNETS]:
            if number in taken.values():
                continue
            network = Network(name, number)
            made = podman(
                "network", "create", "--ipv6", "--disable-dns",
                "--subnet", network.subnet4, "--gateway", network.gateway4,
                "--subnet", network.subnet6, "--gateway", network.gateway6,
                "--label", f"{ID_LABEL}={lab_id}", "--label", f"{FOLDER_LABEL}={state.folder}",
                name, check=False,
            )  # fmt: skip
            if made.returncode == 0:
                return _remember(state, network)
            if b"subnet" not in made.stderr:  # else: in use by something that is not a lab; try the next
                raise LabError(made.stderr.decode().strip(), "lab's network", "run `python -m lab up` again")
    raise LabError(
        "all 199 subnets are taken", "lab's network", "run `python -m lab down` in checkouts not in use"
    )


def remove(name: str) -> None:
    """Remove a lab's network, and the guard routes when it was the last lab's."""
    with machine_lock():
        podman("network", "rm", "-f", "-t", "0", name, check=False)
        if not _taken():
            remove_guard_routes()


def of_folder(folder: Path) -> list[str]:
    """Names of networks made for this state folder, also where the state file was lost."""
    return [
        network["name"]
        for network in listed("network")
        if network.get("labels", {}).get(FOLDER_LABEL) == str(folder)
    ]


def _taken() -> dict[str, int]:
    """Name and subnet number of every lab's network on this machine."""
    return {
        network["name"]: int(network["subnets"][0]["subnet"].split(".")[2])
        for network in listed("network")
        if ID_LABEL in network.get("labels", {})
    }


def _remember(state: State, network: Network) -> Network:
    with state.change() as data:
        data["subnet"] = network.number
    return network


def _ip(*words: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["ip", *words], capture_output=True, timeout=10, check=False)
