"""What a notebook's kernel begins with: words for a cell that is run without the cells above it, and folded traces.

`make` names this module as an IPython extension for the kernels of .venv.
"""

import traceback
from typing import Any, NoReturn

from IPython.core.display_functions import display as show

from runbook_lib import display
from runbook_lib.chapters.progress import by_hand
from runbook_lib.errors import RunbookError, UsageError
from runbook_lib.messages import message


class NotOpened:
    """Stands where cells look for their chapter, until a cell opens one."""

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("_"):  # what Python and IPython ask any value for
            raise AttributeError(name)
        raise UsageError(
            message(
                "no chapter is open in this kernel: it was started anew, or the cell that opens the "
                "chapter did not get through"
            ),
            f"chapter.{name}",
            message(
                "run the notebook from the top (menu Run, 'Run All Above Selected Cell'); what is there "
                "already is found as 'nothing to do'"
            ),
        )

    def __repr__(self) -> str:
        return "No chapter is open yet: run the notebook from the top."


def load_ipython_extension(shell: Any) -> None:
    """Prepare a kernel. IPython calls it once, before the first cell."""
    shell.user_ns["chapter"] = NotOpened()
    if by_hand():
        shell.events.register("post_run_cell", fold_trace)


def fold_trace(result: Any) -> None:
    """Below an error's sentence: where in the code it was raised, folded."""
    error = result.error_in_exec
    if isinstance(error, RunbookError):
        trace = display.Folded(
            message("where in the code that was"), "".join(traceback.format_exception(error))
        )
        show(trace)  # type: ignore[no-untyped-call]  # IPython's
