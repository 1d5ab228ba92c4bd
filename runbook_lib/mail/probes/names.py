"""The addresses of a name, asked from the DNS as a client would."""

import ipaddress
from dataclasses import dataclass, replace
from typing import Any

import dns.exception
import dns.resolver

from runbook_lib.mail.probes.row import Verdict


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
    found = Lookup("AAAA" if is_v6 else "A", (str(literal),), Verdict.PASS, "a literal address")
    none = Lookup("A" if is_v6 else "AAAA", (), Verdict.PASS, "a literal address has no other")
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
        return tuple(_resolver(resolver).resolve(name, kind, lifetime=timeout_s, search=False)), None
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return (), None
    except (dns.exception.DNSException, OSError) as error:
        return (), _no_answer(error)


def _resolver(address: str | None) -> dns.resolver.Resolver:
    asker = dns.resolver.Resolver(configure=address is None)
    if address is not None:
        asker.nameservers = [address]
    return asker


def _no_answer(error: Exception) -> str:
    if isinstance(error, dns.resolver.LifetimeTimeout):
        return "the DNS server does not answer"
    return f"the DNS server cannot say ({type(error).__name__})"


def _ask(asker: dns.resolver.Resolver, name: str, kind: str, timeout_s: float) -> Lookup:
    try:
        answer = asker.resolve(name, kind, lifetime=timeout_s, search=False)
    except dns.resolver.NXDOMAIN:
        return Lookup(kind, (), Verdict.FAIL, "no such name in the DNS (NXDOMAIN)")
    except dns.resolver.NoAnswer:
        return Lookup(kind, (), Verdict.PASS, f"no {kind} record")
    except (dns.exception.DNSException, OSError) as error:
        return Lookup(kind, (), Verdict.UNTESTED, _no_answer(error))
    addresses = tuple(sorted(record.address for record in answer))
    return Lookup(kind, addresses, Verdict.PASS, f"{kind} record found")


def _judged_together(a: Lookup, aaaa: Lookup) -> tuple[Lookup, Lookup]:
    """A missing record is wrong only where the other kind is missing, too."""
    if a.addresses or aaaa.addresses or {a.verdict, aaaa.verdict} != {Verdict.PASS}:
        return a, aaaa
    none = Lookup(a.kind, (), Verdict.FAIL, "the name exists and has no address")
    return none, replace(none, kind=aaaa.kind)
