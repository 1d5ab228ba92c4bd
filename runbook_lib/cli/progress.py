"""Progress of a batch on standard error: a bar a host on a terminal, a line a chapter everywhere."""

import time
from contextlib import AbstractContextManager
from dataclasses import asdict
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from runbook_lib.batch.job import (
    CellStarted,
    ChapterEnded,
    ChapterLeftOut,
    ChapterStarted,
    Event,
    HostEnded,
    Job,
)
from runbook_lib.batch.results import BatchResult, HostResult, Mode
from runbook_lib.cli.options import DocumentByLines
from runbook_lib.visible import visible

_STYLES = {
    "passed": "green",
    "planned": "green",
    "not proven": "yellow",
    "failed": "red",
    "interrupted": "red",
}

# True at every moment of an apply; which changes were made is for `runbook status` to say, which asks the host.
IF_LEFT = (
    "If you close the laptop now: a host ends the change that is being made by itself, and no other is begun; "
    "`runbook status` says how far it came."
)


_MANY = 3  # hosts; of fewer each has its own bar, which says enough


def _about(seconds: float) -> str:
    return f"about {seconds / 60:.0f} min left" if seconds >= 90 else f"about {seconds:.0f} s left"


class BatchDocument:
    """The result as one JSON document, a line a host as soon as that has ended."""

    def __init__(self, mode: Mode) -> None:
        self.mode = mode
        self.told: set[str] = set()
        self._lines: DocumentByLines | None = None

    def begin(self) -> DocumentByLines:
        """Write what is known before; once. What is wrong with the order was told by then."""
        if self._lines is None:
            self._lines = DocumentByLines({"format": 1, "mode": self.mode}, "hosts")
        return self._lines

    def add(self, result: HostResult) -> None:
        """Write the line of a host."""
        self.told.add(result.host)
        self.begin().add(asdict(result))

    def end(self, result: BatchResult) -> None:
        """Write the hosts of which nothing was told yet, since they were not begun; and what is known at the end."""
        for host in result.hosts:
            if host.host not in self.told:
                self.add(host)
        known = ("format", "mode", "hosts")
        rest = {name: value for name, value in result.document().items() if name not in known}
        self.begin().end(rest)


class BatchProgress(AbstractContextManager["BatchProgress"]):
    """Shows what every host is at, and of many how long it takes; silent where a program reads the result.

    Args:
        document: gets the line of each host whose chapters in this mode have ended, where a program reads; None: none.
    """

    def __init__(
        self, *, silent: bool, mode: Mode = "apply", document: "BatchDocument | None" = None
    ) -> None:
        self.mode, self.document = mode, document
        self.all: TaskID | None = None
        self.ended = 0
        self.began_s = time.monotonic()
        self.console = Console(stderr=True, quiet=silent, highlight=False, soft_wrap=True)
        self.bars = Progress(
            TextColumn("{task.fields[host]}"),
            BarColumn(bar_width=24),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            console=self.console,
            transient=True,
            disable=silent or not self.console.is_terminal,
        )
        self.tasks: dict[str, TaskID] = {}
        self.chapters: dict[str, int] = {}

    def __enter__(self) -> "BatchProgress":
        self.bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bars.stop()

    def started(self, job: Job) -> None:
        """A host's chapters begin; a bar's length is all code cells that may run."""
        if job.mode == "apply" and not self.tasks:
            self.console.print(IF_LEFT, style="dim")
        if self.document and job.mode == self.mode:
            self.document.begin()
        if job.hosts >= _MANY and self.all is None:
            self.all = self.bars.add_task("", total=job.hosts, host=f"{job.hosts} hosts")
        total = sum(notebook.code_cells for notebook in job.notebooks)
        self.tasks[job.host] = self.bars.add_task("begins", total=total, host=job.host)

    def event(self, job: Job, event: Event) -> None:
        """A chapter or cell begins or ends."""
        task = self.tasks[job.host]
        match event:
            case ChapterStarted():
                self.chapters[job.host] = event.number
                self.bars.update(task, description=job.notebooks[event.number].chapter)
            case CellStarted():
                number = self.chapters[job.host]
                notebook = job.notebooks[number]
                done = sum(before.code_cells for before in job.notebooks[:number]) + event.number - 1
                at = f"{notebook.chapter}, cell {event.number} of {notebook.code_cells}"
                self.bars.update(task, completed=done, description=at)
            case ChapterEnded():
                result = event.result
                self.line(
                    job.host, f"{result.told()}, {result.seconds:.1f} s", _STYLES.get(result.outcome, "")
                )
            case ChapterLeftOut():
                self.line(job.host, f"{event.chapter} left out: not for {event.family}", "dim")
            case HostEnded():
                self.bars.remove_task(task)
                self._host_ended(job, event)

    def _host_ended(self, job: Job, event: HostEnded) -> None:
        if self.document and job.mode == self.mode:
            self.document.add(event.result)
        self.ended += 1
        if self.all is not None:
            left = (time.monotonic() - self.began_s) / self.ended * (job.hosts - self.ended)
            self.bars.update(self.all, completed=self.ended, description=f"{self.ended} done, {_about(left)}")
            if (
                self.ended == job.hosts
            ):  # a plan that is applied is made anew first: those are counted by themselves
                self.bars.remove_task(self.all)
                self.all, self.ended, self.began_s = None, 0, time.monotonic()

    def stopping(self, now: bool) -> None:
        """Ctrl-C was seen."""
        if now:
            self.console.print("Stopping now.")
        else:
            self.console.print("Stopping after the cells that are at work. Ctrl-C again stops now.")

    def line(self, host: str, text: str, style: str) -> None:
        """A line that stays."""
        self.console.print(Text(visible(f"{host}: {text}"), style=style))
