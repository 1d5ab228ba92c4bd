"""One connection a process and host: the inventory's key alone, made anew when it died, quiet, bounded."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from remote_hosts import SECOND_PORT, connected, make_keys, model, public, second_sshd, site

from lab import Lab
from runbook_lib import remote
from runbook_lib.errors import CommandFailed, DeadlineExceeded, HostUnreachable, LoginRefused

HOST = "debian12"


def sessions(lab: Lab) -> list[str]:
    """Process ids of the sshd processes that serve kanri."""
    listed = lab.exec(
        HOST, "ps -eo pid=,args= | sed -nE 's/^ *([0-9]+) sshd(-session)?: kanri(@notty)?$/\\1/p'"
    )
    return listed.decode().split()


def break_connection(lab: Lab) -> None:
    lab.exec(HOST, f"kill -9 {' '.join(sessions(lab))}")


def test_every_connect_of_a_process_is_the_same_connection(lab: Lab) -> None:
    with connected(lab, HOST) as host:
        assert host.run("echo one").text == "one"
        before = sessions(lab)
        assert remote.connect(site(lab), model(lab, HOST)) is host
        assert remote.connect(site(lab), model(lab, HOST)).run("echo two").text == "two"
        assert sessions(lab) == before
        assert len(before) == 1


def test_connection_that_died_is_made_anew_without_a_word(lab: Lab) -> None:
    with connected(lab, HOST) as host:
        for _ in range(3):
            break_connection(lab)
            assert host.run("echo again").text == "again"


def test_connection_that_dies_under_a_command_is_told(lab: Lab) -> None:
    with connected(lab, HOST) as host:
        host.run("true")
        timer = threading.Timer(0.3, break_connection, [lab])
        timer.start()
        with pytest.raises(
            HostUnreachable, match="the connection broke while `sleep 20` ran; it may still run"
        ):
            host.run("sleep 20")
        timer.join()


def test_closed_connection_is_made_anew_and_leaves_no_process(lab: Lab) -> None:
    with connected(lab, HOST) as host:
        host.run("true")
        host.close()
        wait_until(lambda: not sessions(lab))
        assert host.run("echo again").text == "again"
    wait_until(lambda: not sessions(lab))


def wait_until(condition: object, timeout_s: float = 5.0) -> None:
    assert callable(condition)
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


LOCK = "flock -n /run/lock/test sh -c 'echo LOCKED; cat >/dev/null'"


@pytest.mark.parametrize("root", [False, True])
def test_held_script_keeps_a_lock_until_it_is_released(lab: Lab, root: bool) -> None:
    lab.exec(HOST, "touch /run/lock/test; chmod 666 /run/lock/test")
    with connected(lab, HOST) as host:
        with host.hold(LOCK, root=root) as held:
            assert held.line == "LOCKED"
            assert held.alive
            with pytest.raises(CommandFailed) as busy:
                host.hold(LOCK, root=root)
            assert busy.value.status == 1
        assert not held.alive
        host.hold(LOCK, root=root).release()


@pytest.mark.parametrize("root", [False, True])
def test_lock_ends_with_the_connection_and_nothing_goes_on_without_it(lab: Lab, root: bool) -> None:
    lab.exec(HOST, "touch /run/lock/test; chmod 666 /run/lock/test")
    with connected(lab, HOST) as host:
        held = host.hold(LOCK, root=root)
        break_connection(lab)
        lab.exec(HOST, "flock -w 5 /run/lock/test true")
        with pytest.raises(HostUnreachable, match="the connection broke, and with it ended `flock"):
            host.run("echo without the lock")
        assert not held.alive
        held.release()
        assert host.run("echo again").text == "again"


def test_script_that_says_nothing_is_not_held_forever(lab: Lab) -> None:
    with connected(lab, HOST) as host:
        with pytest.raises(DeadlineExceeded):
            host.hold("cat >/dev/null", timeout_s=0.5)
        with pytest.raises(CommandFailed, match="ended with status 5"):
            host.hold("exit 5")


def test_threads_share_a_connection_within_what_sshd_allows(lab: Lab) -> None:
    """Thirty at once, where sshd opens ten sessions a connection."""
    said: list[str] = []
    with connected(lab, HOST) as host:

        def say(number: int) -> None:
            said.append(host.run(f"sleep 0.05; echo {number}").text)

        threads = [threading.Thread(target=say, args=[number]) for number in range(30)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=30)
    assert sorted(said, key=int) == [str(number) for number in range(30)]


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, Path]:
    return make_keys(tmp_path / "keys", ["ed25519"])


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An agent with ten keys that no host knows."""
    path = tmp_path / "agent"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL)
    wait_until(path.exists)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
    for number in range(10):
        key = make_keys(tmp_path / f"agent-{number}", ["ed25519"])["ed25519"]
        subprocess.run(["ssh-add", "-q", key], check=True, capture_output=True, timeout=10)
    yield path
    process.terminate()
    process.wait(timeout=10)


