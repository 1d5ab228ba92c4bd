"""Renewal by itself: what is due is planned, judged by its values, and made; a host with anything else stays as is."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from runbook_lib import places
from runbook_lib.afterwards import due
from runbook_lib.afterwards.due import Due
from runbook_lib.batch import approval
from runbook_lib.batch.order import Order
from runbook_lib.batch.results import BatchResult, HostResult
from runbook_lib.batch.rollout import Watch
from runbook_lib.errors import RunbookError
from runbook_lib.families.chapters import FAMILY_OF_CHAPTER
from runbook_lib.inventory import Inventory, calendar
from runbook_lib.records import approvals, root, run_id, signing, standing
from runbook_lib.records.approvals import Binding, Given, Lasting
from runbook_lib.records.planned import Document, OfHost
from runbook_lib.remote import many

_SIGNING = "12-signing"
CHAPTERS = frozenset(
    {"11-key-and-csr", _SIGNING, *FAMILY_OF_CHAPTER}
)  # those that make, sign and serve a certificate


@dataclass(frozen=True)
class Told:
    """What is said of a host on which nothing was made.

    Args:
        is_well: nobody has to do anything about it.
    """

    text: str
    is_well: bool


@dataclass(frozen=True)
class Renewed:
    """What became of each host.

    Args:
        told: host to what is said of it, where nothing was made.
        plan: the run that planned what was due; None: nothing was, so there is none.
        runs: those that made it; one for all hosts that the same people let renew.
    """

    told: dict[str, Told]
    plan: BatchResult | None = None
    runs: tuple[BatchResult, ...] = ()

    @property
    def exit_code(self) -> int:
        """0: what is due was made, or has to wait for the calendar, on every host; else 1."""
        kept = self.plan is None or not self.plan.problem
        made = all(run.exit_code == 0 for run in self.runs)
        return 0 if kept and made and all(one.is_well for one in self.told.values()) else 1


def renew(
    inventory: str,
    watch: Watch,
    *,
    hosts: Sequence[str] = (),
    workers: int | None = None,
    notebooks: Path = places.NOTEBOOKS,
    next_options: str = "",
) -> Renewed:
    """Renew what is due, and do nothing else. Where nothing is due, there is no run.

    A host stays as it is where anything else would have to be made on it, too; and, where the site wants approvals,
    unless as many people signed a standing approval of it.

    Args:
        inventory: name or path.
        hosts: empty: every host of the inventory.
        workers: hosts at work at the same time; None: what is safe.
        next_options: what the command to type next needs too, as "--inventory FILE".
    Raises:
        InventoryError, UsageError, SecretUnusable, RecordError, RecordNotWritten: as `Order.carry_out`.
        RecordNotSigned: a signature is required, or who the operator is has to be known, and no key says so.
        ApplyRefused: a host's calendar has closed since this began.
    """
    run = run_id(datetime.now(UTC))  # first: what is made by the plan has a later one
    order = Order(
        "plan",
        inventory,
        hosts,
        workers=workers,
        next_options=next_options,
        notebooks=notebooks,
        chapters=CHAPTERS,
    )
    ground = order.read()
    book = ground.book
    signing.refuse_unsigned(root())
    lasting = approvals.lasting(root())
    names = list(dict.fromkeys(hosts or book.hosts))
    told = _waiting(book, names)
    for host, found in many.look_at_each(
        [book.host(name) for name in names if name not in told], lambda host: due.look(book, host)
    ):
        if said := _why_not(host.name, found, lasting):
            told[host.name] = said
    wanting = [name for name in names if name not in told]
    if not wanting:
        return Renewed(_in_order(told, names))
    order = replace(order, hosts=wanting, ground=ground, reason=f"renewed by itself, {run}")
    planned = replace(order, run=run).carry_out(watch)
    if planned.problem:
        return Renewed(_in_order(told, names), planned)
    document = approval.decided(root() / run)
    groups: dict[tuple[Given, ...], list[str]] = {}
    for one in planned.hosts:
        judged = _judged(one, document.hosts[one.host], lasting)
        if isinstance(judged, Told):
            told[one.host] = judged
        else:
            groups.setdefault(judged, []).append(one.host)
    runs: list[BatchResult] = []
    for given, there in groups.items():
        bound = Binding(_part(document, there), given, by_operator=False, is_enough=True)
        apply = replace(order, hosts=there).to_apply(bound)
        another = run_id(datetime.now(UTC)) if runs else None
        runs.append(replace(apply, run=another).carry_out(watch))
    return Renewed(_in_order(told, names), planned, tuple(runs))


def _waiting(book: Inventory, names: Sequence[str]) -> dict[str, Told]:
    """The hosts on which nothing may be changed now, by their calendars."""
    now = datetime.now(UTC)
    days = {name: calendar.of(book.site, book.host(name)) for name in names}
    return {name: Told(of.told(now), is_well=True) for name, of in days.items() if of.closed(now)}


def _why_not(host: str, found: Due | RunbookError, lasting: Lasting) -> Told | None:
    """Why nothing is planned for a host; None where it is."""
    if isinstance(found, RunbookError):
        return Told(f"not looked at\n{found}", is_well=False)
    if not found.why:
        none = "nothing to renew by itself: no certificate is there that the own CA signed"
        return Told("nothing is due" if found.has_ours else none, is_well=True)
    if found.against:
        return _refused(found.against, due=found.why)
    if not approvals.are_enough(lasting.on(host), lasting.wanted):
        there = f"{len(lasting.on(host))} of {lasting.wanted.approvals}"
        lines = (
            f"the site wants approvals, and there are {there} standing ones of this host",
            *lasting.against,
        )
        return _refused(*lines, due=found.why)
    return None


def _judged(found: HostResult, planned: OfHost, lasting: Lasting) -> tuple[Given, ...] | Told:
    """By which standing approvals what was planned for a host may be made; or why it is not."""
    if found.state != "planned":
        return _refused("it could not be planned to the end", found.told())
    waits = tuple(_waits_for_people(found))
    if not (waits or found.sum("changes_planned")):
        return Told("nothing is to be done", is_well=True)
    against: tuple[str, ...] = ()
    for given in (lasting.on(found.host), lasting.on(found.host, new_key=True)):
        if not approvals.are_enough(given, lasting.wanted):
            continue
        lines = standing.outside(planned, new_key=all(one.lets_new_key for one in given))
        if not (lines or waits):
            return given
        against = against or lines
    return _refused(*waits, *against)


def _waits_for_people(found: HostResult) -> Iterator[str]:
    """What of a plan is left to others, or waits for a decision: a reload would wait for it, too."""
    owners = dict.fromkeys(
        owner for one in found.chapters if one.chapter != _SIGNING for owner in one.left_to
    )
    if owners:
        yield f"lines are left to {' and '.join(owners)}"
    if open_places := dict.fromkeys(place for one in found.chapters for place in one.open_decisions):
        yield f"a person has to decide about {'; '.join(open_places)}"


def _refused(*lines: str, due: Sequence[str] = ()) -> Told:
    told = (*(f"due: {why}" for why in due), *lines)
    indented = "\n".join(f"    {line}" for text in told for line in text.splitlines())
    return Told(f"refused, nothing was changed there\n{indented}", is_well=False)


def _part(document: Document, hosts: Sequence[str]) -> Document:
    """What is planned for some of the hosts: a run is bound to nothing beside what it makes."""
    return Document.of(
        {name: document.hosts[name] for name in hosts},
        inventory=document.inventory,
        commit=document.commit,
        library=document.library,
        chapters=document.chapters,
        parameters=document.parameters,
    )


def _in_order(told: dict[str, Told], names: Sequence[str]) -> dict[str, Told]:
    return {name: told[name] for name in names if name in told}
