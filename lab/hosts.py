"""A host: a container made from an image, given its keys and passwords before its first boot."""

import os
import re
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from lab.network import FOLDER_LABEL, ID_LABEL, Network
from lab.podman import AddressTaken, failed, inside, inspect, needs, podman
from lab.releases import DOMAIN, RELEASES, Release
from lab.state import State, write_private
from runbook_lib.errors import LabError

ADMINISTRATOR = "kanri"
# Blanks, both quotes, %, $, a backslash, shell's and sed's own characters, and letters beyond ASCII.
HARD_PASSWORD = " a \"b' \\c&d;$e !f%g é 漢 "
MAIL_USERS = ("hanako", "tarou", "kensa")
# On the other hosts the administrator becomes root without one.
SUDO_WITH_PASSWORD = "debian12"
MOST_OF_A_RELEASE = 33
_FURTHER = 120  # last numbers from here on; below are those of `lab.dns`
_READY_TIMEOUT_S = 30.0
_RESTART_TIMEOUT_S = 10.0  # one that boots at all greets in a second or two
_POLL_S = 0.03


@dataclass(frozen=True)
class LabHost:
    """One host of a lab.

    Args:
        release: what it runs.
        network: the lab's.
        lab_id: the lab's.
        place: among the lab's hosts of this release, from 1.
    """

    release: Release
    network: Network
    lab_id: str
    place: int = 1

    @property
    def name(self) -> str:
        """Its name in the inventory."""
        return self.release.name + self._mark

    @property
    def hostname(self) -> str:
        """What the host calls itself."""
        return self.names[0]

    @property
    def container(self) -> str:
        """podman's name of it."""
        return f"runbook-{self.lab_id}-{self.name}"

    @property
    def address(self) -> str:
        """Its IPv4 address."""
        return self.network.address4(self._last)

    @property
    def address6(self) -> str:
        """Its IPv6 address."""
        return self.network.address6(self._last)

    @property
    def mac(self) -> str:
        """Its Ethernet address: the same after a reset, since neighbours remember it for half a minute."""
        return f"02:77:00:00:{self.network.number:02x}:{self._last:02x}"

    @property
    def names(self) -> tuple[str, ...]:
        """Its names in the lab's DNS, the hostname first."""
        return tuple(
            f"{service}{self.release.number}{self._mark}.{DOMAIN}"
            for service in ("ms", "mail", "pop", "smtp")
        )

    @property
    def _mark(self) -> str:
        return f"-{self.place}" if self.place > 1 else ""

    @property
    def _last(self) -> int:
        """The last number of its addresses: a release's first host has the release's own."""
        if self.place == 1:
            return self.release.number
        return _FURTHER + list(RELEASES).index(self.release.name) * (MOST_OF_A_RELEASE - 1) + self.place - 2


def make_keys(state: State, host: LabHost) -> None:
    """SSH host keys of a host, made once: they are its identity, and outlive its resets.

    A release's further hosts have one, of the kind that is made at once: RSA for 40 hosts takes two minutes.
    """
    folder = state.folder / "hosts" / host.name
    if folder.is_dir():
        return
    unfinished = folder.with_name(f".{host.name}")  # where `up` was ended meanwhile
    shutil.rmtree(unfinished, ignore_errors=True)
    (unfinished / "etc/ssh").mkdir(mode=0o700, parents=True)
    if host.place == 1:
        _run("ssh-keygen", "-q", "-A", "-f", str(unfinished))
    else:
        key = unfinished / "etc/ssh/ssh_host_ed25519_key"
        _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(key))
    unfinished.rename(folder)


def host_keys(state: State, name: str) -> list[str]:
    """The public halves, `TYPE BASE64` each."""
    files = sorted((state.folder / "hosts" / name / "etc/ssh").glob("ssh_host_*_key.pub"))
    return [" ".join(file.read_text(encoding="utf-8").split()[:2]) for file in files]


def make_secrets(state: State) -> None:
    """Every password of the lab, made once, each in a file of its own (0600)."""
    state.secret("tarou", HARD_PASSWORD)
    for name in (*MAIL_USERS, "sudo", "ca-passphrase", "key-passphrase"):
        state.secret(name)


