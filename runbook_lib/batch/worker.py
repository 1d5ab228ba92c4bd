"""A worker: one process, one host, its chapters one after the other."""

import hashlib
import io
import os
import sys
import threading
from dataclasses import replace
from multiprocessing.connection import Connection

from runbook_lib import inventory, remote
from runbook_lib.batch import interpreters, quiet  # noqa: F401  # before papermill is imported
from runbook_lib.batch.closing import close_record, family_of, record_of, record_path, set_earlier_aside
from runbook_lib.batch.execution import Execution, Looking, Stop, execute
from runbook_lib.batch.job import (
    CellEnded,
    CellStarted,
    ChapterEnded,
    ChapterLeftOut,
    ChapterStarted,
    Event,
    HostEnded,
    Job,
    NotebookBegun,
    Said,
)
from runbook_lib.batch.judge import Judgement, judge
from runbook_lib.batch.notebooks import Notebook
from runbook_lib.batch.parameters import own_parameters
from runbook_lib.batch.results import ChapterResult, Ended, HostResult, from_record, state_of
from runbook_lib.credentials import mask
from runbook_lib.errors import RecordError, RecordNotWritten, RunbookError
from runbook_lib.families.chapters import chapters_of_others
from runbook_lib.records import approved, operator
from runbook_lib.records.attachment import keep_notebook
from runbook_lib.records.index import Entry, counted
from runbook_lib.records.model import Failure, RecordData
from runbook_lib.records.origin import Moment
from runbook_lib.records.redaction import resolve_references
from runbook_lib.remote import runs
from runbook_lib.remote.journal import Journal

ANSWERS_KEPT_S = 20.0
_SAID_MAX = 20_000  # characters of standard error: the end of it


def work(job: Job, line: Connection) -> None:
    """Run a host's chapters, telling the parent on `line` what happens; stop when it asks, or is gone."""
    interpreters.as_given()
    os.setsid()  # the terminal's Ctrl-C reaches the parent alone, which then asks
    _leave_the_terminal(line)
    remote.Host.answers_kept_s = ANSWERS_KEPT_S
    remote.Host.keeps_root_shell = True
    os.environ |= {"RUNBOOK_RUN": job.run, "RUNBOOK_RECORDS": str(job.root)}
    inventory.hold(job.inventory, job.book)
    approved.bind(job.approved)
    os.environ["RUNBOOK_CHAPTERS"] = " ".join(notebook.chapter for notebook in job.notebooks)
    # What a chapter resolves is resolved here too, so that its notebook can be searched for it. A reference that
    # leads nowhere here leads nowhere there: the chapter that needs it says so.
    resolve_references(job.book, job.host)
    stop = Stop()
    threading.Thread(target=_listen, args=(line, stop), daemon=True).start()
    _tell(line, HostEnded(_told_to_the_host(job, _Work(job, line, stop).run())), stop)


def _told_to_the_host(job: Job, result: HostResult) -> HostResult:
    """Write the end of the run to the host's syslog and journal, where the run changed something there."""
    connected = remote.connected(job.book.host(job.host))
    perhaps_before = job.resumed and job.mode == "apply"
    if connected is None or not (result.sum("changes_made") or perhaps_before):
        return result
    folder = job.root / job.run / job.host
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(folder.glob("*.json")))).hexdigest()
    journal = Journal(connected, job.run, operator(), job.reason)
    try:
        journal.tell_end("run", result.state, result.sum("changes_made"), digest)
    except RunbookError as error:
        told = f"the end of the run is not in the host's syslog: {error}"
        return replace(result, problem=f"{result.problem}\n{told}" if result.problem else told)
    return result


