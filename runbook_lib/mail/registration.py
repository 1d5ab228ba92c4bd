"""What the DNS says of a mail server before it gets a certificate: its names, the names of its addresses, the MX.

The document demands it in section 1-1: the server is registered, under the names that clients use. A name that does
not lead to the server makes its certificate worthless, so that is a fail. What else is unwise (an address without a
name, a domain without MX) does not touch submission: a pass that warns.
"""

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import dns.name
import dns.reversename

from runbook_lib.mail.probes import WARNING, Row, Verdict
from runbook_lib.mail.probes.byhand import dig
from runbook_lib.mail.probes.names import look_up, records

NAMES_LEAD_HERE = "Each name that users type leads to this server"
ADDRESSES_LEAD_BACK = "Each address of the server has a name that leads back to it"
DOMAIN_HAS_MX = "The mail domain says which servers take its mail"
_TIMEOUT_S = 5.0


@dataclass(frozen=True)
class Registration:
    """The questions about one server.

    Args:
        names: what users type, A-labels; all of them go into the certificate.
        domain: the mail domain, A-labels.
        own: the server's addresses as it has them on its interfaces, without link-local and loopback ones.
        resolver: address of the DNS server to ask; None: the system's.
    """

    names: tuple[str, ...]
    domain: str
    own: tuple[str, ...]
    resolver: str | None = None

    def names_lead_here(self) -> list[Row]:
        """A row a name and address family. An address that the server does not have is a fail, unless it may be NAT.

        Behind NAT the DNS has a public address and the server a private one; whether the one leads to the other
        cannot be seen from either, so that is 'could not test'.
        """
        rows = []
        for name in self.names:
            found = [lookup for lookup in look_up(name, self.resolver) if lookup.addresses]
            if not found:
                lookup = look_up(name, self.resolver)[0]
                verdict = Verdict.FAIL if lookup.verdict is not Verdict.UNTESTED else Verdict.UNTESTED
                rows.append(self._row(NAMES_LEAD_HERE, name, "A", verdict, lookup.words))
            for lookup in found:
                verdicts = [self._leads_here(address) for address in lookup.addresses]
                verdict, words = max(verdicts, key=lambda judged: _ORDER.index(judged[0]))
                rows.append(self._row(NAMES_LEAD_HERE, name, lookup.kind, verdict, words))
        return rows

    def _leads_here(self, address: str) -> tuple[Verdict, str]:
        if address in self.own:
            return Verdict.PASS, "an address of this server"
        family = ipaddress.ip_address(address).version
        own = [one for one in map(ipaddress.ip_address, self.own) if one.version == family]
        if own and ipaddress.ip_address(address).is_global and not any(one.is_global for one in own):
            return (
                Verdict.UNTESTED,
                "a public address, and the server has private ones: NAT leads here, or not",
            )
        return Verdict.FAIL, "an address that this server does not have"

    def addresses_lead_back(self) -> list[Row]:
        """A row an address (case D2): its PTR, and whether that name leads back to it.

        Receivers look at this for mail that the server sends out (RFC 1912, 2.1); users who submit do not.
        """
        rows = []
        for address in self.own:
            command = f"dig {f'@{self.resolver} ' if self.resolver else ''}-x {address}"
            verdict, words = self._leads_back(address)
            rows.append(Row(ADDRESSES_LEAD_BACK, None, address, "-", verdict, words, command))
        return rows

    def _leads_back(self, address: str) -> tuple[Verdict, str]:
        found, reason = self._ask(str(dns.reversename.from_address(address)), "PTR")
        if reason is not None:
            return Verdict.UNTESTED, reason
        if not found:
            return Verdict.PASS, f"{WARNING}no PTR: many servers refuse or delay mail that it sends out"
        back = [
            name
            for name in found
            if address in {a for look in look_up(name, self.resolver) for a in look.addresses}
        ]
        if not back:
            return Verdict.PASS, f"{WARNING}its PTR {found[0]} does not lead back to it"
        return Verdict.PASS, f"{back[0]}, and back"

    def domain_has_mx(self) -> list[Row]:
        """A row an MX: whether its name has addresses, and is no alias (RFC 2181, 10.3). Submission needs none."""
        found, reason = self._ask(self.domain, "MX")
        if reason is not None:
            return [self._row(DOMAIN_HAS_MX, self.domain, "MX", Verdict.UNTESTED, reason)]
        if not found:
            words = f"{WARNING}no MX: mail for the domain goes to its own address, where it has one"
            return [self._row(DOMAIN_HAS_MX, self.domain, "MX", Verdict.PASS, words)]
        return [
            self._row(DOMAIN_HAS_MX, self.domain, "MX", Verdict.PASS, self._taken_by(name)) for name in found
        ]

    def _taken_by(self, name: str) -> str:
        alias, _ = self._ask(name, "CNAME")
        if alias:
            return f"{WARNING}{name} is an alias (CNAME), which an MX must not name"
        addresses = {address for lookup in look_up(name, self.resolver) for address in lookup.addresses}
        if not addresses:
            return f"{WARNING}{name} has no address"
        return f"{name}, this server" if addresses & set(self.own) else f"{name}, another server"

    def mx_leads_here(self) -> bool | None:
        """Whether mail from elsewhere for the domain comes to this server; None when the DNS does not say."""
        found, reason = self._ask(self.domain, "MX")
        if reason is not None:
            return None
        return any(self._taken_by(name).endswith("this server") for name in found)

    def _ask(self, name: str, kind: str) -> tuple[tuple[str, ...], str | None]:
        """The names in an answer, lower case, best first; and a reason where there was no answer at all."""
        answer, reason = records(name, kind, self.resolver, _TIMEOUT_S)
        if kind == "MX":
            best_first = sorted(answer, key=lambda r: (r.preference, r.exchange))
            return _texts(record.exchange for record in best_first), reason
        return _texts(sorted(record.target for record in answer)), reason

    def _row(self, claim: str, name: str, kind: str, verdict: Verdict, words: str) -> Row:
        return Row(claim, None, "", "-", verdict, f"{name}, {kind}: {words}", dig(name, kind, self.resolver))


_ORDER: Sequence[Verdict] = (Verdict.PASS, Verdict.UNTESTED, Verdict.FAIL)


def _texts(names: Iterable[dns.name.Name]) -> tuple[str, ...]:
    return tuple(name.to_text(omit_final_dot=True).lower() for name in names)
