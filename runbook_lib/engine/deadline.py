"""A cell's deadline, in the process in which it runs."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

AGAIN_S = 5.0


class CellDeadline(BaseException):  # no Exception: a cell's `except Exception` must not swallow it
    """The cell took longer than it may."""


@contextlib.contextmanager
def deadline(seconds: float | None) -> Iterator[None]:
    """Raise CellDeadline in the main thread when `seconds` have passed, and every 5 s again while it is not heeded.

    A cell that waits in C code without looking at signals is not reached: only who started the process can end that.
    """
    if not seconds:
        yield
        return
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError(
            "cells have a deadline in the main thread only: run papermill there, or give no execution_timeout"
        )

    def over(_number: int, _frame: FrameType | None) -> None:
        raise CellDeadline(f"the cell took longer than {seconds:g} s")

    handler = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
