"""What the DNS says of a mail server before it gets a certificate: its names, the names of its addresses, the MX.

The document demands it in section 1-1: the server is registered, under the names that clients use. A name that does
not lead to the server makes its certificate worthless, so that is a fail. What else is unwise (an address without a
name, a domain without MX) does not touch submission: a pass that warns.
"""

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import dns.name
import dns.reversename

from runbook_lib.inventory.place import Place
from runbook_lib.mail.differences.difference import Difference, Effect
from runbook_lib.mail.probes import Row, Verdict
from runbook_lib.mail.probes.byhand import dig
from runbook_lib.mail.probes.names import Lookup, exchangers, look_up, records
from runbook_lib.mail.target.decisions import Choices
from runbook_lib.messages import joined, message

NAMES_LEAD_HERE = message("Each name that users type leads to this server")
ADDRESSES_LEAD_BACK = message("Each address of the server has a name that leads back to it")
DOMAIN_HAS_MX = message("The mail domain says which servers take its mail")
_TIMEOUT_S = 5.0


@dataclass(frozen=True)
class Registration:
    """The questions about one server.

    Args:
        names: what users type, A-labels; all of them go into a certificate.
        domain: the mail domain, A-labels.
        own: the server's addresses as it has them on its interfaces, without link-local and loopback ones.
        resolver: address of the DNS server to ask; None: the system's.
        decided: names that lead to the server by an address that it does not have (NAT), each to why.
        of_others: those of the names by which other servers come to port 25, and which no user types.
    """

    names: tuple[str, ...]
    domain: str
    own: tuple[str, ...]
    resolver: str | None = None
    decided: Mapping[str, str] = field(default_factory=dict)
    of_others: tuple[str, ...] = ()
    _answers: dict[str, tuple[Lookup, Lookup]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def names_lead_here(self) -> list[Row]:
        """A row a name and address family. An address that the server does not have is a fail, unless it may be NAT.

        What a person decided about a name (it leads here all the same) is a pass that says so.
        Behind NAT the DNS has a public address and the server a private one; whether the one leads to the other
        cannot be seen from either, so that is 'could not test'.
        """
        rows = []
        for name in self.names:
            answer = self._look_up(name)
            found = [lookup for lookup in answer if lookup.addresses]
            if not found:
                lookup = answer[0]
                verdict = Verdict.FAIL if lookup.verdict is not Verdict.UNTESTED else Verdict.UNTESTED
                rows.append(self._row(NAMES_LEAD_HERE, name, "A", verdict, self._whose(name, lookup.words)))
            for lookup in found:
                judged = [(address, self._leads_here(name, address)) for address in lookup.addresses]
                address, (verdict, words) = max(judged, key=lambda one: _ORDER.index(one[1][0]))
                row = self._row(NAMES_LEAD_HERE, name, lookup.kind, verdict, self._whose(name, words))
                rows.append(replace(row, address=address))
        return rows

    def _whose(self, name: str, words: str) -> str:
        """What was seen of a name, with who comes by it where that is no user."""
        if name not in self.of_others:
            return words
        return message("{seen}; other servers come by it, to port 25", seen=words)

    def _leads_here(self, name: str, address: str) -> tuple[Verdict, str]:
        reason = self.decided.get(name)
        if address in self.own:
            if reason is None:
                return Verdict.PASS, message("an address of this server")
            return (
                Verdict.PASS,
                message("an address of this server (the decision about its name has no effect)"),
            )
        if reason is not None:
            return (
                Verdict.PASS,
                message(
                    "an address that this server does not have; it leads here, as decided: {reason}",
                    reason=reason,
                ),
            )
        family = ipaddress.ip_address(address).version
        own = [one for one in map(ipaddress.ip_address, self.own) if one.version == family]
        if own and ipaddress.ip_address(address).is_global and not any(one.is_global for one in own):
            return (
                Verdict.UNTESTED,
                message("a public address, and the server has private ones: NAT leads here, or not"),
            )
        return Verdict.FAIL, message("an address that this server does not have")

    def to_decide(self) -> tuple[Difference, ...]:
        """The names that lead to an address that the server does not have, where nobody has decided about it."""
        found = []
        for name in self.names:
            addresses = [
                address
                for lookup in self._look_up(name)
                for address in lookup.addresses
                if self._leads_here(name, address)[0] is not Verdict.PASS
            ]
            if addresses:
                why = message("the server has this address on none of its interfaces")
                if any(ipaddress.ip_address(address).is_loopback for address in addresses):
                    why = message(
                        "the server has this address on none of its interfaces, and a loopback address leads everybody "
                        "to their own machine"
                    )
                keep = message("NAT, a tunnel or a load balancer leads from there to this server")
                found.append(
                    Difference(Place.dns(name), ", ".join(addresses), Effect.ASKS, why, Choices(keep=keep))
                )
        return tuple(found)

    @cached_property
    def _here(self) -> tuple[str, ...]:
        """The addresses that lead to the server: its own, and those of names that lead here as decided."""
        others = (address for name in self.decided for address in sorted(_addresses(self._look_up(name))))
        return tuple(dict.fromkeys((*self.own, *others)))

    def addresses_lead_back(self) -> list[Row]:
        """A row an address: its PTR, and whether that name leads back to it.

        Receivers look at this for mail that the server sends out (RFC 1912, 2.1); users who submit do not.
        """
        rows = []
        for address in self._here:
            command = f"dig {f'@{self.resolver} ' if self.resolver else ''}-x {address}"
            verdict, words = self._leads_back(address)
            rows.append(Row(ADDRESSES_LEAD_BACK, None, address, "-", verdict, words, command))
        return rows

    def _leads_back(self, address: str) -> tuple[Verdict, str]:
        found, reason = records(str(dns.reversename.from_address(address)), "PTR", self.resolver, _TIMEOUT_S)
        if reason is not None:
            return Verdict.UNTESTED, reason
        if not found:
            return Verdict.PASS, _warning(
                message("no PTR: many servers refuse or delay mail that it sends out")
            )
        names = _texts(sorted(record.target for record in found))
        answers = {name: self._look_up(name) for name in names}
        for name, answer in answers.items():
            if address in _addresses(answer):
                return Verdict.PASS, message("{name}, and back", name=name)
        for name, answer in answers.items():
            if (unanswered := _unanswered(answer)) is not None:
                return Verdict.UNTESTED, message(
                    "whether its PTR {name} leads back: {reason}", name=name, reason=unanswered
                )
        return Verdict.PASS, _warning(message("its PTR {name} does not lead back to it", name=names[0]))

    def domain_has_mx(self) -> list[Row]:
        """A row an MX: whether its name has addresses, and is no alias (RFC 2181, 10.3). Submission needs none."""
        found, reason = self._mx
        if reason is not None:
            return [self._mx_row(Verdict.UNTESTED, reason)]
        if found is None:
            words = message(
                "null MX ('MX 0 .'): the domain says that it takes no mail, so senders try nothing"
            )
            return [self._mx_row(Verdict.PASS, _warning(words))]
        if not found:
            words = message("no MX: mail for the domain goes to its own address, where it has one")
            return [self._mx_row(Verdict.PASS, _warning(words))]
        return [self._mx_row(*self._taken_by(name)) for name in found]

    def _taken_by(self, name: str) -> tuple[Verdict, str]:
        alias, reason = records(name, "CNAME", self.resolver, _TIMEOUT_S)
        if alias:
            return Verdict.PASS, _warning(
                message("{name} is an alias (CNAME), which an MX must not name", name=name)
            )
        answer = self._look_up(name)
        reason = reason or _unanswered(answer)
        if reason is not None and not _addresses(answer):
            return Verdict.UNTESTED, joined(": ", (name, reason))
        if not _addresses(answer):
            return Verdict.PASS, _warning(message("{name} has no address", name=name))
        here = _addresses(answer) & set(self._here)
        if here:
            return Verdict.PASS, message("{name}, this server", name=name)
        return Verdict.PASS, message("{name}, another server", name=name)

    @property
    def takes_no_mail(self) -> bool:
        """Whether the domain has a null MX (RFC 7505)."""
        return self._mx == (None, None)

    def mx_leads_here(self) -> bool | None:
        """Whether mail from elsewhere for the domain comes to this server; None when the DNS does not say."""
        found, reason = self._mx
        if reason is not None:
            return None
        answers = [self._look_up(name) for name in found or ()]
        if any(_addresses(answer) & set(self._here) for answer in answers):
            return True
        return None if any(_unanswered(answer) is not None for answer in answers) else False

    @cached_property
    def _mx(self) -> tuple[tuple[str, ...] | None, str | None]:
        return exchangers(self.domain, self.resolver, _TIMEOUT_S)

    def _look_up(self, name: str) -> tuple[Lookup, Lookup]:
        """The addresses of a name; asked once, so that two claims go by one answer."""
        if name not in self._answers:
            self._answers[name] = look_up(name, self.resolver)
        return self._answers[name]

    def _mx_row(self, verdict: Verdict, words: str) -> Row:
        return self._row(DOMAIN_HAS_MX, self.domain, "MX", verdict, words)

    def _row(self, claim: str, name: str, kind: str, verdict: Verdict, words: str) -> Row:
        seen = message("{name}, {record}: {seen}", name=name, record=kind, seen=words)
        return Row(claim, None, "", "-", verdict, seen, dig(name, kind, self.resolver))


def _warning(seen: str) -> str:
    return message("warning: {seen}", seen=seen)


_ORDER: Sequence[Verdict] = (Verdict.PASS, Verdict.UNTESTED, Verdict.FAIL)


def _texts(names: Iterable[dns.name.Name]) -> tuple[str, ...]:
    return tuple(name.to_text(omit_final_dot=True).lower() for name in names)


def _addresses(answer: tuple[Lookup, Lookup]) -> set[str]:
    return {address for lookup in answer for address in lookup.addresses}


def _unanswered(answer: tuple[Lookup, Lookup]) -> str | None:
    """Why the DNS did not say what a name's addresses are; None where it did."""
    return next((lookup.words for lookup in answer if lookup.verdict is Verdict.UNTESTED), None)
