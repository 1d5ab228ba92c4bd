"""For Python under libfaketime, found by PYTHONPATH: a sleep that works there.

Python asks clock_nanosleep(2) for an absolute time of the monotonic clock, to which libfaketime 0.9.10 answers EINVAL,
whatever FAKETIME_DONT_FAKE_MONOTONIC says; select(2) waits for a span, and passes through.
"""

import select
import time
from typing import SupportsIndex


def _sleep(seconds: float | SupportsIndex, /) -> None:
    select.select([], [], [], float(seconds))


time.sleep = _sleep
