"""`nft -j list ruleset` as chains. Source: libnftables-json(5)."""

import json
from collections.abc import Iterator
from typing import Any

from runbook_lib.mail.firewall.rules import Chain, Ports, Rule

_FAMILIES = {"ip": (4,), "ip6": (6,), "inet": (4, 6), "netdev": (4, 6)}
_HOOKS = frozenset({"ingress", "prerouting", "input"})
_VERDICTS = frozenset({"accept", "drop", "reject", "return", "jump", "goto"})
_NO_CONDITION = frozenset({"counter", "log", "comment", "meter", "mangle", "notrack"})

Json = dict[str, Any]


def read(text: str) -> dict[tuple[str, str, int], Chain]:
    """The chains that a packet to the host itself can meet, by table, name and family.

    Raises:
        ValueError: not what nft prints.
    """
    items: list[Json] = json.loads(text)["nftables"]
    sets = {
        (found["family"], found["table"], found["name"]): found.get("elem", [])
        for item in items
        if (found := item.get("set") or item.get("map"))
    }
    rules: dict[tuple[str, str, str], list[Json]] = {}
    for item in items:
        if rule := item.get("rule"):
            rules.setdefault((rule["family"], rule["table"], rule["chain"]), []).append(rule)
    chains = {}
    for item in items:
        chain = item.get("chain")
        if not chain or chain["family"] not in _FAMILIES:
            continue
        place = (chain["family"], chain["table"])
        is_door = chain.get("type") == "filter" and chain.get("hook") in _HOOKS
        for family in _FAMILIES[chain["family"]]:
            made = tuple(
                made
                for rule in rules.get((*place, chain["name"]), [])
                for made in _Reading(sets, place, family, rule["handle"]).rules(rule["expr"])
            )
            policy = chain.get("policy", "accept") if is_door else ""
            if policy not in ("", "accept", "drop"):
                raise ValueError(f"no policy: {policy}")
            chains[" ".join(place), chain["name"], family] = Chain(
                " ".join(place), chain["name"], made, policy, (family,)
            )
    return chains


class _Reading:
    """One rule's expressions, as far as they are about a new TCP connection of one family."""

    def __init__(
        self, sets: dict[tuple[str, str, str], Any], place: tuple[str, str], family: int, handle: int
    ) -> None:
        self._sets, self._place, self._family, self._handle = sets, place, family, handle
        self._ports: Ports | None = None
        self._sure = True

    def rules(self, expressions: list[Json]) -> Iterator[Rule]:
        """The rules that it comes to: none where it is not about such a connection, several for a map."""
        for expression in expressions:
            ((kind, value),) = expression.items()
            if kind == "match":
                fits = self._fits(value["left"], value["right"], value["op"])
            elif kind == "vmap":
                yield from self._mapped(value)
                return
            elif kind in _VERDICTS:
                yield self._rule(kind, value)
                return
            else:
                fits = True
                self._sure = self._sure and kind in _NO_CONDITION
            if not fits:
                return

    def _rule(self, verdict: str, value: Any) -> Rule:
        target = value["target"] if verdict in ("jump", "goto") else ""
        if not isinstance(target, str):
            raise ValueError(f"no chain: {target}")
        return Rule(verdict, target, self._ports, self._sure, self._handle)

    def _mapped(self, vmap: Json) -> Iterator[Rule]:
        ports, sure = self._ports, self._sure
        for wanted, decided in self._elements(vmap["data"]):
            self._ports, self._sure = ports, sure
            ((verdict, value),) = decided.items()
            if verdict in _VERDICTS and self._fits(vmap["key"], wanted, "=="):
                yield self._rule(verdict, value)

    def _fits(self, left: Any, right: Any, operator: str) -> bool:
        """False where a new TCP connection never matches; narrows ports, or notes that it is not sure."""
        negated = operator == "!="
        values = self._elements(right)
        match left:
            case {"payload": {"protocol": "tcp" | "th", "field": "dport"}} if self._ports is None:
                self._ports = Ports(tuple(map(_span, values)), negated)
                return True
            case {"payload": {"protocol": "ip" | "ip6" as protocol, "field": "protocol" | "nexthdr"}}:
                of_family = protocol == ("ip6" if self._family == 6 else "ip")
                return of_family and (_is_tcp(values) is not negated)
            case {"payload": {"protocol": "ip" | "ip6" as protocol}}:
                self._sure = False
                return bool(protocol == ("ip6" if self._family == 6 else "ip"))
            case {"payload": {"protocol": "udp" | "icmp" | "icmpv6" | "sctp" | "dccp"}}:
                return False
            case {"meta": {"key": "l4proto"}}:
                return _is_tcp(values) is not negated
            case {"meta": {"key": "nfproto"}}:
                return (f"ipv{self._family}" in values) is not negated
            case {"meta": {"key": "iif" | "iifname"}} if values == ["lo"]:
                return negated
            case {"ct": {"key": "state"}}:
                return ("new" in values) is not negated
            case _:
                self._sure = False
                return True

    def _elements(self, right: Any) -> list[Any]:
        """The values of a set, of one value, or of a set that has a name."""
        if isinstance(right, str) and right.startswith("@"):
            right = {"set": self._sets.get((*self._place, right[1:]), [])}
        if isinstance(right, dict) and "set" in right:
            right = right["set"]
        listed = right if isinstance(right, list) else [right]
        return [
            value["elem"]["val"] if isinstance(value, dict) and "elem" in value else value for value in listed
        ]


def _is_tcp(values: list[Any]) -> bool:
    return any(value in ("tcp", 6) for value in values)


def _span(value: Any) -> tuple[int, int]:
    first, last = value["range"] if isinstance(value, dict) else (value, value)
    return int(first), int(last)
