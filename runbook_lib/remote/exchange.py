"""One command on a channel of its own: bytes in, bytes out, until it ends or its time is over."""

import contextlib
import re
import select
import threading
import time
from collections.abc import Callable, Iterator

import paramiko

from runbook_lib import credentials, display
from runbook_lib.credentials.masking import MASK
from runbook_lib.errors import CommandFailed, DeadlineExceeded, HostUnreachable, OutputTooLong
from runbook_lib.excerpt import excerpt
from runbook_lib.messages import message
from runbook_lib.remote.script import Result, Script

OUTPUT_LIMIT_BYTES = 32 * 1024 * 1024
LINGER_S = 2.0  # how long a stream may stay open, and silent, after the command itself has ended
_SETTLE_S = 0.5  # and how much longer, when sshd has answered: what it still had to send is on its way
_CHUNK_BYTES = 128 * 1024
_MET_BYTES = 16 * 1024  # of each stream, where one might go on with a secret that the other began
_KEPT_BYTES = 64 * 1024  # of each stream, with an error
_END_BYTES = 64 * 1024  # of each stream, in which the end of one script among several is looked for
_UNKNOWN_CHANGE = message("Whether the command changed something before it stopped is not known.")


class Deadline:
    """A point in time that nothing waits beyond.

    Args:
        timeout_s: seconds from now.
    """

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self._end = time.monotonic() + timeout_s

    @property
    def left_s(self) -> float:
        """Seconds left, never below 0."""
        return max(0.0, self._end - time.monotonic())


