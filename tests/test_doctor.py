"""`runbook doctor`: says of each thing that would stop a run what it is and what to do, and touches nothing."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from applied_host import RUNBOOK, runbook
from other_clock import by_another_clock
from remote_hosts import make_keys, model, public, site
from trees import MAY_DIFFER, changed

from lab import Lab
from lab.podman import podman
from runbook_lib import doctor, inventory, remote
from runbook_lib.doctor import Finding

HOST = "debian12"
EVERYTHING = [
    *("reach", "host key", "login key", "secrets", "login shell", "sudo", "system", "clock", "files"),
    *("package manager", "package sources", "disk, /", "port 25", "port 465", "port 587", "other runs"),
]


def examined(lab: Lab, name: str = HOST, /, **changes: object) -> dict[str, Finding]:
    """The findings for a host with some fields of the inventory changed, by what they are about."""
    host = model(lab, name, **changes)
    if (before := remote.connected(host)) is not None:
        before.close()  # sshd asks for the login shell at login
    return {finding.what: finding for finding in doctor.examine(site(lab), host)}


def test_sound_host_has_nothing_that_stops_a_run_and_is_not_touched(lab: Lab, host_name: str) -> None:
    lab.reset(host_name, "bare")
    before = lab.tree(host_name)
    done = runbook("doctor", host_name, "--json")
    assert changed(before, lab.tree(host_name), tuple(MAY_DIFFER)) == []
    assert (done.returncode, done.stderr) == (0, "")
    rows = json.loads(done.stdout)["hosts"][host_name]
    assert set(EVERYTHING) <= {row["what"] for row in rows}
    assert {row["standing"] for row in rows} == {"ok"}
    assert not any(row["to_do"] for row in rows)


def test_table_of_several_hosts_ends_with_1_where_one_would_be_stopped(lab: Lab, tmp_path: Path) -> None:
    """A host without its own fault is told as it is beside one that nobody reaches."""
    text = lab.inventory.read_text()
    address = f"address: {lab.host('debian13').address}"
    assert address in text
    broken = tmp_path / "broken.yaml"
    broken.write_text(text.replace(address, "address: nowhere.invalid"))
    done = subprocess.run(
        [RUNBOOK, "doctor", HOST, "debian13", "--inventory", broken],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    one, other = done.stdout.split("\n\n")[:2]
    assert one.startswith(f"{HOST}: nothing would stop a run\n")
    assert other.startswith("debian13: 1 would stop a run\n")
    assert "the name nowhere.invalid has no address" in " ".join(other.split())
    assert "  To do, reach: correct the address in the inventory" in other
    assert other.count("could not test") == 14


def test_unknown_host_is_bad_usage(lab: Lab) -> None:
    assert lab.inventory.exists()
    done = runbook("doctor", "nobody")
    assert (done.returncode, done.stdout) == (2, "")
    assert "there is no host nobody" in done.stderr


@pytest.mark.parametrize(
    ("changes", "good", "what", "seen"),
    [
        pytest.param({"port": 2}, [], "reach", "port 2: Connection refused", id="nobody listens"),
        pytest.param({"user": "nobody-here"}, ["reach", "host key"], "login key", "the host refuses", id="user"),
        pytest.param({"key": "/dev/null"}, ["reach", "host key"], "login key", "cannot be read", id="key"),
        pytest.param(
            {"sudo": inventory.Sudo(password=None)}, ["login key", "login shell"], "sudo", "asks kanri", id="sudo"
        ),
        pytest.param(
            {"sudo": inventory.Sudo(password="env:RUNBOOK_NOT_SET")},
            ["login key"], "sudo", "RUNBOOK_NOT_SET", id="sudo's password is not to be had",
        ),
        pytest.param({"family": "Enterprise Linux"}, ["sudo"], "system", "Debian 12, and the inventory", id="family"),
    ],
)  # fmt: skip
def test_what_the_inventory_has_wrong_is_the_one_thing_that_stops(
    lab: Lab, changes: dict[str, object], good: list[str], what: str, seen: str
) -> None:
    found = examined(lab, **changes)
    assert [name for name, finding in found.items() if finding.standing == "stops a run"] == [what]
    assert seen in found[what].seen
    assert found[what].to_do
    assert {found[name].standing for name in good} <= {"ok"}
    assert set(EVERYTHING) - {"disk, /"} <= set(found)


def test_changed_host_key_stops_and_nobody_logs_in(lab: Lab, tmp_path: Path) -> None:
    other = make_keys(tmp_path / "other", ["ed25519"])["ed25519"]
    known = tmp_path / "known_hosts"
    known.write_text(f"{lab.host(HOST).address} {public(other)}\n")
    found = {f.what: f for f in doctor.examine(site(lab, known), model(lab, HOST))}
    assert (found["reach"].standing, found["host key"].standing) == ("ok", "stops a run")
    assert "shows another key than the known one" in found["host key"].seen
    assert found["login key"].standing == "could not test"


_LOCK = """perl -MFcntl -e 'open F, "+>>", $ARGV[0]; $l = pack("s s x4 q q l", F_WRLCK, 0, 0, 0, 0);
fcntl(F, F_SETLK, $l) or die; open R, ">/run/holds"; sleep 60' FILE \\
  </dev/null >/dev/null 2>&1 &
