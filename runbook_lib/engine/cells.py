"""The cells of a notebook, run one after the other in this process."""

from collections.abc import Callable
from typing import Any

from nbclient.exceptions import CellTimeoutError
from nbformat import NotebookNode

from runbook_lib.engine.deadline import CellDeadline, deadline
from runbook_lib.engine.saving import SavingManager
from runbook_lib.engine.shell import RootLogger, ZMQInteractiveShell, nobody_answers
from runbook_lib.engine.streams import Descriptors

Hook = Callable[..., object]


class Cells:
    """The cells of one notebook, one after the other."""

    def __init__(
        self,
        manager: SavingManager,
        descriptors: Descriptors,
        shell: ZMQInteractiveShell,
        timeout_s: float | None,
        allow_errors: bool,
        hooks: dict[str, Hook],
    ) -> None:
        self.manager, self.descriptors, self.shell = manager, descriptors, shell
        self.timeout_s, self.allow_errors, self.hooks = timeout_s, allow_errors, hooks
        self.root_logger = RootLogger()

    def hook(self, name: str, **values: object) -> None:
        if hook := self.hooks.get(name):
            hook(**values)

    def run_all(self) -> None:
        """Run them, up to the first that fails and may not.

        Raises:
            CellTimeoutError: a cell took longer than it may.
        """
        self.hook("on_notebook_start", notebook=self.manager.nb)
        for index, cell in enumerate(self.manager.nb.cells):
            with self.manager.outputs.lock:
                self.manager.cell_start(cell, index)
            try:
                self.hook("on_cell_start", cell=cell, cell_index=index)
                failed = self.cell(cell, index)
            finally:
                with self.manager.outputs.lock:
                    self.manager.cell_complete(cell, cell_index=index)
            if failed:
                break

    def cell(self, cell: NotebookNode, index: int) -> bool:
        """One cell; returns whether the notebook ends with it."""
        tags = cell.metadata.get("tags", [])
        if cell.cell_type != "code" or not cell.source.strip() or "skip-execution" in tags:
            return False
        self.hook("on_cell_execute", cell=cell, cell_index=index)
        error = self.run(cell)
        self.hook("on_cell_executed", cell=cell, cell_index=index, execute_reply=_reply(error, cell))
        if error is None:
            return False
        if isinstance(error, CellDeadline):
            self.failed(cell, index)
            raise CellTimeoutError.error_from_timeout_and_cell(str(error), int(self.timeout_s or 0), cell)
        if self.allow_errors or "raises-exception" in tags:
            return False
        self.failed(cell, index)
        return True

    def failed(self, cell: NotebookNode, index: int) -> None:
        with self.manager.outputs.lock:
            self.manager.cell_exception(cell, cell_index=index)
        self.hook("on_cell_error", cell=cell, cell_index=index)

    def run(self, cell: NotebookNode) -> BaseException | None:
        """Run a code cell; returns what ended it, which its outputs show too."""
        outputs, error = self.manager.outputs, None
        outputs.begin(cell)
        cell.execution_count = self.shell.execution_count
        try:
            with self.root_logger.in_place(), self.descriptors.in_place(), nobody_answers():
                try:
                    with deadline(self.timeout_s):
                        result = self.shell.run_cell(cell.source, store_history=True)
                    error = result.error_before_exec or result.error_in_exec
                # Between two instructions of the shell's own, outside of the cell's code.
                except (CellDeadline, KeyboardInterrupt) as outside:
                    error = outside
                self.show(error, cell)
        finally:
            outputs.end()
        return error

    def show(self, error: BaseException | None, cell: NotebookNode) -> None:
        """See to it that a failed cell shows an error that papermill takes for one."""
        if error is None:
            return
        shown = [output for output in cell.outputs if output.output_type == "error"]
        if isinstance(error, SystemExit):
            # papermill takes SystemExit with 0 or nothing for success, though the cells below did not run.
            told = f"{error.code!r}: the cell ended the notebook; the cells below it did not run"
            if shown:
                shown[-1].evalue = told
            else:
                self.manager.outputs.error("SystemExit", told, [f"SystemExit: {told}"])
        elif not shown:  # a magic's usage error is text on stderr only
            name, value = type(error).__name__, str(error)
            self.manager.outputs.error(name, value, [f"{name}: {value}"])


def _reply(error: BaseException | None, cell: NotebookNode) -> dict[str, Any]:
    """What a kernel would have answered, for hooks."""
    content: dict[str, Any] = {"status": "ok", "execution_count": cell.execution_count}
    if error is not None:
        content |= {"status": "error", "ename": type(error).__name__, "evalue": str(error)}
    return {"content": content}
