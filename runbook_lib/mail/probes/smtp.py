"""A conversation with an SMTP server: to an address, for a name, with one deadline for all of it.

smtplib connects to the name that it verifies, waits anew at each read, and turns refusals into exceptions.
A probe needs the three the other way round: each address of the name, a deadline, replies as values.
"""

import contextlib
import re
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from runbook_lib import credentials
from runbook_lib.mail.probes.obstacle import (
    Kind,
    Obstacle,
    Stage,
    Stopped,
    closed,
    failed_handshake,
    limited,
    not_reached,
    silent,
)
from runbook_lib.mail.probes.target import Endpoint
from runbook_lib.messages import message

_REPLY_BYTES_MAX = 65536
_ADDRESS = re.compile(r"<[^>]*>:? ?")


@dataclass(frozen=True)
class Reply:
    """A server's reply (RFC 5321, 4.2): its code, and its lines without the code."""

    code: int
    lines: tuple[str, ...]

    @property
    def brief(self) -> str:
        """Code and first line without addresses, the same at every run."""
        # A server may say a password back: masked before it is cut, since half of one would not be found later.
        return f"{self.code} {credentials.mask(_ADDRESS.sub('', self.lines[0]))[:100]}".strip()

    def extension(self, keyword: str) -> tuple[str, ...] | None:
        """Parameters of an EHLO keyword, upper case; None when it is not offered."""
        for line in self.lines[1:]:
            words = line.upper().split()
            if words[:1] == [keyword]:
                return tuple(words[1:])
        return None


