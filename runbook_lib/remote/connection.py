"""A host of the inventory, one SSH connection a process, and the three things one does with it.

`run` a script, `hold` a long-lived one (a lock), `close`. A connection that died is made anew at the next
use.
"""

import atexit
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

import paramiko

from runbook_lib import credentials, display, inventory
from runbook_lib.errors import DeadlineExceeded, HostUnreachable
from runbook_lib.messages import message
from runbook_lib.remote import hostkeys, instead, login, route, sudo
from runbook_lib.remote.exchange import OUTPUT_LIMIT_BYTES, Deadline, Exchange
from runbook_lib.remote.held import Held
from runbook_lib.remote.root_shell import LOOP, RootShell
from runbook_lib.remote.route import Hop
from runbook_lib.remote.script import Result, Script

# sshd opens 10 sessions a connection (MaxSessions); two are left for locks.
SESSIONS_AT_ONCE = 8
_OPEN_TIMEOUT_S = 10.0
_FULL_TIMEOUT_S = 10.0  # sshd needs a moment to clear away a session that has ended here

_hosts: dict[tuple[object, ...], "Host"] = {}
_hosts_lock = threading.Lock()


def connect(site: inventory.Site, host: inventory.Host) -> "Host":
    """The connection of this process to a host: made at the first call, the same one at each later call.

    Args:
        site: for its known_hosts.
        host: a host of the inventory.
    Raises:
        HostUnreachable: no connection; HostKeyUnknown, HostKeyChanged, LoginRefused say more.
    """
    # A child of a fork must not write on its parent's connection, hence the process id.
    key = (
        os.getpid(),
        *(host.name, host.address, host.port, host.user),
        *(host.key, host.jump, host.sudo.password, site.known_hosts),
    )
    with _hosts_lock:
        connected = _hosts.setdefault(key, Host(site, host))
    connected.open()
    return connected


def connected(host: inventory.Host) -> "Host | None":
    """The living connection of this process to a host; None where there is none."""
    with _hosts_lock:
        for key, found in _hosts.items():
            if key[:2] == (os.getpid(), host.name) and found.is_open:
                return found
    return None


def leave(name: str) -> None:
    """End this process's connections to a host and forget them: who looks at a thousand keeps none of them open."""
    with _hosts_lock:
        left = [_hosts.pop(key) for key in list(_hosts) if key[:2] == (os.getpid(), name)]
    for one in left:
        one.close()


