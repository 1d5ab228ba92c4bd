"""What ~/.ssh/config says is taken as `ssh` takes it: each case is asked of ssh itself, side by side (R4, R6, R8)."""

import contextlib
import os
import re
import socket
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from remote_hosts import SECOND_PORT, make_keys, model, public, second_sshd, site, wait_until

from lab import Lab
from runbook_lib import inventory, remote
from runbook_lib.errors import HostKeyChanged, HostKeyRevoked, HostKeyUnknown, HostUnreachable, LoginRefused
from runbook_lib.remote import route, ssh_config

HOST = "debian12"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with an empty ~/.ssh, and no agent."""
    home = tmp_path / "home"
    (home / ".ssh" / "conf.d").mkdir(parents=True, mode=0o700)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return home


@pytest.fixture
def port() -> Iterator[str]:
    """A port of this machine that takes connections and ends them."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def end_each() -> None:
            with contextlib.suppress(OSError):
                while True:
                    server.accept()[0].close()

        threading.Thread(target=end_each, daemon=True).start()
        yield str(server.getsockname()[1])
        server.shutdown(socket.SHUT_RDWR)


def write(home: Path, name: str, text: str) -> None:
    (home / ".ssh" / name).write_text(text.replace("HOME", str(home)))


@dataclass(frozen=True)
class Case:
    """A configuration, and what it means for the destination `mx`."""

    config: str
    included: str = ""
    address: str = "127.0.0.1"
    user: str | None = None
    files: tuple[str, ...] | None = None
    known_hosts: tuple[str, ...] | None = None
    alias: str = ""
    agent: str | None = None
    identities_only: bool = False
    jump: str = ""
    command: str = ""
    asked_as: dict[str, object] = field(default_factory=dict)


