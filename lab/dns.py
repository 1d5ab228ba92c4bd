"""The lab's DNS server: dnsmasq on the bridge's gateway address, right rows and deliberately wrong ones."""

import ipaddress
import os
import select
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

import dns.exception
import dns.message
import dns.query

from lab import outsider
from lab.network import GUARDED, Network
from lab.releases import DOMAIN, RELEASES
from lab.state import State, write_private
from runbook_lib.errors import LabError

# Last numbers of addresses where nobody is.
STALE = 99
NO_PTR = 112
WRONG_PTR = 113
_TIMEOUT_S = 5.0


def records(network: Network) -> Iterator[str]:
    """The zone as lines of dnsmasq's configuration: what is asked for, in the order of this table."""
    a, aaaa = network.address4, network.address6
    for release in RELEASES.values():
        n = release.number
        addresses = f"{a(n)},{aaaa(n)}"
        yield f"host-record=ms{n}.{DOMAIN},{addresses}"  # the first name of an address is its PTR
        for service in ("mail", "pop", "smtp"):
            yield f"host-record={service}{n}.{DOMAIN},{addresses}"
        yield f"mx-host={DOMAIN},mail{n}.{DOMAIN},10"
    n = RELEASES["debian12"].number
    # From here on, what a site gets wrong. `nowhere` is in no row: NXDOMAIN.
    # (`address=` gives no PTR; with both families a question for either is answered, never with NXDOMAIN.)
    yield f"host-record=stale.{DOMAIN},{a(STALE)}"
    for wrong, last in (("noptr", NO_PTR), ("wrongptr", WRONG_PTR)):
        yield f"address=/{wrong}.{DOMAIN}/{a(last)}"
        yield f"address=/{wrong}.{DOMAIN}/{aaaa(last)}"
    for address in (a(WRONG_PTR), aaaa(WRONG_PTR)):
        yield f"ptr-record={ipaddress.ip_address(address).reverse_pointer},ms{n}.{DOMAIN}"
    yield f"host-record=v6only.{DOMAIN},{aaaa(n)}"
    yield f"cname=alias.{DOMAIN},mail{n}.{DOMAIN}"
    yield f"mx-host=cname-mx.{DOMAIN},alias.{DOMAIN},10"
    # A DNS block list (RFC 5782) that has the outsider's address, as lists of dial-up pools have users'.
    listed = ipaddress.ip_address(outsider.address4(network)).reverse_pointer.removesuffix(".in-addr.arpa")
    yield f"address=/{listed}.dnsbl.{DOMAIN}/127.0.0.2"


def configuration(network: Network, further: Sequence[str] = ()) -> str:
    """dnsmasq's whole configuration; what is not the lab's goes to this machine's resolvers, for apt."""
    lines = [
        f"listen-address={network.gateway4}",
        "bind-dynamic",  # the bridge comes with the first host and goes with the last
        "except-interface=lo",
        "no-hosts",
        "cache-size=0",
        # No question about a lab's names or addresses leaves this machine.
        "local=/test/",
        *(f"rev-server={prefix}" for prefix in GUARDED),
        *records(network),
        *further,
    ]
    return "\n".join(lines) + "\n"


def start(state: State, network: Network, further: Sequence[str] = ()) -> None:
    """Start the server, unless it runs with this configuration.

    Args:
        further: more records, as lines of dnsmasq's configuration.
    Raises: LabError when it ends at once.
    """
    path = state.folder / "dnsmasq.conf"
    wanted = configuration(network, further)
    as_wanted = path.exists() and path.read_text(encoding="utf-8") == wanted
    if as_wanted and processes(state):
        return
    stop(state)
    write_private(path, wanted)
    log = state.folder / "dnsmasq.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            _command(state), stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    try:
        process.wait(timeout=0.3)
    except subprocess.TimeoutExpired:
        return
    raise LabError(
        f"dnsmasq ended at once: {log.read_text(encoding='utf-8').strip()[-300:]}",
        "lab's DNS server",
        "put right what it says, then run `python -m lab up` again",
    )


def wait(network: Network) -> None:
    """Wait until the server answers on the gateway's address; a host must be up, else there is no bridge.

    Raises: LabError after 5 s.
    """
    question = dns.message.make_query(DOMAIN, "MX")
    deadline = time.monotonic() + _TIMEOUT_S
    while time.monotonic() < deadline:
        try:
            dns.query.udp(question, network.gateway4, timeout=0.5)
        except (dns.exception.Timeout, OSError):
            time.sleep(0.1)
        else:
            return
    raise LabError(
        f"no answer on {network.gateway4}, port 53, in {_TIMEOUT_S:g} s",
        "lab's DNS server",
        "see whether another program holds port 53 on all addresses, then run `python -m lab up` again",
    )


def processes(state: State) -> list[int]:
    """The lab's servers: one, none, or one that a lost state file left; known by their whole command line."""
    command = _command(state)
    return [int(path.name) for path in Path("/proc").glob("[1-9]*") if _arguments(int(path.name)) == command]


def stop(state: State) -> None:
    """End the server that this lab started, and no other process.

    Raises: LabError when it does not end in 5 s.
    """
    with ExitStack() as opened:
        ends = []
        for pid in processes(state):
            with suppress(ProcessLookupError):
                descriptor = os.pidfd_open(pid)  # from here on the number cannot come to mean another process
                opened.callback(os.close, descriptor)
                if _arguments(pid) == _command(state):
                    ends.append(descriptor)
        # The one that listens ends those that it forked for a connection; all hold the listening socket.
        for descriptor in ends:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(descriptor, signal.SIGTERM)
        # A process's command line is gone from /proc some time before its sockets are, so this asks the kernel.
        deadline = time.monotonic() + _TIMEOUT_S
        for descriptor in ends:
            ended, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
            if not ended:
                raise LabError(
                    f"does not end in {_TIMEOUT_S:g} s", "lab's DNS server", "run `python -m lab up` again"
                )


def _command(state: State) -> list[str]:
    """The configuration's path, which is the lab's own, tells its server from every other."""
    configuration_file = f"--conf-file={state.folder / 'dnsmasq.conf'}"
    return ["dnsmasq", "--keep-in-foreground", "--pid-file", "--log-facility=-", configuration_file]


def _arguments(pid: int) -> list[str]:
    """A process's command line; empty for a dead one."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    except (FileNotFoundError, ProcessLookupError):
        return []
