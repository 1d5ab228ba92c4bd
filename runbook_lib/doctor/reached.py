"""What is reached from where: a port from this machine, a source of packages from the host."""

import shlex
import socket
import urllib.parse

import paramiko

from runbook_lib.mail.probes.names import look_up
from runbook_lib.remote import Host
from runbook_lib.remote.reach import PROHIBITED

CONNECT_TIMEOUT_S = 5.0


def from_here(name: str, port: int, resolver: str | None) -> str:
    """Why a port of a name is not reached from this machine, on any of its addresses; '' where it is."""
    addresses = [address for answer in look_up(name, resolver) for address in answer.addresses]
    why = f"{name} leads to no address"
    for address in addresses:
        try:
            socket.create_connection((address, port), CONNECT_TIMEOUT_S).close()
        except OSError as error:
            why = f"{address}: {error.strerror or 'no answer'}"
        else:
            return ""
    return why


def from_host(host: Host, place: str) -> str | None:
    """Why a host does not reach a source of packages; '' where it does, None where that could not be asked.

    The question is a `direct-tcpip` channel (RFC 4254, 7.2), opened and closed: nothing is started on the host.

    Args:
        place: a URL, or a path on the host.
    """
    try:
        url = urllib.parse.urlsplit(place)
        port = url.port or (443 if url.scheme == "https" else 80)
    except ValueError as error:
        return f"it is no address: {error}"
    if url.scheme in ("", "file", "copy"):
        there = host.run(f"test -e {shlex.quote(url.path)}", check=False).status == 0
        return "" if there else "it is not there"
    if url.scheme not in ("http", "https") or not url.hostname:
        return None
    try:
        channel = host.open().open_channel(
            "direct-tcpip", (url.hostname, port), ("127.0.0.1", 0), timeout=CONNECT_TIMEOUT_S
        )
    except paramiko.ChannelException as error:
        return None if error.code == PROHIBITED else error.text or "no connection"
    except (paramiko.SSHException, EOFError, OSError):
        return f"no answer in {CONNECT_TIMEOUT_S:g} s"
    channel.close()
    return ""