class Conversation:
    """One connection. Use it as a context manager; it says QUIT where that is still possible.

    Raises `Stopped`, from any method, when the server cannot be asked further.
    """

    def __init__(self, endpoint: Endpoint, connected: socket.socket, own: str, deadline: float) -> None:
        """Begin on a connected socket.

        Args:
            endpoint: address and port.
            connected: a stream socket; it is closed with the conversation.
            own: the address that the server sees, as far as this side knows.
            deadline: of the whole conversation, by `time.monotonic`.
        """
        self.endpoint = endpoint
        self.own = own
        self.stage = Stage.GREETING
        self.greeted: Reply | None = None
        self._socket = connected
        self._deadline = deadline
        self._pending = b""

    @classmethod
    def to(cls, endpoint: Endpoint, *, source: str | None, timeout_s: float) -> Self:
        """Connect from this machine.

        Args:
            endpoint: address and port.
            source: own address to ask from, or None.
            timeout_s: for the whole conversation; connecting takes at most half of it.
        """
        deadline = time.monotonic() + timeout_s
        try:
            connected = socket.create_connection(
                (endpoint.address, endpoint.port), timeout_s / 2, (source, 0) if source else None
            )
        except OSError as error:
            raise Stopped(not_reached(error)) from error
        return cls(endpoint, connected, connected.getsockname()[0], deadline)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(Stopped, OSError):
            if self.stage in (Stage.CLEAR, Stage.SECURE):
                self._deadline = min(self._deadline, time.monotonic() + 1.0)
                self._send(b"QUIT\r\n")  # its reply is of no use to anybody
        self._socket.close()

    def wait_up_to(self, seconds: float) -> None:
        """Give what comes next so many seconds from now, if the conversation has less left."""
        self._deadline = max(self._deadline, time.monotonic() + seconds)

    def greeting(self) -> Reply:
        """Wait for the greeting. Anything but 220 is a server that does not serve this client now."""
        reply = self._read_reply()
        if reply.code != 220:
            words = message("the server refuses this client ({reply})", reply=reply.brief)
            raise Stopped(Obstacle(self.stage, Kind.LIMITED, words))
        if self.stage is Stage.GREETING:
            self.stage = Stage.CLEAR
        self.greeted = reply
        return reply

    def command(self, line: str) -> Reply:
        """Send one line (UTF-8, without its end) and return the reply, whatever its code is."""
        self._send(line.encode() + b"\r\n")
        return self._read_reply()

    def ehlo(self, name: str | None) -> Reply:
        """Say EHLO with a name, or with the own address as a literal."""
        literal = f"[IPv6:{self.own}]" if ":" in self.own else f"[{self.own}]"
        return self.command(f"EHLO {name or literal}")

    def handshake(self, context: ssl.SSLContext, server_name: str | None) -> ssl.SSLSocket:
        """Start TLS now; the greeting (465) or EHLO (STARTTLS) comes next.

        Args:
            server_name: whom to ask for (RFC 6066, 3); None: nobody in particular.
        Returns: the socket, to ask about version and certificates. Nothing is read from it elsewhere.
        """
        self._leave_clear()
        with self._deadlined():
            secured = context.wrap_socket(self._socket, server_hostname=server_name)
        self._socket = secured
        self.stage = Stage.SECURE
        return secured

    def first_record(self, hello: bytes) -> bytes:
        """Send a TLS hello as it is, and return the first record that comes back (RFC 8446, 5.1); then hang up."""
        self._leave_clear()
        self._send(hello)
        record = b""
        while len(record) < 5 or len(record) < 5 + int.from_bytes(record[3:5], "big"):
            received = self._receive()
            if not received:
                raise Stopped(closed(self.stage))
            record += received
        return record

    def _leave_clear(self) -> None:
        self.stage = Stage.HANDSHAKE
        if self._pending:
            # Bytes sent in clear would be taken for bytes of the protected conversation.
            raise Stopped(
                Obstacle(
                    self.stage, Kind.NOT_OFFERED, message("the server sends more in clear after its 220")
                )
            )

    def data(self, message: bytes) -> Reply:
        """Send DATA and a message with CRLF line ends, dots doubled (RFC 5321, 4.5.2)."""
        ready = self.command("DATA")
        if ready.code != 354:
            return ready
        stuffed = re.sub(rb"(?m)^\.", b"..", message)
        self._send(stuffed + (b"" if stuffed.endswith(b"\r\n") else b"\r\n") + b".\r\n")
        return self._read_reply()

    def raw_answer(self, sent: bytes, wait_s: float) -> bytes:
        """Send bytes in clear and return what comes back until the server closes or `wait_s` is over."""
        answer = b""
        self._deadline = min(self._deadline, time.monotonic() + wait_s)
        with contextlib.suppress(Stopped):
            self._send(sent)
            while len(answer) < 512 and (received := self._receive()):
                answer += received
        return answer

    def _read_reply(self) -> Reply:
        lines: list[str] = []
        size = 0
        while True:
            line = self._read_line()
            size += len(line)
            text = line.decode("utf-8", errors="backslashreplace").rstrip("\r\n")
            if not re.fullmatch(r"[2-5][0-9][0-9]([ -].*)?", text) or size > _REPLY_BYTES_MAX:
                raise Stopped(Obstacle(self.stage, Kind.NOT_SMTP, message("the answer is no SMTP")))
            lines.append(text[4:])
            if text[3:4] != "-":
                break
        reply = Reply(int(text[:3]), tuple(lines))
        if reply.code == 421:
            raise Stopped(limited(self.stage, 421))
        return reply

    def _read_line(self) -> bytes:
        while b"\n" not in self._pending:
            if len(self._pending) > _REPLY_BYTES_MAX:
                raise Stopped(Obstacle(self.stage, Kind.NOT_SMTP, message("the answer is no SMTP")))
            received = self._receive()
            if not received:
                raise Stopped(closed(self.stage))
            self._pending += received
        line, _, self._pending = self._pending.partition(b"\n")
        return line

    def _receive(self) -> bytes:
        with self._deadlined():
            return self._socket.recv(4096)

    def _send(self, octets: bytes) -> None:
        with self._deadlined():
            self._socket.sendall(octets)

    @contextlib.contextmanager
    def _deadlined(self) -> Iterator[None]:
        """Give the socket what is left of the deadline, and name what goes wrong."""
        left_s = self._deadline - time.monotonic()
        if left_s <= 0:
            raise Stopped(silent(self.stage))
        self._socket.settimeout(left_s)
        try:
            yield
        except TimeoutError as error:
            raise Stopped(silent(self.stage)) from error
        except ssl.SSLError as error:
            # After the handshake (a TLS 1.3 client is done first) an alert is an end like any other.
            in_handshake = self.stage is Stage.HANDSHAKE
            raise Stopped(failed_handshake(error) if in_handshake else closed(self.stage)) from error
        except OSError as error:
            raise Stopped(closed(self.stage)) from error
