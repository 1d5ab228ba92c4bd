"""Notebook 90 and `runbook verify`: every claim, from outside, without a change."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import ClassVar

from runbook_lib import display
from runbook_lib.chapters import parameters
from runbook_lib.chapters.asking import survey_of
from runbook_lib.chapters.by_name import ServerByName, open_by_name, target_of
from runbook_lib.chapters.chapter import worst
from runbook_lib.chapters.opening import begin_record, open_host
from runbook_lib.chapters.resting import RestingChapter
from runbook_lib.mail.probes import CLAIMS, Row, Survey, Verdict

NOTEBOOK = "90-verification"
BY_NAME = frozenset({"name", "ports", "resolver"})
TITLE = "Verification from outside · 外からの検証"


@dataclass(repr=False)
class Verification(RestingChapter):
    """Asks; changes nothing, so nothing is put back."""

    reads_only: ClassVar[bool] = True


def open(  # noqa: A001 - a cell reads `verification.open(…)`
    inventory: str,
    host: str,
    mode: str = "",
    reason: str = "",
    name: str = "",
    ports: str = "",
    resolver: str = "",
) -> Verification | ServerByName:
    """Open the chapter on a host, or on any server by its name. Nothing is changed, in any mode.

    Args:
        inventory, host, mode, reason: as in every chapter.
        name: a server's name or address. It is then asked without inventory, SSH and password, and `host` is not.
        ports: with `name`: the ports to ask, as '465, 587'; empty: 25, 465 and 587.
        resolver: with `name`: address of the DNS server to ask; empty: the system's.
    """
    if name:
        parameters.check(parameters.of_this_notebook(), parameters.COMMON | BY_NAME, NOTEBOOK)
        return open_by_name(NOTEBOOK, TITLE, name, resolver, ports, reason)
    opened = open_host(NOTEBOOK, BY_NAME, inventory, host, mode, reason)
    account = opened.host.check_account
    rows = [
        ("host", f"{opened.host.name}, {opened.system}"),
        ("asked by the name", opened.host.names.smtp),
        ("ports", ", ".join(map(str, (25, *opened.host.submission.ports)))),
        ("account for checks", account.user if account else "none in the inventory: logins are not tested"),
    ]
    record, journal = begin_record(opened, NOTEBOOK, TITLE, dict(rows))
    return Verification(NOTEBOOK, TITLE, opened, record, journal, display.Table(("", ""), rows))


def verify_host(inventory_name: str, host_name: str, ports: Sequence[int] = ()) -> list[Row]:
    """Every claim about a host of the inventory, with SSH for what only the host can tell. Changes nothing.

    Args:
        inventory_name: 'lab', 'site', or a path.
        host_name: a host of it.
        ports: the ports to ask; none: 25 and those where the inventory has users submit mail.
    """
    opened = open_host(NOTEBOOK, frozenset(), inventory_name, host_name, "plan", "")
    return _all(survey_of(opened, ports))


def verify_name(name: str, resolver: str | None = None, ports: Sequence[int] = ()) -> list[Row]:
    """Every claim that needs neither SSH nor an account, about any server. Sends no password at all.

    Args:
        name: what its users type, or the server's address: then what needs the name could not be tested.
        resolver: address of the DNS server to ask; None: the system's.
        ports: the ports to ask; none: 25, 465 and 587.
    Raises:
        UsageError: the name cannot be one, or the resolver is no address.
    """
    return _all(Survey(target_of(name, resolver, ports)))


def _all(survey: Survey) -> list[Row]:
    return [row for claim in CLAIMS for row in claim(survey)]


def shown(rows: Sequence[Row]) -> display.Text:
    """The rows for a terminal: each claim under its verdict, then what was seen.

    What several ports or addresses have in common is said once, and so is a reason why several claims in a row could
    not be tested. Where something is wrong, the command that repeats it stands below.
    """
    claims = [(claim, list(asked)) for claim, asked in groupby(rows, key=lambda row: row.claim)]
    lines = []
    for told, together in groupby(claims, key=lambda claim: _told(claim[1])):
        lines += [f"{worst(asked)!s:<14}  {claim}" for claim, asked in together]
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
        families = " and ".join(
            dict.fromkeys("IPv6" if ":" in row.address else "IPv4" for row in alike if row.address)
        )
        place = " over ".join(part for part in (ports, families) if part)
        # The claim stands under its worst row's verdict; a row that came out better says so.
        apart = "" if verdict is worst(rows) else f" ({verdict})"
        lines.append(f"{place}: {words}{apart}" if place else f"{words}{apart}")
        if verdict is Verdict.FAIL and alike[0].command:
            lines.append(f"by hand: {alike[0].command}")
    return tuple(lines)