def make_administrator_key(state: State) -> Path:
    """The administrator's key pair, made once. Returns: the private key's path."""
    path = state.folder / "id_ed25519"
    if not path.exists():
        _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"{ADMINISTRATOR}@lab", "-f", str(path))
    return path


def write_known_hosts(state: State, hosts: list[LabHost]) -> None:
    """The lab's own known_hosts: each host by its names and addresses, nothing else."""
    lines = [
        f"{','.join((*host.names, host.address, host.address6))} {key}\n"
        for host in hosts
        for key in host_keys(state, host.name)
    ]
    write_private(state.folder / "known_hosts", "".join(lines))


def recreate(host: LabHost, image_tag: str, state: State, personal: bool = False) -> None:
    """Throw the host away and start a new one from an image; back when it accepts SSH and systemd is up.

    Args:
        host: which.
        image_tag: what it starts from.
        state: the lab's keys and passwords.
        personal: the image was kept from this host, keys and passwords included.
    Raises: LabError when it is not up in 30 s.
    """
    podman("rm", "-f", "-i", "-t", "0", "-v", host.container)
    flag = host.release.legacy_cgroup_flag if needs().old_cgroups else None
    lab_network = host.network
    podman(
        "create", "--name", host.container, "--systemd=always", "--restart=always", *needs().run_options,
        "--cap-add=NET_ADMIN,NET_RAW", f"--hostname={host.hostname}", "--no-hosts",
        f"--network={lab_network.name}", f"--mac-address={host.mac}", f"--dns={lab_network.gateway4}",
        f"--ip={host.address}", f"--ip6={host.address6}",
        f"--label={ID_LABEL}={host.lab_id}", f"--label={FOLDER_LABEL}={state.folder}",
        image_tag, "/sbin/init", *([flag] if flag else []),
    )  # fmt: skip
    root = Path(podman("mount", host.container).stdout.decode().strip())
    try:
        if personal:
            _move_here(host, root)
        else:
            _personalise(host, root, state)
    finally:
        podman("umount", host.container)
    podman("start", host.container)
    wait(host)


def has_started(host: LabHost) -> bool:
    """Whether it was ever started; before that its keys and passwords may be missing."""
    seen = inspect("container", host.container)
    return bool(seen) and seen[0]["State"]["Status"] not in ("created", "configured")


def start_again(host: LabHost) -> bool:
    """Start a container that is there. Returns: whether it came up.

    Raises: AddressTaken: podman has its address as another one's, so that it starts in this network no more.
    """
    done = podman("start", host.container, check=False)
    if done.returncode:
        error = failed(("start",), done)
        if isinstance(error, AddressTaken):
            raise error
        return False
    # podman says 'started' of a container whose monitor was killed, and does nothing.
    pid = inspect("container", host.container)[0]["State"]["Pid"]
    if not Path(f"/proc/{pid}").exists():
        return False
    try:
        wait(host, _RESTART_TIMEOUT_S)
    except LabError:
        return False
    return True


def wait(host: LabHost, timeout_s: float = _READY_TIMEOUT_S) -> None:
    """Wait until sshd greets and systemd has finished starting.

    Raises: LabError when the time is over, with what is missing.
    """
    deadline = time.monotonic() + timeout_s
    missing = "SSH does not answer"
    while time.monotonic() < deadline:
        if _greets(host):
            missing = f"systemd says {(told := systemd_state(host, wait=True))!r}"
            if told in ("running", "degraded"):
                return
        time.sleep(_POLL_S)
    raise LabError(
        f"not up in {timeout_s:g} s: {missing}",
        host.name,
        f"look at `podman exec {host.container} journalctl -b`, or run `python -m lab up` again",
        "The host is half started.",
    )


def reboot(host: LabHost) -> None:
    """Reboot a host as an administrator would, and wait until it is up again.

    Raises: LabError when it is not up in 30 s.
    """
    before = inspect("container", host.container)[0]["State"]["Pid"]
    inside(host.container, b"systemctl reboot", _READY_TIMEOUT_S)
    deadline = time.monotonic() + _READY_TIMEOUT_S
    while inspect("container", host.container)[0]["State"]["Pid"] in (before, 0):
        if time.monotonic() > deadline:
            raise LabError(f"did not go down in {_READY_TIMEOUT_S:g} s", host.name, "run `python -m lab up`")
        time.sleep(_POLL_S)
    wait(host)


