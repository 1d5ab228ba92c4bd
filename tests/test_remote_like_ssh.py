"""Host keys are looked for and keys are offered as `ssh` does it: both go through the same door, side by side.

The door is debian12's second sshd.
"""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from remote_hosts import (
    SECOND_PORT,
    empty_home,
    make_keys,
    model,
    public,
    second_sshd,
    site,
    wait_until,
    write,
)

from lab import Lab
from runbook_lib import inventory, remote
from runbook_lib.errors import HostKeyChanged, HostKeyRevoked, HostKeyUnknown, LoginRefused

HOST = "debian12"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return empty_home(tmp_path / "home", monkeypatch)


@dataclass
class Door:
    """The second sshd, and a home that both ssh and the runbook read."""

    lab: Lab
    home: Path
    keys: dict[str, Path]
    log: Path

    @property
    def name(self) -> str:
        return f"[{self.lab.host(HOST).address}]:{SECOND_PORT}"

    def configure(self, *lines: str, files: dict[str, str], key: bool = True) -> None:
        """~/.ssh/config for the alias `door`, and files beside it."""
        own = f"  IdentityFile {self.lab.folder}/id_ed25519\n  IdentitiesOnly yes\n" if key else ""
        text = "".join(f"  {line}\n" for line in lines)
        address = self.lab.host(HOST).address
        known = "" if "UserKnownHostsFile" in text else "  UserKnownHostsFile HOME/.ssh/known_hosts\n"
        write(self.home, "config", f"Host door\n{text}  HostName {address}\n  Port {SECOND_PORT}\n  User kanri\n"
              f"{known}{own}  GlobalKnownHostsFile HOME/.ssh/none\n")  # fmt: skip
        for name, content in files.items():
            write(self.home, name, content)

    def ssh(self) -> str:
        """What ssh itself does there: 'in', or the first of its words that tells why not."""
        config = self.home / ".ssh" / "config"
        done = subprocess.run(
            ["ssh", "-F", config, "-oBatchMode=yes", "-oStrictHostKeyChecking=yes", "door", "echo in"],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
        for words in (
            "REVOKED",
            "IDENTIFICATION HAS CHANGED",
            "Host key verification failed",
            "denied",
            "Too many",
        ):
            if words in done.stderr:
                return words
        return done.stdout.strip() or done.stderr

    def runbook(self) -> str:
        """What the runbook does there, with nothing but the alias in the inventory."""
        given = site(self.lab).model_dump(exclude={"known_hosts"})
        left_open = model(self.lab, HOST, address="door", user=None, key=None).model_dump(
            exclude={"port", "sudo"}
        )
        host = remote.Host(inventory.Site.model_validate(given), inventory.Host.model_validate(left_open))
        try:
            return host.run("echo in").text
        except HostKeyRevoked:
            return "REVOKED"
        except HostKeyChanged:
            return "IDENTIFICATION HAS CHANGED"
        except HostKeyUnknown:
            return "Host key verification failed"
        except LoginRefused as error:
            return "Too many" if "ends the login" in error.problem else "denied"
        finally:
            host.close()


@pytest.fixture(scope="module")
def listening(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[dict[str, Path], Path]]:
    keys = make_keys(tmp_path_factory.mktemp("door") / "keys", ["ed25519", "ecdsa"])
    with second_sshd(lab, HOST, list(keys.values()), "MaxAuthTries=3") as log:
        yield keys, log


@pytest.fixture
def door(lab: Lab, home: Path, listening: tuple[dict[str, Path], Path]) -> Door:
    return Door(lab, home, *listening)


def test_host_keys_are_looked_for_where_ssh_looks(door: Door, tmp_path: Path) -> None:
    """Each row is one configuration; ssh and the runbook say the same."""
    right = public(door.keys["ed25519"])
    wrong = public(make_keys(tmp_path / "wrong", ["ed25519"])["ed25519"])
    two = "UserKnownHostsFile HOME/.ssh/first HOME/.ssh/second"
    rows: list[tuple[str, tuple[str, ...], dict[str, str], str]] = [
        ("one file", (), {"known_hosts": f"{door.name} {right}\n"}, "in"),
        ("the second file", (two,), {"first": "", "second": f"{door.name} {right}\n"}, "in"),
        ("a wrong key in the first file, the right one in the second", (two,),
         {"first": f"{door.name} {wrong}\n", "second": f"{door.name} {right}\n"}, "in"),
        ("the machine's file", ("GlobalKnownHostsFile HOME/.ssh/all",),
         {"all": f"{door.name} {right}\n", "known_hosts": ""}, "in"),
        ("an alias has no port", ("HostKeyAlias the-door",), {"known_hosts": f"the-door {right}\n"}, "in"),
        ("with an alias the address does not count", ("HostKeyAlias the-door",),
         {"known_hosts": f"{door.name} {right}\n"}, "Host key verification failed"),
        ("another key", (), {"known_hosts": f"{door.name} {wrong}\n"}, "IDENTIFICATION HAS CHANGED"),
        ("nobody knows it", (), {"known_hosts": ""}, "Host key verification failed"),
        ("revoked in known_hosts", (), {"known_hosts": f"{door.name} {right}\n@revoked * {right}\n"}, "REVOKED"),
    ]  # fmt: skip
    said = {}
    for title, lines, files, _ in rows:
        door.configure(*lines, files=files)
        said[title] = (door.ssh(), door.runbook())
    assert said == {title: (expected, expected) for title, _, _, expected in rows}
    revoked = door.home / ".ssh" / "revoked"
    door.configure("RevokedHostKeys HOME/.ssh/revoked", files={"known_hosts": f"{door.name} {right}\n"})
    for key, expected in (("ed25519", ("Host key verification failed", "REVOKED")), ("ecdsa", ("in", "in"))):
        revoked.write_text(f"# gone\n{public(door.keys[key])} a comment\n")
        assert (door.ssh(), door.runbook()) == expected
        make = ["ssh-keygen", "-q", "-k", "-f", str(revoked), f"{door.keys[key]}.pub"]
        subprocess.run(make, check=True, capture_output=True, timeout=60)
        assert revoked.read_bytes().startswith(b"SSHKRL")
        assert (door.ssh(), door.runbook()) == expected
    door.configure(files={"known_hosts": f"{door.name} {right}\n"})
    known_hosts = door.home / ".ssh" / "known_hosts"
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", known_hosts], check=True, capture_output=True, timeout=60)
    assert str(door.lab.host(HOST).address) not in known_hosts.read_text()
    assert (door.ssh(), door.runbook()) == ("in", "in")


def test_key_of_the_same_host_on_port_22_is_not_taken_for_another_port(door: Door) -> None:
    """Here the runbook is stricter than ssh, which then looks without the port, too."""
    door.configure(files={"known_hosts": f"{door.lab.host(HOST).address} {public(door.keys['ed25519'])}\n"})
    assert (door.ssh(), door.runbook()) == ("in", "Host key verification failed")


@pytest.fixture
def agent(home: Path) -> Iterator[Path]:
    """An agent with ten keys that no host knows, then the lab's."""
    path = home / ".ssh" / "agent"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL)
    wait_until(path.exists)
    for number in range(10):
        key = make_keys(home / f"agent-{number}", ["ed25519"])["ed25519"]
        add(path, key)
    yield path
    process.terminate()
    process.wait(timeout=10)


