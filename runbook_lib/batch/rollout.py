"""Hosts in parallel where nothing is at stake, one at a time where there is; a failing host stops only itself."""

import multiprocessing
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from multiprocessing import connection
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from types import FrameType
from typing import Protocol

from nbformat import NotebookNode

from runbook_lib.batch import interpreters
from runbook_lib.batch.closing import close_record, family_of, keep_what_ran, set_earlier_aside
from runbook_lib.batch.job import (
    CellEnded,
    CellStarted,
    ChapterEnded,
    ChapterStarted,
    Event,
    HostEnded,
    Job,
    NotebookBegun,
    Request,
    Said,
)
from runbook_lib.batch.notebooks import Notebook
from runbook_lib.batch.results import ChapterResult, Ended, HostResult, from_record, state_of
from runbook_lib.errors import RecordNotWritten
from runbook_lib.families.chapters import chapters_of_others
from runbook_lib.inventory.whole import Loan
from runbook_lib.records.model import Failure

LAB_WORKERS = 4
# What a worker needs is imported once, in the process that all of them are forked from; the last lets them share it.
# The command's own module is among it: multiprocessing imports in each worker what the script at work imports.
PRELOADED = [
    __name__, "runbook_lib.batch.worker", "runbook_lib.engine.shell", "runbook_lib.cli", "runbook_lib.batch.preloaded",
]  # fmt: skip
STOP_NOW_GRACE_S = 10.0
HUNG_GRACE_S = 15.0  # beyond a cell's deadline, which the worker itself heeds if it can
_TICK_S = 0.25


class Watch(Protocol):
    """Somebody who looks on."""

    def started(self, job: Job) -> None:
        """A host's chapters begin."""

    def event(self, job: Job, event: Event) -> None:
        """Something happened on a host."""

    def stopping(self, now: bool) -> None:
        """A person asked to stop."""


@dataclass
class _Worker:
    job: Job
    process: ForkServerProcess
    line: Connection
    chapters: list[ChapterResult] = field(default_factory=list)
    at_work: ChapterStarted | None = None
    notebook: NotebookNode | None = None  # of the chapter at work, as far as its cells have run
    cell: int | None = None  # at work or last, from 1
    in_cell_until: float = float("inf")
    hung: bool = False
    said: str = ""
    result: HostResult | None = None

    def stopped_at(self) -> Notebook | None:
        """The chapter at work, or the one that would have been next; None where each has ended."""
        if self.at_work:
            return self.job.notebooks[self.at_work.number]
        ended = {chapter.chapter for chapter in self.chapters} | chapters_of_others(family_of(self.job))
        return next((one for one in self.job.notebooks if one.chapter not in ended), None)


def roll_out(jobs: Sequence[Job], workers: int | None, watch: Watch) -> tuple[HostResult, ...]:
    """Run every job in a process of its own.

    Args:
        workers: hosts at work at the same time; None: 4 that are not in production, and 1 that is.
    Returns: a result a job, in the order of the jobs.
    """
    with _interruptions() as count:
        return _Rollout(jobs, workers, watch, count).run()


