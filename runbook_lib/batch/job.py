"""What a worker is told to do, and what it tells while it does: values that go between processes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from nbformat import NotebookNode

from runbook_lib.batch.notebooks import Notebook
from runbook_lib.batch.parameters import Value
from runbook_lib.batch.results import ChapterResult, HostResult, Mode
from runbook_lib.inventory import Inventory
from runbook_lib.records.approved import Approved
from runbook_lib.records.origin import Moment


@dataclass(frozen=True)
class Job:
    """All chapters on one host.

    Args:
        inventory: name or path, as the notebooks get it.
        book: what it says, read once a run.
        production: one at a time, and nothing after one that failed.
        group: never at work together with another host of the same; None: of none.
        parameters: for each chapter, what a person gave it.
        cell_deadline_s: seconds that a cell may take.
        resumed: an earlier part of the run stopped on some host.
        approved: what the chapters may do; None: nobody approved a plan.
        emergency: whether they are applied also while the host's calendar lets nothing be changed.
        hosts: how many hosts the run has.
    """

    run: str
    root: Path
    host: str
    production: bool
    group: str | None
    mode: Mode
    reason: str
    inventory: str
    book: Inventory = field(repr=False)
    notebooks: tuple[Notebook, ...]
    parameters: Mapping[str, Mapping[str, Value]]
    cell_deadline_s: float
    resumed: bool = False
    approved: Approved | None = None
    emergency: bool = False
    hosts: int = 1


@dataclass(frozen=True)
class ChapterStarted:
    """A chapter begins: the `number`th of the job's, now."""

    number: int
    began: Moment


@dataclass(frozen=True)
class CellStarted:
    """A code cell begins; they are counted from 1."""

    number: int


@dataclass(frozen=True)
class NotebookBegun:
    """A chapter's notebook with its parameters, before its first cell: the parent has it where the worker is killed."""

    notebook: NotebookNode


@dataclass(frozen=True)
class CellEnded:
    """A code cell has ended; with its outputs, it belongs at this index."""

    index: int
    cell: NotebookNode


@dataclass(frozen=True)
class ChapterLeftOut:
    """A chapter is for hosts of another family."""

    chapter: str
    family: str


@dataclass(frozen=True)
class ChapterEnded:
    """A chapter has ended, well or not."""

    result: ChapterResult


@dataclass(frozen=True)
class HostEnded:
    """The worker's last word."""

    result: HostResult


@dataclass(frozen=True)
class Said:
    """All that the worker's process wrote to its standard error, without secrets; told only if it dies."""

    text: str


Event = (
    ChapterStarted
    | NotebookBegun
    | CellStarted
    | CellEnded
    | ChapterLeftOut
    | ChapterEnded
    | HostEnded
    | Said
)
Request = Literal["stop", "stop now"]
