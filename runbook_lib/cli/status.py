"""`runbook status`: how each host stands at this moment, and what needs a person."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from runbook_lib.cli import inventories
from runbook_lib.cli.options import Hosts, Inventory, Json, page_width, say, say_beside, say_document
from runbook_lib.errors import RunbookError

if TYPE_CHECKING:  # SSH and X.509 are slow to import for a `--help`
    from runbook_lib.afterwards.overview import Overview
    from runbook_lib.display import Table
    from runbook_lib.site_ca.standing import CaStanding

Days = Annotated[
    int | None,
    typer.Option(
        "--days",
        min=0,
        help="What ends within so many days needs a person; without it the inventory's renew_days.",
    ),
]


def status(inventory: Inventory = None, host: Hosts = None, as_json: Json = False, days: Days = None) -> None:
    """Say how each host stands: what ends when, disk against port, what was changed since, what is at work.

    Touches nothing. Ends with 1 where something needs a person within the days, or a host could not be asked.
    """
    from runbook_lib.afterwards import overview
    from runbook_lib.site_ca.standing import look_at_ca

    book = inventories.chosen(inventory)
    failures: list[RunbookError] = []
    found: list[Overview] = []
    targets = [book.host(name) for name in host or book.hosts]
    for target in targets:
        try:
            found.append(overview.look(book, target, days))
        except RunbookError as error:
            failures.append(error)
    limit = days if days is not None else max(target.certificate.renew_days for target in targets)
    longest = max(
        (host.certificate.valid_days for host in targets if not host.certificate.is_public), default=0
    )
    ca = look_at_ca(book.site, limit, longest)
    if as_json:
        say_document(_as_data(found, ca))
    else:
        say("\n".join(_told(found, ca, inventories.as_option(inventory))))
    for failure in failures:
        say_beside(str(failure))
    needs = any((*ca.needs, *(one.needs for one in found)))
    code = max((failure.exit_code for failure in failures), default=1 if needs else 0)
    if code:
        raise typer.Exit(code)


def _as_data(found: "list[Overview]", ca: "CaStanding") -> dict[str, object]:
    hosts = {}
    for one in found:
        told = asdict(one)
        del told["host"]
        hosts[one.host] = (
            told.pop("standing") | told | {"earliest": asdict(one.earliest) if one.earliest else None}
        )
    return {"format": 1, "hosts": hosts, "ca": asdict(ca)}


def _told(found: "list[Overview]", ca: "CaStanding", option: str) -> list[str]:
    lines = []
    for one in found:
        standing = one.standing
        lines.append(f"{one.host}: {standing.told}")
        lines.append(f"    If you close the laptop now: {standing.if_left}.")
        if standing.last and not standing.last.is_back:
            words = ("runbook rollback", standing.last.run, "--host", one.host, option)
            lines.append(f"    To put it back, here: {' '.join(words).rstrip()}")
            lines.append(f"    on the host, without us: {standing.last.undo_command}")
        elif standing.last and _is_news(one.host, standing.last.run):
            words = ("runbook rollback", standing.last.run, "--host", one.host, option)
            lines.append(
                "    The record here does not say so yet, nor the CA's ledger what is withdrawn by it;"
            )
            lines.append(f"    this writes both down, and changes nothing there: {' '.join(words).rstrip()}")
        lines += [
            f"    Changed since run {d.run}: {d.what} (left: {d.left}; now: {d.now})" for d in one.drift
        ]
    if found:
        lines += ["", _table(found, ca).fitted(page_width())]
    needs = [f"{one.host}: {need}" for one in found for need in one.needs] + [
        f"CA: {need}" for need in ca.needs
    ]
    lines.append("")
    lines += (
        ["A person is needed:", *(f"    {need}" for need in needs)] if needs else ["Nothing needs a person."]
    )
    return lines


def _is_news(host: str, run: str) -> bool:
    """Whether a run that was put back on a host has a record here which does not know it: undo.sh was typed there."""
    from runbook_lib.records import root, undone

    folder = root() / run
    return (folder / host).is_dir() and host not in undone.read(folder)


def _table(found: "list[Overview]", ca: "CaStanding") -> "Table":
    from runbook_lib.display import Table

    rows = []
    for one in found:
        end = one.earliest
        shown = [f"{port.port}{' not' if not port.serial or port.differs else ''}" for port in one.ports]
        rows.append(
            (
                one.host,
                f"{end.at[:10]} ({end.days} days)" if end else "-",
                end.what if end else "no certificate",
                ", ".join(shown) or "-",
                str(len(one.drift)) if one.drift else "none",
                one.standing.holder or "nothing",
            )
        )
    for root in ca.roots:
        rows.append(
            (
                "CA",
                f"{root.at[:10]} ({root.days} days)",
                f"root {root.generation}, {root.name}: {root.state}",
                "",
                "",
                "",
            )
        )
    for crl in ca.crls:
        rows.append(
            (
                "CA",
                f"{crl.next_update[:10]} ({crl.days} days)",
                f"CRL {crl.number} of root {crl.root}",
                "",
                "",
                "",
            )
        )
    columns = ("host", "earliest end", "of", "ports that show the file", "changed since", "at work")
    return Table(columns, rows, "")
