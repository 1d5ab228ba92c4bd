"""A client that is not in the lab's subnet: what a host sees of somebody on the internet."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from lab.network import Network
from runbook_lib.errors import LabError


@dataclass(frozen=True)
class Outsider:
    """Addresses to bind a client to (documentation ranges: RFC 5737, RFC 3849)."""

    address4: str
    address6: str


def address4(network: Network) -> str:
    """The outsider's IPv4 address in a lab."""
    return f"198.51.100.{network.number}"


@contextmanager
def on_bridge(network: Network) -> Iterator[Outsider]:
    """Put the addresses on the bridge for a while; hosts answer by their default route: this machine.

    Raises: LabError where the bridge is missing.
    """
    outsider = Outsider(address4(network), f"2001:db8::{network.number}")
    bridge = network.bridge
    try:
        _address("replace", f"{outsider.address4}/32", bridge)
        _address("replace", f"{outsider.address6}/128", bridge, "nodad")  # usable at once
        yield outsider
    finally:
        for address in (f"{outsider.address4}/32", f"{outsider.address6}/128"):
            subprocess.run(
                ["ip", "address", "del", address, "dev", bridge], capture_output=True, timeout=10, check=False
            )


def _address(verb: str, address: str, bridge: str, *options: str) -> None:
    words = ["ip", "address", verb, address, "dev", bridge, *options]
    done = subprocess.run(words, capture_output=True, timeout=10, check=False)
    if done.returncode:
        raise LabError(
            f"`{' '.join(words)}`: {done.stderr.decode().strip()}", "lab", "run `python -m lab up`"
        )