def systemd_state(host: LabHost, wait: bool = False) -> str:
    """`systemctl is-system-running` in the host.

    Args:
        host: which.
        wait: until it has finished starting.
    Returns: its answer, or an empty text where it cannot be asked.
    """
    command = f"systemctl is-system-running {'--wait' if wait else ''}"
    try:
        return (
            inside(host.container, command.encode(), _READY_TIMEOUT_S).stdout.decode(errors="replace").strip()
        )
    except LabError:
        return ""


def is_up(host: LabHost) -> bool:
    """Whether its first process is alive and sshd greets."""
    seen = inspect("container", host.container)
    return bool(seen) and seen[0]["State"]["Running"] and _greets(host)


def _greets(host: LabHost) -> bool:
    try:
        with socket.create_connection((host.address, 22), timeout=1) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def _personalise(host: LabHost, root: Path, state: State) -> None:
    """What is this lab's and not the image's, written into the host's files before it boots."""
    for key in (state.folder / "hosts" / host.name / "etc/ssh").iterdir():
        _write(root / "etc/ssh" / key.name, key.read_bytes(), 0o644 if key.suffix == ".pub" else 0o600)
    # As Debian's installer writes it for an address that stays; podman's would have this machine's lines.
    names = f"{host.hostname} {host.hostname.partition('.')[0]}"
    local = f"127.0.0.1 localhost\n{host.address} {names}\n\n::1 localhost ip6-localhost ip6-loopback\n"
    _write(root / "etc/hosts", local.encode(), 0o644)
    _write(root / "etc/runbook-lab", f"{host.lab_id}\n".encode(), 0o644)
    home = root / "home" / ADMINISTRATOR
    owner = home.stat()
    public = (state.folder / "id_ed25519.pub").read_bytes()
    _write(home / ".ssh/authorized_keys", public, 0o600, owner.st_uid, owner.st_gid)
    passwords = {user: state.secret(user) for user in MAIL_USERS}
    right = "ALL=(ALL:ALL) ALL"
    if host.name == SUDO_WITH_PASSWORD:
        passwords[ADMINISTRATOR] = state.secret("sudo")
    else:
        right = "ALL=(ALL:ALL) NOPASSWD: ALL"
    _write(root / "etc/sudoers.d" / ADMINISTRATOR, f"{ADMINISTRATOR} {right}\n".encode(), 0o440)
    lines = "".join(f"{user}:{password}\n" for user, password in passwords.items())
    # The distributions take yescrypt, which costs each sudo and each login of the tests a tenth of a second.
    _run("chroot", str(root), "chpasswd", "-c", "SHA512", "-s", "1000", stdin=lines)


def _move_here(host: LabHost, root: Path) -> None:
    """A host that another lab of the same identity kept: its own name is at this lab's address now."""
    mark, hosts_file = root / "etc/runbook-lab", root / "etc/hosts"
    if mark.read_text(encoding="utf-8").strip() == host.lab_id:
        return
    mark.write_text(f"{host.lab_id}\n", encoding="utf-8")
    there = hosts_file.read_text(encoding="utf-8")
    hosts_file.write_text(
        re.sub(r"10\.77\.\d+\.(?=\d)", host.network.address4(0)[:-1], there), encoding="utf-8"
    )


def _write(path: Path, content: bytes, mode: int, user: int = 0, group: int = 0) -> None:
    path.write_bytes(content)
    os.chown(path, user, group)
    path.chmod(mode)


def _run(*words: str, stdin: str = "") -> None:
    # An RSA key takes a second, and a minute on a machine that has other work.
    done = subprocess.run(words, input=stdin.encode(), capture_output=True, timeout=300, check=False)
    if done.returncode:
        raise LabError(
            f"`{' '.join(words)}`: {done.stderr.decode().strip()}", "lab", "run `python -m lab up` again"
        )