_TARGET = "Host *\n  HostName 127.0.0.1\n  Port PORT\n"
CASES = {
    "nothing but a name": Case(_TARGET),
    "Include of a folder, by a pattern": Case(
        f"Include HOME/.ssh/conf.d/*\n{_TARGET}", "Host mx\n  User ops\n  IdentityFile HOME/.ssh/one\n",
        user="ops", files=("one",),
    ),
    "Include inside a block that does not match": Case(
        f"Host other\n  Include HOME/.ssh/conf.d/*\n{_TARGET}", "User ops\n", user=None
    ),
    "first value wins, files add up": Case(
        f"Host mx\n  User a\n  IdentityFile HOME/.ssh/one\nHost m*\n  User b\n  IdentityFile HOME/.ssh/two\n{_TARGET}",
        user="a", files=("one", "two"),
    ),
    "negated pattern": Case(f"Host * !mx\n  User ops\n{_TARGET}"),
    "Match originalhost and user": Case(
        f"Match originalhost mx user ops\n  IdentityFile HOME/.ssh/one\n{_TARGET}",
        user="ops", files=("one",), asked_as={"user": "ops"},
    ),
    "Match exec": Case(f'Match exec "test %n = mx"\n  User ops\n{_TARGET}', user="ops"),
    "Match of a word that is met by no one": Case(f"Match host nowhere\n  User ops\n{_TARGET}"),
    "tokens of a key's name": Case(
        f"Host mx\n  User ops\n  IdentityFile HOME/.ssh/%n_%r_%p_%h\n{_TARGET}",
        user="ops", files=("mx_ops_PORT_127.0.0.1",),
    ),
    "blank in a path": Case(f'Host mx\n  IdentityFile "HOME/.ssh/my key"\n{_TARGET}', files=("my key",)),
    "tokens of known_hosts, and several files": Case(
        f"Host mx\n  UserKnownHostsFile HOME/.ssh/known_%h HOME/.ssh/more\n  GlobalKnownHostsFile HOME/.ssh/all\n"
        f"{_TARGET}",
        known_hosts=("known_127.0.0.1", "more", "all"),
    ),
    "no known_hosts but the machine's": Case(
        f"Host mx\n  UserKnownHostsFile none\n  GlobalKnownHostsFile HOME/.ssh/all\n{_TARGET}", known_hosts=("all",)
    ),
    "alias of the key, with a token": Case(f"Host mx\n  HostKeyAlias key-of-%n\n{_TARGET}", alias="key-of-mx"),
    "the agent of one host": Case(
        f"Host mx\n  IdentityAgent HOME/.ssh/agent\n  IdentitiesOnly yes\n{_TARGET}",
        agent="agent", identities_only=True,
    ),
    "jump hosts": Case(
        f"Host mx\n  ProxyJump ops@gw:2222,gw2\n{_TARGET}", jump="ops@gw:2222,gw2"
    ),
    "no jump host for this one": Case(f"Host mx\n  ProxyJump none\nHost *\n  ProxyJump gw\n{_TARGET}"),
    "command for the way": Case(f"Host mx\n  ProxyCommand nc %h %p\n{_TARGET}", command="nc 127.0.0.1 PORT"),
    "port and user that were given": Case(
        "Host *\n  HostName 127.0.0.1\n  Port 2\n  User b\n", user="ops", asked_as={"user": "ops", "port": "PORT"}
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_settings_are_those_that_ssh_takes(home: Path, port: str, case: Case) -> None:
    """By `ssh -v`, which says what it does: the files it looks for, the address it calls, the command it runs."""
    write(home, "config", case.config.replace("PORT", port))
    write(home, "conf.d/one", case.included)
    given = {name: int(port) if value == "PORT" else value for name, value in case.asked_as.items()}
    asked = ssh_config.ask("mx", "mx", **given)  # type: ignore[arg-type]
    folder = home / ".ssh"
    assert (asked.hostname, asked.port) == (case.address, int(port))
    assert asked.host_key_alias == case.alias
    assert asked.identities_only == case.identities_only
    assert asked.agent == (folder / case.agent if case.agent else None)
    assert (asked.proxy_jump, asked.proxy_command) == (case.jump, case.command.replace("PORT", port))
    if case.known_hosts is not None:
        assert asked.known_hosts == tuple(folder / name for name in case.known_hosts)
    else:
        assert asked.known_hosts[0] == folder / "known_hosts"
    options = [f"-o{name}={value}" for name, value in given.items()]
    done = subprocess.run(
        ["ssh", "-v", "-F", folder / "config", "-oBatchMode=yes", *options, "mx", "true"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip
    assert done.returncode == 255
    if case.command or case.jump:
        runs = re.findall(r"Executing proxy command: exec (.*)", done.stderr)[0]
        assert runs == asked.proxy_command or (
            "-J ops@gw:2222" in runs and runs.endswith(f"-W '[127.0.0.1]:{port}' gw2")
        )
    else:
        assert f"Connecting to {asked.hostname} [127.0.0.1] port {port}." in done.stderr
    if case.files is not None:
        named = re.findall(r"identity file (.*) type", done.stderr)
        assert [folder / name.replace("PORT", port) for name in case.files] == list(asked.identity_files)
        assert list(map(str, asked.identity_files)) == [name for name in named if not name.endswith("-cert")]
    if case.user:
        assert asked.user == case.user


def test_configuration_with_a_mistake_is_told_with_its_line(home: Path) -> None:
    write(home, "config", "Host mx\n  HostNam x\n")
    with pytest.raises(HostUnreachable, match=r"config: line 2: Bad configuration option: hostnam"):
        ssh_config.ask("mx", "mx")


def test_without_an_ssh_client_a_configuration_is_not_guessed_at(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(home))
    monkeypatch.setattr(
        ssh_config, "_SYSTEM_WIDE", home / "ssh_config"
    )  # that of a machine without the client
    asked = ssh_config.ask("mx.example.test", "mx", "ops", 2222)
    assert (asked.hostname, asked.port, asked.user) == ("mx.example.test", 2222, "ops")
    assert asked.known_hosts[0] == home / ".ssh" / "known_hosts"
    write(home, "config", "Host mx\n")
    with pytest.raises(HostUnreachable, match="no `ssh` on this machine") as refused:
        ssh_config.ask("mx", "mx")
    assert "openssh-client" in refused.value.remedy


def test_what_the_inventory_says_comes_before_the_configuration(lab: Lab, home: Path) -> None:
    write(
        home,
        "config",
        "Host mail_alias\n  HostName 127.0.0.1\n  Port 1\n  User b\n  IdentityFile HOME/.ssh/one\n  ProxyJump gw\n",
    )
    host = model(lab, HOST, address="mail_alias")
    [jump, hop] = route.to(site(lab), host)
    assert (jump.address, hop.address, hop.port, hop.user) == ("gw", "127.0.0.1", 1, "kanri")
    assert hop.key == lab.folder / "id_ed25519"
    assert hop.known_hosts == jump.known_hosts == (lab.folder / "known_hosts",)
    given = {"port": 2222, "user": "ops", "jump": "none"}
    [hop] = route.to(site(lab), host.model_copy(update=given))
    assert (hop.port, hop.user, hop.names) == (2222, "ops", ("[127.0.0.1]:2222", f"[{HOST}]:2222"))


@pytest.mark.parametrize("jump", ["ops@gw", "ops@gw:2222", "ops@gw,ops@[fd77::1]:22", "none", "mail2"])
def test_way_through_jump_hosts_is_written_as_proxyjump_has_it(lab: Lab, jump: str, tmp_path: Path) -> None:
    text = lab.inventory.read_text().replace(
        "  debian12:", f"  debian12:\n    jump: {jump}".replace("mail2", "el9")
    )
    (tmp_path / "i.yaml").write_text(text)
    host = inventory.load(tmp_path / "i.yaml").host(HOST)
    assert (host.through.name if host.through else host.jump) == jump.replace("mail2", "el9")


# From here on ssh and the runbook both go to debian12's second sshd.


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
    """An agent with eleven keys, and a host that allows three tries (R6)."""
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
