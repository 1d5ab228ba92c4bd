"""What a cell that takes long shows in JupyterLab while it is at work: what, and for how long. Nothing of it stays.

Only where a person steps through a notebook: what nbval compares and papermill stores has no trace of it.
"""

import contextvars
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from IPython.core.display_functions import clear_output
from IPython.core.display_functions import display as show

from runbook_lib import display
from runbook_lib.messages import message

OPENING = message("opening the chapter: connecting, and looking at the host")
_AFTER_S = 2.0  # a cell that is quicker needs no words
_EVERY_S = 1.0


def by_hand() -> bool:
    """Whether a person steps through this notebook.

    Source: jupyter_server sets JPY_SESSION_NAME for the kernels of notebooks that are open in a browser; papermill and
    nbval start kernels of their own.
    """
    return "JPY_SESSION_NAME" in os.environ


@dataclass
class _Line:
    """One line below the cell, drawn anew each second by a thread of its own."""

    doing: str
    began: float = field(default_factory=time.monotonic)
    _end: threading.Event = field(default_factory=threading.Event)
    _drawn: bool = False

    def begin(self) -> threading.Thread:
        # With the context of the cell, which is how a kernel knows whose output it is.
        thread = threading.Thread(target=contextvars.copy_context().run, args=(self._draw,), daemon=True)
        thread.start()
        return thread

    def _draw(self) -> None:
        handle = None
        while not self._end.wait(_EVERY_S if handle else _AFTER_S):
            self._drawn = True
            seconds = f"{time.monotonic() - self.began:.0f}"
            line = display.Text(
                message("At work for {seconds} s: {doing}", seconds=seconds, doing=self.doing)
            )
            if handle is None:
                handle = show(line, display_id=True)  # type: ignore[no-untyped-call]  # IPython's
            else:
                handle.update(line)

    def end(self, thread: threading.Thread) -> None:
        self._end.set()
        thread.join()
        if self._drawn:
            clear_output()  # type: ignore[no-untyped-call]  # IPython's


_line: _Line | None = None


@contextmanager
def shown(doing: str) -> Iterator[None]:
    """Show what is being done, from the third second on, until it is done; inside another one only its words change.

    Args:
        doing: what, without a full stop.
    """
    global _line
    if not by_hand():
        yield
    elif _line is not None:
        before, _line.doing = _line.doing, doing
        try:
            yield
        finally:
            _line.doing = before
    else:
        _line = _Line(doing)
        thread = _line.begin()
        try:
            yield
        finally:
            ended, _line = _line, None
            ended.end(thread)


def now(doing: str) -> None:
    """Go on with something else within `shown`."""
    if _line is not None:
        _line.doing = doing
