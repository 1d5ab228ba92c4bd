"""`runbook status`: how each host stands at this moment, and what needs a person."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from runbook_lib.cli import inventories
from runbook_lib.cli.options import (
    AtOnce,
    DocumentByLines,
    Hosts,
    Inventory,
    Json,
    page_width,
    say,
    say_beside,
)
from runbook_lib.errors import RunbookError, UsageError

if TYPE_CHECKING:  # SSH and X.509 are slow to import for a `--help`
    from runbook_lib.afterwards.monitored import Seen
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

CriticalDays = Annotated[
    int,
    typer.Option("--critical-days", min=0, help="With --nagios: what ends within so many days is critical."),
]
Nagios = Annotated[
    bool,
    typer.Option(
        "--nagios",
        help="One line with performance data for Nagios and its like; ends with 0 OK, 1 WARNING, 2 CRITICAL or "
        "3 UNKNOWN.",
    ),
]
TextFile = Annotated[
    Path | None,
    typer.Option(
        "--textfile",
        metavar="FILE.prom",
        help="Write metrics for Prometheus' node exporter there, in place of a result; ends with 0 once it is written.",
    ),
]
_UNKNOWN = 3  # by the Monitoring Plugins' guidelines, also for options that are wrong


class StatusCommand(TyperCommand):
    """The command; as a plugin it ends with UNKNOWN where its options are wrong, not with what means CRITICAL."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        as_plugin = "--nagios" in args
        try:
            return super().parse_args(ctx, args)
        except typer.TyperException as error:
            if as_plugin:
                error.exit_code = _UNKNOWN
            raise


def status(
    inventory: Inventory = None,
    host: Hosts = None,
    as_json: Json = False,
    days: Days = None,
    nagios: Nagios = False,
    critical_days: CriticalDays = 7,
    textfile: TextFile = None,
    workers: AtOnce = None,
) -> None:
    """Say how each host stands: what ends when, disk against port, what was changed since, what is at work.

    Touches nothing. Each host is told as soon as it is known. Ends with 1 where something needs a person within the
    days, or a host could not be asked.
    """
    from runbook_lib.afterwards import monitored

    look = _Look(inventory, host, days, workers)
    if nagios:
        raise typer.Exit(_as_plugin(look, critical_days, others=as_json or textfile is not None))
    if textfile is not None:
        if as_json:
            raise UsageError("cannot be given together", "--json, --textfile", "choose one of them")
        monitored.refuse_text_file(textfile)
        seen = look.seen()
        monitored.write_text_file(textfile, monitored.prometheus(seen, datetime.now(UTC)))
        return
    if as_json:
        document = DocumentByLines({"format": 1}, "hosts", keyed=True)
        seen = look.seen(lambda one: document.add(_as_data(one), one.host), say_beside)
        document.end({"ca": _with_needs(asdict(seen.ca), seen.ca.needs), "failures": {
            name: str(error) for name, error in seen.failures.items()
        }})  # fmt: skip
    else:
        option = inventories.as_option(inventory)
        seen = look.seen(lambda one: say("\n".join(_told(one, option))), say_beside)
        say("\n".join(_told_of_all(seen)))
    code = max((failure.exit_code for failure in seen.failures.values()), default=1 if seen.needed else 0)
    if code:
        raise typer.Exit(code)


def _as_plugin(look: "_Look", critical_days: int, *, others: bool) -> int:
    from runbook_lib.afterwards import monitored

    try:
        if others:
            raise UsageError("is alone", "--nagios", "leave out --json and --textfile")
        state, line = monitored.nagios(look.seen(), critical_days)
    except RunbookError as error:
        say(monitored.unknown(error))
        return _UNKNOWN
    say(line)
    return state


