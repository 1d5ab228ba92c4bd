"""A command measured with all that it starts: seconds, CPU, memory, and what the machine did beside it.

Memory is the PSS of every process of the command, the most that was seen: what they share counts once. A process that
left its parent, as ssh's masters do, comes back to this one (PR_SET_CHILD_SUBREAPER), is counted and ended.

usage: measure.py LOG COMMAND…    prints one line of JSON
"""

import contextlib
import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

_EVERY_S = 0.25
_SUBREAPER = 36
_TICKS = os.sysconf("SC_CLK_TCK")


def busy_s() -> float:
    """CPU seconds of the whole machine since it started."""
    words = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return (sum(words) - words[3] - words[4]) / _TICKS


def below(pid: int) -> Iterator[int]:
    """All processes that a process started, and these."""
    for thread in Path(f"/proc/{pid}/task").glob("*"):
        with contextlib.suppress(OSError):
            for child in (thread / "children").read_text().split():
                yield int(child)
                yield from below(int(child))


def pss_kb() -> int:
    """Of all processes below this one."""
    found = 0
    for pid in list(below(os.getpid())):
        with contextlib.suppress(OSError, StopIteration):
            rows = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            found += next(int(row.split()[1]) for row in rows if row.startswith("Pss:"))
    return found


def main() -> None:
    """Run it to its end."""
    ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
    most, over = 0, threading.Event()

    def look() -> None:
        nonlocal most
        while not over.wait(_EVERY_S):
            most = max(most, pss_kb())

    busy, begun = busy_s(), time.monotonic()
    with Path(sys.argv[1]).open("wb") as log:
        process = subprocess.Popen(sys.argv[2:], stdout=log, stderr=log)
        looking = threading.Thread(target=look)
        looking.start()
        status = process.wait()
    took, busy = time.monotonic() - begun, busy_s() - busy
    over.set()
    looking.join()
    for pid in list(below(os.getpid())):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()
    of = resource.getrusage(resource.RUSAGE_CHILDREN)
    own = resource.getrusage(resource.RUSAGE_SELF)
    controller = of.ru_utime + of.ru_stime
    seen = {
        "status": status,
        "wall_s": round(took, 2),
        "controller_cpu_s": round(controller, 2),
        "pss_mb": round(most / 1024),
        "other_cpu_s": round(busy - controller - own.ru_utime - own.ru_stime, 2),
    }
    print(json.dumps(seen))  # noqa: T201


if __name__ == "__main__":
    main()