class _Work:
    def __init__(self, job: Job, line: Connection, stop: Stop) -> None:
        self.job, self.line, self.stop = job, line, stop

    def run(self) -> HostResult:
        chapters: list[ChapterResult] = []
        left_out: list[str] = []
        for number, notebook in enumerate(self.job.notebooks):
            family = family_of(self.job)
            if family and notebook.chapter in chapters_of_others(family):
                left_out.append(notebook.chapter)
                self.tell(ChapterLeftOut(notebook.chapter, family))
                continue
            if self.stop.wanted:
                problem = f"stopped on request, before {notebook.chapter}"
                return HostResult(self.job.host, "interrupted", tuple(chapters), tuple(left_out), problem)
            began = Moment.now()
            self.tell(ChapterStarted(number, began))
            made_before = sum(chapter.changes_made for chapter in chapters)
            chapters.append(self.chapter(notebook, began, made_before))
            self.tell(ChapterEnded(chapters[-1]))
            if not chapters[-1].goes_on:
                break
        return HostResult(self.job.host, state_of(chapters), tuple(chapters), tuple(left_out))

    def chapter(self, notebook: Notebook, began: Moment, made_before: int) -> ChapterResult:
        """Run a chapter; where no record of it can be written, say what the host has instead."""
        failure: list[Failure] = []
        try:
            return self._chapter(notebook, began, failure)
        except RecordNotWritten as error:
            made, told = self._on_the_host()
            first = [one.message for one in failure if one.type != type(error).__name__]
            return ChapterResult(
                notebook.chapter, notebook.title, "failed", began.took_s(), notebook.code_cells,
                changes_made=max(0, made - made_before), problem="\n".join([*first, str(error), told]),
            )  # fmt: skip

    def _on_the_host(self) -> tuple[int, str]:
        """How many changes of this run are on the host, as its own journal has it; and that in words."""
        host = remote.connected(self.job.book.host(self.job.host))
        if host is None:
            return 0, "This run has not reached the host."
        try:
            mine = next((one for one in runs.look(host).runs if one.run == self.job.run), None)
        except RunbookError as error:
            return 0, f"What the host has of this run could not be asked: {error.problem.splitlines()[0]}"
        if mine is None or mine.is_back:
            return 0, "The host has no change of this run."
        count = counted(mine.made, "change")
        half = f", and perhaps half of another: {mine.open}" if mine.open else ""
        back = f"runbook rollback {self.job.run} --host {self.job.host}"
        return mine.made, f"The host has {count} of this run{half}. To put back: {back}"

    def _chapter(self, notebook: Notebook, began: Moment, failures: list[Failure]) -> ChapterResult:
        set_earlier_aside(self.job, notebook)
        own = {
            "inventory": self.job.inventory,
            "host": self.job.host,
            "mode": "emergency" if self.job.emergency else self.job.mode,
            "reason": self.job.reason,
        }
        values = own_parameters(notebook, own) | dict(self.job.parameters.get(notebook.chapter, {}))
        looking = Looking(
            begun=lambda begun: self.tell(NotebookBegun(begun)),
            cell=lambda number: self.tell(CellStarted(number)),
            done=lambda index, cell: self.tell(CellEnded(index, cell)),
        )
        done = execute(notebook, values, self.stop, looking, self.job.cell_deadline_s)
        record = record_of(self.job, notebook)
        judged = judge(done.notebook, record, done.stopped)
        if judged.failure:
            ended: Ended = "interrupted" if done.interrupted else "failed"
            failure = _explained(judged.failure, done)
            judged = Judgement(ended, failure, judged.cell)
            failures.append(failure)
            record = close_record(self.job, notebook, ended, failure, began)
        judged, record = self.keep(notebook, began, done, judged, record)
        return ChapterResult(
            chapter=notebook.chapter,
            title=notebook.title,
            outcome=judged.outcome,
            seconds=began.took_s(),
            cells=notebook.code_cells,
            problem=judged.failure.message if judged.failure else None,
            cell=judged.cell,
            **from_record(record),
        )

    def keep(
        self,
        notebook: Notebook,
        began: Moment,
        done: Execution,
        judged: Judgement,
        record: RecordData | None,
    ) -> tuple[Judgement, RecordData | None]:
        """Attach the executed notebook to the record, unless a secret is in it: then the chapter has failed."""
        if done.notebook is None or record is None:
            return judged, record
        folder = self.job.root / self.job.run
        entry = Entry(record_path(self.job, notebook).relative_to(folder), 0, record)
        try:
            keep_notebook(done.notebook, folder, entry, notebook.path.parent)
        except RecordNotWritten as error:
            # There may be room for a word that this is missing; then resume runs the chapter again, and keeps it.
            close_record(
                self.job, notebook, "failed", Failure(type="RecordNotWritten", message=str(error)), began
            )
            raise
        except RecordError as error:
            failure = Failure(type="RecordError", message=str(error))
            judged = Judgement("failed", failure, judged.cell)
            record = close_record(self.job, notebook, "failed", failure, began)
        return judged, record

    def tell(self, event: Event) -> None:
        _tell(self.line, event, self.stop)


def _explained(failure: Failure, done: Execution) -> Failure:
    """Say what the cell's error cannot: that it was stopped on request."""
    if done.interrupted and failure.type in ("KeyboardInterrupt", "StepInterrupted"):
        return Failure(type="Interrupted", message="stopped on request, in the middle of this cell")
    return failure


def _tell(line: Connection, event: Event, stop: Stop) -> None:
    try:
        line.send(event)
    except (BrokenPipeError, ConnectionResetError):  # the parent is gone; nobody would collect what comes
        stop.after_this_cell()


def _listen(line: Connection, stop: Stop) -> None:
    try:
        while True:
            if line.recv() == "stop now":
                stop.now()
            stop.after_this_cell()
    except (EOFError, ConnectionResetError):
        stop.after_this_cell()


class _Telling(io.TextIOBase):
    """Standard error of this process: told to the parent, without secrets, also those that come in pieces."""

    def __init__(self, line: Connection) -> None:
        self.line, self.said = line, ""

    def write(self, text: str) -> int:
        self.said = (self.said + text)[-_SAID_MAX:]
        self.line.send(Said(mask(self.said)))
        return len(text)


def _leave_the_terminal(line: Connection) -> None:
    """Nothing that a library says of itself reaches the person's screen."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)
    sys.stderr = _Telling(line)
