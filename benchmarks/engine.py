"""The in-process engine against papermill's own, side by side in one run: ratios of wall and CPU time.

Both run warm (all imports made, as in a worker from the fork server) and write the notebook to a file. CPU counts this
process and the kernels that it started. Goals: 0.06 at 10 cells, 0.02 at 200.
"""

import argparse
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

from runbook_lib.batch import quiet  # noqa: F401  # before papermill is imported

import papermill  # isort: skip

GOALS = {10: 0.06, 200: 0.02}
ENGINES = ("nbclient", "in-process")


def notebook(folder: Path, cells: int) -> Path:
    """A notebook whose cells print a line and show a value."""
    path = folder / f"{cells}.ipynb"
    made = new_notebook(
        cells=[new_code_cell(f"print('cell {number}')\n{number}") for number in range(cells)],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )
    nbformat.write(made, path)
    return path


def cpu_s() -> float:
    """CPU time of this process and of the children that have ended, in seconds."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def measured(run: Callable[[], object]) -> tuple[float, float]:
    """Wall and CPU time of a call, in seconds."""
    wall, cpu = time.perf_counter(), cpu_s()
    run()
    return time.perf_counter() - wall, cpu_s() - cpu


def median(path: Path, engine: str, times: int) -> tuple[float, float]:
    """Medians of wall and CPU time, in seconds."""

    def run() -> None:
        papermill.execute_notebook(
            path, path.with_suffix(".out.ipynb"), engine_name=engine, progress_bar=False
        )

    results = [measured(run) for _ in range(times)]
    return statistics.median(wall for wall, _ in results), statistics.median(cpu for _, cpu in results)


def main() -> None:
    """Measure and print a table; exit status 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=3, help="runs of each engine at 10 cells; one at 200")
    times = parser.parse_args().times
    missed = False
    print("cells  engine       wall s   CPU s    ratio wall  ratio CPU  goal")  # noqa: T201
    with tempfile.TemporaryDirectory() as folder:
        for engine in ENGINES:  # once, so that nobody pays for imports
            median(notebook(Path(folder), 1), engine, 1)
        for cells, goal in GOALS.items():
            path = notebook(Path(folder), cells)
            stock, ours = (median(path, engine, times if cells < 100 else 1) for engine in ENGINES)
            print(f"{cells:<6} stock        {stock[0]:<8.3f} {stock[1]:<8.3f}")  # noqa: T201
            ratios = ours[0] / stock[0], ours[1] / stock[1]
            missed = missed or max(ratios) > goal
            print(  # noqa: T201
                f"{cells:<6} in-process   {ours[0]:<8.3f} {ours[1]:<8.3f} {ratios[0]:<11.3f} {ratios[1]:<10.3f} {goal}"
            )
    raise SystemExit(missed)


if __name__ == "__main__":
    main()
