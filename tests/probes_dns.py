"""A DNS server on loopback that answers, denies, or keeps silent as a test wants."""

import contextlib
import socket
import threading
from collections.abc import Iterator, Mapping

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

ADDRESS = "127.53.0.1"  # of its own, so that port 53 is free there


@contextlib.contextmanager
def answering(addresses: Mapping[str, tuple[str, ...]], silent: bool = False) -> Iterator[str]:
    """Serve these names; a name with no address exists without records, any other does not exist.

    Yields: the server's address.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((ADDRESS, 53))
        server.settimeout(0.1)
        done = threading.Event()
        thread = threading.Thread(target=_serve, args=(server, addresses, silent, done))
        thread.start()
        try:
            yield ADDRESS
        finally:
            done.set()
            thread.join()


def _serve(
    server: socket.socket, addresses: Mapping[str, tuple[str, ...]], silent: bool, done: threading.Event
) -> None:
    while not done.is_set():
        with contextlib.suppress(TimeoutError):
            octets, client = server.recvfrom(4096)
            if not silent:
                server.sendto(_answer(dns.message.from_wire(octets), addresses).to_wire(), client)


def _answer(query: dns.message.Message, addresses: Mapping[str, tuple[str, ...]]) -> dns.message.Message:
    question = query.question[0]
    name = question.name.to_text(omit_final_dot=True)
    answer = dns.message.make_response(query)
    answer.flags |= dns.flags.RA | dns.flags.AA
    kind = dns.rdatatype.to_text(question.rdtype)
    found = [address for address in addresses.get(name, ()) if (":" in address) == (kind == "AAAA")]
    if name not in addresses:
        answer.set_rcode(dns.rcode.NXDOMAIN)
    elif found and kind in ("A", "AAAA"):
        answer.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, *found))
    return answer
