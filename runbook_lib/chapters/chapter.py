"""A chapter at work on a host: plan, apply, verify, summary; each is shown, and each is in the record."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from typing import ClassVar, Literal

from runbook_lib import display, records
from runbook_lib.chapters.opening import Opened
from runbook_lib.errors import ApplyRefused, CommandFailed, RunbookError, VerificationFailed
from runbook_lib.inventory import Host as InventoryHost
from runbook_lib.mail.probes.row import Row, Verdict
from runbook_lib.remote import Host as RemoteHost
from runbook_lib.remote import contexts
from runbook_lib.remote.change import Plan
from runbook_lib.remote.journal import Journal

Outcome = Literal["passed", "planned", "not proven"]


@dataclass(repr=False)
class Chapter(display.Shown):
    """One chapter on one host. Cells call its methods in order; a chapter that failed refuses every later apply."""

    notebook: str
    title: str
    opened: Opened
    record: records.Record
    journal: Journal
    what_is_there: display.Shown
    _numbers: list[str] = field(default_factory=list)
    _planned: list[Plan] = field(default_factory=list)
    _rows: list[Row] = field(default_factory=list)
    _failed: bool = False
    _meanwhile: list[tuple[str, str]] = field(default_factory=list)  # rows of the summary
    reads_only: ClassVar[bool] = False  # a chapter without changes: its claims count in every mode

    @property
    def host(self) -> InventoryHost:
        return self.opened.host

    @property
    def remote(self) -> RemoteHost:
        return self.opened.remote

    @property
    def is_apply(self) -> bool:
        return self.opened.mode == "apply"

    def text(self) -> str:
        return self.what_is_there.text()

    def html(self) -> str:
        return self.what_is_there.html()

    def plan(self, plan: Plan) -> Plan:
        """Keep the plan in the record, and show it. Nothing is changed.

        Where SELinux is on the host, each file that is touched gets its label back.
        """
        with self.at_work():
            plan = self._labelled(plan)
            self._planned.append(plan)
            withheld = [one.as_data() for one in plan.withheld]
            self.record.add_plan(plan.title, plan.digest, plan.as_data(), plan.as_shell(), withheld)
        return plan

    def apply(self, plan: Plan) -> display.Text:
        """Make the plan's changes; in plan mode say that nothing was made.

        Raises:
            ApplyRefused: this chapter failed before.
            ChangedMeanwhile, CommandFailed, HostBusy: as the journal says.
        """
        if self._failed:
            raise ApplyRefused(
                "an earlier step of this chapter failed, so nothing more is changed",
                f"{self.host.name}, {self.notebook}",
                "read the first error above, mend its cause, and run the chapter again from the top",
            )
        if plan.is_empty:
            return display.Text(f"{plan.title}: already so, nothing was made.")
        if not self.is_apply:
            return display.Text(f"{plan.title}: nothing was made, since this is a plan ({_told(plan)}).")
        with self.at_work():
            ready = self._labelled(self.made_ready(contexts.plain(plan)))
            if not ready.changes:
                return display.Text(f"{plan.title}: nothing is made here ({_told(plan)}).")
            self.journal.apply(ready, self._numbers)
            self.record.add_apply(
                plan.digest, [change.title for change in ready.changes], str(self.journal.folder)
            )
        left = f"; {_told(replace(plan, changes=()))}" if plan.withheld else ""
        return display.Text(f"{plan.title}: {_count(len(plan.changes))} made{left}.\n{self._if_left()}")

    def _labelled(self, plan: Plan) -> Plan:
        return contexts.labelled(plan) if self.opened.selinux else plan

    def _if_left(self) -> str:
        """What is so when nobody goes on from here: each change is whole, and has its undo on the host."""
        return (
            f"If you close the laptop now: {_count(len(self._numbers))} so far, whole and with undo.sh on the host; "
            f"{self.unfinished}."
        )

    @property
    def unfinished(self) -> str:
        """What is still to do after the plan that was applied last, for who thinks of stopping there."""
        return "nothing is verified yet"

    def made_ready(self, plan: Plan) -> Plan:
        """What a chapter checks, or fills in, right before a plan is applied; raises to refuse."""
        return plan

    def put_back(self) -> str:
        """Put back everything that this chapter changed; returns what undo.sh said.

        Raises:
            CommandFailed: something was left alone.
        """
        return self.journal.put_back(self._numbers[0])

    def must_act(self) -> tuple[str, ...]:
        """Who has to add lines of this chapter before its claims can hold, since the files are theirs."""
        return tuple(dict.fromkeys(owner for plan in self._planned for owner in plan.owners))

    def verify(self, claim: str, measure: Callable[[], Sequence[Row]]) -> display.Shown:
        """Ask whether a claim holds; where it was reached and is wrong, put back what the chapter changed.

        While somebody else's lines are missing nothing that was made has an effect, so nothing is put back then: the
        row says what was found, and the chapter ends as not proven.

        Args:
            claim: the proposition, as the heading above the cell has it.
            measure: asks, and returns a row a measurement.
        Raises:
            VerificationFailed: after everything the chapter changed is back.
        """
        pending = sum(len(plan.changes) + len(plan.withheld) for plan in self._planned)
        if not self.is_apply and pending:
            self.record.add_verify(claim, [], "not verified")
            return display.Text(f"Not verified: {_count(pending)} not made.")
        with self.at_work():
            rows = list(measure())
            claim = rows[0].claim if rows else claim
            self._rows += rows
            self.record.add_verify(claim, [asdict(row) for row in rows], str(worst(rows)))
            if worst(rows) is not Verdict.FAIL or not self.is_apply:
                return table_of(rows)
            waits_for = self.must_act()
            if not waits_for:
                self._fail_verification(claim, rows)
            told = f"Found wrong while the lines left to {' and '.join(waits_for)} are not there; nothing was put back."
            self.record.add_note(told)
        return display.Parts([table_of(rows), display.Text(told)])

    def _fail_verification(self, claim: str, rows: Sequence[Row]) -> None:
        wrong = [row for row in rows if row.verdict is Verdict.FAIL]
        told = "\n    ".join(f"port {row.port or '-'} at {row.address}: {row.seen}" for row in wrong)
        changed = "This chapter had changed nothing, so nothing was put back."
        if self._numbers:
            try:
                back = self.put_back()
                self.record.add_note(f"Put back:\n{back}")
                changed = (
                    "What this chapter had changed was put back: the host is as it was before the chapter."
                )
            except CommandFailed as error:
                changed = f"What this chapter had changed was put back, but not all of it:\n{error.problem}"
            self._numbers = []
        raise VerificationFailed(
            f"reached and found wrong: {claim}\n    {told}",
            self.host.name,
            f"repeat it by hand: {wrong[0].command}",
            changed,
        )

    def summary(self) -> display.Shown:
        """Changed, verified, how to undo it, what comes next; the record is complete with it."""
        if self._failed:
            raise ApplyRefused(
                "the chapter failed, so there is no summary",
                f"{self.host.name}, {self.notebook}",
                "read the first error above",
            )
        made = len(self._numbers)
        planned = sum(len(plan.changes) for plan in self._planned)
        withheld = sum(len(plan.withheld) for plan in self._planned)
        owners = self.must_act() if withheld or self._found_wrong() else ()
        counts = {verdict: sum(row.verdict is verdict for row in self._rows) for verdict in Verdict}
        if self.reads_only:
            changed = "nothing: this chapter only asks"
            outcome: Outcome = (
                "planned"
                if not self.is_apply
                else "not proven"
                if counts[Verdict.UNTESTED] or owners
                else "passed"
            )
        elif not self.is_apply:
            changed = f"planned: {_count(planned)}; nothing was changed" if planned else "nothing to do"
            if withheld and not planned:
                changed = "planned: nothing; nothing was changed"
            outcome = "planned"
        else:
            changed = f"{_count(made)} made" if made else "nothing to do" if not withheld else "nothing"
            outcome = "not proven" if counts[Verdict.UNTESTED] or owners else "passed"
        rows = [("changed", changed)]
        if withheld:
            rows.append(("not made", _count(withheld)))
        if owners:
            rows.append(("who must act", ", ".join(owners)))
        if self._rows:
            measured = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
            rows.append(("verified", measured))
        rows += self._meanwhile
        if made:
            rows.append(
                ("undo", "runbook rollback RUN (the run's id is in the record), or undo.sh on the host")
            )
        needed_root = {name: command for name, command in (self.remote.needed_root or {}).items() if command}
        if needed_root:
            rows.append(("needed root to look at", ", ".join(needed_root)))
        rows.append(("outcome", "applied, not proven" if outcome == "not proven" else outcome))
        table = display.Table(("", ""), rows)
        undo = f"runbook rollback {self.journal.run} --host {self.host.name}" if made else None
        self.record.finish(outcome, table.text(), undo, needed_root=needed_root)
        if self.record.data.changes_made:
            self._tell_host()
        return table

    def _found_wrong(self) -> bool:
        return self.is_apply and any(row.verdict is Verdict.FAIL for row in self._rows)

    def _tell_host(self) -> None:
        data = self.record.data
        self.journal.tell_end(f"chapter={self.notebook}", data.outcome, data.changes_made, self.record.sha256)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Whatever stops a step is in the record, and no later apply goes on."""
        try:
            yield
        except RunbookError as error:
            self._failed = True
            self.record.finish("failed", None, self._undo_left(), error)
            if self.record.data.changes_made:
                with suppress(RunbookError):  # the first error is the one to tell; the record has it all
                    self._tell_host()
            raise
        except KeyboardInterrupt as error:
            self._failed = True
            self.record.finish("interrupted", None, self._undo_left(), error)
            raise

    def _undo_left(self) -> str | None:
        return f"runbook rollback {self.journal.run} --host {self.host.name}" if self._numbers else None


