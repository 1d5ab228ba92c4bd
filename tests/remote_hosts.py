"""What the tests of remote share: lab hosts with something other than in the inventory, a second sshd."""

import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab import Lab
from runbook_lib import inventory, remote

SECOND_PORT = 2222
FOLDER = "/root/second-sshd"


def model(lab: Lab, name: str, **changes: object) -> inventory.Host:
    """A host of the lab's inventory, with some fields changed."""
    return inventory.load(lab.inventory).host(name).model_copy(update=changes)


def site(lab: Lab, known_hosts: Path | None = None) -> inventory.Site:
    """The lab's site, with another known_hosts file."""
    given = inventory.load(lab.inventory).site
    return given.model_copy(update={"known_hosts": str(known_hosts)}) if known_hosts else given


def empty_home(home: Path, patch: pytest.MonkeyPatch) -> Path:
    """A home with an empty ~/.ssh, and no agent."""
    (home / ".ssh" / "conf.d").mkdir(parents=True, mode=0o700)
    patch.setenv("HOME", str(home))
    patch.delenv("SSH_AUTH_SOCK", raising=False)
    return home


def write(home: Path, name: str, text: str) -> None:
    """A file of ~/.ssh; HOME in its text is the home."""
    (home / ".ssh" / name).write_text(text.replace("HOME", str(home)))


@contextmanager
def connected(lab: Lab, name: str, **changes: object) -> Iterator[remote.Host]:
    """A connection to a lab host, closed afterwards."""
    lab.host(name)  # given to this module before the connection is made
    host = remote.connect(site(lab), model(lab, name, **changes))
    try:
        yield host
    finally:
        host.close()


# The host's sshd with its files as they are now. A reload returns while nobody listens; a restart of this service
# returns when sshd has said that it does, and ends no connection. The count of starts that systemd allows begins anew.
SSHD_ANEW = "systemctl reset-failed ssh; systemctl restart ssh"


def make_keys(folder: Path, types: Sequence[str] = ("ed25519", "ecdsa", "rsa")) -> dict[str, Path]:
    """New key pairs by type; the paths of the private keys."""
    folder.mkdir()
    for kind in types:
        subprocess.run(
            ["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "", "-f", folder / kind], check=True, timeout=60
        )
    return {kind: folder / kind for kind in types}


def public(key: Path) -> str:
    """Type and base64 of a key pair's public half."""
    return key.with_name(key.name + ".pub").read_text().strip()


def fingerprint(key: Path) -> str:
    """`SHA256:…` as ssh-keygen prints it."""
    printed = subprocess.run(
        ["ssh-keygen", "-lf", f"{key}.pub"], check=True, capture_output=True, text=True, timeout=60
    )
    return printed.stdout.split()[1]


@contextmanager
def second_sshd(lab: Lab, name: str, keys: Sequence[Path], *options: str) -> Iterator[Path]:
    """An sshd on port 2222 of a lab host with host keys of its own; yields the path of its log there."""
    lines = [f"rm -rf {FOLDER}; mkdir -m 700 {FOLDER}; mkdir -p /run/sshd"]
    lines += [
        f"cat >{FOLDER}/{key.name} <<'EOF'\n{key.read_text()}EOF\nchmod 600 {FOLDER}/{key.name}"
        for key in keys
    ]
    arguments = [f"-h {FOLDER}/{key.name}" for key in keys] + [f"-o {option}" for option in options]
    lines.append(
        f"/usr/sbin/sshd -f /etc/ssh/sshd_config -p {SECOND_PORT} -E {FOLDER}/log -o PidFile={FOLDER}/pid "
        f"-o LogLevel=VERBOSE {' '.join(arguments)} </dev/null >/dev/null 2>&1"
    )
    # It answers from the moment that its file with the process id is there.
    lines.append(f"for i in $(seq 100); do [ -s {FOLDER}/pid ] && break; sleep 0.05; done")
    lab.exec(name, "\n".join(lines))
    try:
        yield Path(FOLDER) / "log"
    finally:
        lab.exec(name, f"kill $(cat {FOLDER}/pid); while [ -e {FOLDER}/pid ]; do sleep 0.05; done")


def wait_until(condition: Callable[[], object], timeout_s: float = 5.0) -> None:
    """Wait until a condition holds, and fail when it does not in time."""
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)
