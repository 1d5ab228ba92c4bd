"""A host behind jump hosts is reached through them, as `ssh -J` does it, and each shows its known key.

The host is debian12's second sshd, which takes connections from the jump hosts alone. The first of them is debian13's
second sshd, with an account and a key of its own that open nothing else.
"""

import subprocess
from collections.abc import Iterator

import pytest
from behind_jump_hosts import HOST, JUMP, SECOND_JUMP, Behind, jump_account, only_through_jumps
from remote_hosts import SECOND_PORT, fingerprint, make_keys, model, public, second_sshd, wait_until

from lab import Lab
from runbook_lib import inventory, remote
from runbook_lib.errors import HostKeyChanged, HostKeyUnknown, HostUnreachable, LoginRefused
from runbook_lib.remote.vantage import HostItself


@pytest.fixture(scope="module")
def way(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Behind]:
    folder = tmp_path_factory.mktemp("behind")
    host = make_keys(folder / "host", ["ed25519"])["ed25519"]
    with (
        jump_account(lab, folder) as keys,
        only_through_jumps(lab, SECOND_PORT),
        second_sshd(lab, HOST, [host]),
    ):
        yield Behind(lab, folder / "home", {**keys, "host": host})


@pytest.fixture
def behind(way: Behind, monkeypatch: pytest.MonkeyPatch) -> Iterator[Behind]:
    way.home.mkdir(exist_ok=True)
    monkeypatch.setenv("HOME", str(way.home))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    way.write()
    yield way
    for open_host in list(remote.connection._hosts.values()):
        open_host.close()


def test_host_is_reached_through_the_jump_host_and_no_other_way(behind: Behind) -> None:
    with pytest.raises(HostUnreachable, match="Connection refused"):
        behind.connect()
    host = behind.connect(jump=f"ops@gw:{SECOND_PORT}")
    assert host.run("id -u; cat", root=True, stdin=bytes(range(256)) * 4096).stdout == b"0\n" + (
        bytes(range(256)) * 4096
    )
    assert host.run("echo ${SSH_CONNECTION%% *}").text == behind.address(JUMP)
    assert host.host_key.line == public(behind.keys["host"])
    assert len(behind.sessions(JUMP, "ops")) == 1
    host.close()
    wait_until(lambda: not behind.sessions(JUMP, "ops"))