def offered(lab: Lab, log: Path) -> tuple[int, int]:
    """Keys that sshd refused and took, by its log."""
    text = lab.exec(HOST, f"cat {log}").decode()
    return text.count("Failed publickey"), text.count("Accepted publickey")


@pytest.mark.usefixtures("agent")
def test_key_of_the_inventory_is_the_first_and_only_one(
    lab: Lab, keys: dict[str, Path], tmp_path: Path
) -> None:
    """An agent full of other keys does not use up the three tries that the host allows (R6)."""
    known_hosts = tmp_path / "known_hosts"
    known_hosts.write_text(f"[{lab.host(HOST).address}]:{SECOND_PORT} {public(keys['ed25519'])}\n")
    there = {"port": SECOND_PORT}
    with second_sshd(lab, HOST, list(keys.values()), "MaxAuthTries=3") as log:
        host = remote.connect(site(lab, known_hosts), model(lab, HOST, **there))
        assert host.run("echo in").text == "in"
        host.close()
        assert offered(lab, log) == (0, 1)
        with pytest.raises(LoginRefused, match=r"Too many authentication failures|ends the login") as refused:
            remote.connect(site(lab, known_hosts), model(lab, HOST, key=None, **there))
        assert f"hosts.{HOST}.key" in refused.value.remedy


@pytest.mark.usefixtures("agent")
def test_without_a_key_in_the_inventory_the_agent_is_asked(lab: Lab) -> None:
    subprocess.run(["ssh-add", "-q", "-D"], check=True, capture_output=True, timeout=10)
    subprocess.run(["ssh-add", "-q", lab.folder / "id_ed25519"], check=True, capture_output=True, timeout=10)
    with connected(lab, HOST, key=None) as host:
        assert host.run("echo in").text == "in"


def copy_of_lab_key(lab: Lab, folder: Path) -> Path:
    key = folder / "id"
    key.touch(mode=0o600)
    key.write_text((lab.folder / "id_ed25519").read_text())
    (folder / "id.pub").write_text((lab.folder / "id_ed25519.pub").read_text())
    return key


@pytest.mark.usefixtures("agent")
def test_encrypted_key_is_taken_from_the_agent_that_holds_it(lab: Lab, tmp_path: Path) -> None:
    key = copy_of_lab_key(lab, tmp_path)
    subprocess.run(
        ["ssh-keygen", "-q", "-p", "-P", "", "-N", "a passphrase", "-f", key],
        check=True,
        timeout=10,
        capture_output=True,
    )
    with pytest.raises(LoginRefused, match="is encrypted, and no agent holds it"):
        remote.connect(site(lab), model(lab, HOST, key=str(key)))
    subprocess.run(["ssh-add", "-q", lab.folder / "id_ed25519"], check=True, capture_output=True, timeout=10)
    with connected(lab, HOST, key=str(key)) as host:
        assert host.run("echo in").text == "in"


