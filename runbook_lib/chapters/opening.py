"""What every chapter begins with: parameters checked, connected, the host looked at; and its record and journal."""

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal, cast

from cryptography.x509 import Certificate

from runbook_lib import inventory, records, remote
from runbook_lib.chapters import parameters
from runbook_lib.errors import ApplyRefused, UsageError
from runbook_lib.families import Family, Release
from runbook_lib.families.known import ended, find, read
from runbook_lib.inventory import Host as InventoryHost
from runbook_lib.inventory import Inventory, calendar
from runbook_lib.inventory.lab_state import lab_state
from runbook_lib.mail.certificates.pins import Pins
from runbook_lib.mail.configuration.postconf import VERSION
from runbook_lib.messages import message
from runbook_lib.messages.words import worded
from runbook_lib.records import approved, origin, planned, policy, told
from runbook_lib.records.index import completed_run
from runbook_lib.remote import Fact
from runbook_lib.remote import Host as RemoteHost
from runbook_lib.remote.facts import FACTS
from runbook_lib.remote.journal import Journal

Mode = Literal["plan", "apply"]


@dataclass(frozen=True)
class Opened:
    """What every chapter begins with: inventory, host, connection, family, and whether it may change anything.

    `review_by` is until when an emergency that waits for no approval is to be reviewed. `pins` keeps what the DNS said
    of a certificate on port 25, so that a chapter asks once. `chosen_for` is a Postfix version to choose settings for
    in place of the host's own (tests alone). `maintenance` is how the host's calendar stands, '' where there is none;
    `emergency` is what an emergency passes over of it, '' where nothing.
    """

    inventory: Inventory
    host: InventoryHost
    remote: RemoteHost
    family: Family
    release: Release
    facts: dict[str, Fact]
    mode: Mode
    reason: str
    lab: bool
    maintenance: str = ""
    emergency: str = ""
    review_by: str | None = None
    pins: dict[tuple[Certificate, ...], Pins] = field(default_factory=dict)
    chosen_for: tuple[int, int] | None = None

    @property
    def system(self) -> str:
        """Family and release, for a person; of a system that is none of the family's own, also what it calls itself."""
        said = read(self.facts["os_release"].value)
        own = "" if said.get("ID") in self.family.os_release_ids else f" ({said.get('PRETTY_NAME')})"
        return f"{self.family.name} {self.release.version_id}{own}"

    @property
    def mode_in_words(self) -> str:
        """Plan or apply, and whether the host is one of the lab's."""
        mode = worded(self.mode)
        return message("{mode} (a lab host)", mode=mode) if self.lab else mode

    @property
    def selinux(self) -> str:
        """What getenforce says: Enforcing, Permissive, Disabled; '' where there is no SELinux at all."""
        fact = self.facts["selinux"]
        return fact.value if fact.status == 0 else ""

    @property
    def has_selinux(self) -> bool:
        """Whether SELinux is on, enforcing or permissive."""
        return self.selinux not in ("", "Disabled")

    @property
    def began_s(self) -> int:
        """When the chapter was opened: seconds since 1970 by the host's own clock."""
        return int(self.facts["time_utc"].value.partition(".")[0])


def open_host(
    notebook: str,
    known: frozenset[str],
    inventory_name: str,
    host_name: str,
    mode: str,
    reason: str,
    plan: str | None = None,
) -> Opened:
    """Check the parameters, speak the notebook's language, connect, and see what the host is. Touches nothing.

    Args:
        notebook: its stem.
        known: names of its own parameters beside the common ones.
        inventory_name: 'lab', 'site', or a path.
        mode: 'plan', 'apply', or '': apply on a lab host, plan on any other; 'emergency': apply, also while the
            host's calendar lets nothing be changed.
        reason: a ticket or why; apply on a host outside the lab demands it, and an emergency on any.
        plan: of a chapter that makes changes, the digest of the plan that it is bound to; '': of none, or the batch
            has bound it. None: the chapter changes nothing.
    """
    parameters.take(known if plan is None else known | {"plan"}, notebook)
    if mode not in ("", "plan", "apply", "emergency"):
        raise UsageError(
            message("mode is {mode}", mode=repr(mode)),
            notebook,
            message("give 'plan', 'apply', or nothing (apply in the lab, plan elsewhere)"),
        )
    is_emergency = mode == "emergency"
    if is_emergency and not reason:
        raise UsageError(
            message("an emergency needs a reason"),
            notebook,
            message("give reason='ticket or why'; it goes into the record"),
        )
    book = inventory.load(inventory_name)
    records.use(book)
    host = book.host(host_name)
    days, now = calendar.of(book.site, host), datetime.now(UTC)
    connected = remote.connect(book.site, host)
    facts = remote.gather(connected, {**FACTS, **VERSION})
    family, release = find(facts["os_release"].value, facts["package_managers"].value, host.name)
    _refuse_wrong_claim(host, family)
    lab = is_lab_host(connected, facts["lab_mark"].value)
    chosen = cast(Mode, "apply" if is_emergency else mode or ("apply" if lab else "plan"))
    connected.needed_root = {} if chosen == "plan" else None
    if chosen == "apply" and not lab and not reason:
        raise UsageError(
            message("apply on {host}, which is no lab host, needs a reason", host=host.name),
            notebook,
            message("give reason='ticket or why'; it goes into the record. mode='plan' needs none"),
        )
    if chosen == "apply" and not lab:
        _refuse_used_reason(host.name, reason, notebook)
    if chosen == "apply" and not is_emergency:
        _refuse_closed(host.name, days, now)
    if chosen == "apply":
        _refuse_past_its_end(host, facts["os_release"].value, release)
        _refuse_after_another_run(facts["runs"].value.split(), host.name)
    passed_over = days.closed(now) if is_emergency else ""
    review_by = None
    if chosen == "apply" and plan is not None:
        if plan and approved.bound() is None:
            _bind(plan, book, host.name, notebook, is_emergency=is_emergency)
        review_by = _review_by(host.name, now, is_emergency=is_emergency)
    return Opened(
        book, host, connected, family, release, facts, chosen, reason, lab, days.told(now), passed_over, review_by
    )  # fmt: skip