def worst(rows: Sequence[Row]) -> Verdict:
    """The verdict of a claim: one that failed, else one that could not be tested, else pass."""
    verdicts = {row.verdict for row in rows}
    for verdict in (Verdict.FAIL, Verdict.UNTESTED):
        if verdict in verdicts:
            return verdict
    return Verdict.PASS if rows else Verdict.UNTESTED


def table_of(rows: Sequence[Row]) -> display.Shown:
    """Rows of one claim as a table, with the commands that repeat them folded below."""
    body = [(str(row.port or ""), _over(row.address), row.seen, str(row.verdict)) for row in rows]
    commands = "\n".join(dict.fromkeys(row.command for row in rows if row.command))
    table = display.Table(("port", "over", "seen", "verdict"), body)
    if not any(port or over for port, over, _, _ in body):
        table = display.Table(("seen", "verdict"), [(seen, verdict) for _, _, seen, verdict in body])
    return display.Parts([table, display.Folded("the same by hand", commands)]) if commands else table


def _over(address: str) -> str:
    # The family, not the address: what a reader sees is the same in every lab.
    return "" if not address else "IPv6" if ":" in address else "IPv4"


def _told(plan: Plan) -> str:
    """How many changes are ours, left to others, and waiting."""
    left = sum(bool(one.owner) for one in plan.withheld)
    waits = len(plan.withheld) - left
    parts = [_count(len(plan.changes))] if plan.changes else []
    parts += [f"{_count(left)} left to {' and '.join(plan.owners)}"] if left else []
    parts += [f"{_count(waits)} waiting"] if waits else []
    return ", ".join(parts)


def _count(number: int) -> str:
    return f"{number} change" if number == 1 else f"{number} changes"
