"""Progress of a batch on standard error: a bar a host on a terminal, a line a chapter everywhere."""

from contextlib import AbstractContextManager
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


class BatchProgress(AbstractContextManager["BatchProgress"]):
    """Shows what every host is at; silent where a program reads the result."""

    def __init__(self, *, silent: bool) -> None:
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

    def stopping(self, now: bool) -> None:
        """Ctrl-C was seen."""
        if now:
            self.console.print("Stopping now.")
        else:
            self.console.print("Stopping after the cells that are at work. Ctrl-C again stops now.")

    def line(self, host: str, text: str, style: str) -> None:
        """A line that stays."""
        self.console.print(Text(visible(f"{host}: {text}"), style=style))
