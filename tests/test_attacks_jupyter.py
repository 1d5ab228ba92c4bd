"""JupyterLab as `make jupyter` sets it up: who else is on this machine, or in a browser of its user, gets nothing."""

import json
import os
import re
import socket
import stat
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from started_jupyterlab import started

from lab.state import CHECKOUT

pytestmark = pytest.mark.programs


@dataclass
class Server:
    """A JupyterLab that runs, its token, and where it keeps what its kernels are reached by."""

    port: int
    token: str
    runtime: Path

    def status(self, path: str, token: str = "", host: str = "", data: bytes | None = None) -> int:
        return self.asked(path, token, host, data)[0]

    def asked(
        self, path: str, token: str = "", host: str = "", data: bytes | None = None
    ) -> tuple[int, bytes]:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data)
        if token:
            request.add_header("Authorization", f"token {token}")
        if host:
            request.add_header("Host", host)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("jupyter")
    runtime = folder / "runtime"
    environment = os.environ | {
        "JUPYTER_RUNTIME_DIR": str(runtime),
        "RUNBOOK_RECORDS": str(folder / "records"),
    }
    command = [CHECKOUT / ".venv/bin/jupyter", "lab", "--allow-root", "--no-browser", "--port=0"]
    words = [*command, "--notebook-dir", folder]
    with started(words, folder / "log", CHECKOUT, environment, umask=0) as address:
        (port, token) = re.findall(r":(\d+)/lab\?token=(\w+)", address)[0]
        yield Server(int(port), token, runtime)


def test_without_the_token_nothing_is_told_or_done(server: Server) -> None:
    assert server.status("/api/contents", server.token) == 200
    for path in ("/api/contents", "/api/kernels", "/api/terminals", "/api/sessions"):
        assert server.status(path) == 403
        assert server.status(path, "0" * len(server.token)) == 403
    assert server.status("/api/kernels", data=b"{}") == 403
    own = server.asked("/files/log", server.token)[1]
    assert server.token.encode() in own
    assert (
        server.token.encode() not in server.asked("/files/log")[1]
    )  # it leads to the page that asks for the token


def test_a_page_elsewhere_that_leads_its_name_here_gets_nothing(server: Server) -> None:
    """DNS rebinding: the browser of the operator asks 127.0.0.1 by a name of the attacker."""
    for path in ("/api/contents", "/lab", "/login"):
        assert server.status(path, server.token, host="attacker.example") == 403
    assert server.status("/api/contents", server.token, host=f"localhost:{server.port}") == 200


def test_it_listens_on_this_machine_alone(server: Server) -> None:
    listening = (
        Path("/proc/net/tcp").read_text().splitlines() + Path("/proc/net/tcp6").read_text().splitlines()
    )
    own = [
        line.split()[1] for line in listening[1:] if line.split()[1].endswith(f":{server.port:04X}")
        and line.split()[3] == "0A"
    ]  # fmt: skip
    assert own == [f"0100007F:{server.port:04X}"]


def connected(port: int) -> socket.socket:
    """A connection to a kernel's port, once the kernel has opened it."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=60)
        except ConnectionRefusedError:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_what_goes_to_a_kernel_is_encrypted_and_its_keys_are_the_operators(server: Server) -> None:
    """Whoever reaches a kernel's port runs code as the operator; the port is open to every account of the machine."""
    status, answer = server.asked("/api/kernels", server.token, data=b"{}")
    assert status == 201
    (path,) = server.runtime.glob(f"kernel-{json.loads(answer)['id']}.json")
    assert server.runtime.stat().st_mode & 0o077 == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    kernel = json.loads(path.read_bytes())
    assert kernel["ip"] == "127.0.0.1"
    # ZMTP 3.1, greeting: signature, version, and the mechanism that the other side speaks.
    for name in ("shell_port", "control_port", "stdin_port", "iopub_port"):
        with connected(kernel[name]) as port:
            port.sendall(b"\xff" + bytes(8) + b"\x7f" + b"\x03\x00" + b"CURVE".ljust(20, b"\0") + bytes(32))
            greeting = b""
            while len(greeting) < 32 and (got := port.recv(64)):
                greeting += got
        assert greeting[12:32].rstrip(b"\0") == b"CURVE", name
