"""A host's own firewall as it was found, and what it says about ports: which place keeps them closed, what to type."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from runbook_lib.mail.firewall import iptables, nft
from runbook_lib.mail.firewall.rules import Chain, Closure, Judgement, judge
from runbook_lib.messages import joined, message

NFT, IPTABLES, IP6TABLES = "nft list ruleset", "iptables-save", "ip6tables-save"
UFW = "ufw show added"
_NOT_INSTALLED = 127


@dataclass(frozen=True)
class Look:
    """What one read-only command said.

    Args:
        command: `NFT`, `IPTABLES`, `IP6TABLES` or `UFW`.
        status: its exit status; 127: the program is not installed; None: the answer is not understood.
        stdout: what it printed.
        stderr: why it could not.
    """

    command: str
    status: int | None
    stdout: str
    stderr: str = ""


@dataclass(frozen=True)
class Firewall:
    """A host's own packet filter. Made by `of`.

    Args:
        chains: what could be read.
        untold: a sentence for each look that could not be taken.
        added: the commands by which ufw's rules came about, as it lists them.
    """

    chains: dict[tuple[str, str, int], Chain] = field(default_factory=dict)
    untold: tuple[str, ...] = ()
    added: tuple[str, ...] = ()

    @classmethod
    def of(cls, looks: Iterable[Look]) -> "Firewall":
        """Read what the commands printed. A program that is not installed filters nothing."""
        chains: dict[tuple[str, str, int], Chain] = {}
        untold: list[str] = []
        added: tuple[str, ...] = ()
        for look in looks:
            if look.status == _NOT_INSTALLED:
                continue
            if look.status is None:
                untold.append(
                    message(
                        "{command}: could not look (the host's answer is not understood)",
                        command=look.command,
                    )
                )
                continue
            if look.status != 0:
                said = look.stderr.strip().splitlines()
                reason = said[0] if said else message("no reason given")
                untold.append(
                    message("{command}: could not look ({reason})", command=look.command, reason=reason)
                )
                continue
            if look.command == UFW:
                added = tuple(look.stdout.splitlines())
                continue
            try:
                found = _read(look)
            except (ValueError, ArithmeticError, LookupError, TypeError, AttributeError, RecursionError):
                untold.append(
                    message(
                        "{command}: could not look (it prints what is not understood here)",
                        command=look.command,
                    )
                )
                continue
            if "(nf_tables)" in look.stdout:
                # nftables keeps them, too, but tells only part of them: nothing of what it calls 'xt'.
                kept = "ip6 filter" if look.command == IP6TABLES else "ip filter"
                chains = {key: chain for key, chain in chains.items() if chain.table != kept}
            chains |= found
        return cls(chains, tuple(untold), added)

    def judge(self, port: int, *, is_v6: bool) -> Judgement:
        """What becomes of a new connection to a port."""
        return judge(self.chains, port, 6 if is_v6 else 4)

    def words(self, ports: Iterable[int], *, is_v6: bool) -> dict[int, str]:
        """By port that is closed: what keeps it closed, and the line that lets it and its like in.

        Args:
            ports: the ports that are wanted.
            is_v6: for clients with IPv6 addresses.
        """
        found = {port: place for port in ports if (place := self.judge(port, is_v6=is_v6).closed)}
        told: dict[int, str] = {}
        for port, place in found.items():
            alike = [other for other, its in found.items() if its == place]
            name, line = self._line(place, alike, is_v6)
            rule = place.rule
            told[port] = message(
                "the host's own firewall keeps it out ({program}, {chain}: {cause}); "
                "to let it in, its administrator adds: {line}",
                program=name,
                chain=_place(place.chain),
                cause=message("rule `{rule}`", rule=rule.words)
                if rule
                else message("policy {policy}", policy=place.chain.policy),
                line=line,
            )
        return told

    def doubt(self, port: int, *, is_v6: bool) -> str | None:
        """Where a rule keeps some clients out of a port, as fail2ban's do; None where none does."""
        places = dict.fromkeys(_place(place.chain) for place in self.judge(port, is_v6=is_v6).doubtful)
        if not places:
            return None
        return message(
            "a rule of the host's own firewall that depends on the client (a ban, a list of networks) "
            "may keep this one out ({chains})",
            chains=joined("; ", places),
        )

    def _line(self, place: Closure, ports: list[int], is_v6: bool) -> tuple[str, str]:
        """Whose the rules are, and the line that whoever keeps them types."""
        chain, rule = place.chain, place.rule
        listed = ",".join(map(str, ports))
        if not chain.table:
            if any(name.startswith("ufw-") for _, name, _ in self.chains):
                # ufw turns a rule about the very same ports into its contrary; past any other one must come first.
                is_same = any(re.fullmatch(rf"ufw \w+ {listed}/tcp", line) for line in self.added)
                return "ufw", f"ufw {'insert 1 ' if rule and not is_same else ''}allow {listed}/tcp"
            program = "ip6tables" if is_v6 else "iptables"
            match = f"-m multiport --dports {listed}" if len(ports) > 1 else f"--dport {listed}"
            return program, f"{program} -I {chain.name} -p tcp {match} -j ACCEPT"
        if re.fullmatch(r"\w+ firewalld(_\w+)?", chain.table):
            added = " ".join(f"--add-port={port}/tcp" for port in ports)
            return "firewalld", f"firewall-cmd --permanent {added} && firewall-cmd --reload"
        verb = (
            f"insert rule {chain.table} {chain.name} handle {rule.handle}"
            if rule
            else (f"add rule {chain.table} {chain.name}")
        )
        listed = f"{{ {', '.join(map(str, ports))} }}" if len(ports) > 1 else listed
        command = f"nft '{verb} tcp dport {listed} accept'"
        return "nftables", message("{command} (and in the file that it is loaded from)", command=command)


def _place(chain: Chain) -> str:
    if not chain.table:
        return message("chain {chain}", chain=chain.name)
    return message("table {table}, chain {chain}", table=chain.table, chain=chain.name)


def _read(look: Look) -> dict[tuple[str, str, int], Chain]:
    if look.command == NFT:
        return nft.read(look.stdout)
    return iptables.read(look.stdout, 6 if look.command == IP6TABLES else 4)
