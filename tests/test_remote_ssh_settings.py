"""What ~/.ssh/config says of a host is what `ssh` takes: each case is asked of ssh itself, side by side."""

import contextlib
import re
import socket
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from remote_hosts import empty_home, model, site, write

from lab import Lab
from runbook_lib import inventory
from runbook_lib.errors import HostUnreachable
from runbook_lib.remote import route, ssh_config

HOST = "debian12"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return empty_home(tmp_path / "home", monkeypatch)


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


def test_path_of_a_user_who_is_not_there_is_refused_as_ssh_does(home: Path, port: str) -> None:
    write(home, "config", f"{_TARGET.replace('PORT', port)}  IdentityFile ~nobody-here/id\n")
    done = subprocess.run(
        ["ssh", "-F", home / ".ssh" / "config", "-oBatchMode=yes", "mx", "true"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip
    assert "No such user nobody-here" in done.stderr
    with pytest.raises(HostUnreachable, match=r"a path .* names a user who is not there"):
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
