"""The host itself as the place to ask its services from, where this machine does not reach them.

A connection is a `direct-tcpip` channel of the SSH connection there is (RFC 4254, 7.2): nothing is started, written or
installed on the host. Python's ssl wants a socket of the operating system, so one end of a pair stands for the channel.
"""

import contextlib
import errno
import socket
import threading
import time
from functools import cached_property

import paramiko

from runbook_lib.messages import message
from runbook_lib.remote.connection import Host
from runbook_lib.remote.reach import PROHIBITED

_LOOPBACK = {False: "127.0.0.1", True: "::1"}
_CHUNK_BYTES = 32 * 1024


class HostItself:
    """Where probes stand when they ask from the host itself: connections over its SSH connection.

    Args:
        host: the host; connections are made only when somebody asks for one.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._lock = threading.Lock()

    def connect(self, address: str, port: int, timeout_s: float) -> tuple[socket.socket, str]:
        """Connect from the host to one of its own addresses; may be called from several threads.

        Where `address` is the host's own, it is asked there, so that the service sees that very address. Where it is
        the one that SSH came in by and some NAT keeps it elsewhere, the host's own address of that family stands for
        it. Loopback is asked only where that one refuses.

        Args:
            address: IPv4 or IPv6 address as this machine knows it.
            port: TCP port.
            timeout_s: seconds for all of it.
        Returns: a connected stream socket, and the client address that the service sees.
        Raises:
            OSError: `strerror` says in words, without addresses, why the host does not reach it either, or why it
                was not asked.
            HostUnreachable: the SSH connection broke, and no new one can be made.
        """
        end = time.monotonic() + timeout_s
        for candidate in (self._own(address), _LOOPBACK[":" in address]):
            channel = self._channel(candidate, port, end)
            if channel is not None:
                return _as_socket(channel), candidate
        raise OSError(errno.ECONNREFUSED, message("not reached on the host itself, either"))

    def _channel(self, address: str, port: int, end: float) -> paramiko.Channel | None:
        """A channel to an address of the host's own; None where nobody answers there until `end`."""
        transport = self._host.open()
        while (left_s := end - time.monotonic()) > 0 and transport.is_active():
            try:
                return transport.open_channel(
                    "direct-tcpip", (address, port), (_LOOPBACK[":" in address], 0), timeout=left_s
                )
            except paramiko.ChannelException as error:
                if error.code == PROHIBITED:
                    raise OSError(
                        errno.EACCES,
                        message("its sshd forwards no connection (AllowTcpForwarding, PermitOpen)"),
                    ) from None
                return None
            except (paramiko.SSHException, EOFError, OSError):
                # paramiko keeps one failure for all threads: another may have taken this one's, so ask again.
                time.sleep(0.02)
        return None

    def _own(self, address: str) -> str:
        """The address of the host's own that `address` means."""
        with self._lock:
            own, entrance = self._addresses
        if address in own:
            return address
        alike = [known for known in own if (":" in known) == (":" in address)]
        if address == entrance and alike:
            return alike[0]
        raise OSError(
            errno.EADDRNOTAVAIL,
            message("the address is none of the host's own, so the host cannot be asked in its stead"),
        )

    @cached_property
    def _addresses(self) -> tuple[tuple[str, ...], str]:
        """All global addresses of the host's interfaces, and the one that SSH came in by."""
        told = self._host.run("hostname -I", timeout_s=20.0, check=False)
        if told.status != 0:
            raise OSError(errno.ENODATA, message("the host does not tell its own addresses (hostname -I)"))
        own = told.text.split()
        return tuple(own), self._host.entrance


def _as_socket(channel: paramiko.Channel) -> socket.socket:
    """A socket whose other end is the channel; closing either closes both."""
    near, far = socket.socketpair()
    inward = threading.Thread(target=_pump_inward, args=(channel, far), daemon=True)
    outward = threading.Thread(target=_pump_outward, args=(channel, far, inward), daemon=True)
    inward.start()
    outward.start()
    return near


def _pump_inward(channel: paramiko.Channel, far: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while octets := channel.recv(_CHUNK_BYTES):
            far.sendall(octets)
    with contextlib.suppress(OSError):
        far.shutdown(socket.SHUT_WR)  # the service's end of the conversation, seen after its last byte


def _pump_outward(channel: paramiko.Channel, far: socket.socket, inward: threading.Thread) -> None:
    with contextlib.suppress(OSError):
        while octets := far.recv(_CHUNK_BYTES):
            channel.sendall(octets)
    channel.close()  # which ends the other direction's wait, too
    inward.join()
    far.close()
