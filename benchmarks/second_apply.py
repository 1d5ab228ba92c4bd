"""A second apply of all chapters on one lab host: connections, round trips, and memory of the process at work.

Round trips are sessions on the connection, each a script and its answer, counted where a worker makes them. Memory is
what a worker of `runbook apply` has to itself (USS), the most that was seen. Goals: 1 connection, 15 round trips, and
60 MB.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]

from runbook_lib.batch import quiet  # noqa: F401  # before papermill is imported

import papermill  # isort: skip

from runbook_lib import remote
from runbook_lib.batch.worker import ANSWERS_KEPT_S
from runbook_lib.remote import connection, login

HOST = "debian12"
GOALS = {"connections": 1, "round trips": 15, "private memory, MB": 60}
CHECKOUT = Path(__file__).resolve().parents[1]
APPLY = [
    str(Path(sys.executable).with_name("runbook")),
    "apply",
    "--inventory",
    "lab",
    "--host",
    HOST,
    "--json",
]


def counted() -> dict[str, float]:
    """Run the chapters here as a worker does, and count."""
    counts = {"connections": 0.0, "round trips": 0.0}
    open_transport, start = login.open_transport, connection.Host._start

    def opening(*words: Any) -> Any:
        counts["connections"] += 1
        return open_transport(*words)

    def starting(*words: Any) -> Any:
        counts["round trips"] += 1
        return start(*words)

    login.open_transport, connection.Host._start = opening, starting  # type: ignore[method-assign]
    remote.Host.answers_kept_s = ANSWERS_KEPT_S
    with tempfile.TemporaryDirectory() as folder:
        for notebook in sorted((CHECKOUT / "notebooks").glob("[0-9]*.ipynb")):
            papermill.execute_notebook(
                notebook, Path(folder) / notebook.name, engine_name="in-process", progress_bar=False,
                parameters={"inventory": "lab", "host": HOST},
            )  # fmt: skip
    return counts


def memory_mb() -> float:
    """The most that a worker of `runbook apply` has to itself, in MB."""
    process = subprocess.Popen(APPLY, stdout=subprocess.DEVNULL)
    parent, most = psutil.Process(process.pid), 0
    while process.poll() is None:
        for child in parent.children(recursive=True):
            try:
                # The fork server and its tracker of resources have no connection; the worker at the host has.
                if child.net_connections("tcp"):
                    most = max(most, child.memory_full_info().uss)
            except psutil.NoSuchProcess:
                continue
        time.sleep(0.05)
    return most / 1e6


def main() -> None:
    """Apply once, then measure the second time; exit status 1 when a goal is missed."""
    with tempfile.TemporaryDirectory() as records:
        os.environ["RUNBOOK_RECORDS"] = records
        first = subprocess.run(APPLY, check=True, capture_output=True)
        state = json.loads(first.stdout)["hosts"][0]["state"]
        results = {"private memory, MB": memory_mb()} | counted()
    print(f"{HOST} before: {state}\n{'':<20} seen     goal")  # noqa: T201
    missed = False
    for what, goal in GOALS.items():
        missed = missed or not 0 < results[what] <= goal
        print(f"{what:<20} {results[what]:<8.4g} {goal}")  # noqa: T201
    raise SystemExit(missed)


if __name__ == "__main__":
    main()
