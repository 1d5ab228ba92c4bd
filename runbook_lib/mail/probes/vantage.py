"""Another place to ask from. The probes have no SSH; whoever has it hands in a `Vantage`."""

import socket
from typing import Protocol

from runbook_lib.messages import message

ASKED_FROM_THE_HOST = message("asked from the host itself, through SSH")


class Vantage(Protocol):
    """The host itself, for what this machine does not reach. Called from several threads."""

    def connect(self, address: str, port: int, timeout_s: float) -> tuple[socket.socket, str]:
        """Connect from the host to one of its own addresses.

        Args:
            address: IPv4 or IPv6 address as this machine knows it.
            port: TCP port.
            timeout_s: seconds for all of it.
        Returns: a connected stream socket, and the client address that the server sees.
        Raises:
            OSError: `strerror` says in words, the same at each run and without addresses, why the host does not
                reach it either, or why it was not asked; `errno` is EADDRNOTAVAIL where the address is none of its own.
        """
        ...
