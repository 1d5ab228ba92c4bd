"""One notebook through papermill, in this process; stopped between two cells or at once where that is asked for."""

import os
import signal
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import nbformat
from nbclient.exceptions import CellTimeoutError
from nbformat import NotebookNode
from papermill import __version__ as papermill_version
from papermill.engines import papermill_engines
from papermill.exceptions import PapermillExecutionError
from papermill.execute import prepare_notebook_metadata, raise_for_execution_errors, remove_error_markers
from papermill.parameterize import parameterize_notebook

from runbook_lib.batch.judge import Stopped
from runbook_lib.batch.notebooks import Notebook
from runbook_lib.batch.parameters import Value
from runbook_lib.engine.in_process import WrongKernel
from runbook_lib.records.model import Failure

ENGINE = "in-process"


class StopRequested(Exception):  # no fault, but the only way out of papermill between two cells
    """Somebody asked to stop; the cells before have run to their end."""


@dataclass
class Stop:
    """The wish to stop, as one thread says it and the execution asks for it."""

    wanted: bool = False
    forced: bool = False
    _in_cell: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def after_this_cell(self) -> None:
        """Let the cell at work end, and no other begin."""
        self.wanted = True

    def now(self) -> None:
        """Interrupt the cell at work, as a person does in JupyterLab."""
        self.wanted = self.forced = True
        with self._lock:
            if self._in_cell:
                os.kill(os.getpid(), signal.SIGINT)

    def cell_begins(self) -> None:
        """A cell begins, unless somebody asked to stop.

        Raises: StopRequested.
        """
        with self._lock:
            if self.wanted:
                raise StopRequested
            self._in_cell = True

    def cell_ended(self) -> None:
        """No cell is at work."""
        with self._lock:
            self._in_cell = False


@dataclass(frozen=True)
class Looking:
    """Who is told how far an execution is.

    Args:
        begun: the notebook, with its parameters and without outputs.
        cell: before each of its own code cells, its number from 1.
        done: after each code cell, its index and the cell with its outputs.
    """

    begun: Callable[[NotebookNode], None]
    cell: Callable[[int], None]
    done: Callable[[int, NotebookNode], None]


@dataclass(frozen=True)
class Execution:
    """What was executed: the notebook with its outputs (None: it did not begin), and what ended it early."""

    notebook: NotebookNode | None
    stopped: Stopped | None = None
    interrupted: bool = False


def execute(
    notebook: Notebook,
    parameters: Mapping[str, Value],
    stop: Stop,
    looking: Looking,
    cell_deadline_s: float,
) -> Execution:
    """Run a notebook's cells, as they were read. Nothing is written: outputs may hold what no file should.

    Args:
        cell_deadline_s: seconds that a cell may take.
    """
    executed: list[NotebookNode] = []
    number = 0

    path, content = str(notebook.path), notebook.content

    def begin(notebook: NotebookNode) -> None:
        executed.append(notebook)
        looking.begun(notebook)

    def before_cell(cell: NotebookNode, **_: object) -> None:
        nonlocal number
        if "injected-parameters" not in cell.metadata.get("tags", []):
            number += 1
        stop.cell_begins()
        looking.cell(number)

    def after_cell(cell: NotebookNode, cell_index: int, **_: object) -> None:
        stop.cell_ended()
        looking.done(cell_index, cell)

    failure, between_cells = None, False
    try:
        _through_papermill(
            path,
            nbformat.reads(content.decode(), as_version=4),
            dict(parameters),
            execution_timeout=cell_deadline_s,
            on_notebook_start=begin,
            on_cell_execute=before_cell,
            on_cell_executed=after_cell,
        )
    except PapermillExecutionError:
        pass  # the cell shows its error; judged there
    except StopRequested:
        between_cells = True
        failure = Failure(type="Interrupted", message="stopped on request, before this cell")
    except KeyboardInterrupt:  # it came a moment after the cell's end
        between_cells = True
        failure = Failure(type="Interrupted", message="stopped on request, after this cell")
    except CellTimeoutError:
        failure = Failure(type="DeadlineExceeded", message=f"the cell took longer than {cell_deadline_s:g} s")
    except WrongKernel as error:
        failure = Failure(type="WrongKernel", message=str(error))
    stopped = Stopped(failure, number or None) if failure else None
    return Execution(executed[0] if executed else None, stopped, between_cells or stop.forced)


def _through_papermill(
    path: str, notebook: NotebookNode, parameters: dict[str, Value], **options: object
) -> None:
    """What `papermill.execute_notebook` does, by its own steps, with a notebook that was read and is not written.

    It would write the notebook out twice, for a file that there is none of, and read one of these again.
    """
    notebook.metadata.setdefault("papermill", NotebookNode(
        default_parameters={}, parameters={}, environment_variables={}, version=papermill_version
    ))  # fmt: skip
    for cell in notebook.cells:
        cell.metadata.setdefault("tags", [])
        cell.metadata.setdefault("papermill", NotebookNode())
    if parameters:
        notebook = parameterize_notebook(notebook, parameters, engine_name=ENGINE)
    notebook = remove_error_markers(prepare_notebook_metadata(notebook, path, None))
    kernel = papermill_engines.nb_kernel_name(engine_name=ENGINE, nb=notebook)
    executed = papermill_engines.execute_notebook_with_engine(
        ENGINE, notebook, kernel_name=kernel, input_path=path, output_path=None, progress_bar=False,
        log_output=False, start_timeout=60, stdout_file=None, stderr_file=None, **options,
    )  # fmt: skip
    raise_for_execution_errors(executed, None)