class Host:
    """A host over SSH. Made by `connect`; every method may be called from several threads.

    `run` and `hold` take POSIX sh as text or bytes; it needs nothing on the host but sh and dd.
    """

    # Seconds for which an answer is believed without asking again, while nothing is changed through this connection. A
    # batch, which goes through its chapters in seconds, sets it; a person's next cell may come much later.
    answers_kept_s: ClassVar[float] = 0.0
    # Whether one shell of root takes all looks that need it. A batch sets it, which is done in seconds; a person's
    # notebook stays open for hours, and shall not leave such a shell waiting on the host.
    keeps_root_shell: ClassVar[bool] = False

    def __init__(self, site: inventory.Site, host: inventory.Host) -> None:
        self.name = host.name
        self._site, self._inventory_host = site, host
        self._way: tuple[Hop, ...] = ()
        self._transport: paramiko.Transport | None = None
        self._holds: list[Held] = []
        self._lock = threading.RLock()
        self._sessions = threading.BoundedSemaphore(SESSIONS_AT_ONCE)
        # Looks made as root, name to the command that needed it, or to '' where the account sees the same. None: nobody
        # asked, so it is not found out.
        self.needed_root: dict[str, str] | None = None
        self._sudo = sudo.Sudo()
        # True once asking for all facts in one shell took too long here: then each has a shell and seconds of its own.
        self.looks_slowly = False
        self._answers: dict[object, tuple[float, object]] = {}
        self._looking: Deadline | None = None
        self._root_shell: RootShell | None = None
        self._root_shell_lock = threading.Lock()

    def __repr__(self) -> str:
        return f"Host({self.name}: {self.way})"

    @property
    def way(self) -> str:
        """The hops of the connection, each as it is reached: 'admin@192.0.2.1'."""
        return " → ".join(map(str, self._way)) or "not connected"

    @property
    def user(self) -> str:
        """The account that is logged in with."""
        if not self._way:
            self.open()
        return self._way[-1].user

    @property
    def entrance(self) -> str:
        """The address that the connection comes in by, as this end knows it; '' where only a jump host knows."""
        stream = self.open().sock
        if isinstance(stream, paramiko.Channel):
            return self._way[-1].address
        return str(stream.getpeername()[0]).partition("%")[0] if stream.family != socket.AF_UNIX else ""

    def open(self) -> paramiko.Transport:
        """The living connection, made when there is none.

        Raises:
            HostUnreachable: also while a script is held that the connection took along when it broke: what it
                guarded is no longer guarded, and only its release lets a new connection be made.
        """
        with self._lock:
            if self._transport is None or not self._transport.is_active():
                if self._holds:
                    raise HostUnreachable(
                        message(
                            "the connection broke, and with it ended `{title}`", title=self._holds[0].title
                        ),
                        self.name,
                        message("run the same again"),
                        message("What was done before the connection broke stays; nothing was done since."),
                    )
                self.forget_answers()
                login.close(self._transport)  # the way through its jump hosts, where the connection broke
                self._way = route.to(self._site, self._inventory_host)
                self._transport = login.open_transport(self._way)
            return self._transport

    def kept_answer(self, question: object) -> object | None:
        """What was answered to this question a moment ago, if nothing was changed since."""
        at, answer = self._answers.get(question, (float("-inf"), None))
        return answer if time.monotonic() < at + self.answers_kept_s else None

    def keep_answer(self, question: object, answer: object) -> None:
        """Keep an answer for `answers_kept_s` seconds."""
        self._answers[question] = (time.monotonic(), answer)

    def forget_answers(self) -> None:
        """Something on the host changes: everything is to be asked anew."""
        self._answers.clear()

    @contextmanager
    def looking(self, timeout_s: float) -> Iterator[Deadline]:
        """One deadline for all that `run` is asked in here; for looking alone, since what is at work is not cut off.

        Args:
            timeout_s: seconds for all of it together, however many questions there are.
        """
        before, self._looking = self._looking, Deadline(timeout_s)
        try:
            yield self._looking
        finally:
            self._looking = before

    @property
    def is_open(self) -> bool:
        """Is there a living connection?"""
        return self._transport is not None and self._transport.is_active()

    @property
    def host_key(self) -> hostkeys.HostKey:
        """The key the host has proved to hold, with `.fingerprint` and `.line`."""
        return hostkeys.shown_key(self.open().get_remote_server_key())

    def run(
        self,
        script: str | bytes,
        *,
        root: bool = False,
        timeout_s: float = 60.0,
        check: bool = True,
        stdin: bytes = b"",
        limit_bytes: int = OUTPUT_LIMIT_BYTES,
        look: bool = False,
    ) -> Result:
        """Run a script on the host and wait for its end.

        Args:
            script: POSIX sh; it travels on standard input and never stands on a command line.
            root: through sudo, unless the user is root.
            timeout_s: seconds for all of it.
            check: raise when the status is not 0.
            stdin: what the script reads as its standard input.
            limit_bytes: room for stdout and stderr together.
            look: it changes nothing, so it may be run a second time; one that needs root takes the shell of root that
                is there, where one is kept.
        Raises:
            CommandFailed: the status is not 0; the error has `status`, `stdout`, `stderr`.
            OutputTooLong: more than `limit_bytes`, whatever `check` says.
            DeadlineExceeded: not done in time; the remote process may still run.
            SudoRefused: root was asked for, and sudo does not give it.
            HostUnreachable: no connection, or it broke on the way.
        """
        looking = self._looking
        if looking is not None and not looking.left_s:
            raise DeadlineExceeded(
                message(
                    "the {seconds} s for looking at this host are over", seconds=f"{looking.timeout_s:g}"
                ),
                self.name,
                message(
                    "see on the host what keeps it so busy (`uptime`, `ps -ef`), then type the same again"
                ),
            )
        deadline = Deadline(timeout_s if looking is None else min(timeout_s, looking.left_s))
        asked = Script.of(script)
        if look and root and not stdin:
            looked = self._in_root_shell(asked, deadline, limit_bytes, check)
            if looked is not None:
                return looked
        self._take_session(deadline)
        try:
            exchange = self._start(asked, root, deadline, limit_bytes)
            try:
                exchange.send(exchange.script.sent + stdin, last=True)
                exchange.pump(lambda: False)
                self._require_begun(exchange)
                self._require_read(exchange, root)
                result = exchange.result()
            finally:
                exchange.close()
        finally:
            self._sessions.release()
        if check and result.status != 0:
            raise exchange.failed(result)
        return result

    def _in_root_shell(
        self, script: Script, deadline: Deadline, limit_bytes: int, check: bool
    ) -> Result | None:
        """Take a look in the shell of root that is kept; None: none is, another thread has it, or it ended."""
        if not self.keeps_root_shell or self.user == "root":
            return None
        if not self._root_shell_lock.acquire(blocking=False):
            return None
        try:
            if self._root_shell is None or not self._root_shell.alive:
                self._end_root_shell()
                self._take_session(deadline)
                try:
                    exchange = self._start(Script.of(LOOP), True, deadline, limit_bytes)
                except BaseException:
                    self._sessions.release()
                    raise
                exchange.send(exchange.script.sent)
                self._root_shell = RootShell(exchange)
            try:
                result = self._root_shell.run(script, deadline, limit_bytes)
            except BaseException:  # it may still be at work on this script
                self._end_root_shell()
                raise
            if result is None:
                self._end_root_shell()
            elif check and result.status != 0:
                raise self._root_shell.failed(result)
            return result
        finally:
            self._root_shell_lock.release()

    def _end_root_shell(self) -> None:
        """For who has its lock."""
        if self._root_shell is not None:
            self._root_shell.close()
            self._root_shell = None
            self._sessions.release()

    def _spare_root_shell(self) -> bool:
        """End the shell of root where it only waits. Returns: whether there is a session more."""
        if not self._root_shell_lock.acquire(blocking=False):
            return False
        try:
            was_there = self._root_shell is not None
            self._end_root_shell()
            return was_there
        finally:
            self._root_shell_lock.release()

    def _take_session(self, deadline: Deadline) -> None:
        if not self._sessions.acquire(timeout=deadline.left_s):
            raise DeadlineExceeded(
                message(
                    "{commands} other commands were still running after {seconds} s",
                    commands=SESSIONS_AT_ONCE,
                    seconds=f"{deadline.timeout_s:g}",
                ),
                self.name,
                message("let fewer commands run at once"),
            )

    def hold(self, script: str | bytes, *, root: bool = False, timeout_s: float = 30.0) -> Held:
        """Start a script that stays: it says a line on stdout, then waits for the end of its standard input.

        Args:
            script: POSIX sh, such as `flock -n FILE sh -c 'echo LOCKED; cat >/dev/null'`.
            root: through sudo, unless the user is root.
            timeout_s: seconds until the first line.
        Returns: the held script. It ends by `release`, and when the connection breaks.
        Raises:
            CommandFailed: it ended before its first line, with its `status`.
            DeadlineExceeded, SudoRefused, HostUnreachable: as with `run`.
        """
        exchange = self._start(Script.of(script), root, Deadline(timeout_s), OUTPUT_LIMIT_BYTES)
        mark = exchange.script.mark.encode() + b"\n"
        try:
            exchange.send(exchange.script.sent)
            if not exchange.pump(lambda: b"\n" in exchange.out.partition(mark)[2]):
                self._require_begun(exchange)
                self._require_read(exchange, root)
                raise exchange.failed(exchange.result())
        except BaseException:
            exchange.close()
            raise
        line = exchange.out.partition(mark)[2].partition(b"\n")[0]
        held = Held(exchange, display.escape_bytes(bytes(line)), self._released)
        with self._lock:
            self._holds.append(held)
        return held

    def _start(self, script: Script, root: bool, deadline: Deadline, limit_bytes: int) -> Exchange:
        if not root or self.user == "root":
            return self._exchange(script.command, script, deadline, limit_bytes)

        def begin(command: str) -> Exchange:
            return self._exchange(command, script, deadline, limit_bytes)

        reference = self._inventory_host.sudo.password
        password = credentials.resolve(reference, f"{self.name}, sudo.password") if reference else None
        try:
            return self._sudo.start(begin, script, self.user, password, reference)
        except sudo.NotHeard:
            self.run(
                ":", timeout_s=deadline.left_s
            )  # raises where it is no command at all that is run for the account
            raise

    def _exchange(self, command: str, script: Script, deadline: Deadline, limit_bytes: int) -> Exchange:
        """Start a command. It has read no script yet, so a connection found dead here is made anew, once."""
        anew, patience = True, Deadline(min(_FULL_TIMEOUT_S, deadline.left_s))
        while True:
            transport = self.open()
            try:
                channel = transport.open_session(timeout=min(_OPEN_TIMEOUT_S, deadline.left_s))
                return Exchange(channel, command, script, self.name, deadline, limit_bytes)
            except (paramiko.SSHException, EOFError, OSError) as error:
                # paramiko keeps sshd's refusal in one place for all threads; who comes too late gets words of its own.
                full = isinstance(error, paramiko.ChannelException) or str(error) == "Unable to open channel."
                if transport.is_active() and full:
                    if self._spare_root_shell():  # sshd may allow one session alone (MaxSessions)
                        continue
                    if not patience.left_s:
                        raise self._not_started(error) from None
                    time.sleep(0.02)
                    continue
                if transport.is_active() and str(error) == "Channel closed.":
                    raise self._not_started(error) from None
                transport.close()
                if not anew:
                    raise self._not_started(error) from None
                anew = False

    def _not_started(self, error: Exception) -> HostUnreachable:
        return HostUnreachable(
            message(
                "the host starts no command on this connection ({error})",
                error=str(error) or type(error).__name__,
            ),
            self.name,
            message("see what sshd says on the host: MaxSessions, ForceCommand, a full process table"),
        )

    def _require_begun(self, exchange: Exchange) -> None:
        if exchange.begun:
            return
        exchange.result()  # raises when the connection broke
        raise instead.refusal(self.user, exchange.said, self.name)

    def _require_read(self, exchange: Exchange, root: bool) -> None:
        """The shell that began has read its script: where it may start no program, it has not, and nothing was done."""
        if not exchange.unread:
            return
        if root and self.user != "root":
            raise sudo.starts_nothing(exchange, self.user)
        raise HostUnreachable(
            message(
                "the shell of {user} starts no program; it said: {said}", user=self.user, said=exchange.said
            ),
            self.name,
            message("log in as {user} and try `dd --version`", user=self.user),
        )

    def _released(self, held: Held) -> None:
        with self._lock:
            if held in self._holds:
                self._holds.remove(held)

    def close(self) -> None:
        """End the connection, and with it what is held. The next use makes a new one."""
        with self._lock:
            for held in list(self._holds):
                held.release()
            self._spare_root_shell()
            login.close(self._transport)
            self._transport = None


def _close_all() -> None:
    for key, host in list(_hosts.items()):
        if key[0] == os.getpid():
            host.close()


# paramiko ends its threads at exit without a goodbye; what is registered later runs earlier.
atexit.register(_close_all)
