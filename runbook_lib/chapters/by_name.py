"""Notebook 90 on a server of which only the name is known: no inventory, no SSH, no password, no change."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace

from runbook_lib import display, inventory, records
from runbook_lib.chapters.chapter import table_of, worst
from runbook_lib.errors import UsageError
from runbook_lib.mail.probes import Row, Survey, Target, Verdict


@dataclass(repr=False)
class ServerByName(display.Shown):
    """A server, asked one claim a cell. A claim that fails is shown and stops nothing: there is nothing to put back."""

    name: str
    survey: Survey
    record: records.Record
    _rows: list[Row] = field(default_factory=list)

    def _shown(self) -> display.Table:
        rows = [
            ("server", self.name),
            ("ports", ", ".join(map(str, self.survey.target.ports))),
            ("asked with", "its name alone: no inventory, no SSH, no password"),
        ]
        return display.Table(("", ""), rows)

    def text(self) -> str:
        return self._shown().text()

    def html(self) -> str:
        return self._shown().html()

    def ask(self, claim: Callable[[Survey], list[Row]]) -> display.Shown:
        """Ask one claim of `runbook_lib.mail.probes`; keep its rows in the record."""
        rows = claim(self.survey)
        self._rows += rows
        self.record.add_verify(rows[0].claim, [asdict(row) for row in rows], str(worst(rows)))
        return table_of(rows)

    def summary(self) -> display.Table:
        """What was measured; the record is complete with it."""
        counts = Counter(row.verdict for row in self._rows)
        measured = ", ".join(f"{counts[verdict]} {verdict}" for verdict in Verdict if counts[verdict])
        table = display.Table(
            ("", ""), [("changed", "nothing: this chapter only asks"), ("verified", measured)]
        )
        self.record.finish("planned", table.text())
        return table


def target_of(name: str, resolver: str | None = None, ports: Sequence[int] = ()) -> Target:
    """What to ask of a server that is known by name only.

    Args:
        name: what its users type, or the server's address: then what needs the name could not be tested.
        resolver: address of the DNS server to ask; None: the system's.
        ports: the ports to ask; none: 25, 465 and 587.
    Raises:
        UsageError: the name cannot be one, or the resolver is no address.
    """
    try:
        host = inventory.address(name)
    except ValueError as error:
        raise UsageError(f"'{name}' {error}", "the name", "give the name that users type") from None
    try:
        server = inventory.ip_address(resolver) if resolver else None
    except ValueError as error:
        raise UsageError(f"'{resolver}' {error}", "the resolver", "give the DNS server's address") from None
    target = Target(name=host, domain=_domain_of(host), resolver=server)
    return replace(target, ports=tuple(ports)) if ports else target


def _domain_of(host: str) -> str:
    """A mail domain that the server may have: the name's parent, or the address as a literal (RFC 5321, 4.1.3)."""
    if ":" in host:
        return f"[IPv6:{host}]"
    if host.replace(".", "").isdigit():
        return f"[{host}]"
    return host.partition(".")[2] or host


def ports_in(text: str) -> tuple[int, ...]:
    """The ports of a list such as '465, 587'.

    Raises:
        UsageError: one of them is no port.
    """
    words = text.replace(",", " ").split()
    for word in words:
        if not word.isdecimal() or not 1 <= int(word) <= 65535:
            raise UsageError(f"'{word}' is no port", "ports", "give numbers such as '465, 587', or nothing")
    return tuple(map(int, words))


def open_by_name(
    notebook: str, title: str, name: str, resolver: str, ports: str, reason: str
) -> ServerByName:
    """Begin the record of a server that is known by name only. Nothing is asked yet."""
    target = target_of(name, resolver, ports_in(ports))
    record = records.Record.begin(
        records.root(),
        records.current_run(),
        records.folder_of(target.name),
        notebook,
        title=title,
        mode="plan",
        reason=reason,
        operator=records.operator(),
        lab=False,
        facts={"server": target.name, "ports": ", ".join(map(str, target.ports))},
        inventory_sha256="",
    )
    return ServerByName(target.name, Survey(target), record)
