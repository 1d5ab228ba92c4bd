"""`up --count N`: more hosts than one of a release, each with a name and addresses of its own."""

import json
from pathlib import Path

import pytest
from lab_of_its_own import lab_of_its_own

from lab import Lab
from lab.dns import NO_PTR, STALE, WRONG_PTR
from lab.hosts import MOST_OF_A_RELEASE, LabHost
from lab.lab import further
from lab.network import Network
from lab.releases import RELEASES
from runbook_lib import inventory
from runbook_lib.errors import LabError

NETWORK = Network("made up", 7)


def test_as_many_as_are_wanted_in_all_as_even_as_can_be() -> None:
    assert further(["debian12"], 20) == {"debian12": 20}
    assert further(["debian12", "debian13"], 20) == {"debian12": 10, "debian13": 10}
    assert further(list(RELEASES), 6) == {"debian12": 2, "debian13": 2, "el9": 1, "el10": 1}
    assert further(list(RELEASES), 4) == dict.fromkeys(RELEASES, 1)


@pytest.mark.parametrize("count", [1, 2 * MOST_OF_A_RELEASE + 1])
def test_fewer_than_are_named_or_more_than_there_are_addresses_for(count: int) -> None:
    with pytest.raises(LabError, match="hosts cannot be had of debian12, el9") as told:
        further(["debian12", "el9"], count)
    assert told.value.remedy == f"give 2 to {2 * MOST_OF_A_RELEASE}"


def test_no_two_share_a_name_or_an_address() -> None:
    """Also not with what the lab's DNS has beside the hosts, the network, its gateway and its broadcast address."""
    hosts = [
        LabHost(release, NETWORK, "0123456789abcdef", place)
        for release in RELEASES.values()
        for place in range(1, MOST_OF_A_RELEASE + 1)
    ]
    taken = [NETWORK.address4(last) for last in (0, 1, STALE, NO_PTR, WRONG_PTR, 255)]
    addresses = [host.address for host in hosts] + taken
    assert len(set(addresses)) == len(addresses)
    assert all(int(address.rpartition(".")[2]) < 256 for address in addresses)
    for several in ([name for host in hosts for name in host.names], [host.mac for host in hosts]):
        assert len(set(several)) == len(several)
    assert {host.container for host in hosts} == {f"runbook-0123456789abcdef-{host.name}" for host in hosts}


def test_the_first_of_a_release_is_called_as_before() -> None:
    first, second = (LabHost(RELEASES["el9"], NETWORK, "id", place) for place in (1, 2))
    assert (first.name, first.hostname, first.address) == ("el9", "ms9.example.test", "10.77.7.9")
    assert (second.name, second.hostname) == ("el9-2", "ms9-2.example.test")


def test_two_of_a_release_are_up_and_in_the_inventory(lab: Lab, tmp_path: Path) -> None:
    """The second is a host like the first: DNS, its own keys, a reset, a repair; and it is gone after `down`."""
    del lab  # images are there
    with lab_of_its_own(tmp_path / "own") as own:
        said = own.run("up", "debian12", "--count", "2")
        assert said.count(": up, ") == 2
        second = own.lab.host("debian12-2")
        book = inventory.load(str(own.lab.inventory))
        assert book.host("debian12-2").address == second.address
        seen = own.lab.exec("debian12-2", f"hostname -f; getent ahostsv4 {second.names[3]}").decode()
        assert seen.startswith(f"ms12-2.example.test\n{second.address} ")
        hosts = json.loads((own.folder / "state.json").read_text())["hosts"]
        assert not set(hosts["debian12"]["host_keys"]) & set(hosts["debian12-2"]["host_keys"])
        own.lab.exec("debian12-2", "echo kept >/root/kept")
        assert own.run("up", "debian12").count("\n") == 1  # what is there stays
        assert own.lab.exec("debian12-2", "cat /root/kept") == b"kept\n"
        own.run("reset", "debian12-2")
        assert own.lab.exec("debian12-2", "ls -A /root").find(b"kept") < 0
