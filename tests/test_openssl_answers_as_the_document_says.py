"""What notebook 90 says of `openssl s_client` is so: each sentence tried against a server on loopback."""

import json
import shlex
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from probes_certificates import Pair, make

CHECKOUT = Path(__file__).resolve().parents[1]
NAME = "mail12.example.test"
GREETING = b"220 mail12.example.test ESMTP\r\n"


def section() -> str:
    cells = json.loads((CHECKOUT / "notebooks" / "90-verification.ipynb").read_bytes())["cells"]
    (found,) = [cell for cell in cells if cell["id"] == "proof-by-hand"]
    return "".join(found["source"])


@pytest.fixture(scope="module")
def root() -> Pair:
    return make("Root")


@pytest.fixture(scope="module")
def intermediate(root: Pair) -> Pair:
    return make("Intermediate", root)


@dataclass
class Came:
    """What a client sent inside TLS; `over` is set when it hung up."""

    sent: bytes = b""
    over: threading.Event = field(default_factory=threading.Event)

    def to_the_end(self) -> bytes:
        assert self.over.wait(60)
        return self.sent


@contextmanager
def server(
    folder: Path, shown: Pair, *issuers: Pair, old: bool = False, first: bytes = b""
) -> Iterator[tuple[int, Came]]:
    """A server that greets after TLS began; its port, and what comes.

    Args:
        old: it speaks TLS 1.1 alone.
        first: what it says in clear, and nothing after it.
    """
    (folder / "shown.pem").write_text(shown.pem + "".join(one.pem for one in issuers))
    (folder / "shown.key").write_text(shown.key_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "shown.pem", folder / "shown.key")
    if old:
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    came = Came()

    def serve(listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:  # the test is over
                return
            with client:
                client.settimeout(10)
                try:
                    if first:
                        client.sendall(first)
                        client.recv(1000)
                        continue
                    with context.wrap_socket(client, server_side=True) as inside:
                        inside.sendall(GREETING)
                        while said := inside.recv(1000):
                            came.sent += said
                except OSError:  # the client hung up, or refused the handshake
                    continue
                finally:
                    came.over.set()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        yield listener.getsockname()[1], came
        listener.shutdown(socket.SHUT_RDWR)


def s_client(port: int, options: str, typed: str = "") -> tuple[int, str]:
    """Status and output of s_client; what is typed waits until the greeting was seen."""
    command = f"openssl s_client -connect 127.0.0.1:{port} {options}"
    if not typed:
        done = subprocess.run(
            shlex.split(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        return done.returncode, done.stdout
    with subprocess.Popen(
        shlex.split(command),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        assert process.stdin
        assert process.stdout
        seen = b""
        while GREETING.strip() not in seen:
            line = process.stdout.readline()
            assert line, seen
            seen += line
        out, _ = process.communicate(typed.encode(), timeout=60)
        return process.returncode, (seen + out).decode(errors="replace")


TRUSTING = "-CAfile {root} -no-CApath -no-CAstore"


@pytest.fixture
def trusting(root: Pair, tmp_path: Path) -> str:
    (tmp_path / "root.pem").write_text(root.pem)
    return TRUSTING.format(root=tmp_path / "root.pem")


def test_a_good_server_looks_as_is_said(intermediate: Pair, trusting: str, tmp_path: Path) -> None:
    leaf = make("leaf", intermediate, (NAME,))
    with server(tmp_path, leaf, intermediate) as (port, _):
        status, said = s_client(port, f"{trusting} -verify_hostname {NAME} -verify_return_error")
    assert status == 0
    for line in ("Verification: OK", f"Verified peername: {NAME}", "Verify return code: 0 (ok)"):
        assert line in said
        assert line.partition(": mail")[0] in section()


FAULTS = {
    18: ("self-signed certificate", "itself"),
    19: ("self-signed certificate in certificate chain", "root sent"),
    20: ("unable to get local issuer certificate", "not trusted"),
    21: ("unable to verify the first certificate", "leaf alone"),
    10: ("certificate has expired", "ended"),
    62: ("hostname mismatch", "other name"),
}


@pytest.mark.parametrize("number", FAULTS)
def test_each_fault_has_its_number_and_ends_with_0_unless_told_otherwise(
    number: int, root: Pair, intermediate: Pair, trusting: str, tmp_path: Path
) -> None:
    words, what = FAULTS[number]
    assert f"| `{number} ({words})` |" in section()
    leaf = make("leaf", intermediate, (NAME,), ends_in_days=-2 if what == "ended" else 365, begins_in_days=-9)
    nobody = "-no-CAfile -no-CApath -no-CAstore"
    issuers, options = {
        "itself": ((), trusting),
        "root sent": ((intermediate, root), nobody),
        "not trusted": ((intermediate,), nobody),
        "leaf alone": ((), trusting),
        "ended": ((intermediate,), trusting),
        "other name": ((intermediate,), f"{trusting} -verify_hostname other.example.test"),
    }[what]
    shown = make("leaf", None, (NAME,)) if what == "itself" else leaf
    with server(tmp_path, shown, *issuers) as (port, _):
        status, said = s_client(port, options)
        assert f"Verify return code: {number} ({words})" in said
        assert status == 0
        assert s_client(port, f"{options} -verify_return_error")[0] == 1


def test_the_name_is_compared_only_where_it_is_asked_for(
    intermediate: Pair, trusting: str, tmp_path: Path
) -> None:
    leaf = make("leaf", intermediate, ("other.example.test",))
    with server(tmp_path, leaf, intermediate) as (port, _):
        status, said = s_client(port, f"{trusting} -servername {NAME} -verify_return_error")
    assert status == 0
    assert "Verification: OK" in said
    assert "Verified peername" not in said


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_a_line_with_a_capital_r_is_not_sent_and_one_in_lower_case_is(
    version: str, intermediate: Pair, tmp_path: Path
) -> None:
    leaf = make("leaf", intermediate, (NAME,))
    with server(tmp_path, leaf) as (port, came):
        _, said = s_client(port, version, "RCPT TO:<a@example.test>\n")
        assert "RENEGOTIATING" in said
        assert b"RCPT" not in came.to_the_end()
    with server(tmp_path, leaf) as (port, came):
        s_client(port, version, "rcpt to:<a@example.test>\n")
        assert came.to_the_end() == b"rcpt to:<a@example.test>\n"


def test_with_quiet_every_line_is_sent(intermediate: Pair, tmp_path: Path) -> None:
    """With `-quiet` the end of what is typed does not end it, so that the client is ended here."""
    leaf = make("leaf", intermediate, (NAME,))
    with server(tmp_path, leaf) as (port, came):
        command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-quiet", "-crlf"]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as process:
            assert process.stdin
            assert process.stdout
            assert process.stdout.readline().strip() == GREETING.strip()
            process.stdin.write(b"RCPT TO:<a@example.test>\n")
            process.stdin.flush()
            until = time.monotonic() + 60
            while not came.sent and time.monotonic() < until:
                time.sleep(0.02)
            process.kill()
        assert came.sent == b"RCPT TO:<a@example.test>\r\n"


def test_a_capital_q_ends_it(intermediate: Pair, tmp_path: Path) -> None:
    leaf = make("leaf", intermediate, (NAME,))
    with server(tmp_path, leaf) as (port, came):
        status, _ = s_client(port, "", "QUIT\n")
        assert (status, came.to_the_end()) == (0, b"")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
def test_an_old_version_is_spoken_only_at_level_0(intermediate: Pair, tmp_path: Path) -> None:
    """The server takes TLS 1.1: without the option it looks as if it refused."""
    leaf = make("leaf", intermediate, (NAME,))
    with server(tmp_path, leaf, old=True) as (port, _):
        status, said = s_client(port, "-tls1_1")
        assert status == 1
        assert "Cipher is (NONE)" in said
        assert "Protocol  : TLSv1.1" in said
        status, said = s_client(port, "-tls1_1 -cipher ALL:@SECLEVEL=0")
    assert status == 0
    assert "Cipher is (NONE)" not in said
    assert "-tls1_1 -cipher ALL:@SECLEVEL=0" in section()


def test_a_port_that_begins_in_clear_and_one_without_starttls(intermediate: Pair, tmp_path: Path) -> None:
    leaf = make("leaf", intermediate, (NAME,))
    with server(tmp_path, leaf, first=b"220 mail12.example.test ESMTP\r\n") as (port, _):
        status, said = s_client(port, "")
    assert (status, "wrong version number" in said) == (1, True)
    with server(tmp_path, leaf, first=b"220 x ESMTP\r\n250 x\r\n") as (port, _):
        status, said = s_client(port, "-starttls smtp")
    assert (status, "Didn't find STARTTLS in server response" in said) == (1, True)


def test_the_dates_of_every_certificate_of_a_file_are_shown(intermediate: Pair, tmp_path: Path) -> None:
    """The line of chapter 1-2 for a path that ends before its leaf."""
    cells = json.loads((CHECKOUT / "notebooks" / "12-signing.ipynb").read_bytes())["cells"]
    prose = "".join("".join(cell["source"]) for cell in cells)
    (line,) = [one.strip() for one in prose.splitlines() if one.startswith("    openssl storeutl")]
    (tmp_path / "mail-server.pem").write_text(make("leaf", intermediate, (NAME,)).pem + intermediate.pem)
    done = subprocess.run(line, shell=True, cwd=tmp_path, capture_output=True, text=True, check=True)  # noqa: S602 - it is typed at a shell
    assert done.stdout.count("Not After") == 2
    assert [name in done.stdout for name in ("CN = leaf", "CN=leaf")].count(True) == 1
