"""An agent's keys: all that can be read are offered, and what cannot be had is told, soon and without a trace."""

import contextlib
import os
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from remote_hosts import make_keys, public, wait_until

from runbook_lib.remote import agent

ED25519 = struct.pack(">I", 11) + b"ssh-ed25519" + struct.pack(">I", 32) + bytes(32)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Path]:
    """The socket of a real agent."""
    path = tmp_path / "agent"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL)
    wait_until(path.exists)
    yield path
    process.terminate()
    process.wait(timeout=10)


def test_a_comment_in_another_encoding_hides_no_key(running: Path, tmp_path: Path) -> None:
    """`ssh-add` takes the comment as it is, and paramiko would lose all keys of the agent for it."""
    pairs = [make_keys(tmp_path / name, ["ed25519"])["ed25519"] for name in ("one", "two")]
    blobs = [public(pair).split()[1] for pair in pairs]
    change = [b"ssh-keygen", b"-q", b"-c", b"-C", b"caf\xe9", b"-P", b"", b"-f", bytes(pairs[0])]
    subprocess.run(change, check=True, capture_output=True, timeout=10)
    environment = os.environ | {"SSH_AUTH_SOCK": str(running)}
    subprocess.run(["ssh-add", "-q", *pairs], check=True, capture_output=True, timeout=10, env=environment)
    with agent.held(running) as held:
        assert [key.comment for key in held.keys] == [r"caf\xe9", str(pairs[1])]
        assert [key.get_base64() for key in held.keys] == blobs
        assert held.told == ()


def string(content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + content


def listed(*pairs: tuple[bytes, bytes]) -> bytes:
    body = struct.pack(">BI", 12, len(pairs)) + b"".join(string(blob) + string(told) for blob, told in pairs)
    return string(body)


@pytest.fixture
def answering(tmp_path: Path) -> Iterator[list[bytes]]:
    """A stand-in for an agent that is broken: it answers with these bytes, piece by piece, and stays."""
    pieces: list[bytes] = []
    ended = threading.Event()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "broken"))
        server.listen()

        def answer() -> None:
            with server.accept()[0] as asking, contextlib.suppress(BrokenPipeError):
                asking.recv(5)
                for piece in pieces:
                    asking.sendall(piece)
                    time.sleep(0.05)
                ended.wait()

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield pieces
        ended.set()
        thread.join(timeout=5)


@pytest.mark.parametrize(
    ("said", "keys", "told"),
    [
        ([listed((string(b"ssh-rsa") + string(b"\1"), b"bad"), (ED25519, b"good"))], ["good"], "agent's bad: "),
        ([listed((string(b"ssh-ed25519"), b"bad"), (ED25519, b"good"))], ["good"], "agent's bad: "),
        ([listed((string(b"\xe9"), b"bad"), (ED25519, b"good"))], ["good"], "agent's bad: "),
        ([listed((ED25519, b"good"))[:9], listed((ED25519, b"good"))[9:]], ["good"], None),
        ([string(b"\5")], [], "it tells no list of keys"),
        ([string(struct.pack(">BI", 12, 2_000_000_000))], [], "it tells no list of keys"),
        ([string(struct.pack(">BII", 12, 1, 9))], [], "its answer is cut short"),
        ([struct.pack(">I", 0xFFFFFFFF)], [], "it would answer with 4,294,967,295 bytes"),
        ([b"\0\0", *[b"\0"] * 8], [], "it would answer with 0 bytes"),
        ([], [], "no answer"),
        ([b"\0\0\0\xff", *[b"\0"] * 60], [], "no answer"),
    ],
)  # fmt: skip
def test_what_an_agent_has_broken_is_told_and_the_rest_is_taken(
    answering: list[bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    said: list[bytes],
    keys: list[str],
    told: str | None,
) -> None:
    monkeypatch.setattr(agent, "ANSWER_TIMEOUT_S", 0.5)
    answering += said
    started = time.monotonic()
    with agent.held(tmp_path / "broken") as held:
        assert [key.comment for key in held.keys] == keys
        assert len(held.told) == (1 if told else 0)
        assert (told or "") in "".join(held.told)
    assert time.monotonic() - started < 10


def test_an_agent_that_is_gone_is_told(tmp_path: Path) -> None:
    with agent.held(tmp_path / "gone") as held:
        assert (held.keys, held.told) == ((), (f"the agent {tmp_path}/gone: No such file or directory",))
    with agent.held(None) as none:
        assert (none.keys, none.told) == ((), ())