echo $! >/run/held; until [ -e /run/holds ]; do sleep 0.05; done"""
_DPKG_LOCK = _LOCK.replace("FILE", "/var/lib/dpkg/lock-frontend")
_RPM_LOCK = _LOCK.replace("FILE", "$(rpm -E %_dbpath)/.rpm.lock")
_LISTEN = (
    "perl -MSocket -e 'socket(S, PF_INET, SOCK_STREAM, 0); setsockopt(S, SOL_SOCKET, SO_REUSEADDR, 1); "
    "bind(S, sockaddr_in(465, INADDR_ANY)) or die; listen(S, 5); open R, q(>/run/holds); sleep 60' "
    "</dev/null >/dev/null 2>&1 &\n"
    "echo $! >/run/held; until [ -e /run/holds ]; do sleep 0.05; done"
)
_HALF = (
    "d=$(mktemp -d /root/half.XXXX); mkdir $d/DEBIAN; chmod 755 $d\n"
    "printf 'Package: half\\nVersion: 1\\nArchitecture: all\\nMaintainer: x <x@example.test>\\nDescription: x\\n' "
    ">$d/DEBIAN/control; dpkg-deb -b $d /root/half.deb >/dev/null; dpkg --unpack /root/half.deb >/dev/null"
)
_RUN = (
    "echo run R of somebody >/run/runbook.lock; exec 9</run/runbook.lock; sleep 60 </dev/null >/dev/null 2>&1 &\n"
    "echo $! >/run/held; exec 9<&-"
)
_END = "kill $(cat /run/held); rm -f /run/held /run/holds"

BROKEN = [
    ("dpkg's lock is held", _DPKG_LOCK, _END, "package manager", "stops a run", "apt-get is locked by perl (process "),
    ("half installed", _HALF, "dpkg --purge half >/dev/null; rm -rf /root/half*", "package manager", "stops a run",
     "packages are half installed: The following packages have been unpacked"),
    ("no way to the archive", "echo 'Acquire::http::Proxy \"http://127.0.0.1:9\";' >/etc/apt/apt.conf.d/99proxy",
     "rm /etc/apt/apt.conf.d/99proxy", "package sources", "stops a run",
     "not reached from the host: http://127.0.0.1:9 (Connect"),
    ("another program on 465", _LISTEN, _END, "port 465", "stops a run", "held by perl, not by Postfix"),
    ("another run at work", _RUN, f"{_END}; rm -f /run/runbook.lock", "other runs", "stops a run",
     "run R of somebody is at work"),
    ("login shell", "usermod -s /usr/sbin/nologin kanri", "usermod -s /bin/bash kanri", "login shell", "stops a run",
     "does not run commands"),
    ("no right to sudo", "mv /etc/sudoers.d/kanri /root/", "mv /root/kanri /etc/sudoers.d/", "sudo", "stops a run",
     "kanri is not in the sudoers file"),
    ("an unknown system", "sed -i.was s/^ID=debian/ID=plan9/ /usr/lib/os-release",
     "mv /usr/lib/os-release.was /usr/lib/os-release", "system", "stops a run", "was not tried on"),
]  # fmt: skip


@contextmanager
def broken(lab: Lab, how: str, mend: str, name: str = HOST) -> Iterator[None]:
    lab.exec(name, how)
    try:
        yield
    finally:
        lab.exec(name, mend)


@pytest.fixture(scope="module")
def bare(lab: Lab) -> None:
    lab.reset(HOST, "bare")


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize(
    ("how", "mend", "what", "standing", "seen"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN]
)
def test_what_is_wrong_on_the_host_is_named_with_the_next_step(
    lab: Lab, how: str, mend: str, what: str, standing: str, seen: str
) -> None:
    with broken(lab, how, mend):
        found = examined(lab)
    assert found[what].standing == standing
    assert seen in found[what].seen
    assert found[what].to_do
    assert [name for name, f in found.items() if f.standing == "stops a run"] == [what]


def test_lock_of_the_other_package_manager_is_seen_too(lab: Lab) -> None:
    with broken(lab, _RPM_LOCK, _END, "el9"):
        found = examined(lab, "el9")
    assert found["package manager"].standing == "stops a run"
    assert "dnf is locked by perl (process " in found["package manager"].seen
    assert "never delete the lock's file" in found["package manager"].to_do


def test_clock_that_is_two_days_off_stops_with_both_times(lab: Lab) -> None:
    """The controller's, by faketime: the lab's hosts share the kernel's."""
    assert lab.inventory.exists()
    done = subprocess.run(
        [*by_another_clock("+2d"), RUNBOOK, "doctor", HOST, "--inventory", "lab", "--json"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    [clock] = [row for row in json.loads(done.stdout)["hosts"][HOST] if row["what"] == "clock"]
    assert clock["standing"] == "stops a run"
    assert "the host's clock is 2 days behind the controller's: host " in clock["seen"]
    assert "set the clock that is wrong" in clock["to_do"]


@pytest.mark.usefixtures("bare")
def test_full_file_system_of_the_journal_stops(lab: Lab) -> None:
    inspected = podman("inspect", "--format", "{{.State.Pid}}", lab.host(HOST).container)
    inside = ["nsenter", "-t", inspected.stdout.decode().strip(), "-m"]
    lab.exec(HOST, "mkdir -p /var/lib/runbook")
    mount = [*inside, "mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", "/var/lib/runbook"]
    subprocess.run(mount, check=True, timeout=10)
    try:
        found = examined(lab)
    finally:
        subprocess.run([*inside, "umount", "/var/lib/runbook"], check=True, timeout=10)
        lab.exec(HOST, "rmdir /var/lib/runbook")
    assert found["disk, /var/lib/runbook"].standing == "stops a run"
    assert found["disk, /var/lib/runbook"].seen.startswith("8 MiB free")
    assert found["disk, /"].standing == "ok"


def test_controller_without_the_secrets_is_told_which(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RUNBOOK_NOT_SET", raising=False)
    host = model(lab, HOST)
    values = host.certificate.model_copy(update={"key_passphrase": "env:RUNBOOK_NOT_SET"})
    found = {f.what: f for f in doctor.examine(site(lab), host.model_copy(update={"certificate": values}))}
    assert found["secrets"].standing == "stops a run"
    assert f"hosts.{HOST}.certificate.key_passphrase" in found["secrets"].seen
