"""A byte stream to a machine's sshd: TCP, a channel through the jump host before it, or a ProxyCommand.

Through a jump host it is a `direct-tcpip` channel (RFC 4254, 7.2), as `ssh -J` has it: the jump moves bytes that it
cannot read, and nothing is started on it.
"""

import os
import socket
import subprocess

import paramiko

from runbook_lib.errors import HostUnreachable
from runbook_lib.messages import message
from runbook_lib.remote.route import Hop

CONNECT_TIMEOUT_S = 15.0  # TCP, for all addresses of a name together
KEEPALIVE_S = 15
PROHIBITED = 1  # SSH_OPEN_ADMINISTRATIVELYPROHIBITED (RFC 4254, 5.1)

Stream = socket.socket | paramiko.Channel


def stream(hop: Hop, before: paramiko.Transport | None) -> Stream:
    """A new stream to a machine.

    Args:
        hop: the machine.
        before: the logged-in connection to the jump host before it; None where it is the first.
    Raises:
        HostUnreachable: it is not reached, with who said so.
    """
    if before is not None:
        return _channel(hop, before)
    if hop.settings.proxy_command:
        return _command(hop)
    return _tcp(hop)


def _channel(hop: Hop, before: paramiko.Transport) -> paramiko.Channel:
    try:
        return before.open_channel(
            "direct-tcpip", (hop.address, hop.port), ("127.0.0.1", 0), timeout=CONNECT_TIMEOUT_S
        )
    except paramiko.ChannelException as error:
        if error.code == PROHIBITED:
            raise HostUnreachable(
                message(
                    "the jump host before it forwards no connection to {address} port {port}",
                    address=hop.address,
                    port=hop.port,
                ),
                hop.where,
                message(
                    "see AllowTcpForwarding, PermitOpen and DisableForwarding in the jump host's "
                    "sshd_config, and `restrict` in its authorized_keys"
                ),
            ) from None
        raise HostUnreachable(
            message(
                "the jump host before it does not reach {address} port {port} ({reason})",
                address=hop.address,
                port=hop.port,
                reason=error.text,
            ),
            hop.where,
            message("see whether the host is up, and whether the jump host finds the name and the way to it"),
        ) from None
    except (paramiko.SSHException, EOFError, OSError) as error:
        raise HostUnreachable(
            message(
                "the jump host before it opens no way to {address} port {port} within {seconds} s ({error})",
                address=hop.address,
                port=hop.port,
                seconds=f"{CONNECT_TIMEOUT_S:g}",
                error=str(error) or type(error).__name__,
            ),
            hop.where,
            message(
                "see whether the host is up, and whether a firewall behind the jump host drops the connection"
            ),
        ) from None


class _CommandSocket(socket.socket):
    """Our end of a ProxyCommand's input and output; closing it ends the command."""

    process: subprocess.Popen[bytes]

    def close(self) -> None:
        """Close, and wait for the command's end."""
        super().close()
        self.process.terminate()
        self.process.wait()


def _command(hop: Hop) -> socket.socket:
    """What `ssh` does with a ProxyCommand: the user's shell runs it, and its ends are the connection."""
    near, far = socket.socketpair()
    with far:
        process = subprocess.Popen(
            [os.environ.get("SHELL", "/bin/sh"), "-c", f"exec {hop.settings.proxy_command}"],
            stdin=far.fileno(),
            stdout=far.fileno(),
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # the terminal's SIGINT is ours to handle
        )
    ours = _CommandSocket(fileno=near.detach())
    ours.process = process
    return ours


def _tcp(hop: Hop) -> socket.socket:
    """A connected socket that sends small packets at once and notices a dead peer."""
    try:
        connection = socket.create_connection((hop.address, hop.port), CONNECT_TIMEOUT_S)
    except socket.gaierror as error:
        raise HostUnreachable(
            message(
                "the name {address} has no address ({reason})", address=hop.address, reason=error.strerror
            ),
            hop.where,
            message("correct the address in the inventory, HostName in ~/.ssh/config, or the DNS"),
        ) from None
    except TimeoutError:
        raise HostUnreachable(
            message(
                "{address} port {port} does not answer within {seconds} s",
                address=hop.address,
                port=hop.port,
                seconds=f"{CONNECT_TIMEOUT_S:g}",
            ),
            hop.where,
            message("see whether the host is up, and whether a firewall on the way drops the connection"),
        ) from None
    except OSError as error:
        raise HostUnreachable(
            message(
                "{address} port {port}: {reason}",
                address=hop.address,
                port=hop.port,
                reason=error.strerror or str(error),
            ),
            hop.where,
            message("see whether the host is up, sshd listens on this port and the address is right"),
        ) from None
    # Without TCP_NODELAY each command waits for a delayed acknowledgement: 40 ms instead of 2.
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    # Linux has all four; elsewhere the system's own rhythm applies. The last one is in milliseconds and also
    # ends a write that the peer no longer takes.
    options = {"TCP_KEEPIDLE": KEEPALIVE_S, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 4, "TCP_USER_TIMEOUT": 35_000}
    for name, value in options.items():
        if hasattr(socket, name):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return connection
