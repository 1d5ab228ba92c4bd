"""A host that is reached through jump hosts alone: a home whose ~/.ssh knows the way, and an account on a jump host."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from applied_host import RUNBOOK
from remote_hosts import SECOND_PORT, make_keys, model, public, second_sshd, site

from lab import Lab
from runbook_lib import inventory, remote

HOST, JUMP, SECOND_JUMP = "debian12", "debian13", "el9"


@dataclass
class Behind:
    """A home whose ~/.ssh knows the way, and what it is made of."""

    lab: Lab
    home: Path
    keys: dict[str, Path]

    @property
    def known(self) -> dict[str, str]:
        """Lines of known_hosts, by who shows the key."""
        return {
            "jump": f"[{self.address(JUMP)}]:{SECOND_PORT} {public(self.keys['jump'])}",
            "host": f"[{self.address(HOST)}]:{SECOND_PORT} {public(self.keys['host'])}",
        }

    def address(self, name: str) -> str:
        return str(self.lab.host(name).address)

    def write(self, *further: str, **known: str) -> None:
        """~/.ssh of one case: the alias `gw` with its own key, lines of a config, and what is known instead."""
        folder = self.home / ".ssh"
        folder.mkdir(mode=0o700, exist_ok=True)
        lines = [
            "Host gw",
            f"  HostName {self.address(JUMP)}",
            f"  IdentityFile {self.keys['ops']}",
            "  IdentitiesOnly yes",
            *further,
        ]
        (folder / "config").write_text("\n".join(lines) + "\n")
        (folder / "known_hosts").write_text("\n".join({**self.known, **known}.values()) + "\n")

    def host(self, **changes: object) -> inventory.Host:
        return model(self.lab, HOST, **{"port": SECOND_PORT, **changes})

    def connect(self, **changes: object) -> remote.Host:
        """A new connection: what a config says is asked when it is made."""
        return remote.connect(self.site, self.host(**changes))

    @property
    def site(self) -> inventory.Site:
        """The lab's site, which names no known_hosts, so that those of ~/.ssh are asked."""
        given = site(self.lab).model_dump(exclude={"known_hosts"})
        return inventory.Site.model_validate(given)

    def sessions(self, name: str, user: str) -> list[str]:
        """Process ids of the sshd processes that serve a user on a host."""
        pattern = rf"s/^ *([0-9]+) sshd(-session)?: {user}(@notty)?$/\1/p"
        return self.lab.exec(name, f"ps -eo pid=,args= | sed -nE '{pattern}'").decode().split()

    def typed(self, folder: Path, *words: str, **changes: object) -> subprocess.CompletedProcess[str]:
        """A command in a process of its own, with an inventory that leaves known hosts to ~/.ssh.

        Args:
            folder: for the inventory's file.
            words: what is typed.
            changes: fields of the host.
        """
        text = self.lab.inventory.read_text()
        known = f"  known_hosts: {self.lab.folder}/known_hosts\n"
        assert known in text
        lines = "".join(f"    {name}: {value}\n" for name, value in changes.items())
        path = folder / "behind.yaml"
        path.write_text(text.replace(known, "").replace(f"  {HOST}:\n", f"  {HOST}:\n{lines}"))
        return subprocess.run(
            [RUNBOOK, *words, "--inventory", path], capture_output=True, text=True, timeout=300, check=False
        )


@contextmanager
def jump_account(lab: Lab, folder: Path) -> Iterator[dict[str, Path]]:
    """The account `ops` on the jump host, whose second sshd lets it in with a key of its own; the keys of both."""
    jump = make_keys(folder / "jump", ["ed25519"])["ed25519"]
    ops = make_keys(folder / "ops", ["ed25519"])["ed25519"]
    lab.exec(
        JUMP,
        "id ops >/dev/null 2>&1 || useradd -m -s /usr/sbin/nologin ops; install -d -o ops -m 700 ~ops/.ssh\n"
        f"echo '{public(ops)}' >~ops/.ssh/authorized_keys; chown ops ~ops/.ssh/authorized_keys",
    )
    try:
        with second_sshd(lab, JUMP, [jump]):
            yield {"jump": jump, "ops": ops}
    finally:
        lab.exec(JUMP, "userdel -rf ops", check=False)


@contextmanager
def only_through_jumps(lab: Lab, port: int) -> Iterator[None]:
    """A port of the host that takes connections from the jump hosts alone."""
    lab.exec(
        HOST,
        "nft add table inet behind\nnft 'add chain inet behind in { type filter hook input priority 0; }'\n"
        f"nft 'add rule inet behind in tcp dport {port} ip saddr != "
        f"{{ {lab.host(JUMP).address}, {lab.host(SECOND_JUMP).address} }} reject with tcp reset'",
    )
    try:
        yield
    finally:
        lab.exec(HOST, "nft delete table inet behind")
