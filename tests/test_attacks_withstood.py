"""What an attacker tried and did not get, where no other test tries it: it stays so."""

import contextlib
import os
import socket
import stat
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import paramiko
import pytest
from fake_chapters import write_inventory

from lab.state import CHECKOUT
from runbook_lib import credentials, inventory, remote
from runbook_lib.errors import HostUnreachable
from runbook_lib.families import PackageManager, package_managers
from runbook_lib.mail.probes.smtp import Reply

CONFIGURATION = """\
site: {{name: Test, domain: example.test, known_hosts: {known_hosts}, ca: {{passphrase: "file:none"}}}}
hosts:
  mail1:
    address: 127.0.0.1
    port: {port}
    user: "{user}"
    key: {key}
    names: {{smtp: mail1.example.test}}
    certificate: {{key_passphrase: "file:none"}}
"""


def made(folder: Path, name: str, kind: str) -> Path:
    """A key of a host or of a person."""
    words = ["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", str(folder / name)]
    subprocess.run(words, check=True, timeout=60)
    return folder / name


def public(key: Path) -> str:
    return " ".join(key.with_name(f"{key.name}.pub").read_text(encoding="utf-8").split()[:2])


class Tried(paramiko.ServerInterface):
    """Lets nobody in, and keeps what was tried, and which client came."""

    def __init__(self) -> None:
        self.logins: list[str] = []
        self.offered: list[str] = []

    def get_allowed_auths(self, username: str) -> str:
        self.logins.append(username)
        return "publickey,password"

    def check_auth_none(self, username: str) -> int:
        self.logins.append(username)
        return paramiko.common.AUTH_FAILED

    def check_auth_publickey(self, username: str, _key: paramiko.PKey) -> int:
        self.logins.append(username)
        return paramiko.common.AUTH_FAILED


@contextlib.contextmanager
def sshd(*keys: Path) -> Iterator[tuple[int, Tried]]:
    """An SSH server with these host keys, until the block ends."""
    tried = Tried()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with contextlib.suppress(OSError, paramiko.SSHException, EOFError):
                while True:
                    transport = paramiko.Transport(listening.accept()[0])
                    for key in keys:
                        transport.add_server_key(paramiko.PKey.from_path(key))
                    transport.start_server(event=threading.Event(), server=tried)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listening.getsockname()[1], tried


def connect(folder: Path, port: int, user: str = "kanri") -> None:
    site = folder / "site.yaml"
    key = folder / "person"
    if not key.exists():
        made(folder, "person", "ed25519")
    text = CONFIGURATION.format(known_hosts=folder / "known_hosts", port=port, user=user, key=key)
    site.write_text(text, encoding="utf-8")
    book = inventory.load(site)
    remote.connect(book.site, book.host("mail1"))


@pytest.mark.parametrize(
    "line",
    [
        "",
        "{place} {other}",
        "127.0.0.1 {own}",
        "@cert-authority {place} {own}",
        "@revoked {place} {own}\n{place} {own}",
        "{place} {rsa}",
    ],
    ids=["unknown", "changed", "of port 22", "an authority's", "revoked", "of another type"],
)
def test_no_login_is_tried_at_a_host_whose_key_is_not_the_known_one(line: str, tmp_path: Path) -> None:
    own, other, rsa = (
        made(tmp_path, *one) for one in (("own", "ed25519"), ("other", "ed25519"), ("r", "rsa"))
    )
    with sshd(own) as (port, tried):
        words = {
            "place": f"[127.0.0.1]:{port}",
            "own": public(own),
            "other": public(other),
            "rsa": public(rsa),
        }
        (tmp_path / "known_hosts").write_text(line.format(**words) + "\n", encoding="utf-8")
        with pytest.raises(HostUnreachable) as refusal:
            connect(tmp_path, port)
    assert "Nothing was changed" in str(refusal.value)
    assert tried.logins == []


def test_a_login_name_is_never_a_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An account's name has no blank and no slash; what a shell would make of the rest is not asked of any."""
    monkeypatch.chdir(tmp_path)
    own = made(tmp_path, "own", "ed25519")
    with sshd(own) as (port, tried):
        (tmp_path / "known_hosts").write_text(f"[127.0.0.1]:{port} {public(own)}\n", encoding="utf-8")
        with pytest.raises(HostUnreachable):
            connect(tmp_path, port, user="$(id>ran)")
    assert not (tmp_path / "ran").exists()
    assert set(tried.logins) <= {"$(id>ran)"}


