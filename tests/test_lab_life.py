"""A lab is made once, repaired whatever happened to it, and removed without a trace."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from lab_of_its_own import OwnLab, containers, lab_of_its_own, networks, routes

from lab import Lab, dns, host_images, images
from lab.network import GUARDED
from lab.podman import AddressTaken, inspect, needs, podman
from lab.releases import RELEASES
from lab.state import CHECKOUT, State

# A kernel has inotify instances for some four labs of four hosts, and others are up meanwhile.
HOSTS = ("debian12", "el9")


def own_processes(own: OwnLab) -> list[int]:
    """Every process that belongs to a lab: what holds the hosts, their first processes, the DNS server."""
    states = [one["State"] for one in inspect("container", *(own.lab.host(name).container for name in HOSTS))]
    assert len(states) == len(HOSTS)
    servers = dns.processes(State(own.folder))
    return [*(state["ConmonPid"] for state in states), *(state["Pid"] for state in states), *servers]


def started_well(lab: Lab) -> bool:
    """Whether the hosts of the lab that were started are whole."""
    return all(host.systemd in ("running", "degraded") for host in lab.status().hosts if host.name in HOSTS)


def is_alive(pid: int) -> bool:
    """Whether a process is there and not only waiting to be collected."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_second_up_changes_nothing(lab: Lab, tmp_path: Path) -> None:
    """Same containers, same processes, same keys and passwords, and nothing but the last line is said."""
    del lab  # images are there
    with lab_of_its_own(tmp_path / "own") as own:
        own.run("up", *HOSTS)
        before = {path: path.read_bytes() for path in own.folder.rglob("*") if path.is_file()}
        processes = own_processes(own)
        said = own.run("up", *HOSTS)
        assert said.startswith("lab: up in ")
        assert said.count("\n") == 1
        assert own_processes(own) == processes
        assert {path: path.read_bytes() for path in own.folder.rglob("*") if path.is_file()} == before


def test_a_lab_whose_processes_were_all_killed_is_repaired(lab: Lab, tmp_path: Path) -> None:
    """Hosts come back with the files they had, and with the keys that known_hosts knows."""
    del lab
    with lab_of_its_own(tmp_path / "own") as own:
        own.run("up", *HOSTS)
        own.lab.exec("debian12", "echo kept >/root/kept")
        keys = (own.folder / "known_hosts").read_text()
        killed = own_processes(own)
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + 10
        while any(is_alive(pid) for pid in killed):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        own.run("up", *HOSTS)
        status = own.lab.status()
        assert status.dns_running
        assert started_well(own.lab)
        assert own.lab.exec("debian12", "cat /root/kept") == b"kept\n"
        assert (own.folder / "known_hosts").read_text() == keys


def killed_start(container: str, folder: Path) -> None:
    """`podman start`, killed when it has given the container its addresses, and the network's program is to begin."""
    program, begun = folder / "netavark", folder / "begun"
    program.write_text(f"#!/bin/sh\necho $$ > {begun}.new; mv {begun}.new {begun}; exec sleep 300\n")
    program.chmod(0o755)
    (folder / "containers.conf").write_text(f'[engine]\nhelper_binaries_dir = ["{folder}"]\n')
    starting = subprocess.Popen(
        ["podman", *needs().options, "start", container],
        env={**os.environ, "CONTAINERS_CONF": str(folder / "containers.conf")},
    )
    deadline = time.monotonic() + 30
    while not begun.exists():
        assert starting.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    starting.kill()
    starting.wait(timeout=10)
    os.kill(int(begun.read_text()), signal.SIGKILL)


def test_an_address_that_a_killed_start_took_is_freed_and_the_hosts_keep_their_files(
    lab: Lab, tmp_path: Path
) -> None:
    del lab
    with lab_of_its_own(tmp_path / "own") as own:
        own.run("up", *HOSTS)
        for name in HOSTS:
            own.lab.exec(name, "echo kept >/root/kept")
        container = own.lab.host("debian12").container
        podman("stop", "-t", "0", container)
        (tmp_path / "killed").mkdir()
        killed_start(container, tmp_path / "killed")
        with pytest.raises(AddressTaken, match="already allocated"):
            podman("start", container)
        said = own.run("up", *HOSTS)
        assert "the network is made anew, with its hosts" in said
        assert started_well(own.lab)
        assert [own.lab.exec(name, "cat /root/kept") for name in HOSTS] == [b"kept\n"] * 2
        assert own.run("up", *HOSTS).count("\n") == 1


def test_an_up_that_was_killed_half_way_is_finished_by_the_next(lab: Lab, tmp_path: Path) -> None:
    del lab
    with lab_of_its_own(tmp_path / "own") as own:
        process = own.start("up", *HOSTS)
        deadline = time.monotonic() + 60
        while not (own.folder / "known_hosts").exists():  # network made, hosts not yet up
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.kill()
        process.communicate(timeout=10)
        own.run("up", *HOSTS)
        assert started_well(own.lab)


def test_a_lab_whose_state_was_deleted_leaves_nothing_behind(lab: Lab, tmp_path: Path) -> None:
    """Containers and network are found by the folder they were made for."""
    del lab
    with lab_of_its_own(tmp_path / "own") as own:
        own.run("up", *HOSTS)
        first = own.lab.hosts
        shutil.rmtree(own.folder)
        own.run("up", *HOSTS)
        assert not {host.container for host in first} & containers()
        assert first[0].network.name not in networks()
        assert len(dns.processes(State(own.folder))) == 1


