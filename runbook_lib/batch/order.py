"""What a person orders: chapters on hosts, checked whole before anything is written or run."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from runbook_lib import inventory, places
from runbook_lib.batch import approval
from runbook_lib.batch.job import Job
from runbook_lib.batch.notebooks import Notebook, find_notebooks, select
from runbook_lib.batch.parameters import given_parameters, refuse_secret
from runbook_lib.batch.results import BatchResult, HostResult, Mode
from runbook_lib.batch.rollout import Watch, roll_out
from runbook_lib.batch.written_order import WrittenOrder
from runbook_lib.errors import ApplyRefused, RecordError, RecordNotWritten, UsageError
from runbook_lib.inventory import Host as InventoryHost
from runbook_lib.inventory import Inventory, calendar, find
from runbook_lib.inventory.typed import apply_command, needs_reason
from runbook_lib.records import (
    approvals,
    current_run,
    origin,
    planned,
    policy,
    root,
    run_id,
    seal,
    signing,
    use,
)
from runbook_lib.records.approvals import Binding
from runbook_lib.records.approved import Approved
from runbook_lib.records.index import completed_run
from runbook_lib.records.planned import Document


@dataclass(frozen=True)
class Ground:
    """What decides a run, read once: nothing that is written into these files meanwhile changes what is done.

    Args:
        chapters: those of the order.
        library: digest of the library's files.
    """

    book: inventory.Inventory
    chapters: tuple[Notebook, ...]
    library: str


CELL_DEADLINE_S = 1800.0  # a slow mirror and a package manager that waits for another


@dataclass(frozen=True)
class Order:
    """A run to be made.

    Args:
        inventory: name or path.
        hosts: empty: every host of the inventory.
        only: the one chapter to run; None: all of them.
        start: the chapter to begin with; None: the first.
        workers: hosts at work at the same time; None: what is safe.
        next_options: what the command to type next needs too, as "--inventory FILE".
        parameters: pairs of name and value, for the chapters that have such a parameter.
        cell_deadline_s: seconds that a cell may take.
        run: the run that goes on; None: a new one.
        ground: what was read for it already; None: nothing yet.
        bound: the plan whose changes are made, and no others, and who approved it; None: of none.
        refused: hosts of that plan which changed since, each with what is another now. They are left as they are.
        emergency: changes are made also where a host's calendar lets nothing be changed; with a reason.
        done: for each host the chapters that an earlier part of the run brought to their end.
        chapters: of those chosen the ones that are run, by name; empty: each of them.
    """

    mode: Mode
    inventory: str
    hosts: Sequence[str] = ()
    only: str | None = None
    start: str | None = None
    workers: int | None = None
    reason: str = ""
    next_options: str = ""
    parameters: Sequence[tuple[str, str]] = ()
    cell_deadline_s: float = CELL_DEADLINE_S
    run: str | None = None
    ground: Ground | None = None
    bound: Binding | None = None
    refused: Mapping[str, Sequence[str]] = field(default_factory=dict)
    emergency: bool = False
    done: Mapping[str, frozenset[str]] = field(default_factory=dict)
    notebooks: Path = places.NOTEBOOKS
    chapters: frozenset[str] = frozenset()

    def carry_out(self, watch: Watch) -> BatchResult:
        """Run the chapters and publish the record.

        Raises:
            InventoryError: the inventory is wrong, or has no such host.
            UsageError: no such chapter or parameter, a wrong type, apply on a host off the lab without a reason of its
                own, or $SSL_CERT_FILE names no roots.
            ApplyRefused: a host's calendar lets nothing be changed now, and it is no emergency.
            SecretInParameter: the reason or a parameter is shaped like a secret.
            SecretUnusable: a secret of the inventory is there and cannot be used: too short to be masked, or too long.
            RecordNotSigned: a signature is required, and no key makes one. Nothing was begun.
            RecordNotWritten: nothing can be written where records go. Nothing was begun.
        """
        ground = self.read()
        jobs = replace(self, ground=ground).jobs()
        run, folder = jobs[0].run, jobs[0].root
        written = self.written(jobs, ground.library)
        if self.mode == "apply":
            signing.refuse_unsigned(folder)
        try:
            written.refuse_anothers(folder / run)
            seal.begin(folder, run)
            written.write(folder / run)
            if self.mode == "apply":
                policy.note(folder)
            if self.bound is not None:
                hosts, chapters = [job.host for job in jobs], [one.chapter for one in ground.chapters]
                self.bound.spend(folder, run, hosts, chapters)
        except RecordNotWritten as error:
            raise RecordNotWritten(error.problem, error.where, error.remedy) from None
        began = datetime.now(UTC)
        results = roll_out(jobs, self.workers, watch)
        digest = None
        try:
            if self.mode == "plan" and all(host.state == "planned" for host in results):
                plan = approval.decided(folder / run)
                planned.keep(folder / run, plan)
                digest = plan.sha256
            kept = signing.keep(folder, run)
        except RecordError as error:
            return self._unpublished(run, results, folder, error)
        return BatchResult(
            run=run,
            mode=self.mode,
            hosts=(*results, *self._left_alone()),
            index=folder / run / "index.html",
            next_commands=kept.index.next_commands(),
            plan=digest,
            seal=kept.told,
            approval=self.bound.approval.told if self.bound else "",
            maintenance=self._maintenance(ground.book, results, began),
        )

    def _left_alone(self) -> Iterator[HostResult]:
        for host, lines in self.refused.items():
            told = "\n".join(lines)
            yield HostResult(host, "refused", problem=f"it changed since the plan was made:\n{told}")

    def _maintenance(self, book: Inventory, results: Sequence[HostResult], began: datetime) -> dict[str, str]:
        """For each host with a calendar how that stood as the run began; in an emergency those that it passed over."""
        days = {one.host: calendar.of(book.site, book.host(one.host)) for one in results}
        asked = self.emergency and self.mode == "apply"
        return {
            name: told for name, of in days.items() if (told := of.closed(began) if asked else of.told(began))
        }

    def _unpublished(
        self, run: str, results: tuple[HostResult, ...], folder: Path, error: RecordError
    ) -> BatchResult:
        options = f" {self.next_options}" if self.next_options else ""
        resumed = f"runbook resume {run}{options if origin.is_said_by_site() else ''}"
        commands = [("when the records can be written", resumed)]
        if any(host.sum("changes_made") for host in results):
            commands.append(("to put back what this run changed", f"runbook rollback {run}{options}"))
        told = f"{error}\n  The record of run {run} is not complete: its seal or its pages are missing or of before."
        return BatchResult(
            run,
            self.mode,
            (*results, *self._left_alone()),
            folder / run / "index.html",
            tuple(commands),
            problem=told,
        )

    def read(self) -> Ground:
        """What decides the run: read now, unless it was read before.

        Raises:
            InventoryError: the inventory is wrong.
            UsageError: no such chapter.
        """
        if self.ground is not None:
            return self.ground
        chapters = select(find_notebooks(self.notebooks), self.only, self.start)
        if self.chapters:
            chapters = tuple(one for one in chapters if one.chapter in self.chapters)
        book = inventory.load(self.inventory)
        use(book)
        return Ground(book, chapters, origin.library_sha256())

    def jobs(self) -> list[Job]:
        """The work of each host; everything that can be wrong with the order is told here."""
        if self.workers is not None and self.workers < 1:
            raise UsageError(f"is {self.workers}", "--workers", "give 1 or more")
        ground = self.read()
        site, chapters = ground.book, ground.chapters
        bound = self.bound
        approved = Approved.of(bound.document, bound.approval, is_enough=bound.is_enough) if bound else {}
        hosts = [site.host(name) for name in dict.fromkeys(self.hosts or site.hosts)]
        # First: what it resolves is known to be a secret from here on.
        inventory.refuse_unusable(site.site, hosts)
        refuse_secret("reason", self.reason)
        parameters = given_parameters(self.parameters, chapters)
        if self.mode == "apply":
            self._refuse_reason(hosts)
            self._refuse_closed(site, hosts)
            self._refuse_unbound()
        _refuse_roots()
        by_name = self.inventory in ("lab", "site")
        return [
            Job(
                run=self.run or current_run(),
                root=root(),
                host=host.name,
                production=host.production,
                group=host.group,
                mode=self.mode,
                reason=self.reason,
                inventory=self.inventory if by_name else str(site.path),
                book=site,
                notebooks=tuple(c for c in chapters if c.chapter not in self.done.get(host.name, ())),
                parameters=parameters,
                cell_deadline_s=self.cell_deadline_s,
                resumed=self.run is not None,
                approved=approved.get(host.name),
                emergency=self.emergency and self.mode == "apply",
                hosts=len(hosts),
            )
            for host in hosts
        ]

    def _refuse_reason(self, hosts: Sequence[InventoryHost]) -> None:
        """What each host's first chapter would refuse is refused before anything is begun."""
        outside = [host for host in hosts if needs_reason(host)]
        if outside and not self.reason:
            names = ", ".join(host.name for host in outside)
            raise UsageError(
                f"apply on a host that is none of the lab's ({names}) needs a reason; it stands in the record",
                "--reason",
                "give a ticket or say why, as --reason 'MAIL-12: certificate for submission'",
            )
        for host in outside:
            run = completed_run(root(), host.name, self.reason)
            if run is not None and run != (self.run or current_run()):
                raise UsageError(
                    f"the reason {self.reason!r} is that of run {run}, which was applied to {host.name} and ended",
                    "--reason",
                    "give this run a reason of its own, such as the ticket and what is new",
                )

    def _refuse_closed(self, book: Inventory, hosts: Sequence[InventoryHost]) -> None:
        """What a host's first chapter would refuse is refused before anything is begun on any."""
        if self.emergency and not self.reason:
            raise UsageError(
                "an emergency needs a reason; it stands in the record",
                "--emergency",
                "give a ticket or say why, as --reason 'MAIL-12: the key is known to others'",
            )
        now = datetime.now(UTC)
        days = {host.name: calendar.of(book.site, host) for host in hosts}
        closed = [name for name in days if days[name].closed(now)]
        if closed and not self.emergency:
            told = "\n".join(f"{name}: {days[name].told(now)}" for name in closed)
            opened = [host.name for host in hosts if host.name not in closed]
            others = f"name the others alone with --host ({', '.join(opened)}), or " if opened else ""
            raise ApplyRefused(
                f"not begun on any host, since of some the inventory says when changes may be made\n{told}",
                ", ".join(closed),
                f"wait for that, or {others}--emergency --reason 'TICKET: WHY' goes on at once, and the record says "
                "so. runbook plan, status and rollback do not wait",
            )

    def _refuse_unbound(self) -> None:
        """What a host's first chapter would refuse is refused before anything is begun on any."""
        wanted = policy.in_force(root())
        if wanted.approvals and self.bound is None and not self.emergency:
            raise ApplyRefused(
                f"this site wants a plan to be approved first ({wanted.approvals} of other people)",
                "apply",
                f"runbook plan, have that approved, then {apply_command(plan='DIGEST')}. --emergency --reason "
                "'TICKET: WHY' goes on at once, and stays open until it is reviewed; runbook plan, status and rollback "
                "do not wait",
            )

    def to_apply(self, plan: Binding) -> "Order":
        """The order to make what this one plans."""
        return replace(self, mode="apply", bound=plan, run=None)

    def written(self, jobs: Sequence[Job], library: str) -> WrittenOrder:
        """The order as it lies beside the records, for `runbook resume`."""
        by_name = {notebook.chapter: notebook for job in jobs for notebook in job.notebooks}
        return WrittenOrder(
            mode=self.mode,
            inventory=jobs[0].inventory,
            inventory_sha256=jobs[0].book.digest,
            hosts=tuple(job.host for job in jobs),
            chapters={name: notebook.code_sha256 for name, notebook in sorted(by_name.items())},
            library=library,
            workers=self.workers,
            reason=self.reason,
            next_options=self.next_options,
            parameters=tuple(self.parameters),
            plan=self.bound.approval.plan if self.bound else None,
            refused={host: tuple(lines) for host, lines in self.refused.items()},
        )


