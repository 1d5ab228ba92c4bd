"""`iptables-save` and `ip6tables-save` as chains. Source: iptables(8), iptables-extensions(8)."""

import shlex
from collections.abc import Iterator

from runbook_lib.mail.firewall.rules import Chain, Ports, Rule

_VERDICTS = {"ACCEPT": "accept", "DROP": "drop", "REJECT": "reject", "RETURN": "return"}
# Targets that let a packet go on to the next rule.
_MODULES = frozenset({"tcp", "multiport", "state", "conntrack", "comment", "addrtype"})
_GOES_ON = frozenset({"LOG", "NFLOG", "MARK", "CONNMARK", "CT", "TCPMSS", "AUDIT", "SET"})


def read(text: str, family: int) -> dict[tuple[str, str, int], Chain]:
    """The chains of the table that filters, by '', name and family.

    Args:
        text: what iptables-save (family 4) or ip6tables-save (family 6) printed.
        family: 4 or 6.
    """
    policies: dict[str, str] = {}
    rules: dict[str, list[Rule]] = {}
    table = ""
    for line in text.splitlines():
        if line.startswith("*"):
            table = line[1:].strip()
        elif table == "filter" and line.startswith(":"):
            name, policy = line[1:].split()[:2]
            policies[name] = policy.lower() if name == "INPUT" and policy != "-" else ""
        elif table == "filter" and line.startswith("-A "):
            words = shlex.split(line)
            rules.setdefault(words[1], []).extend(_rules(words[2:]))
    return {
        ("", name, family): Chain("", name, tuple(rules.get(name, ())), policy, (family,))
        for name, policy in policies.items()
    }


def _rules(words: list[str]) -> Iterator[Rule]:
    """The rule of a line, where it is about a new TCP connection and decides something."""
    ports: Ports | None = None
    sure = True
    negated = False
    left = iter(words)
    for word in left:
        if word == "!":
            negated = True
            continue
        match word:
            case "-p":
                if (next(left, "") in ("tcp", "6", "all")) is negated:
                    return
            case "-i":
                if next(left, "") == "lo":
                    if not negated:
                        return
                else:
                    sure = False
            case "--dport" | "--dports" | "--destination-ports":
                sure = sure and ports is None
                ports = Ports(tuple(_span(part) for part in next(left, "").split(",")), negated)
            case "--state" | "--ctstate":
                if ("NEW" in next(left, "").split(",")) is negated:
                    return
            case "--tcp-flags":  # as iptables-save prints --syn, which the first packet of a connection has
                first_packet = (next(left, ""), next(left, "")) == ("FIN,SYN,RST,ACK", "SYN")
                if first_packet is negated:
                    return
            case "--dst-type":
                if (next(left, "") == "LOCAL") is negated:
                    return
            case "-m":
                sure = sure and next(left, "") in _MODULES
            case "--comment":
                next(left, "")
            case "-j" | "-g":
                target = next(left, "")
                if target not in _GOES_ON:
                    verdict = _VERDICTS.get(target) or ("goto" if word == "-g" else "jump")
                    yield Rule(verdict, "" if target in _VERDICTS else target, ports, sure)
                return
            case _ if word.startswith("-"):
                sure = False
        negated = False


def _span(part: str) -> tuple[int, int]:
    first, _, last = part.partition(":")
    return int(first or 0), int(last or first)
