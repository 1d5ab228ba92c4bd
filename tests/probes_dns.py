"""A DNS server on loopback that answers, denies, or keeps silent as a test wants."""

import contextlib
import os
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

import dns.flags
import dns.message
import dns.rcode
import dns.rdata
import dns.rdatatype
import dns.rrset

# Of its own, so that port 53 is free there; for each process of `pytest -n`, too.
ADDRESS = f"127.53.0.{1 + int(os.environ.get('PYTEST_XDIST_WORKER', 'gw0').removeprefix('gw'))}"


Records = Mapping[tuple[str, str], tuple[str, ...]]


@contextlib.contextmanager
def answering(
    addresses: Mapping[str, tuple[str, ...]],
    silent: bool = False,
    *,
    records: Records = {},  # noqa: B006 - read only
    failures: int = 0,
) -> Iterator[str]:
    """Serve these names; a name with no address exists without records, any other does not exist.

    Args:
        records: what else there is, by name and type, as a zone file has it.
        failures: how often each question gets SERVFAIL before it is answered.
    Yields: the server's address.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((ADDRESS, 53))
        server.settimeout(0.1)
        done = threading.Event()
        asked: Counter[tuple[str, str]] = Counter()

        def answer(query: dns.message.Message) -> dns.message.Message | None:
            question = query.question[0]
            about = question.name.to_text(omit_final_dot=True), dns.rdatatype.to_text(question.rdtype)
            asked[about] += 1
            if silent:
                return None
            if asked[about] <= failures:
                refusal = dns.message.make_response(query)
                refusal.set_rcode(dns.rcode.SERVFAIL)
                return refusal
            return _answer(query, addresses, records)

        thread = threading.Thread(target=_serve, args=(server, answer, done))
        thread.start()
        try:
            yield ADDRESS
        finally:
            done.set()
            thread.join()


def _serve(
    server: socket.socket,
    answer: Callable[[dns.message.Message], dns.message.Message | None],
    done: threading.Event,
) -> None:
    while not done.is_set():
        with contextlib.suppress(TimeoutError):
            octets, client = server.recvfrom(4096)
            said = answer(dns.message.from_wire(octets))
            if said is not None:
                server.sendto(said.to_wire(), client)


def _answer(
    query: dns.message.Message, addresses: Mapping[str, tuple[str, ...]], records: Records
) -> dns.message.Message:
    question = query.question[0]
    name = question.name.to_text(omit_final_dot=True)
    answer = dns.message.make_response(query)
    answer.flags |= dns.flags.RA | dns.flags.AA
    kind = dns.rdatatype.to_text(question.rdtype)
    found = records.get((name, kind), ())
    if kind in ("A", "AAAA"):
        found = tuple(address for address in addresses.get(name, ()) if (":" in address) == (kind == "AAAA"))
    if name not in addresses and not any(name == known for known, _ in records):
        answer.set_rcode(dns.rcode.NXDOMAIN)
    elif found:
        # As bytes, so that what dnspython refuses to make can be served, too: '\# 4 03010100' (RFC 3597, 5).
        rrset = dns.rrset.RRset(question.name, question.rdclass, question.rdtype)
        rrset.ttl = 60
        for text in found:
            generic = text.startswith("\\#")
            rdata = (
                dns.rdata.GenericRdata(question.rdclass, question.rdtype, bytes.fromhex(text.split()[2]))
                if generic
                else dns.rdata.from_text("IN", kind, text)
            )
            rrset.items[rdata] = None
        answer.answer.append(rrset)
    return answer