def _refuse_roots() -> None:
    """This machine's fault, which each host's chapters would meet, is told once, and as no host's.

    Raises: UsageError as `trusted_roots.file`.
    """
    if "SSL_CERT_FILE" in os.environ:  # few have it, and what asks is slow to import
        from runbook_lib.x509 import trusted_roots

        trusted_roots.file()


def apply_plan(
    digest: str,
    watch: Watch,
    *,
    reason: str,
    workers: int | None,
    notebooks: Path,
    inventory: str | None = None,
    hosts: Sequence[str] = (),
    others: Sequence[str] = (),
    emergency: bool = False,
) -> BatchResult:
    """Make the changes of a plan, and no others; a host that changed since is left as it is.

    Args:
        digest: of the plan, or the beginning of it.
        reason: why; empty: as it stands in the plan.
        inventory: the one that was named for it; None: none was. It can only be the plan's.
        hosts: those of the plan that it is made on; empty: all of them.
        others: options that were given beside, which the plan has decided already.
        emergency: as an order has it.
    Raises:
        UsageError: no such plan, a host that is not in it, or options that the plan has decided.
        ApplyRefused: what would be done is on no host what was approved; or nobody approved the plan, and the site
            wants that. Nothing was changed.
    """
    if others:
        raise UsageError(
            "is decided by the plan already", ", ".join(others), "leave it out, or make another plan with it"
        )
    folder, approved = planned.find(root(), digest)
    written = WrittenOrder.read(folder)
    if inventory is not None and find(inventory) != find(written.inventory):
        raise UsageError(
            f"is decided by the plan already: {written.inventory}",
            "--inventory",
            "leave it out, or name that",
        )
    if unknown := [host for host in hosts if host not in approved.hosts]:
        raise UsageError(
            f"{', '.join(unknown)}: not in the plan, which is of {', '.join(approved.hosts)}",
            "--host",
            "name one of those, or make another plan",
        )
    only, start = written.selection(min(written.chapters))
    order = Order(
        mode="plan",
        inventory=written.inventory,
        hosts=tuple(host for host in written.hosts if not hosts or host in hosts),
        only=only,
        start=start,
        workers=workers,
        reason=reason or written.reason,
        next_options=written.next_options,
        parameters=written.parameters,
        notebooks=notebooks,
        run=run_id(datetime.now(UTC)),
        emergency=emergency,
    )
    order = replace(order, ground=order.read())  # once: what is compared is what is done
    there = order.read().book
    if there.digest != approved.inventory:  # before a secret is fetched: it names commands
        raise ApplyRefused(
            f"the inventory is no longer the one of the plan {approved.sha256[:16]}",
            str(there.path),
            "make another plan, and have that approved: runbook plan",
        )
    apply = order.to_apply(approvals.bind(root(), approved, order.hosts, emergency=emergency))
    apply.jobs()  # whatever is wrong with the order is told before the host is asked
    again = order.carry_out(watch)
    refused = _changed_since(approved, again)
    if len(refused) == len(again.hosts):
        told = "\n    ".join(f"{host}: {line}" for host, lines in refused.items() for line in lines)
        raise ApplyRefused(
            f"what would be done now is not what was approved as {approved.sha256[:16]}:\n    {told}",
            ", ".join(refused),
            f"read the new plan ({again.index}), and have it approved"
            + (f": {apply_command(plan=again.plan[:16], reason=False)}" if again.plan else ""),
        )
    unchanged = [host for host in order.hosts if host not in refused]
    return replace(apply, hosts=unchanged, refused=refused).carry_out(watch)


def _changed_since(approved: Document, again: BatchResult) -> dict[str, list[str]]:
    """The hosts on which another thing would be done now, each with what that is, a line each."""
    now = approval.decided(root() / again.run)
    ground = approved.changes_to(now)
    changed: dict[str, list[str]] = {}
    for host in again.hosts:
        if host.state != "planned":
            changed[host.host] = ["could not be planned to the end", host.told()]
        elif lines := [*ground, *approved.changes_on(host.host, now)]:
            changed[host.host] = lines
    return changed