def _refuse_closed(host: str, days: calendar.Calendar, now: datetime) -> None:
    """Each chapter asks: one that is at work when a window closes comes to its end, and none begins after it."""
    if days.closed(now):
        raise ApplyRefused(
            days.told(now),
            host,
            message(
                "wait for that (runbook resume goes on with a run), or give mode='emergency' and a "
                "reason, which go on at once and stand in the record. mode='plan' does not wait, nor do "
                "runbook status and runbook rollback"
            ),
        )


def _bind(plan: str, book: Inventory, host: str, notebook: str, *, is_emergency: bool) -> None:
    """By hand: this process makes what a plan shows for the host, and nothing else."""
    from runbook_lib.records import (
        approvals,  # a batch has bound its chapters, and what tries keys is slow to import
    )

    _, document = planned.find(records.root(), plan)
    if document.inventory != book.digest:
        raise ApplyRefused(
            message("the inventory is no longer the one of the plan {plan}", plan=document.sha256[:16]),
            str(book.path),
            message("make another plan, and have that approved: runbook plan"),
        )
    if host not in document.hosts:
        raise UsageError(
            message("{host} is not in the plan {plan}", host=host, plan=document.sha256[:16]),
            notebook,
            message("give a plan of this host"),
        )
    run = records.current_run()
    bound = approvals.bind(records.root(), document, [host], [notebook], run=run, emergency=is_emergency)
    approved.bind(approved.Approved.of(document, bound.approval, is_enough=bound.is_enough)[host], bound)


def refuse_unapproved(host: str) -> None:
    """Refuse what the site wants to be approved first, and was not.

    Raises: ApplyRefused. Nothing was changed.
    """
    wanted, bound = policy.in_force(records.root()), approved.bound()
    if not (bound.is_enough if bound else wanted.approvals == 0):
        raise ApplyRefused(
            message(
                "this site wants a plan to be approved first, and this chapter is bound to none that was"
            ),
            host,
            message(
                "runbook plan, have that approved, and give plan='DIGEST'; or give mode='emergency' and "
                "a reason, which go on at once and stay open until they are reviewed. mode='plan' does "
                "not wait, nor does runbook rollback"
            ),
        )


def _review_by(host: str, now: datetime, *, is_emergency: bool) -> str | None:
    """Until when the run is to be reviewed, since it waits for no approval; None where it has what the site wants.

    Raises: ApplyRefused: it has not, and it is no emergency.
    """
    try:
        refuse_unapproved(host)
    except ApplyRefused:
        if not is_emergency:
            raise
        days = policy.in_force(records.root()).review_days
        return (now + timedelta(days=days)).isoformat(timespec="milliseconds")
    return None


def _refuse_wrong_claim(host: InventoryHost, family: Family) -> None:
    """What the inventory expects is compared with the host, never believed."""
    if host.family is not None and host.family != family.name:
        raise ApplyRefused(
            message(
                "the inventory says family: {claimed}, and the host is {family}",
                claimed=host.family,
                family=family.name,
            ),
            host.name,
            message("see whether the address leads to the host that was meant; else mend the inventory"),
        )


