"""The addresses of a name, asked from the DNS as a client would."""

import ipaddress
import socket
import time
from dataclasses import dataclass, replace
from typing import Any

import dns.exception
import dns.message
import dns.rdatatype
import dns.resolver

from runbook_lib.mail.probes import resolv_conf
from runbook_lib.mail.probes.row import Verdict
from runbook_lib.messages import message

_ATTEMPTS = 3  # a resolver asks again, too, before it believes that nobody can say
_BETWEEN_S = 0.3


@dataclass(frozen=True)
class Lookup:
    """The answer for one record type.

    Args:
        kind: 'A' or 'AAAA'.
        addresses: sorted, empty where there are none.
        verdict: FAIL only where the DNS was reached and says that the name does not exist.
        words: what the answer was, without addresses.
    """

    kind: str
    addresses: tuple[str, ...]
    verdict: Verdict
    words: str


def look_up(name: str, resolver: str | None, timeout_s: float = 5.0) -> tuple[Lookup, Lookup]:
    """Ask for the A and the AAAA records of a name.

    Args:
        name: DNS name (A-labels); a literal address is its own answer.
        resolver: address of a DNS server; None takes the system's.
        timeout_s: for each of the two questions.
    Returns: the answers for A and AAAA. 'No such name', 'no such record' and 'no answer' are three verdicts.
    """
    try:
        literal = ipaddress.ip_address(name)
    except ValueError:
        asker = _resolver(resolver)
        a = _ask(asker, name, "A", timeout_s)
        if a.verdict is Verdict.UNTESTED:
            return a, replace(a, kind="AAAA")  # who does not answer once is not waited for again
        return _judged_together(a, _ask(asker, name, "AAAA", timeout_s))
    is_v6 = literal.version == 6
    found = Lookup("AAAA" if is_v6 else "A", (str(literal),), Verdict.PASS, message("a literal address"))
    none = Lookup("A" if is_v6 else "AAAA", (), Verdict.PASS, message("a literal address has no other"))
    return (none, found) if is_v6 else (found, none)


def records(
    name: str, kind: str, resolver: str | None, timeout_s: float = 5.0
) -> tuple[tuple[Any, ...], str | None]:
    """The records of a name, and a reason where the DNS did not answer; none without a reason: there are none.

    Args:
        name: DNS name (A-labels).
        kind: 'MX', 'TLSA', …
        resolver: address of a DNS server; None takes the system's.
        timeout_s: for the question.
    Returns: records as dnspython has them, each kind with fields of its own.
    """
    try:
        return tuple(_resolve(_resolver(resolver), name, kind, timeout_s)), None
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return (), None
    except (dns.exception.DNSException, OSError) as error:
        return (), _no_answer(error)


def malformed(
    name: str, kind: str, resolver: str | None, timeout_s: float = 2.0
) -> tuple[tuple[Any, ...], int]:
    """The readable records of an answer that has others in it, and how many of those: dnspython gives up on all.

    Args:
        name, kind, resolver: as for `records`.
        timeout_s: for the question.
    Returns: nothing and 0 where every record can be read, or nothing was answered: `records` says what it is then.
    """
    try:
        server = str(_resolver(resolver).nameservers[0])
        family = socket.AF_INET6 if ":" in server else socket.AF_INET
        query = dns.message.make_query(name, kind, use_edns=0, payload=1232)
        with socket.socket(family, socket.SOCK_DGRAM) as asked:
            asked.settimeout(timeout_s)
            asked.connect((server, 53))
            asked.send(query.to_wire())
            answer = dns.message.from_wire(asked.recv(65535), continue_on_error=True)
    except (dns.exception.DNSException, OSError, IndexError):
        return (), 0
    if answer.id != query.id or not answer.errors:
        return (), 0
    wanted = dns.rdatatype.from_text(kind)
    return tuple(one for rrset in answer.answer if rrset.rdtype == wanted for one in rrset), len(
        answer.errors
    )


def exchangers(
    domain: str, resolver: str | None, timeout_s: float = 5.0
) -> tuple[tuple[str, ...] | None, str | None]:
    """The hosts that take a domain's mail, best first, lower case; and a reason where the DNS did not answer.

    Args:
        domain, resolver, timeout_s: as for `records`.
    Returns: None in the place of the hosts where the domain says that it takes no mail ('MX 0 .', RFC 7505).
    """
    found, reason = records(domain, "MX", resolver, timeout_s)
    best_first = sorted(found, key=lambda record: (record.preference, record.exchange))
    names = tuple(record.exchange.to_text(omit_final_dot=True).lower() for record in best_first)
    if "." in names:  # beside other records it is a mistake, and no host either (RFC 7505, 3)
        names = tuple(name for name in names if name != ".")
        return names or None, reason
    return names, reason


def _resolve(asker: dns.resolver.Resolver, name: str, kind: str, timeout_s: float) -> dns.resolver.Answer:
    """One question; asked again where every server failed to say (SERVFAIL), within the same time."""
    end = time.monotonic() + timeout_s
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return asker.resolve(name, kind, lifetime=max(end - time.monotonic(), 0.1), search=False)
        except dns.resolver.NoNameservers:
            if attempt == _ATTEMPTS or time.monotonic() + _BETWEEN_S > end:
                raise
            time.sleep(_BETWEEN_S)
    raise AssertionError("the last attempt returns or raises")


def _resolver(address: str | None) -> dns.resolver.Resolver:
    if address is None:
        return resolv_conf.resolver()
    asker = dns.resolver.Resolver(configure=False)
    asker.nameservers = [address]
    return asker


def _no_answer(error: Exception) -> str:
    if isinstance(error, dns.resolver.NoResolverConfiguration):
        why: str = error.args[0]  # it is this machine that cannot ask
        return why
    if isinstance(error, dns.resolver.LifetimeTimeout):
        return message("the DNS server does not answer")
    if isinstance(error, dns.resolver.NoNameservers):
        return message("the DNS server cannot say (asked {times} times)", times=_ATTEMPTS)
    return message("the DNS server cannot say ({error})", error=type(error).__name__)


def _ask(asker: dns.resolver.Resolver, name: str, kind: str, timeout_s: float) -> Lookup:
    try:
        answer = _resolve(asker, name, kind, timeout_s)
    except dns.resolver.NXDOMAIN:
        return Lookup(kind, (), Verdict.FAIL, message("no such name in the DNS (NXDOMAIN)"))
    except dns.resolver.NoAnswer:
        return Lookup(kind, (), Verdict.PASS, message("no {kind} record", kind=kind))
    except (dns.exception.DNSException, OSError) as error:
        return Lookup(kind, (), Verdict.UNTESTED, _no_answer(error))
    addresses = tuple(sorted(record.address for record in answer))
    return Lookup(kind, addresses, Verdict.PASS, message("{kind} record found", kind=kind))


def _judged_together(a: Lookup, aaaa: Lookup) -> tuple[Lookup, Lookup]:
    """A missing record is wrong only where the other kind is missing, too."""
    if a.addresses or aaaa.addresses or {a.verdict, aaaa.verdict} != {Verdict.PASS}:
        return a, aaaa
    none = Lookup(a.kind, (), Verdict.FAIL, message("the name exists and has no address"))
    return none, replace(none, kind=aaaa.kind)
