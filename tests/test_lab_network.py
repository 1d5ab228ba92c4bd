"""What is meant for a lab stays on this machine, and an outsider can be had."""

import errno
import socket
import subprocess
from pathlib import Path

import pytest

from lab import Lab
from lab.podman import inspect

# In the guarded ranges, outside the subnets that labs take: no bridge ever has them.
NOBODY = (("10.77.200.9", socket.AF_INET), ("fd77:200::9", socket.AF_INET6))


@pytest.mark.usefixtures("lab")
@pytest.mark.parametrize(("address", "family"), NOBODY)
def test_a_packet_for_a_lab_that_is_not_there_never_leaves(
    address: str, family: socket.AddressFamily
) -> None:
    """The kernel says 'No route to host' at once: nothing was sent, not even a question for a neighbour."""
    with socket.socket(family, socket.SOCK_STREAM) as client:
        client.settimeout(5)
        with pytest.raises(OSError, match="No route to host") as refused:
            client.connect((address, 25))
    assert refused.value.errno == errno.EHOSTUNREACH


@pytest.mark.parametrize(("address", "family"), NOBODY)
def test_a_host_cannot_reach_a_lab_that_is_not_there_either(
    lab: Lab, any_host: str, address: str, family: socket.AddressFamily
) -> None:
    """A packet to forward meets the same route: the kernel is asked, since its answers to senders are rationed."""
    host = lab.host(any_host)
    sender = host.address if family == socket.AF_INET else host.address6
    words = ["ip", "route", "get", address, "from", sender, "iif", lab.network.bridge]
    asked = subprocess.run(words, capture_output=True, text=True, timeout=10, check=False)
    assert "No route to host" in asked.stderr, asked.stdout
    tried = f"timeout 4 bash -c 'exec 3<>/dev/tcp/{address}/25' 2>/dev/null && echo reached || echo refused"
    assert lab.exec(any_host, tried) == b"refused\n"


def test_an_outsider_is_seen_with_an_address_outside_the_subnet(lab: Lab, any_host: str) -> None:
    """Relay rules go by the client's address; sshd's own word says which one it saw."""
    host = lab.reset(any_host)
    with lab.outsider() as outsider:
        for source, target in ((outsider.address4, host.address), (outsider.address6, host.address6)):
            with socket.create_connection((target, 22), timeout=5, source_address=(source, 0)) as client:
                assert client.recv(4) == b"SSH-"
                seen = lab.exec(any_host, "ss -Htn state established sport = :22").decode()
                assert source in seen
    with pytest.raises(OSError, match="Cannot assign requested address"):
        socket.create_connection((host.address, 22), timeout=5, source_address=(outsider.address4, 0))


def test_nothing_of_the_lab_listens_beyond_its_bridge(lab: Lab) -> None:
    """No port is published, and the DNS server holds the gateway's address alone."""
    for host in lab.hosts:
        assert inspect("container", host.container)[0]["HostConfig"]["PortBindings"] == {}
    held = Path("/proc/net/udp").read_text().splitlines()[1:]
    port_53 = {line.split()[1].split(":")[0] for line in held if line.split()[1].endswith(":0035")}
    gateway = socket.inet_aton(lab.network.gateway4)[::-1].hex().upper()
    assert gateway in port_53
    assert "00000000" not in port_53