def test_a_server_that_never_stops_talking_is_given_up(tmp_path: Path) -> None:
    made(tmp_path, "own", "ed25519")
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def flood() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client = listening.accept()[0]
                    with contextlib.suppress(OSError), client:
                        while True:
                            client.sendall(b"banner\r\n" * 500)

        threading.Thread(target=flood, daemon=True).start()
        port = listening.getsockname()[1]
        (tmp_path / "known_hosts").write_text(
            f"[127.0.0.1]:{port} {public(tmp_path / 'own')}\n", encoding="utf-8"
        )
        began = time.monotonic()
        with pytest.raises(HostUnreachable):
            connect(tmp_path, port)
    assert time.monotonic() - began < 120


def offered(client: socket.socket) -> list[str]:
    """What a client offers, as it comes in its first packet (RFC 4253 6 and 7.1)."""
    client.sendall(b"SSH-2.0-x\r\n")
    stream = client.makefile("rb")
    stream.readline()
    (length,) = struct.unpack(">I", stream.read(4))
    packet = stream.read(length)
    assert packet[1] == paramiko.common.MSG_KEXINIT
    names, at = [], 1 + 1 + 16
    for _ in range(10):
        (size,) = struct.unpack(">I", packet[at : at + 4])
        names += packet[at + 4 : at + 4 + size].decode().split(",")
        at += 4 + size
    return names


def test_no_old_algorithm_is_offered_and_no_agent_forwarded(tmp_path: Path) -> None:
    """Keys are exchanged, hosts proved, and all is encrypted without SHA-1, MD5, CBC, 3DES and DSA."""
    made(tmp_path, "own", "ed25519")
    with socket.create_server(("127.0.0.1", 0)) as listening, ThreadPoolExecutor(1) as pool:
        port = listening.getsockname()[1]
        known = f"[127.0.0.1]:{port} {public(tmp_path / 'own')}\n"
        (tmp_path / "known_hosts").write_text(known, encoding="utf-8")

        def serve() -> list[str]:
            with listening.accept()[0] as client:
                return offered(client)

        names = pool.submit(serve)
        with pytest.raises(HostUnreachable):
            connect(tmp_path, port)
    assert {"aes256-ctr", "hmac-sha2-256", "ssh-ed25519"} <= set(names.result())
    old = ("sha1", "md5", "cbc", "3des", "arcfour", "dss", "group1-")
    assert not [name for name in names.result() if name == "ssh-rsa" or any(word in name for word in old)]
    ours = "\n".join(path.read_text(encoding="utf-8") for path in (CHECKOUT / "runbook_lib").rglob("*.py"))
    assert "request_forward_agent" not in ours
    assert "AgentRequestHandler" not in ours


def test_a_password_that_a_server_says_back_is_not_told_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_PASSWORD", "horse battery staple")
    credentials.resolve("env:TEST_PASSWORD", "test")
    told = Reply(535, (f"{'x' * 90} horse battery staple",)).brief
    assert told == f"535 {'x' * 90} ***"


def test_no_check_of_a_package_is_lowered() -> None:
    managers = [value for value in vars(package_managers).values() if isinstance(value, PackageManager)]
    assert len(managers) >= 2
    texts = [
        *map(repr, managers),
        *(p.read_text(encoding="utf-8") for p in (CHECKOUT / "runbook_lib").rglob("*.sh")),
    ]
    for lowered in (
        "allow-unauthenticated", "AllowUnauthenticated", "allow-insecure", "AllowInsecure", "force-yes", "trusted=yes",
        "nogpgcheck", "gpgcheck=0", "sslverify=0", "Verify-Peer=false",
    ):  # fmt: skip
        assert not [text for text in texts if lowered in text], lowered


def test_a_thousand_hosts_are_an_inventory(tmp_path: Path) -> None:
    site = write_inventory(tmp_path, *(f"mail{number}" for number in range(250)))
    text = site.read_text(encoding="utf-8")
    hosts = text.partition("hosts:")[2]
    for block in range(1, 4):
        text += hosts.replace("192.0.2.", f"198.51.{block}.").replace("mail", f"mail-{block}-")
    site.write_text(text, encoding="utf-8")
    assert len(inventory.load(site).hosts) == 1000


def test_nothing_that_is_secret_is_in_a_file_that_others_read(tmp_path: Path) -> None:
    """Whatever the umask: the records of a run are its owner's."""
    from runbook_lib.records import chain, files

    before = os.umask(0)
    try:
        files.prepare_root(tmp_path / "records")
        files.write_atomically(tmp_path / "records" / "run" / "x.json", b"{}")
        with chain.locked(tmp_path / "records"):
            pass
    finally:
        os.umask(before)
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "records").rglob("*")]
    assert modes
    assert not [mode for mode in modes if mode & 0o077]
