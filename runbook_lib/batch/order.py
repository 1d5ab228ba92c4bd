"""What a person orders: chapters on hosts, checked whole before anything is written or run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from runbook_lib import inventory
from runbook_lib.batch import binding
from runbook_lib.batch.job import Job
from runbook_lib.batch.notebooks import find_notebooks, select
from runbook_lib.batch.parameters import given_parameters, refuse_secret
from runbook_lib.batch.results import BatchResult, Mode
from runbook_lib.batch.rollout import Watch, roll_out
from runbook_lib.batch.written_order import WrittenOrder, notebook_sha256
from runbook_lib.errors import UsageError
from runbook_lib.records import current_run, origin, root
from runbook_lib.records.publish import publish

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
        plan: the digest of the plan that was approved, for the record; None: of none.
        done: for each host the chapters that an earlier part of the run brought to their end.
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
    plan: str | None = None
    done: Mapping[str, frozenset[str]] = field(default_factory=dict)
    notebooks: Path = field(default=origin.CHECKOUT / "notebooks")

    def carry_out(self, watch: Watch) -> BatchResult:
        """Run the chapters and publish the record.

        Raises:
            InventoryError: the inventory is wrong, or has no such host.
            UsageError: no such chapter or parameter, a wrong type, or apply on a production host without a reason.
            SecretInParameter: the reason or a parameter is shaped like a secret.
            SecretUnusable: a secret of the inventory is there and cannot be used: too short to be masked, or too long.
        """
        jobs = self.jobs()
        self.written(jobs).write(jobs[0].root / jobs[0].run)
        results = roll_out(jobs, self.workers, watch)
        run, folder = jobs[0].run, jobs[0].root
        index = publish(folder, run) if (folder / run).is_dir() else None
        digest = None
        if self.mode == "plan" and all(host.state == "planned" for host in results):
            digest = binding.decided(folder / run).digest
        return BatchResult(
            run=run,
            mode=self.mode,
            hosts=results,
            index=folder / run / "index.html",
            next_commands=index.next_commands(self.next_options, digest) if index else (),
            plan=digest,
        )

    def jobs(self) -> list[Job]:
        """The work of each host; everything that can be wrong with the order is told here."""
        if self.workers is not None and self.workers < 1:
            raise UsageError(f"is {self.workers}", "--workers", "give 1 or more")
        refuse_secret("reason", self.reason)
        site = inventory.load(self.inventory)
        hosts = [site.host(name) for name in dict.fromkeys(self.hosts or site.hosts)]
        chapters = select(find_notebooks(self.notebooks), self.only, self.start)
        parameters = given_parameters(self.parameters, chapters)
        unexplained = [host.name for host in hosts if host.production]
        if self.mode == "apply" and unexplained and not self.reason:
            raise UsageError(
                f"apply on a production host ({', '.join(unexplained)}) needs a reason; it stands in the record",
                "--reason",
                "give a ticket or say why, as --reason 'MAIL-12: certificate for submission'",
            )
        inventory.refuse_unusable(site.site, hosts)
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
                inventory_sha256=site.digest,
                notebooks=tuple(c for c in chapters if c.chapter not in self.done.get(host.name, ())),
                parameters=parameters,
                cell_deadline_s=self.cell_deadline_s,
                resumed=self.run is not None,
            )
            for host in hosts
        ]

    def bound_to(self, plan: str) -> "Order":
        """The order to make what this one plans."""
        return replace(self, mode="apply", plan=plan, run=None)

    def written(self, jobs: Sequence[Job]) -> WrittenOrder:
        """The order as it lies beside the records, for `runbook resume`."""
        by_name = {notebook.chapter: notebook for job in jobs for notebook in job.notebooks}
        return WrittenOrder(
            mode=self.mode,
            inventory=jobs[0].inventory,
            inventory_sha256=jobs[0].inventory_sha256,
            hosts=tuple(job.host for job in jobs),
            chapters={name: notebook_sha256(notebook) for name, notebook in sorted(by_name.items())},
            workers=self.workers,
            reason=self.reason,
            next_options=self.next_options,
            parameters=tuple(self.parameters),
            plan=self.plan,
        )
