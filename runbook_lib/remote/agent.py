"""The keys that an SSH agent holds, and what of them cannot be had.

paramiko reads an agent's answer, too, but gives up all of it at one key that it cannot read, and at a comment that is
not UTF-8.

Source: draft-miller-ssh-agent, Requesting a list of keys; ssh-agent(1). The bounds are those of ssh (authfd.c).
"""

import socket
import struct
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from paramiko.agent import AgentSSH

from runbook_lib import display

ANSWER_TIMEOUT_S = 5.0  # a forwarded one may hang
_ANSWER_BYTES_MAX = 256 * 1024
_REQUEST_IDENTITIES, _IDENTITIES_ANSWER = 11, 12

# What paramiko, and what it reads keys by, raise at a key that is broken somewhere; `make fuzz` found them.
UNREADABLE = (
    *(paramiko.SSHException, UnsupportedAlgorithm),
    *(ValueError, TypeError, IndexError, OverflowError, AssertionError, struct.error),
)


@dataclass(frozen=True)
class Held:
    """What an agent holds.

    Args:
        keys: in its order; they sign as long as `held` is open.
        told: why there are none, or which of them cannot be read; for messages, empty where all is well.
    """

    keys: Sequence[paramiko.AgentKey] = ()
    told: tuple[str, ...] = ()


@contextmanager
def held(path: Path | None) -> Iterator[Held]:
    """What the agent behind a socket holds; nothing where there is no path, and nothing with a reason where it does
    not answer as an agent does.
    """
    if path is None:
        yield Held()
        return
    try:
        agent = _Agent(path)
    except (OSError, paramiko.SSHException) as error:
        why = "no answer" if isinstance(error, TimeoutError) else getattr(error, "strerror", None) or error
        yield Held(told=(f"the agent {path}: {why}",))
        return
    with closing(agent):
        yield Held(agent.get_keys(), agent.unread)


class _Agent(AgentSSH):
    """The agent behind a socket; paramiko's own class knows the one of the environment alone.

    Raises:
        OSError: nobody is there, or it does not answer in time.
        paramiko.SSHException: what it answers is no list of keys.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        with ExitStack() as opened:
            connection = opened.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            connection.settimeout(ANSWER_TIMEOUT_S)
            connection.connect(str(path))
            connection.sendall(struct.pack(">IB", 1, _REQUEST_IDENTITIES))
            self._keys, self.unread = self._read(_answer(connection))
            connection.settimeout(None)  # a person may have to confirm a signature
            self._conn = connection
            opened.pop_all()

    def _read(self, answer: bytes) -> tuple[tuple[paramiko.AgentKey, ...], tuple[str, ...]]:
        """The keys of an answer, and what those are called that cannot be read; ssh passes them over, too."""
        parts = list(_strings(answer[5:]))
        if answer[0] != _IDENTITIES_ANSWER or len(parts) != 2 * int.from_bytes(answer[1:5]):
            raise paramiko.SSHException("it tells no list of keys")
        keys, unread = [], []
        for blob, comment in zip(parts[::2], map(display.escape_bytes, parts[1::2]), strict=True):
            try:
                keys.append(paramiko.AgentKey(self, blob, comment))
            except UNREADABLE as error:
                unread.append(f"the agent's {comment}: {error or 'it is broken'}")
        return tuple(keys), tuple(unread)

    def close(self) -> None:
        """End the connection."""
        self._close()  # type: ignore[attr-defined]  # the stubs leave it out


def _answer(connection: socket.socket) -> bytes:
    """A whole answer, in time however slowly it drips."""
    end = time.monotonic() + ANSWER_TIMEOUT_S

    def read(size: int) -> bytes:
        got = b""
        while len(got) < size:
            connection.settimeout(max(end - time.monotonic(), 0.001))
            more = connection.recv(size - len(got))
            if not more:
                raise paramiko.SSHException("it ends the connection")
            got += more
        return got

    size = int.from_bytes(read(4))
    if not 0 < size <= _ANSWER_BYTES_MAX:
        raise paramiko.SSHException(f"it would answer with {size:,} bytes")
    return read(size)


def _strings(content: bytes) -> Iterator[bytes]:
    """Strings as RFC 4251, 5 has them, up to the end."""
    at = 0
    while at < len(content):
        begin = at + 4
        at = begin + int.from_bytes(content[at:begin])
        if at > len(content):
            raise paramiko.SSHException("its answer is cut short")
        yield content[begin:at]
