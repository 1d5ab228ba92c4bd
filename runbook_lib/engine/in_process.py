"""The engine: papermill hands over a notebook, and its cells run here."""

import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nbformat import NotebookNode
from papermill.engines import Engine
from papermill.log import logger

if TYPE_CHECKING:  # IPython is imported when a notebook runs, not whenever papermill looks for its engines
    from runbook_lib.engine.saving import SavingManager

LANGUAGE_INFO = {
    "codemirror_mode": {"name": "ipython", "version": 3},
    "file_extension": ".py",
    "mimetype": "text/x-python",
    "name": "python",
    "nbconvert_exporter": "python",
    "pygments_lexer": "ipython3",
}
_OF_PAPERMILL = frozenset({"input_path", "start_timeout", "timeout", "startup_timeout"})


class WrongKernel(RuntimeError):
    """The notebook wants another kernel than the Python of this process."""


class InProcessEngine(Engine):
    """Runs the cells of a Python notebook in this process and this thread, which must be the main thread.

    Options of `papermill.execute_notebook` that it takes: `execution_timeout` (seconds a cell), `log_output`,
    `stdout_file`, `stderr_file`, `progress_bar`, `cwd`, `allow_errors`; nbclient's hooks `on_notebook_start`,
    `on_cell_start`, `on_cell_execute`, `on_cell_executed`, `on_cell_error`; and `output_limit_bytes` a cell.

    Raises:
        WrongKernel: the notebook is not for the Python that runs here.
        nbclient.exceptions.CellTimeoutError: a cell took longer than `execution_timeout`.
    """

    @classmethod
    def execute_notebook(
        cls,
        nb: NotebookNode,
        kernel_name: str,
        output_path: str | None = None,
        progress_bar: Any = True,
        log_output: bool = False,
        autosave_cell_every: int = 30,
        **options: Any,
    ) -> NotebookNode:
        """Run the notebook; papermill calls this."""
        from runbook_lib.engine.outputs import LIMIT_BYTES, Outputs
        from runbook_lib.engine.saving import SavingManager

        _require_python(nb, kernel_name)
        listen = _listener(log_output, options.pop("stdout_file", None), options.pop("stderr_file", None))
        outputs = Outputs(options.pop("output_limit_bytes", LIMIT_BYTES), listen)
        manager = SavingManager(
            nb, outputs, output_path=output_path, progress_bar=progress_bar, log_output=log_output,
            autosave_cell_every=autosave_cell_every,
        )  # fmt: skip
        manager.notebook_start()
        manager.begin()
        came_to_its_end = False
        try:
            cls.execute_managed_notebook(manager, kernel_name, **options)
            came_to_its_end = True
        finally:
            manager.cleanup_pbar()
            with manager.outputs.lock:
                manager.notebook_complete()
            manager.end(write=not came_to_its_end)  # papermill writes what came to its end
        executed: NotebookNode = manager.nb
        return executed

    @classmethod
    def execute_managed_notebook(
        cls,
        nb_man: "SavingManager",
        kernel_name: str,  # noqa: ARG003  # it is Python, as execute_notebook has seen
        execution_timeout: float | None = None,
        allow_errors: bool = False,
        **options: Any,
    ) -> None:
        """Run the cells in order, up to the first that fails."""
        from runbook_lib.engine.cells import Cells
        from runbook_lib.engine.shell import shell_for
        from runbook_lib.engine.streams import Descriptors

        hooks = {name: options.pop(name) for name in list(options) if name.startswith("on_")}
        unknown = sorted(options.keys() - _OF_PAPERMILL)
        if unknown:
            logger.warning("The in-process engine does not know these options: %s", ", ".join(unknown))
        descriptors = Descriptors(nb_man.outputs)
        with descriptors.listening(), shell_for(nb_man.outputs) as shell:
            Cells(nb_man, descriptors, shell, execution_timeout, allow_errors, hooks).run_all()
        with nb_man.outputs.lock:  # the saver may be reading it
            nb_man.nb.metadata["language_info"] = LANGUAGE_INFO | {"version": sys.version.partition(" ")[0]}


def _require_python(nb: NotebookNode, kernel_name: str) -> None:
    language = nb.metadata.get("kernelspec", {}).get("language", "python")
    if kernel_name not in ("python3", "python") or language.lower() != "python":
        raise WrongKernel(
            f"the notebook wants kernel {kernel_name!r} ({language}), and this engine runs cells in the Python "
            f"{sys.version_info.major}.{sys.version_info.minor} that runs papermill: "
            "give kernel_name='python3' to have it so, or leave the engine out"
        )
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("the in-process engine runs cells in the main thread: call papermill there")


def _listener(log_output: bool, stdout_file: Any, stderr_file: Any) -> Callable[[NotebookNode], None] | None:
    """Who is told of outputs as they come: papermill's log, and files that its options name."""
    if not (log_output or stdout_file or stderr_file):
        return None
    files = {"stdout": stdout_file, "stderr": stderr_file}
    log = {"stdout": logger.info, "stderr": logger.warning}

    def tell(output: NotebookNode) -> None:
        if output.output_type == "stream":
            if log_output:
                log[output.name]("%s", output.text)
            if file := files[output.name]:
                file.write(output.text)
                file.flush()
        elif log_output and "text/plain" in output.get("data", {}):
            logger.info("%s", output.data["text/plain"])

    return tell