def test_certificate_that_the_host_does_not_trust_does_not_hide_the_key(
    lab: Lab, keys: dict[str, Path], tmp_path: Path
) -> None:
    key = copy_of_lab_key(lab, tmp_path)
    subprocess.run(
        ["ssh-keygen", "-q", "-s", keys["ed25519"], "-I", "x", "-n", "kanri", f"{key}.pub"],
        check=True,
        capture_output=True,
        timeout=10,
    )
    assert (tmp_path / "id-cert.pub").exists()
    with connected(lab, HOST, key=str(key)) as host:
        assert host.run("echo in").text == "in"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        pytest.param({"user": "nobody-here"}, "the host refuses nobody-here; offered: ", id="unknown user"),
        pytest.param({"key": "/nonexistent/key"}, "cannot be read: No such file", id="no key file"),
        pytest.param({"key": "/dev/null"}, "cannot be read: neither Ed25519", id="no key in the file"),
    ],
)
def test_refused_login_says_what_was_offered(lab: Lab, changes: dict[str, object], said: str) -> None:
    with pytest.raises(LoginRefused, match=said):
        remote.connect(site(lab), model(lab, HOST, **changes))


def test_host_that_is_not_there_is_told_with_a_remedy(lab: Lab) -> None:
    with pytest.raises(HostUnreachable, match="port 2: Connection refused"):
        remote.connect(site(lab), model(lab, HOST, port=2))
    with pytest.raises(HostUnreachable, match="has no address"):
        remote.connect(site(lab), model(lab, HOST, address="nowhere.invalid"))


def test_jump_host_is_refused_not_left_out(lab: Lab) -> None:
    """The field is for later; connecting past it would reach another machine than the one meant."""
    with pytest.raises(HostUnreachable, match=r"hosts\.debian12\.jump names gateway"):
        remote.connect(site(lab), model(lab, HOST, jump="gateway"))


def test_server_that_never_greets_is_given_up(lab: Lab, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        known_hosts = tmp_path / "known_hosts"
        known_hosts.write_text(f"[127.0.0.1]:{port} {public(lab.folder / 'id_ed25519').rpartition(' ')[0]}\n")
        started = time.monotonic()
        with pytest.raises(HostUnreachable, match="no SSH session comes about"):
            remote.connect(site(lab, known_hosts), model(lab, HOST, address="127.0.0.1", port=port))
        assert time.monotonic() - started < 15


NOISE = """
import logging, sys
from runbook_lib import inventory, remote
logging.basicConfig(level=logging.DEBUG, format="%(name)s")
loaded = inventory.load(sys.argv[1])
host = remote.connect(loaded.site, loaded.host("debian12"))
assert host.run("id -u", root=True).text == "0"
held = host.hold("echo here; cat >/dev/null")
try:
    host.run("kill -9 $(ps -o ppid= -p $PPID) $PPID; sleep 5")
except Exception as error:
    print(type(error).__name__)
held.release()
assert host.run("echo again").text == "again"
"""


def test_nothing_is_printed_or_logged_and_nothing_left_open(lab: Lab) -> None:
    """With every warning on, logging at its loudest, a broken connection and no goodbye at the end."""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error::ResourceWarning", "-c", NOISE, lab.inventory],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("HostUnreachable\n", "", 0)
    wait_until(lambda: not sessions(lab))


def test_child_of_a_fork_has_a_connection_of_its_own(lab: Lab) -> None:
    with connected(lab, HOST) as host:
        mine = host.run("echo $PPID").text
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                again = remote.connect(site(lab), model(lab, HOST))
                os.write(writer, again.run("echo $PPID").text.encode())
                again.close()
            finally:
                os._exit(0)
        os.close(writer)
        theirs = os.read(reader, 100).decode()
        os.close(reader)
        os.waitpid(child, 0)
        assert theirs.isdigit()
        assert theirs != mine
        assert host.run("echo $PPID").text == mine