def _refuse_past_its_end(host: InventoryHost, os_release: str, release: Release) -> None:
    """A system without security fixes gets a plan, and changes only where a person took that into account."""
    system = read(os_release).get("ID", "")
    end = ended(os_release, release)
    if end and not host.past_its_end_is_known:
        raise ApplyRefused(
            message(
                "{system} has had no security fixes since {end}",
                system=read(os_release).get("PRETTY_NAME", system),
                end=end,
            ),
            host.name,
            message(
                "move the mail to a system that has them. Where that has to wait, past_its_end_is_known: "
                "true in the inventory lets changes be made; plan and verification work without it"
            ),
        )


def _refuse_used_reason(host: str, reason: str, notebook: str) -> None:
    """A saved notebook that is run again, with the reason of last time in it, changes no server."""
    run = completed_run(records.root(), host, reason)
    if run is not None and run != records.current_run():
        raise UsageError(
            message(
                "the reason {reason} is that of run {run}, which was applied to {host} and ended",
                reason=repr(reason),
                run=run,
                host=host,
            ),
            notebook,
            message("give this run a reason of its own, such as the ticket and what is new"),
        )


def _refuse_after_another_run(newest_first: list[str], host: str) -> None:
    """A run's later chapters build on its earlier ones, so nobody else may have changed the host between them."""
    run = records.current_run()
    if run in newest_first and newest_first[0] != run:
        raise ApplyRefused(
            message(
                "run {newest} changed this host after run {run}, which this chapter belongs to",
                newest=newest_first[0],
                run=run,
            ),
            host,
            message("begin a new run (a new kernel, without RUNBOOK_RUN): it looks at the host as it is now"),
        )


def _identity(opened: Opened) -> dict[str, str]:
    """Which machine this is. The machine's id itself is confidential (machine-id(5)): only a digest leaves the host."""
    machine = f"runbook {opened.facts['machine_id'].value}"
    return {
        "host_key": opened.remote.host_key.fingerprint,
        "machine": hashlib.sha256(machine.encode()).hexdigest(),
    }


def _refuse_another_machine(bound: approved.Approved, opened: Opened) -> None:
    is_ = _identity(opened)
    if (bound.host.host_key, bound.host.machine) != (is_["host_key"], is_["machine"]):
        raise ApplyRefused(
            message(
                "this is another machine than the one that was planned for as {plan}", plan=bound.plan[:16]
            ),
            opened.host.name,
            message(
                "see whether the address leads to the host that was meant; else make another plan: "
                "runbook plan"
            ),
        )


def _system(opened: Opened) -> dict[str, str]:
    """What the host calls itself, and what guards its files: a record must not pass for one of another system."""
    said = read(opened.facts["os_release"].value)
    found: dict[str, str] = {"system": said.get("PRETTY_NAME", "")}
    if opened.family.mta_program is not None:
        found["selinux"] = opened.selinux or message("not there: labels not tested")
        found["crypto_policy"] = opened.facts["crypto_policy"].value or message("none")
    if variant := said.get("VARIANT_ID"):
        found["variant"] = variant
    return found


def _maintenance(opened: Opened) -> dict[str, str]:
    return {"maintenance": opened.maintenance} if opened.maintenance else {}


def begin_record(
    opened: Opened, notebook: str, title: str, facts: dict[str, str]
) -> tuple[records.Record, Journal]:
    """The record of a chapter and the journal of its run; nothing is written on the host yet."""
    run = records.current_run()
    bound = approved.bound() if opened.mode == "apply" else None
    if bound:
        _refuse_another_machine(bound, opened)
    record = records.Record.begin(
        records.root(),
        run,
        opened.host.name,
        notebook,
        title=title,
        mode=opened.mode,
        reason=opened.reason,
        operator=records.operator(),
        lab=opened.lab,
        facts=_system(opened) | facts | _identity(opened) | _maintenance(opened),
        emergency=opened.emergency,
        approval=bound.approval if bound else None,
        review_by=opened.review_by,
        inventory_sha256=opened.inventory.digest,
    )
    if opened.mode == "apply" and not origin.chapters_of_run():  # a batch did so when it began
        policy.note(records.root())
        approved.spend(records.root(), run, opened.host.name, notebook)
    return record, Journal(
        opened.remote, run, records.operator(), opened.reason, notebook, told.anchor(records.root(), run)
    )


def is_lab_host(host: RemoteHost, mark: str) -> bool:
    """Whether a host is one of the lab's: it is proven, never claimed by an inventory.

    The lab's state file of this checkout holds the host's SSH key, and the host carries the same lab id.

    Args:
        mark: what stands in the host's /etc/runbook-lab.
    """
    state = lab_state()
    if state is None:
        return False
    key = " ".join(host.host_key.line.split()[-2:])
    known = {" ".join(line.split()[:2]) for entry in state["hosts"].values() for line in entry["host_keys"]}
    if key not in known:
        return False
    return mark.strip() == str(state["lab_id"])