def add(agent: Path, key: Path) -> None:
    environment = os.environ | {"SSH_AUTH_SOCK": str(agent)}
    subprocess.run(["ssh-add", "-q", key], check=True, capture_output=True, timeout=10, env=environment)


def test_keys_are_offered_as_ssh_offers_them(door: Door, agent: Path, lab: Lab) -> None:
    """An agent with eleven keys, and a host that allows three tries."""
    known = f"{door.name} {public(door.keys['ed25519'])}\n"
    add(agent, lab.folder / "id_ed25519")
    half = public(lab.folder / "id_ed25519")
    use, only = "IdentityAgent HOME/.ssh/agent", "IdentitiesOnly yes"
    file, locked = f"IdentityFile {lab.folder}/id_ed25519", "IdentityFile HOME/.ssh/locked"
    rows: list[tuple[str, tuple[str, ...], str]] = [
        ("all of the agent's", (use,), "Too many"),
        ("the agent's copy of the named file first", (use, file), "in"),
        ("the named file alone, no agent", (file, only, "IdentityAgent none"), "in"),
        ("no agent and no file", ("IdentityAgent none", only, "IdentityFile HOME/.ssh/nothing"), "denied"),
        ("a public half names the agent's key", (use, only, "IdentityFile HOME/.ssh/half.pub"), "in"),
        ("an encrypted file whose copy the agent has", (use, only, locked), "in"),
        ("an encrypted file that no agent has", ("IdentityAgent none", only, locked), "denied"),
        ("a file that is no key is passed over", (use, only, "IdentityFile HOME/.ssh/config", file), "in"),
    ]
    locked_key = door.home / ".ssh" / "locked"
    locked_key.touch(mode=0o600)
    locked_key.write_text((lab.folder / "id_ed25519").read_text())
    change = ["ssh-keygen", "-q", "-p", "-P", "", "-N", "a passphrase", "-f", str(locked_key)]
    subprocess.run(change, check=True, timeout=10, capture_output=True)
    said = {}
    for title, lines, _ in rows:
        door.configure(
            *lines,
            key=False,
            files={"known_hosts": known, "half.pub": f"{half}\n", "locked.pub": f"{half}\n"},
        )
        (door.home / ".ssh" / "config").chmod(0o600)
        said[title] = (door.ssh(), door.runbook())
    assert said == {title: (expected, expected) for title, _, expected in rows}


def test_agent_of_the_environment_is_asked_as_ssh_asks_it(
    door: Door, agent: Path, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = f"{door.name} {public(door.keys['ed25519'])}\n"
    add(agent, lab.folder / "id_ed25519")
    monkeypatch.setenv("SSH_AUTH_SOCK", str(agent))
    monkeypatch.setenv("OTHER_AGENT", "/nonexistent")
    door.configure(f"IdentityFile {lab.folder}/id_ed25519.pub", key=False, files={"known_hosts": known})
    assert (door.ssh(), door.runbook()) == ("in", "in")
    door.configure(
        f"IdentityFile {lab.folder}/id_ed25519.pub",
        "IdentityAgent $OTHER_AGENT",
        key=False,
        files={"known_hosts": known},
    )
    assert (door.ssh(), door.runbook()) == ("denied", "denied")