class _Rollout:
    def __init__(
        self, jobs: Sequence[Job], workers: int | None, watch: Watch, interruptions: Callable[[], int]
    ) -> None:
        self.jobs, self.workers, self.watch, self.interruptions = jobs, workers, watch, interruptions
        self.waiting = {job.host: job for job in jobs}
        self.room = True  # something has ended since what waits was looked at
        self.at_work: list[_Worker] = []
        self.results: dict[str, HostResult] = {}
        self.halted = False  # a production host did not get through: no other is begun
        self.asked: Request | None = None
        self.kill_at = float("inf")
        self.at_the_end = ExitStack()
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(PRELOADED)

    def run(self) -> tuple[HostResult, ...]:
        with self.at_the_end:
            while True:
                self.pass_on_interruptions()
                self.start_what_may()
                if not self.at_work:
                    break
                self.wait()
        not_started = {host: HostResult(host, "not started") for host in self.waiting}
        return tuple((self.results | not_started)[job.host] for job in self.jobs)

    def start_what_may(self) -> None:
        """Only where something has ended: of a thousand that wait, not each is looked at for each word of a worker."""
        if not self.room:
            return
        self.room = False
        kinds = {True, False}
        for job in tuple(self.waiting.values()):
            kinds = {production for production in kinds if self.has_room(production=production)}
            if not kinds:
                break
            if job.production in kinds and not self.is_group_at_work(job):
                del self.waiting[job.host]
                self.start(job)

    def has_room(self, *, production: bool) -> bool:
        if self.asked or (production and self.halted):
            return False
        alike = sum(worker.job.production == production for worker in self.at_work)
        return alike < (self.workers or (1 if production else LAB_WORKERS))

    def is_group_at_work(self, job: Job) -> bool:
        return bool(job.group) and any(worker.job.group == job.group for worker in self.at_work)

    def start(self, job: Job) -> None:
        self.watch.started(job)  # first: the process that workers are forked from takes seconds to be there
        here, there = self.context.Pipe()
        process = self.context.Process(target=_work, args=(self.lent(job), there), name=f"runbook {job.host}")
        with interpreters.never_from_here():
            process.start()
        there.close()
        self.at_work.append(_Worker(job, process, here))

    @cached_property
    def loan(self) -> Loan:
        return self.at_the_end.enter_context(Loan.of(self.jobs[0].book.rest))

    def lent(self, job: Job) -> Job:
        """The job for its worker: to start one does not take longer the more hosts there are."""
        return replace(job, book=job.book.lent(job.host, self.loan))

    def wait(self) -> None:
        """Take what the workers tell; the end of a line is the end of its worker."""
        by_line = {worker.line: worker for worker in self.at_work}
        for line in connection.wait(list(by_line), timeout=_TICK_S):
            worker = by_line[line]  # type: ignore[index]  # only connections were given
            try:
                self.take(worker, worker.line.recv())
            except (EOFError, ConnectionResetError):
                self.end(worker)

    def take(self, worker: _Worker, event: Event) -> None:
        match event:
            case ChapterStarted():
                worker.at_work, worker.notebook, worker.cell = event, None, None
            case NotebookBegun():
                worker.notebook = event.notebook
            case CellStarted():
                worker.cell = event.number
                worker.in_cell_until = time.monotonic() + worker.job.cell_deadline_s + HUNG_GRACE_S
            case CellEnded():
                worker.in_cell_until = float("inf")
                if worker.notebook is not None:
                    worker.notebook.cells[event.index] = event.cell
            case ChapterEnded():
                worker.at_work = None
                worker.chapters.append(event.result)
            case HostEnded():
                worker.result = event.result
            case Said():
                worker.said = event.text
                return
        self.watch.event(worker.job, event)

    def end(self, worker: _Worker) -> None:
        worker.process.join()
        worker.line.close()
        self.at_work.remove(worker)
        self.room = True
        result = worker.result or self.died(worker)
        self.results[worker.job.host] = result
        if worker.job.production and result.state not in ("passed", "planned"):
            self.halted = True
        if worker.result is None:
            self.watch.event(worker.job, HostEnded(result))

    def died(self, worker: _Worker) -> HostResult:
        """A worker without a last word was killed, or has a fault of its own: its record is closed here."""
        code = worker.process.exitcode or 0
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
        if worker.hung:
            how = f"did not heed the cell's deadline of {worker.job.cell_deadline_s:g} s, and was killed"
        failure = Failure(type="WorkerDied", message=f"the worker {how}\n{worker.said}".strip())
        state: Ended = "interrupted" if self.asked else "failed"
        notebook = worker.stopped_at()
        if notebook is None:
            told = f"{failure.message}\nEvery chapter had ended; the end of the run may not be in the host's syslog"
            return HostResult(
                worker.job.host, state_of(worker.chapters), tuple(worker.chapters), problem=told
            )
        began = worker.at_work.began if worker.at_work else None
        record = None
        try:
            if began is None:
                set_earlier_aside(worker.job, notebook)
            record = close_record(worker.job, notebook, state, failure, began)
        except RecordNotWritten as error:
            failure = Failure(type=failure.type, message=f"{failure.message}\n{error}")
        if worker.at_work and worker.notebook is not None and record is not None:
            failure = keep_what_ran(worker.job, notebook, worker.notebook, record, failure)
        result = ChapterResult(
            notebook.chapter, notebook.title, state, began.took_s() if began else 0.0, notebook.code_cells,
            problem=failure.message, cell=worker.cell if worker.at_work else None, **from_record(record),
        )  # fmt: skip
        worker.chapters.append(result)
        return HostResult(worker.job.host, state, tuple(worker.chapters), problem=failure.message)

    def pass_on_interruptions(self) -> None:
        wanted: Request | None = {0: None, 1: "stop"}.get(self.interruptions(), "stop now")
        if wanted and wanted != self.asked:
            self.asked = wanted
            self.watch.stopping(now=wanted == "stop now")
            if wanted == "stop now":
                self.kill_at = time.monotonic() + STOP_NOW_GRACE_S
            for worker in self.at_work:
                with suppress(BrokenPipeError, ConnectionResetError):  # it has just ended
                    worker.line.send(wanted)
        now = time.monotonic()
        for worker in self.at_work:
            worker.hung = worker.hung or now > worker.in_cell_until
            if worker.hung or now > self.kill_at:
                worker.process.kill()


def _work(job: Job, line: Connection) -> None:
    """As a worker; what it needs is never imported by the process that only waits for it."""
    from runbook_lib.batch.worker import work

    work(job, line)


@contextmanager
def _interruptions() -> Iterator[Callable[[], int]]:
    """Count Ctrl-C and a service manager's TERM instead of dying of them."""
    count = 0

    def counted(_number: int, _frame: FrameType | None) -> None:
        nonlocal count
        count += 1

    before = {number: signal.signal(number, counted) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: count
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