@dataclass(frozen=True)
class _Look:
    """What a person asked to be looked at; `seen` looks at hosts and CA, once for whatever form it is told in."""

    inventory: str | None
    hosts: list[str] | None
    days: int | None
    workers: int | None

    def seen(
        self,
        tell: "Callable[[Overview], None]" = lambda _: None,
        complain: "Callable[[str], None]" = lambda _: None,
    ) -> "Seen":
        """Look; every host is told as soon as it is known, and all of them come in the inventory's order.

        Args:
            complain: told why a host could not be looked at.
        """
        from runbook_lib.afterwards import overview
        from runbook_lib.afterwards.monitored import Seen
        from runbook_lib.cli.looking import told_while_looking
        from runbook_lib.site_ca.standing import look_at_ca

        book = inventories.chosen(self.inventory)
        targets = [book.host(name) for name in dict.fromkeys(self.hosts or book.hosts)]
        failures: dict[str, RunbookError] = {}
        found: dict[str, Overview] = {}
        for target, seen in told_while_looking(
            targets, lambda host: overview.look(book, host, self.days), self.workers
        ):
            if isinstance(seen, RunbookError):
                failures[target.name] = seen
                complain(str(seen))
            else:
                tell(seen)
                found[target.name] = seen
        each = [one for target in targets for one in target.by_certificate]
        limit = self.days if self.days is not None else max(one.certificate.renew_days for one in each)
        longest = max(
            (one.certificate.valid_days for one in each if not one.certificate.is_public), default=0
        )
        return Seen(
            tuple(found[one.name] for one in targets if one.name in found),
            {one.name: failures[one.name] for one in targets if one.name in failures},
            look_at_ca(book.site, limit, longest),
        )


def _as_data(one: "Overview") -> dict[str, object]:
    told = _with_needs(asdict(one), one.needs)
    del told["host"]
    if not one.further_serials:  # of one certificate it is told as it always was
        del told["further_serials"], told["further_days"]
        for port in told["ports"]:
            del port["purpose"], port["told_for"]
    standing = told.pop("standing")
    return {**standing, **told, "earliest": asdict(one.earliest) if one.earliest else None}


def _with_needs(told: dict[str, Any], needs: tuple[str, ...]) -> dict[str, Any]:
    del told["needed"]
    return {**told, "needs": needs}


def _told(one: "Overview", option: str) -> list[str]:
    standing = one.standing
    lines = [f"{one.host}: {standing.told}", f"    If you close the laptop now: {standing.if_left}."]
    if standing.last and not standing.last.is_back:
        words = ("runbook rollback", standing.last.run, "--host", one.host, option)
        lines.append(f"    To put it back, here: {' '.join(words).rstrip()}")
        lines.append(f"    on the host, without us: {standing.last.undo_command}")
    elif standing.last and _is_news(one.host, standing.last.run):
        words = ("runbook rollback", standing.last.run, "--host", one.host, option)
        lines.append("    The record here does not say so yet, nor the CA's ledger what is withdrawn by it;")
        lines.append(f"    this writes both down, and changes nothing there: {' '.join(words).rstrip()}")
    lines += [f"    Changed since run {d.run}: {d.what} (left: {d.left}; now: {d.now})" for d in one.drift]
    return lines


def _told_of_all(seen: "Seen") -> list[str]:
    lines = ["", _table(seen.hosts, seen.ca).fitted(page_width())] if seen.hosts else []
    needs = [f"{name}: {need.what}" for name, need in seen.needed]
    lines.append("")
    if seen.failures:
        lines.append(f"Nothing is known of {', '.join(seen.failures)}. Apart from that:")
    lines += (
        ["A person is needed:", *(f"    {need}" for need in needs)] if needs else ["Nothing needs a person."]
    )
    return lines


def _is_news(host: str, run: str) -> bool:
    """Whether a run that was put back on a host has a record here which does not know it: undo.sh was typed there."""
    from runbook_lib.records import root, undone

    folder = root() / run
    return (folder / host).is_dir() and host not in undone.read(folder)


def _table(found: "tuple[Overview, ...]", ca: "CaStanding") -> "Table":
    from runbook_lib.display import Table
    from runbook_lib.inventory.purposes import MAIL

    rows: list[tuple[str, ...]] = []
    for one in found:
        for purpose in one.purposes:
            end = one.earliest_of(purpose)
            shown = [
                f"{port.port}{' not' if not port.serial or port.differs else ''}"
                for port in one.ports
                if port.purpose == purpose
            ]
            of_host = (str(len(one.drift)) if one.drift else "none", one.standing.holder or "nothing")
            rows.append(
                (
                    one.host if purpose == MAIL else f"{one.host} ({purpose})",
                    f"{end.at[:10]} ({end.days} days)" if end else "-",
                    end.what if end else "no certificate",
                    ", ".join(shown) or "-",
                    *(of_host if purpose == MAIL else ("", "")),
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