class Exchange:
    """A started command.

    Args:
        channel: a session of a logged-in connection, nothing started yet.
        command: the line for the login shell.
        script: what the command will read; for its mark and title.
        where: the host's name, for messages.
        deadline: for the whole command.
        limit_bytes: room for stdout and stderr together.

    Raises:
        paramiko.SSHException, EOFError, OSError: sshd did not start it; nothing has run on the host.
        DeadlineExceeded: sshd did not answer in time.
    """

    def __init__(
        self,
        channel: paramiko.Channel,
        command: str,
        script: Script,
        where: str,
        deadline: Deadline,
        limit_bytes: int = OUTPUT_LIMIT_BYTES,
    ) -> None:
        self.script, self.where, self.deadline = script, where, deadline
        self.out, self.err = bytearray(), bytearray()
        self._channel, self._limit = channel, limit_bytes
        self._unsent = memoryview(b"")
        self._closing = False
        self._poll = select.poll()
        self._poll.register(channel.fileno(), select.POLLIN)
        self._start(command)

    def _start(self, command: str) -> None:
        try:
            with self._alarm():
                self._channel.exec_command(command)
        except (paramiko.SSHException, EOFError, OSError):
            self.close()
            if not self.deadline.left_s:
                raise self._too_late() from None
            raise

    @contextlib.contextmanager
    def _alarm(self) -> Iterator[paramiko.Transport]:
        """For what waits for sshd's word without a limit of its own: the connection ends when the time is over."""
        transport = self._channel.get_transport()
        alarm = threading.Timer(self.deadline.left_s, transport.close)
        alarm.daemon = True
        alarm.start()
        try:
            yield transport
        finally:
            alarm.cancel()

    def _hear_from(self) -> None:
        """Wait for any answer of sshd. Is it silent since a child of the command stays, or since the network stalls?

        sshd tells the status before it has sent all that the command wrote, where this end was slow to take it.
        """
        with self._alarm() as transport:
            transport.global_request("keepalive@openssh.com", wait=True)
        if not self.deadline.left_s:
            self.close()
            raise self._too_late()

    def send(self, content: bytes, *, last: bool = False) -> None:
        """Queue bytes for the command's standard input, which `last` closes after them. `pump` sends them."""
        self._unsent = memoryview(bytes(self._unsent) + content)
        self._closing = self._closing or last

    @property
    def begun(self) -> bool:
        """Has the script's own shell spoken on stderr?"""
        return self.script.mark.encode() + b"\n" in self.err

    @property
    def unread(self) -> bool:
        """Could the script's shell not read it? Then nothing was done."""
        return self.script.unread.encode() + b"\n" in self.err

    def pump(self, until: Callable[[], bool]) -> bool:
        """Move bytes both ways until `until` holds or the command has ended and all is read.

        Returns: whether `until` holds.
        Raises:
            DeadlineExceeded, OutputTooLong, HostUnreachable: after the channel was closed.
        """
        silent_since, heard = time.monotonic(), False
        while True:
            ended = bool(self._channel.eof_received) or self._channel.closed
            if self._read():
                silent_since, heard = time.monotonic(), False
            if until():
                return True
            if ended:
                return False
            if self._channel.exit_status_ready() and time.monotonic() - silent_since > LINGER_S:
                if heard:
                    return False
                self._hear_from()
                silent_since, heard = time.monotonic() - LINGER_S + _SETTLE_S, True
            wait_s = self._write()
            if not self.deadline.left_s:
                self.close()
                raise self._too_late()
            self._poll.poll(1000 * min(wait_s, self.deadline.left_s))

    def _read(self) -> bool:
        got = False
        while self._channel.recv_ready():
            self.out += self._channel.recv(_CHUNK_BYTES)
            got = True
            self._check_room()
        while self._channel.recv_stderr_ready():
            self.err += self._channel.recv_stderr(_CHUNK_BYTES)
            got = True
            self._check_room()
        return got

    def _write(self) -> float:
        """Send what the window takes; returns how many seconds one may wait for the other side."""
        try:
            while self._unsent and self._channel.send_ready() and not self._channel.closed:
                self._unsent = self._unsent[self._channel.send(bytes(self._unsent[:_CHUNK_BYTES])) :]
                if self._channel.recv_ready() or self._channel.recv_stderr_ready():
                    return 0.0
            if self._closing and not self._unsent:
                self._closing = False
                self._channel.shutdown_write()
        except (OSError, EOFError, paramiko.SSHException):
            self._unsent = memoryview(b"")  # the command ended without reading all; its status tells
        return 0.01 if self._unsent else 0.5  # an opened window wakes nobody

    def _check_room(self) -> None:
        if len(self.out) + len(self.err) <= self._limit:
            return
        self.close()
        error = OutputTooLong(
            message(
                "`{title}` wrote more than {limit} bytes and was cut off:\n{said}",
                title=self.script.title,
                limit=f"{self._limit:,}",
                said=_shown("what came", stderr=self._own(self.err), stdout=self._own(self.out)),
            ),
            self.where,
            message("ask for less, or give the command more room"),
            _UNKNOWN_CHANGE,
        )
        error.stdout, error.stderr = self._own(self.out)[:_KEPT_BYTES], self._own(self.err)[:_KEPT_BYTES]
        raise error

    def _too_late(self) -> DeadlineExceeded:
        out, err = self._own(self.out), self._own(self.err)
        said = _shown("what came", stderr=err, stdout=out)
        error = DeadlineExceeded(
            message(
                "`{title}` did not end within {seconds} s; it may still run on the host{until_then}",
                title=self.script.title,
                seconds=f"{self.deadline.timeout_s:g}",
                until_then=message(". Until then it said:\n{said}", said=said) if said else "",
            ),
            self.where,
            message("look on the host (`ps -ef`) before you try again"),
            _UNKNOWN_CHANGE,
        )
        error.stdout, error.stderr = out[:_KEPT_BYTES], err[:_KEPT_BYTES]
        return error

    def result(self) -> Result:
        """Exit status and output, without what came before the mark (a shell's greeting, sudo's lecture).

        Raises:
            HostUnreachable: the connection broke before the command's end was told.
        """
        # sshd closes the streams before it tells the status, and tells none of a command that a signal ended.
        self._channel.status_event.wait(min(5.0, self.deadline.left_s))
        known = self._channel.exit_status != -1 and self._channel.get_transport().is_active()
        lost = not known and not self._channel.eof_received
        self.close()
        if lost:
            raise HostUnreachable(
                message(
                    "the connection broke while `{title}` ran; it may still run on the host",
                    title=self.script.title,
                ),
                self.where,
                message("try again: a new connection is made"),
                _UNKNOWN_CHANGE,
            )
        return Result(self._channel.exit_status, self._own(self.out), self._own(self.err))

    def begin_next(self, script: Script, deadline: Deadline, limit_bytes: int) -> None:
        """For a command that runs one script after the other: from here on it is about this one."""
        self.script, self.deadline, self._limit = script, deadline, limit_bytes
        self.out.clear()
        self.err.clear()

    @property
    def next_ended(self) -> bool:
        """Has the shell said on both streams that the script it was given ended?"""
        return all(self._end_of_next(stream) for stream in (self.out, self.err))

    def result_of_next(self) -> Result:
        """What that script said, once it has ended; the command goes on."""
        status = 0
        for stream in (self.out, self.err):
            end = self._end_of_next(stream)
            assert end is not None
            status = int(end[1])
            del stream[end.start() :]
        return Result(status, self._own(self.out), self._own(self.err))

    def _end_of_next(self, stream: bytearray) -> re.Match[bytes] | None:
        # The last thing that is written; only a child that the script left behind may write after it.
        at = max(0, len(stream) - _END_BYTES)
        return re.compile(rb"%b ([0-9]+)\n" % self.script.mark.encode()).search(stream, at)

    def _own(self, stream: bytearray) -> bytes:
        return bytes(stream.partition(self.script.mark.encode() + b"\n")[2])

    def failed(self, result: Result) -> CommandFailed:
        """The error for a result whose status is not 0."""
        title, said = self.script.title, _shown("all of it", stderr=result.stderr, stdout=result.stdout)
        if result.status == -1:
            how = message("`{title}` was ended by a signal", title=title)
        else:
            how = message("`{title}` ended with status {status}", title=title, status=result.status)
        error = CommandFailed(
            message("{how}:\n{said}", how=how, said=said)
            if said
            else message("{how} and said nothing", how=how),
            self.where,
            message("read what it said; run it by hand on the host to see more"),
            _UNKNOWN_CHANGE,
        )
        error.status, error.stdout, error.stderr = result.status, result.stdout, result.stderr
        return error

    @property
    def alive(self) -> bool:
        """Does the command still run, as far as this side knows?"""
        return not (self._channel.closed or self._channel.eof_received or self._channel.exit_status_ready())

    def finish(self, timeout_s: float) -> None:
        """Close the command's standard input, wait `timeout_s` seconds at most for its end, and `close`."""
        if self.alive:
            self.deadline = Deadline(timeout_s)
            self.send(b"", last=True)
            # When its time is over, the channel is closed, which is all that can be done from here.
            with contextlib.suppress(DeadlineExceeded, OutputTooLong):
                self.pump(lambda: False)
        self.close()

    @property
    def said(self) -> str:
        """All that came so far, for the message about a command that never began."""
        said = display.escape_bytes(bytes(self.out + self.err)[:_MET_BYTES])
        return credentials.mask(said)[:2000].strip() or "nothing"

    def close(self) -> None:
        """Give the channel back. sshd closes the command's pipes; it does not kill the command."""
        self._channel.close()


def _shown(whole: str, **streams: bytes) -> str:
    """What a command wrote on its streams, indented under their names; one alone needs none."""
    said = {name: excerpt(stream, whole) for name, stream in streams.items() if stream.strip()}
    if _in_halves(*streams.values()):
        return "  | (not shown: a secret stands in it, half on each stream)"
    lines = [
        line
        for name, text in said.items()
        for line in ([f"{name}:"] if len(said) > 1 else []) + text.split("\n")
    ]
    return "\n".join(f"  | {line}" for line in lines)


def _in_halves(one: bytes, other: bytes) -> bool:
    """Is there a secret that neither stream has, and both together have?"""
    return any(
        _secrets_in(first + second) > _secrets_in(first) + _secrets_in(second)
        for first, second in (
            (one[-_MET_BYTES:], other[:_MET_BYTES]),
            (other[-_MET_BYTES:], one[:_MET_BYTES]),
        )
    )


def _secrets_in(content: bytes) -> int:
    return credentials.mask(display.escape_bytes(content)).count(MASK)
