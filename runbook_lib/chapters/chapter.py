"""A chapter at work on a host: plan, apply, verify, summary; each is shown, and each is in the record."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from typing import ClassVar, Literal

from runbook_lib import display, records, warned
from runbook_lib.chapters import decisions, opening, progress
from runbook_lib.chapters.answers import table_of
from runbook_lib.chapters.opening import Opened
from runbook_lib.errors import (
    ApplyRefused,
    CommandFailed,
    RecordError,
    RecordNotWritten,
    RunbookError,
    StepInterrupted,
    VerificationFailed,
)
from runbook_lib.inventory import Host as InventoryHost
from runbook_lib.mail.differences.difference import Difference
from runbook_lib.mail.probes.row import Row, Verdict
from runbook_lib.messages import Message, joined, message
from runbook_lib.messages.words import listed, worded
from runbook_lib.places import shown_path
from runbook_lib.records import approved, origin
from runbook_lib.remote import Host as RemoteHost
from runbook_lib.remote import contexts, system
from runbook_lib.remote.change import Plan, counted
from runbook_lib.remote.journal import Journal
from runbook_lib.remote.rollback import NOT_AS_BEFORE
from runbook_lib.remote.system import PackagesChange
from runbook_lib.site_ca import barred

Outcome = Literal["passed", "planned", "not proven"]
_LINES_SHOWN = 6
_UNDO = message("runbook rollback RUN (the run's id is in the record), or undo.sh on the host")


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
    _planned: list[Plan] = field(default_factory=list)  # of each title the last one
    _made: list[Plan] = field(default_factory=list)  # carried out, whole
    _making: str = ""  # the change that the host is at work on
    _rows: list[Row] = field(default_factory=list)
    _failed: bool = False
    _open: dict[str, str] = field(default_factory=dict)  # what a person has to decide, by its place
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
        return self._begun.text()

    def html(self) -> str:
        return self._begun.html()

    @property
    def _begun(self) -> display.Shown:
        """What is there; before it, where the inventory says when changes may be made, how that stands."""
        opened = self.opened
        if not opened.maintenance:
            return self.what_is_there
        told = (
            message("Emergency, so this goes on: {maintenance}.", maintenance=opened.maintenance)
            if opened.emergency
            else message("{maintenance}.", maintenance=opened.maintenance)
        )
        return display.Parts([display.Text(told), self.what_is_there])

    def plan(self, plan: Plan) -> Plan:
        """Keep the plan in the record, and show it. Nothing is changed.

        Where SELinux is on the host, each file that is touched gets its label back.
        """
        with self.at_work():
            plan = self._labelled(plan)
            self._planned = [one for one in self._planned if one.title != plan.title]
            self._planned.append(plan)
            withheld = [one.as_data() for one in plan.withheld]
            self.record.add_plan(plan.title, plan.digest, plan.as_data(), plan.as_shell(), withheld)
        return plan

    def apply(self, plan: Plan) -> display.Text:
        """Make the plan's changes; in plan mode, and where they are made already, say that nothing was made.

        Raises:
            ApplyRefused: this chapter failed before, or the run is bound to a plan that has not this in it.
            RecordNotSigned: a signature is required, and no key makes one. This chapter changed nothing.
            ChangedMeanwhile, CommandFailed, HostBusy: as the journal says.
        """
        if self._failed:
            raise ApplyRefused(
                message("an earlier step of this chapter failed, so nothing more is changed"),
                f"{self.host.name}, {self.notebook}",
                message("read the first error above, mend its cause, and run the chapter again from the top"),
            )
        if plan.is_empty:
            return display.Text(message("{title}: already so, nothing was made.", title=plan.title))
        if not self.is_apply:
            return display.Text(
                message(
                    "{title}: nothing was made, since this is a plan ({changes}).",
                    title=plan.title,
                    changes=plan.told,
                )
            )
        if any(plan is one for one in self._made):  # the cell was run again
            return display.Text(
                message(
                    "{title}: this plan was carried out already, nothing was made again. To see whether it is still "
                    "so, run the plan's cell again.\n{if_left}",
                    title=plan.title,
                    if_left=self._if_left(),
                )
            )
        with self.at_work():
            if not self._numbers and self.opened.review_by is None:
                opening.refuse_unapproved(self.host.name)
            if (
                approved.bound() and not self._numbers
            ):  # what can be told of later steps is asked before the first
                for one in self.foreseen():
                    approved.check(self.notebook, self._labelled(one), self.host.name)
            approved.check(self.notebook, plan, self.host.name)
            if not self._numbers and not origin.chapters_of_run():  # a batch tried the key before it began
                _refuse_unsigned()
            progress.now(plan.title)
            ready = self._labelled(self.made_ready(contexts.plain(plan)))
            if not ready.changes:
                return display.Text(
                    message("{title}: nothing is made here ({changes}).", title=plan.title, changes=plan.told)
                )
            self.make(ready)
            self._making = ""
            self.record.add_apply(
                plan.digest, [change.title for change in ready.changes], str(self.journal.folder)
            )
            self._made.append(plan)
            for change in plan.changes:
                if isinstance(change, PackagesChange) and change.packages:
                    versions = system.installed_versions(self.remote, change)
                    self.record.add_note(message("Installed: {versions}", versions=versions))
        done = {"title": plan.title, "changes": counted(len(plan.changes)), "if_left": self._if_left()}
        if not plan.withheld:
            return display.Text(message("{title}: {changes} made.\n{if_left}", **done))
        left = replace(plan, changes=()).told
        return display.Text(message("{title}: {changes} made; {left}.\n{if_left}", left=left, **done))

    def _begin(self, title: str) -> None:
        self._making = title
        progress.now(title)

    def _labelled(self, plan: Plan) -> Plan:
        return contexts.labelled(plan) if self.opened.selinux else plan

    def _if_left(self) -> Message:
        """What is so when nobody goes on from here: each change is whole, and has its undo on the host."""
        return message(
            "If you close the laptop now: {changes} so far, whole and with undo.sh on the host; {unfinished}.",
            changes=counted(len(self._numbers)),
            unfinished=self.unfinished,
        )

    @property
    def unfinished(self) -> str:
        """What is still to do after the plan that was applied last, for who thinks of stopping there."""
        return message("nothing is verified yet")

    def tell_open(self, found: Sequence[Difference]) -> None:
        """Keep in the record what a person has to decide before apply makes what is planned."""
        refused = decisions.refusal(found, self.host)
        self._open = decisions.to_decide(found, self.host)
        self.record.add_open_decisions(self._open, str(refused) if refused else None)

    def foreseen(self) -> Sequence[Plan]:
        """The plans of this chapter as they would be made now, as far as they can be told before its first change."""
        return ()

    def made_ready(self, plan: Plan) -> Plan:
        """What a chapter checks, or fills in, right before a plan is applied; raises to refuse."""
        return plan

    def make(self, ready: Plan) -> None:
        """Make the changes of a plan that is ready, on the host.

        Raises: ChangedMeanwhile, CommandFailed, HostBusy: as the journal says.
        """
        self.journal.apply(ready, self._numbers, self._begin)

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
            return display.Text(message("Not verified: {changes} not made.", changes=counted(pending)))
        with self.at_work():
            progress.now(claim)
            rows = list(measure())
            claim = rows[0].claim if rows else claim
            self._rows = [
                row for row in self._rows if row.claim != claim
            ] + rows  # asked again: the last one counts
            self.record.add_verify(claim, [asdict(row) for row in rows], str(worst(rows)))
            if worst(rows) is not Verdict.FAIL or not self.is_apply:
                return table_of(rows)
            waits_for = self.must_act()
            if not waits_for:
                self._fail_verification(claim, rows)
            told = message(
                "Found wrong while the lines left to {owners} are not there; nothing was put back.",
                owners=listed(waits_for),
            )
            self.record.add_note(told)
        return display.Parts([table_of(rows), display.Text(told)])

    def _fail_verification(self, claim: str, rows: Sequence[Row]) -> None:
        wrong = [row for row in rows if row.verdict is Verdict.FAIL]
        told = joined(
            "\n    ",
            (
                message(
                    "port {port} at {address}: {seen}",
                    port=row.port or "-",
                    address=row.address,
                    seen=row.seen,
                )
                for row in wrong
            ),
        )
        changed: str = message("This chapter had changed nothing, so nothing was put back.")
        kept = self._kept_from_coming_back() if self._numbers else ()
        if kept:
            changed = message(
                "What this chapter had changed stays: putting it back would bring back what shall serve no more:"
                "\n    {certificates}",
                certificates=joined("\n    ", kept),
            )
            self.record.add_note(changed)
        elif self._numbers:
            try:
                back = self.put_back()
                self.record.add_note(message("Put back:\n{said}", said=back))
                stays = [line for line in back.splitlines() if line.startswith(NOT_AS_BEFORE)]
                changed = message(
                    "What this chapter had changed was put back: the host is as it was before the chapter."
                )
                if stays:
                    changed = message(
                        "What this chapter had changed was put back. What else differs:\n    {lines}",
                        lines="\n    ".join(stays),
                    )
            except CommandFailed as error:
                changed = message(
                    "What this chapter had changed was put back, but not all of it:\n{problem}",
                    problem=error.problem,
                )
            self._numbers = []
        raise VerificationFailed(
            message("reached and found wrong: {claim}\n    {told}", claim=claim, told=told),
            self.host.name,
            self.remedy(wrong),
            changed,
        )

    def remedy(self, wrong: Sequence[Row]) -> str:
        """What to do about rows of one claim that were found wrong."""
        return message("repeat it by hand: {command}", command=wrong[0].command)

    def _kept_from_coming_back(self) -> tuple[str, ...]:
        site = self.opened.inventory.site
        return barred.coming_back(site, self.host, self.remote, self.journal.run, self._numbers[0])

    def summary(self) -> display.Shown:
        """Changed, verified, how to undo it, what comes next; the record is complete with it."""
        if self._failed:
            raise ApplyRefused(
                message("the chapter failed, so there is no summary"),
                f"{self.host.name}, {self.notebook}",
                message("read the first error above"),
            )
        made = len(self._numbers)
        planned = sum(len(plan.changes) for plan in self._planned)
        withheld = sum(len(plan.withheld) for plan in self._planned)
        owners = self.must_act() if withheld or self._found_wrong() else ()
        counts = {verdict: sum(row.verdict is verdict for row in self._rows) for verdict in Verdict}
        if self.reads_only:
            changed = message("nothing: this chapter only asks")
            outcome: Outcome = (
                "planned"
                if not self.is_apply
                else "not proven"
                if counts[Verdict.UNTESTED] or owners
                else "passed"
            )
        elif not self.is_apply:
            changed = (
                message("planned: {changes}; nothing was changed", changes=counted(planned))
                if planned
                else message("nothing to do")
            )
            if withheld and not planned:
                changed = message("planned: nothing; nothing was changed")
            outcome = "planned"
        else:
            changed = (
                message("{changes} made", changes=counted(made))
                if made
                else message("nothing to do")
                if not withheld
                else message("nothing")
            )
            outcome = "not proven" if counts[Verdict.UNTESTED] or owners else "passed"
        rows: list[tuple[str, str]] = [(message("changed"), changed)]
        if withheld:
            rows.append((message("not made"), counted(withheld)))
        if self._open:
            refuses = message("{n}: apply refuses until a person has decided", n=len(self._open))
            rows.append((message("open decisions"), refuses))
        if owners:
            rows.append((message("who must act"), joined(", ", owners)))
        if self._rows:
            rows.append((message("verified"), measured(self._rows)))
        if outcome == "not proven":
            rows += [(worded("not proven"), line) for line in _few(self.record.data.not_proven)]
        rows += self._meanwhile
        if made:
            rows.append((message("undo"), _UNDO))
        needed_root = {name: command for name, command in (self.remote.needed_root or {}).items() if command}
        if needed_root:
            rows.append((message("needed root to look at"), ", ".join(needed_root)))
        told = (
            message("applied, not proven")
            if outcome == "not proven" and not self.reads_only
            else worded(outcome)
        )
        rows.append((message("outcome"), told))
        table = display.Table(("", ""), rows)
        undo = f"runbook rollback {self.journal.run} --host {self.host.name}" if made else None
        self.record.finish(outcome, table, undo, needed_root=needed_root)
        if self.record.data.changes_made:
            self._tell_host()
        kept = sealed_by_hand(self.record)
        return self._by_hand(rows, kept) if progress.by_hand() else table

    def _by_hand(self, rows: Sequence[tuple[str, str]], kept: str) -> display.Table:
        """The summary with this run's own names, which what is stored and compared has not."""
        undo = message(
            "{rollback}, or as root on the host: {script}",
            rollback=self._undo_left(),
            script=self.journal.undo_command,
        )
        return display.Table(
            ("", ""),
            [
                *((title, undo if text == _UNDO else text) for title, text in rows),
                (message("run"), self.journal.run),
                (
                    message("record"),
                    message("{path}; saving this notebook attaches it", path=shown_path(self.record.path)),
                ),
                (message("seal"), kept),
            ],
        )

    def _found_wrong(self) -> bool:
        return self.is_apply and any(row.verdict is Verdict.FAIL for row in self._rows)

    def _tell_host(self) -> None:
        data = self.record.data
        self.journal.tell_end(f"chapter={self.notebook}", data.outcome, data.changes_made, self.record.sha256)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Whatever stops a step is in the record, and no later apply goes on."""
        try:
            with progress.shown(message("looking at the host")):
                yield
        except RecordNotWritten as error:
            self._failed = True
            told = RecordNotWritten(error.problem, error.where, error.remedy, self._stands())
            with suppress(RecordNotWritten):  # where the disk is full, the reserve has room for it
                self.record.finish("failed", None, self._undo_left(), told)
            raise told from None
        except RunbookError as error:
            self._failed, self._making = True, ""
            with suppress(RecordNotWritten):  # who runs the chapter tells that too
                self.record.finish("failed", None, self._undo_left(), error)
            if self.record.data.changes_made:
                with suppress(RunbookError):  # the first error is the one to tell; the record has it all
                    self._tell_host()
            sealed_by_hand(self.record)
            raise
        except KeyboardInterrupt:
            self._failed = True
            interrupted = StepInterrupted(self._goes_on())
            self.record.finish("interrupted", None, self._undo_left(), interrupted)
            sealed_by_hand(self.record)
            raise interrupted from None

    def _goes_on(self) -> str:
        """What an interruption does not stop: a change that was begun is made to its end."""
        if not self._making:
            return message(
                "{host}: no change was being made. To do: run the notebook again from the top.",
                host=self.host.name,
            )
        return message(
            "{host} goes on by itself with what was begun: {step}\n"
            "  It is made to its end, with its undo on the host. Nothing after it was begun.\n"
            "  To do: when `runbook status --host {host}` no longer says 'being made', run the notebook "
            "again from the top, or put the run back: {undo}",
            host=self.host.name,
            step=self._making,
            undo=self._undo_left(),
        )

    def _stands(self) -> str:
        """What this chapter has changed on the host, where no record can say it."""
        if not self._numbers:
            return message("This chapter changed nothing on the host.")
        return message(
            "{changes} of this chapter on {host}: whole, with their undo there. {undo} puts back what the run changed.",
            changes=counted(len(self._numbers)),
            host=self.host.name,
            undo=self._undo_left(),
        )

    def _undo_left(self) -> str | None:
        is_any = self._numbers or self._making
        return f"runbook rollback {self.journal.run} --host {self.host.name}" if is_any else None


def _refuse_unsigned() -> None:
    """Raises: RecordNotSigned as `signing.refuse_unsigned`."""
    if origin.signing() == "required":  # few require it, and what tries a key is slow to import
        from runbook_lib.records import signing

        progress.now(
            message("trying the key that signs records; it may ask for a passphrase, a PIN or a touch")
        )
        signing.refuse_unsigned(records.root())


def sealed_by_hand(record: records.Record) -> str:
    """Seal the run of a chapter that ended outside of a batch, signed where a key does it without asking anybody.

    Returns: the chain's head, and who signed, or why nobody did, or why it is not sealed: then the next run of this
        controller seals it; '' in a batch, which seals at its end.
    """
    if origin.chapters_of_run():
        return ""
    from runbook_lib.records import signing  # slow to import, and a batch does without

    try:
        return signing.keep(records.root(), record.data.run, asking=False).told
    except RecordError as error:
        return message("not sealed: {problem}", problem=error.problem)


def worst(rows: Sequence[Row]) -> Verdict:
    """The verdict of a claim: one that failed, else one that could not be tested, else pass, else not asked."""
    verdicts = {row.verdict for row in rows}
    for verdict in (Verdict.FAIL, Verdict.UNTESTED, Verdict.PASS, Verdict.UNASKED):
        if verdict in verdicts:
            return verdict
    return Verdict.UNTESTED


def measured(rows: Sequence[Row]) -> str:
    """How many rows came out how: '11 pass (1 with a warning), 1 could not test'."""
    counts = Counter(row.verdict for row in rows)
    warns = sum(row.told == "warning" for row in rows)
    return joined(
        ", ", (warned.counted(counts[verdict], verdict, warns) for verdict in Verdict if counts[verdict])
    )


def _few(lines: Sequence[str]) -> list[str]:
    """The first few; that there are more is said, and the record has them."""
    more = len(lines) - _LINES_SHOWN
    return [*lines[:_LINES_SHOWN], *([message("and {n} more, in the record", n=more)] if more > 0 else [])]