def test_two_labs_started_together_do_not_fight(lab: Lab, tmp_path: Path) -> None:
    """Each has a subnet, hosts, keys and names of its own; images are shared."""
    del lab
    with lab_of_its_own(tmp_path / "one") as one, lab_of_its_own(tmp_path / "two") as two:
        started = [own.start("up", *HOSTS) for own in (one, two)]
        for process in started:
            _, errors = process.communicate(timeout=300)
            assert (process.returncode, errors) == (0, "")
        assert one.lab.network.number != two.lab.network.number
        for own in (one, two):
            host = own.lab.host("debian12")
            found = own.lab.exec(
                "debian12", "getent ahostsv4 ms12.example.test; cat /etc/runbook-lab"
            ).decode()
            assert host.address in found
            assert found.endswith(f"{host.lab_id}\n")
        keys = [
            json.loads((own.folder / "state.json").read_text())["hosts"]["debian12"]["host_keys"]
            for own in (one, two)
        ]
        assert not set(keys[0]) & set(keys[1])


def test_down_removes_what_up_made_and_nothing_else(lab: Lab, tmp_path: Path) -> None:
    shared = {host.container for host in lab.hosts}
    with lab_of_its_own(tmp_path / "own") as own:
        own.run("up", *HOSTS)
        own.lab.keep("debian12", "kept")
        own.lab.reset("debian12", "kept")
        hosts, processes = own.lab.hosts, own_processes(own)
        own.lab.keep("debian12", "kept")  # the first one has no name now, and a host that uses it
        assert len(images.of_lab(hosts[0].lab_id)) == 2
        said = own.run("down")
        assert "images stay" in said
        assert not own.folder.exists()
        assert not {host.container for host in hosts} & containers()
        assert hosts[0].network.name not in networks()
        assert not any(f"10.77.{hosts[0].network.number}." in route for route in routes())
        assert not any(is_alive(pid) for pid in processes)
        assert images.of_lab(hosts[0].lab_id) == []
    assert host_images.find(RELEASES["debian12"], "bare")
    assert shared <= containers()
    for prefix in GUARDED:  # another lab is still here
        assert any(route.startswith(f"unreachable {prefix}") for route in routes())


def test_the_guard_is_set_before_the_first_host() -> None:
    """In a network namespace of its own, where nothing else has set it."""
    set_twice = "from lab.network import set_guard_routes; set_guard_routes(); set_guard_routes()"
    script = 'ip link set lo up; "$0" -c "$1"; ip -4 route; ip -6 route'
    shown = subprocess.run(
        ["unshare", "--net", "sh", "-ec", script, sys.executable, set_twice],
        cwd=CHECKOUT, capture_output=True, text=True, timeout=30, check=True,
    ).stdout  # fmt: skip
    for prefix in GUARDED:
        assert f"unreachable {prefix}" in shown


def test_where_no_lab_can_run_two_lines_say_so(tmp_path: Path) -> None:
    """Here: no podman to be found. The second line leads to servers of one's own."""
    refused = subprocess.run(
        [sys.executable, "-m", "lab", "up"],
        cwd=CHECKOUT, env={"PATH": str(tmp_path), "RUNBOOK_LAB": str(tmp_path / "own")},
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert refused.returncode == 1
    first, second = refused.stderr.splitlines()
    assert first.startswith("no lab can run here: podman")
    assert "Your own servers" in second
    assert not (tmp_path / "own").exists()


def test_a_relative_folder_is_refused(tmp_path: Path) -> None:
    """It would be another lab in every working directory."""
    refused = subprocess.run(
        [sys.executable, "-m", "lab", "status"],
        cwd=CHECKOUT, env={**os.environ, "RUNBOOK_LAB": "somewhere"},
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert refused.returncode == 1
    assert "'somewhere' is not an absolute path" in refused.stderr
    assert list(tmp_path.iterdir()) == []


def test_status_for_a_program_says_where_each_image_came_from(lab: Lab) -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "lab", "status", "--json"],
        cwd=CHECKOUT, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    hosts = json.loads(shown.stdout)["hosts"]
    assert [host["name"] for host in hosts] == [host.name for host in lab.hosts]
    for host in hosts:
        label = RELEASES[host["name"]].recipe.label
        below = host["origin"].removeprefix(f"{label}; base: ") if label else host["origin"]
        assert below.startswith(("mmdebstrap (", "registry ("))


def test_a_host_with_a_layout_alone_is_called_that_in_the_table(lab: Lab) -> None:
    del lab
    shown = subprocess.run(
        [sys.executable, "-m", "lab", "status"],
        cwd=CHECKOUT, capture_output=True, text=True, timeout=60, check=True,
    ).stdout  # fmt: skip
    said = {
        line.split()[0]: "Enterprise Linux layout, not CentOS" in line for line in shown.splitlines() if line
    }
    for release in RELEASES.values():
        assert said[release.name] == release.recipe.stands_in


@pytest.mark.parametrize("word", ["nobody", "debian12 --state rusty"])
def test_an_unknown_host_or_state_is_answered_with_the_known_ones(lab: Lab, word: str) -> None:
    del lab
    refused = subprocess.run(
        [sys.executable, "-m", "lab", "reset", *word.split()],
        cwd=CHECKOUT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert refused.returncode == 1
    assert ("debian12, debian13" if word == "nobody" else "bare, fresh") in refused.stderr