def test_alias_of_ssh_config_is_the_way_that_ssh_takes(behind: Behind) -> None:
    """Nothing but the alias stands in the inventory; ssh and the runbook meet the same host as the same user."""
    key = behind.lab.folder / "id_ed25519"
    behind.write(
        "Host mail_behind",
        f"  HostName {behind.address(HOST)}",
        f"  Port {SECOND_PORT}",
        "  User kanri",
        f"  IdentityFile {key}",
        f"  ProxyJump ops@gw:{SECOND_PORT}",
        "Host *",
        f"  UserKnownHostsFile {behind.home}/.ssh/known_hosts",  # ssh itself does not look at $HOME
    )
    left_open = behind.host(address="mail_behind", key=None, user=None).model_dump(exclude={"port"})
    host = remote.connect(behind.site, inventory.Host.model_validate(left_open))
    look = "id -un; cat /etc/machine-id; echo ${SSH_CONNECTION%% *}"
    typed = subprocess.run(
        ["ssh", "-F", behind.home / ".ssh" / "config", "mail_behind", look],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert host.run(look).stdout.decode() == typed.stdout
    assert typed.stdout.splitlines()[::2] == ["kanri", behind.address(JUMP)]


def test_host_of_the_inventory_is_a_jump_with_its_own_address_user_and_key(behind: Behind) -> None:
    behind.write()
    jump = model(behind.lab, JUMP, port=SECOND_PORT, user="ops", key=str(behind.keys["ops"]))
    host = behind.host(jump=JUMP).going_through(jump)
    assert remote.connect(behind.site, host).run("echo ${SSH_CONNECTION%% *}").text == behind.address(JUMP)


def test_changed_key_of_the_jump_host_is_refused_by_its_name(behind: Behind) -> None:
    other = behind.keys["host"]
    behind.write(jump=f"[{behind.address(JUMP)}]:{SECOND_PORT} {public(other)}")
    with pytest.raises(HostKeyChanged) as refused:
        behind.connect(jump=f"ops@gw:{SECOND_PORT}")
    said = str(refused.value)
    assert said.startswith(
        f"{HOST}, jump ops@gw:{SECOND_PORT}: [{behind.address(JUMP)}]:{SECOND_PORT} shows another"
    )
    assert f"known: 256 {fingerprint(other)}" in said
    assert f"shown: 256 {fingerprint(behind.keys['jump'])}" in said
    assert behind.sessions(JUMP, "ops") == []


def test_changed_key_of_the_host_is_refused_behind_a_jump_host_too(behind: Behind) -> None:
    """Where the jump host leads elsewhere, the key says so; and the jump host's connection is given back."""
    behind.write(host=f"[{behind.address(HOST)}]:{SECOND_PORT} {public(behind.keys['jump'])}")
    with pytest.raises(HostKeyChanged, match=rf"^{HOST}: ") as refused:
        behind.connect(jump=f"ops@gw:{SECOND_PORT}")
    assert fingerprint(behind.keys["host"]) in str(refused.value)
    wait_until(lambda: not behind.sessions(JUMP, "ops"))


def test_unknown_jump_host_is_refused_with_the_line_to_add(behind: Behind) -> None:
    behind.write(jump="# nothing")
    with pytest.raises(HostKeyUnknown, match=rf"^{HOST}, jump ops@gw:{SECOND_PORT}: ") as refused:
        behind.connect(jump=f"ops@gw:{SECOND_PORT}")
    assert behind.known["jump"] in refused.value.remedy


def test_two_jump_hosts_each_with_its_own_user_key_and_known_key(behind: Behind) -> None:
    """The first is an account of its own, the second the lab's own sshd of another system."""
    lab_key = behind.lab.folder / "id_ed25519"
    lab_known = (behind.lab.folder / "known_hosts").read_text()
    behind.write(
        *(
            "Host gw2",
            f"  HostName {behind.address(SECOND_JUMP)}",
            f"  IdentityFile {lab_key}",
            "  User kanri",
        ),
        lab=lab_known,
    )
    host = behind.connect(jump=f"ops@gw:{SECOND_PORT},kanri@gw2")
    assert host.run("echo ${SSH_CONNECTION%% *}").text == behind.address(SECOND_JUMP)
    seen_by_second = behind.lab.exec(SECOND_JUMP, "ss -Htn state established sport = :22").decode()
    assert f"{behind.address(JUMP)}:" in seen_by_second
    host.close()
    behind.write(*("Host gw2", f"  HostName {behind.address(SECOND_JUMP)}", "  User kanri"), lab=lab_known)
    with pytest.raises(
        LoginRefused, match=rf"^{HOST}, jump kanri@gw2: the host refuses kanri; offered: nothing"
    ):
        behind.connect(jump=f"ops@gw:{SECOND_PORT},kanri@gw2")


def test_lock_through_a_jump_host_ends_with_the_way_and_a_new_one_is_made(behind: Behind) -> None:
    host = behind.connect(jump=f"ops@gw:{SECOND_PORT}")
    held = host.hold("flock -n /run/lock/behind sh -c 'echo LOCKED; cat >/dev/null'", root=True)
    behind.lab.exec(JUMP, f"kill -9 {' '.join(behind.sessions(JUMP, 'ops'))}")
    behind.lab.exec(HOST, "flock -w 10 /run/lock/behind true")
    with pytest.raises(HostUnreachable, match="the connection broke, and with it ended `flock"):
        host.run("echo without the lock")
    held.release()
    assert host.run("echo again").text == "again"
    assert len(behind.sessions(JUMP, "ops")) == 1


def test_services_are_asked_from_the_host_itself_through_the_jump_host(behind: Behind) -> None:
    """Where a jump host found the host by an address of its own network, that is the address to ask."""
    host = behind.connect(jump=f"ops@gw:{SECOND_PORT}")
    connected, client = HostItself(host).connect(behind.address(HOST), 22, 10)
    with connected:
        assert connected.recv(8) == b"SSH-2.0-"
    assert client == behind.address(HOST)


def test_jump_host_that_forwards_nothing_or_finds_nobody_says_so(behind: Behind) -> None:
    with pytest.raises(HostUnreachable, match=r"the jump host before it does not reach .* port 2 "):
        behind.connect(jump=f"ops@gw:{SECOND_PORT}", port=2)
    authorized = "~ops/.ssh/authorized_keys"
    behind.lab.exec(JUMP, f"sed -i 's/^ssh/restrict ssh/' {authorized}")
    try:
        with pytest.raises(HostUnreachable, match="forwards no connection") as refused:
            behind.connect(jump=f"ops@gw:{SECOND_PORT}")
    finally:
        behind.lab.exec(JUMP, f"sed -i 's/^restrict ssh/ssh/' {authorized}")
    assert "AllowTcpForwarding" in refused.value.remedy


def test_proxy_command_of_ssh_config_is_the_connection_and_ends_with_it(behind: Behind) -> None:
    behind.write(
        "Host *",
        f"  ProxyCommand ssh -F /dev/null -i {behind.keys['ops']} -o StrictHostKeyChecking=yes "
        f"-o UserKnownHostsFile={behind.home}/.ssh/known_hosts -p {SECOND_PORT} -W [%h]:%p ops@{behind.address(JUMP)}",
    )
    host = behind.connect()
    assert host.run("echo ${SSH_CONNECTION%% *}").text == behind.address(JUMP)
    host.close()
    wait_until(lambda: not behind.sessions(JUMP, "ops"))
    behind.write("Host *", "  ProxyCommand exit 3")
    with pytest.raises(HostUnreachable, match="no SSH session comes about through the ProxyCommand `exit 3`"):
        behind.connect()


def test_jump_that_leads_to_itself_is_refused(behind: Behind) -> None:
    behind.write("Host *", f"  ProxyJump ops@gw:{SECOND_PORT}")
    with pytest.raises(HostUnreachable, match=r"the (way to it|jump hosts) ha(s|ve) no end"):
        behind.connect()
