"""Rules and chains as far as they decide about a new TCP connection from anywhere to a port of the host."""

from collections.abc import Mapping
from dataclasses import dataclass

CLOSING = frozenset({"drop", "reject"})
_DEPTH_MAX = 16  # of chains that call chains, as nftables has it


@dataclass(frozen=True)
class Ports:
    """Destination ports that a rule is about.

    Args:
        spans: (first, last) of each range.
        negated: whether the rule is about all others.
    """

    spans: tuple[tuple[int, int], ...]
    negated: bool = False

    def __contains__(self, port: int) -> bool:
        return any(first <= port <= last for first, last in self.spans) is not self.negated

    def __str__(self) -> str:
        shown = ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in self.spans)
        listed = shown if len(self.spans) == 1 else f"{{ {shown} }}"
        return f"{'!= ' if self.negated else ''}{listed}"


@dataclass(frozen=True)
class Rule:
    """One rule that any stranger's connection meets, or may meet.

    Args:
        verdict: 'accept', 'drop', 'reject', 'return', 'jump', 'goto'.
        target: the chain that is jumped or gone to.
        ports: destination ports; None: all.
        sure: False where it depends on what cannot be known here, such as the client's address; such a rule
            decides nothing about strangers.
        handle: nftables's number of it; 0 where there is none.
    """

    verdict: str
    target: str = ""
    ports: Ports | None = None
    sure: bool = True
    handle: int = 0

    @property
    def words(self) -> str:
        """The rule as nft would print it."""
        return f"tcp dport {self.ports} {self.verdict}" if self.ports else self.verdict


@dataclass(frozen=True)
class Chain:
    """A chain of rules.

    Args:
        table: 'inet filter'; empty for iptables, which has one table that filters.
        name: its name.
        rules: in order.
        policy: 'accept' or 'drop' where packets come in here; empty for a chain that others call.
        families: 4, 6, or both.
    """

    table: str
    name: str
    rules: tuple[Rule, ...]
    policy: str
    families: tuple[int, ...]


@dataclass(frozen=True)
class Closure:
    """What keeps a port closed: a rule, or a chain's policy where `rule` is None."""

    chain: Chain
    rule: Rule | None


Chains = Mapping[tuple[str, str, int], Chain]  # by table, name and family


@dataclass(frozen=True)
class Judgement:
    """What becomes of a new connection from anywhere to a port.

    Args:
        closed: what keeps it out; None: every chain that packets come in by lets strangers pass.
        doubtful: rules that keep some clients out, before it is decided about the others.
    """

    closed: Closure | None
    doubtful: tuple[Closure, ...]


def judge(chains: Chains, port: int, family: int) -> Judgement:
    """Follow a connection through every chain that packets come in by.

    An accept ends one such chain, not the others (nft(8), 'Verdict statement').
    """
    doubtful: list[Closure] = []
    for chain in chains.values():
        if chain.policy and family in chain.families:
            walk = _Walk(chains, port, family, doubtful)
            verdict, decided = walk.through(chain, 0)
            if verdict in CLOSING and decided is not None:
                return Judgement(decided, tuple(doubtful))
            if verdict == "" and chain.policy in CLOSING:
                return Judgement(Closure(chain, None), tuple(doubtful))
    return Judgement(None, tuple(doubtful))


@dataclass(frozen=True)
class _Walk:
    """The way of a connection through chains that call each other."""

    chains: Chains
    port: int
    family: int
    doubtful: list[Closure]

    def through(self, chain: Chain, depth: int) -> tuple[str, Closure | None]:
        """The verdict of a chain, empty where it has none, and what decided."""
        for rule in chain.rules:
            if rule.ports is not None and self.port not in rule.ports:
                continue
            verdict, decided = self._of(chain, rule, depth)
            if rule.sure:
                if verdict or rule.verdict in ("return", "goto"):
                    return verdict, decided
            elif verdict in CLOSING:
                self.doubtful.append(Closure(chain, rule))
        return "", None

    def _of(self, chain: Chain, rule: Rule, depth: int) -> tuple[str, Closure | None]:
        if rule.verdict in CLOSING or rule.verdict == "accept":
            return rule.verdict, Closure(chain, rule)
        called = self.chains.get((chain.table, rule.target, self.family))
        if called is None or depth >= _DEPTH_MAX:
            return "", None
        return self.through(called, depth + 1)
