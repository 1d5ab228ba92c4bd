"""One connection a process and host: made anew when it died, quiet, bounded."""

import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from remote_hosts import connected, model, public, site, wait_until

from lab import Lab
from runbook_lib import remote
from runbook_lib.errors import CommandFailed, DeadlineExceeded, HostUnreachable

HOST = "debian12"


def sessions(lab: Lab) -> list[str]:
    """Process ids of the sshd processes that serve kanri."""
    listed = lab.exec(
        HOST, "ps -eo pid=,args= | sed -nE 's/^ *([0-9]+) sshd(-session)?: kanri(@notty)?$/\\1/p'"
    )
    return listed.decode().split()


def break_connection(lab: Lab) -> None:
    """Kill the process of the connection, as soon as it says whose it is (which sshd writes after the login)."""
    wait_until(lambda: sessions(lab))
    # One may have ended since it was listed, with the one before it.
    lab.exec(
        HOST, f"for p in {' '.join(sessions(lab))}; do kill -9 $p 2> /dev/null || test ! -e /proc/$p; done"
    )


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


def test_host_that_is_not_there_is_told_with_a_remedy(lab: Lab) -> None:
    with pytest.raises(HostUnreachable, match="port 2: Connection refused"):
        remote.connect(site(lab), model(lab, HOST, port=2))
    with pytest.raises(HostUnreachable, match="has no address"):
        remote.connect(site(lab), model(lab, HOST, address="nowhere.invalid"))


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
