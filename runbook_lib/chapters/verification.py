"""Notebook 90 and `runbook verify`: every claim, from outside, without a change."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import ClassVar

from runbook_lib import display, inventory, records, warned
from runbook_lib.chapters import parameters, progress
from runbook_lib.chapters.answers import over, table_of
from runbook_lib.chapters.asking import survey_of
from runbook_lib.chapters.chapter import measured, sealed_by_hand, worst
from runbook_lib.chapters.depends_on_postfix import DependsOnPostfix
from runbook_lib.chapters.opening import begin_record, open_host
from runbook_lib.errors import UsageError
from runbook_lib.mail.probes import CLAIMS, Row, Survey, Target, Verdict, asked
from runbook_lib.messages import message
from runbook_lib.x509 import trusted_roots

NOTEBOOK = "90-verification"
ON_REQUEST = message("it counts against the account, so it is sent on request alone (--wrong-password)")
BY_NAME = frozenset({"name", "ports", "resolver", "root"})
TITLE = "Verification from outside · 外からの検証"


@dataclass(repr=False)
class Verification(DependsOnPostfix):
    """Asks; changes nothing, so nothing is put back."""

    reads_only: ClassVar[bool] = True
    # What others changed meanwhile is seen here, whatever an earlier chapter of the batch has just seen.
    asks_itself: ClassVar[bool] = True


@dataclass(repr=False)
class ServerByName(display.Shown):
    """A server of which only the name is known, asked one claim a cell: no inventory, no SSH, no password, no change.

    A claim that fails is shown and stops nothing: there is nothing to put back.
    """

    name: str
    survey: Survey
    record: records.Record
    _rows: list[Row] = field(default_factory=list)

    def _shown(self) -> display.Table:
        rows = [
            (message("server"), self.name),
            (message("ports"), ", ".join(map(str, self.survey.target.ports))),
            (message("asked with"), message("its name alone: no inventory, no SSH, no password")),
        ]
        return display.Table(("", ""), rows)

    def text(self) -> str:
        return self._shown().text()

    def html(self) -> str:
        return self._shown().html()

    def ask(self, claim: Callable[[Survey], list[Row]]) -> display.Shown:
        """Ask one claim of `runbook_lib.mail.probes`; keep its rows in the record."""
        told = claim.__name__.replace("_", " ")
        with progress.shown(told):
            rows = asked(self.survey, claim)
        told = rows[0].claim if rows else told  # about a port that is not asked
        self._rows = [
            row for row in self._rows if row.claim != told
        ] + rows  # asked again: the last one counts
        self.record.add_verify(told, [asdict(row) for row in rows], str(worst(rows)))
        return table_of(rows)

    def summary(self) -> display.Table:
        """What was measured; the record is complete with it."""
        rows = [
            (message("changed"), message("nothing: this chapter only asks")),
            (message("verified"), measured(self._rows)),
        ]
        table = display.Table(("", ""), rows)
        self.record.finish("planned", table)
        sealed_by_hand(self.record)
        return table


def target_of(
    name: str, resolver: str | None = None, ports: Sequence[int] = (), root: Path | None = None
) -> Target:
    """What to ask of a server that is known by name only.

    Args:
        name: what its users type, or the server's address: then what needs the name could not be tested.
        resolver: address of the DNS server to ask; None: the system's.
        ports: the ports to ask; none: 25, 465 and 587.
        root: a file with the root certificates (PEM) that the server's users trust; None: the system's.
    Raises:
        UsageError: the name cannot be one, the resolver is no address, or the file has no certificate to trust.
    """
    try:
        host = inventory.address(name)
    except ValueError as error:
        raise UsageError(
            f"'{name}' {error}", message("the name"), message("give the name that users type")
        ) from None
    try:
        server = inventory.ip_address(resolver) if resolver else None
    except ValueError as error:
        raise UsageError(
            f"'{resolver}' {error}", message("the resolver"), message("give the DNS server's address")
        ) from None
    target = Target(name=host, domain=_domain_of(host), resolver=server)
    if root is not None:
        target = replace(
            target, ca_pem=trusted_roots.in_file(root, "give the root that users trust"), ca_file=str(root)
        )
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
            raise UsageError(
                message("'{word}' is no port", word=word),
                "ports",
                message("give numbers such as '465, 587', or nothing"),
            )
    return tuple(map(int, words))


@progress.shown(progress.OPENING)
def open(  # noqa: A001 - a cell reads `verification.open(…)`
    inventory: str,
    host: str,
    mode: str = "",
    reason: str = "",
    name: str = "",
    ports: str = "",
    resolver: str = "",
    root: str = "",
) -> Verification | ServerByName:
    """Open the chapter on a host, or on any server by its name. Nothing is changed, in any mode.

    Args:
        inventory, host, mode, reason: as in every chapter.
        name: a server's name or address. It is then asked without inventory, SSH and password, and `host` is not.
        ports: with `name`: the ports to ask, as '465, 587'; empty: 25, 465 and 587.
        resolver: with `name`: address of the DNS server to ask; empty: the system's.
        root: with `name`: a file with the root certificate that the server's users trust; empty: the system's roots.
    """
    if name:
        parameters.take(BY_NAME, NOTEBOOK)
        target = target_of(name, resolver, ports_in(ports), Path(root) if root else None)
        return ServerByName(target.name, Survey(target), _record_by_name(target, reason))
    opened = open_host(NOTEBOOK, BY_NAME, inventory, host, mode, reason)
    account = opened.host.check_account
    logs_in = account.user if account else message("none in the inventory: logins are not tested")
    rows: list[tuple[str, str]] = [
        (message("host"), f"{opened.host.name}, {opened.system}"),
        (message("asked by the name"), opened.host.names.smtp),
        (message("ports"), ", ".join(map(str, (25, *opened.host.submission.ports)))),
        (message("account for checks"), logs_in),
    ]
    record, journal = begin_record(opened, NOTEBOOK, TITLE, dict(rows))
    return Verification(NOTEBOOK, TITLE, opened, record, journal, display.Table(("", ""), rows))


def _record_by_name(target: Target, reason: str) -> records.Record:
    return records.Record.begin(
        records.root(),
        records.current_run(),
        records.folder_of(target.name),
        NOTEBOOK,
        title=TITLE,
        mode="plan",
        reason=reason,
        operator=records.operator(),
        lab=False,
        facts={"server": target.name, "ports": ", ".join(map(str, target.ports))},
        inventory_sha256="",
    )


def verify_host(
    inventory_name: str,
    host_name: str,
    ports: Sequence[int] = (),
    *,
    wrong_password: bool = False,
    keep: bool = False,
) -> list[Row]:
    """Every claim about a host of the inventory, with SSH for what only the host can tell. Changes nothing.

    Args:
        inventory_name: 'lab', 'site', or a path.
        host_name: a host of it.
        ports: the ports to ask; none: 25 and those where the inventory has users submit mail.
        wrong_password: whether one wrong password of the account for checks is sent, which may count against it.
        keep: whether it leaves a record, as notebook 90 does; it is not sealed yet.
    """
    opened = open_host(NOTEBOOK, frozenset(), inventory_name, host_name, "plan", "")
    record = None
    if keep:
        record, _ = begin_record(
            opened, NOTEBOOK, TITLE, {"ports": ", ".join(map(str, ports)) or message("all")}
        )
    return _kept(record, _all(survey_of(opened, ports, unasked="" if wrong_password else ON_REQUEST)))


def verify_name(
    name: str,
    resolver: str | None = None,
    ports: Sequence[int] = (),
    root: Path | None = None,
    *,
    keep: bool = False,
) -> list[Row]:
    """Every claim that needs neither SSH nor an account, about any server. Sends no password at all.

    Args:
        name: what its users type, or the server's address: then what needs the name could not be tested.
        resolver: address of the DNS server to ask; None: the system's.
        ports: the ports to ask; none: 25, 465 and 587.
        root: a file with the root certificates (PEM) that the server's users trust; None: the system's.
        keep: as `verify_host` has it.
    Raises:
        UsageError: the name cannot be one, the resolver is no address, or the file has no certificate to trust.
    """
    target = target_of(name, resolver, ports, root)
    return _kept(_record_by_name(target, "") if keep else None, _all(Survey(target)))


def _kept(record: records.Record | None, rows: list[Row]) -> list[Row]:
    """The rows; they are in the record by then."""
    if record:
        for claim, asked in groupby(rows, key=lambda row: row.claim):
            of_claim = list(asked)
            record.add_verify(claim, [asdict(row) for row in of_claim], str(worst(of_claim)))
        record.finish("planned", measured(rows))
    return rows


def is_reached(rows: Sequence[Row]) -> bool:
    """Whether anything was learned of a server: with no port that answered, nothing was, and that is no success."""
    return any(row.port is not None and row.verdict in (Verdict.PASS, Verdict.FAIL) for row in rows)


def _all(survey: Survey) -> list[Row]:
    return [row for claim in CLAIMS for row in asked(survey, claim)]


def shown(rows: Sequence[Row]) -> display.Text:
    """The rows for a terminal: each claim under its verdict, then what was seen.

    What several ports or addresses have in common is said once, and so is a reason why several claims in a row could
    not be tested. Where something is wrong, the command that repeats it stands below.
    """
    claims = [(claim, list(asked)) for claim, asked in groupby(rows, key=lambda row: row.claim)]
    lines = []
    for told, together in groupby(claims, key=lambda claim: _told(claim[1])):
        lines += [
            f"{warned.told(worst(asked), (row.seen for row in asked)):<14}  {claim}"
            for claim, asked in together
        ]
        lines += [f"{'':<16}  {line}" for line in told]
    clients = sorted({row.client for row in rows} - {"", "-"})
    seen_as = [client for client in clients if not client.startswith("own: ")]
    if seen_as:
        lines += ["", f"The server saw these questions come from {', '.join(seen_as)}."]
    elif clients:
        own = ", ".join(client.removeprefix("own: ") for client in clients)
        lines += ["", f"Asked from {own}; what the server saw is known to the server alone."]
    return display.Text("\n".join(lines))


def _told(rows: Sequence[Row]) -> tuple[str, ...]:
    lines: list[str] = []
    for seen in dict.fromkeys((row.verdict, row.seen) for row in rows):
        alike = [row for row in rows if (row.verdict, row.seen) == seen]
        verdict, words = seen
        ports = ", ".join(dict.fromkeys(str(row.port) for row in alike if row.port is not None))
        families = over(row.address for row in alike if row.address)
        place = " over ".join(part for part in (ports, families) if part)
        # The claim stands under its worst row's verdict; a row that came out better says so.
        apart = "" if verdict is worst(rows) else f" ({verdict})"
        lines.append(f"{place}: {words}{apart}" if place else f"{words}{apart}")
        if verdict is Verdict.FAIL and alike[0].command:
            lines.append(f"by hand: {alike[0].command}")
    return tuple(lines)
