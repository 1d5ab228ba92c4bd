"""What the controller itself spends, no host needed: pages of notebooks, a long history, memory of workers.

Pages: CPU time of the pages of all notebooks, over nbconvert's HTML of the same, sanitized. History: CPU time to see
whether a reason was used on a host with 1,000 stored runs, over reading these once. Memory: what a worker has to itself
(USS), over all that the process has which it was forked from (RSS), with 1, 5 and 20 hosts at work; and the PSS of all
processes. Goals: 0.2, 0.05, 0.3.
"""

import contextlib
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from runbook_lib.batch import quiet  # noqa: F401  # before nbformat is imported

import nbformat  # isort: skip

from runbook_lib.records.index import completed_run
from runbook_lib.records.notebook_page import notebook_page

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(CHECKOUT / "tests"))
import fake_chapters  # noqa: E402
import sample_record  # noqa: E402

GOALS = {"pages": 0.2, "history": 0.05, "memory": 0.3}
TIMES, RUNS, HOSTS = 5, 1000, (1, 5, 20)
HOST = "mail12"
CHAPTERS = ("11-one", "12-two", "20-three", "31-four", "90-five")


def cpu_s(one: Callable[[], object], times: int = TIMES) -> float:
    """The least CPU time of a call, in seconds."""
    taken = []
    for _ in range(times):
        begun = time.process_time()
        one()
        taken.append(time.process_time() - begun)
    return min(taken)


def pages() -> tuple[float, float]:
    """CPU seconds for the pages of all notebooks: nbconvert's, and ours."""
    # Here, since multiprocessing imports in each worker what stands at the top of this script.
    from nbconvert import HTMLExporter

    notebooks = [
        (path, nbformat.read(path, as_version=4)) for path in sorted(CHECKOUT.glob("notebooks/[0-9]*.ipynb"))
    ]
    exporter = HTMLExporter(sanitize_html=True, embed_images=True)
    resources = {"metadata": {"path": str(CHECKOUT / "notebooks")}}

    def stock() -> None:
        for _, notebook in notebooks:
            exporter.from_notebook_node(notebook, resources=resources)

    def ours() -> None:
        for path, notebook in notebooks:
            notebook_page(notebook, path.stem, "record.html", path.parent)

    for warm in (stock, ours):
        warm()
    return cpu_s(stock), cpu_s(ours)


def history() -> tuple[float, float]:
    """CPU seconds to look for a reason in stored runs of five chapters: the first time, and when nothing is new."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        sample_record.postfix_chapter(root)
        (record,) = root.glob("*/*/*.json")
        for number in range(RUNS - 1):
            host = root / f"20250101T000000Z-{number:04x}" / HOST
            host.mkdir(parents=True)
            for chapter in CHAPTERS:
                (host / f"{chapter}.json").write_bytes(record.read_bytes())
            os.utime(host, (0, 0))
        first = cpu_s(lambda: completed_run(root, HOST, "another"), 1)
        return first, cpu_s(lambda: completed_run(root, HOST, "another"))


def memory(hosts: int) -> tuple[float, float, float]:
    """Of a batch with all its hosts in their last chapter: RSS of the fork server, USS of a worker, PSS of all; MB."""
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        os.environ["RUNBOOK_RECORDS"] = str(here / "records")
        seen: list[tuple[float, float, float]] = []
        wait = (
            f"import pathlib, time\npathlib.Path({folder!r}, f'{{host}}.here').touch()\n"
            f"while not pathlib.Path({folder!r}, 'go').exists(): time.sleep(0.05)"
        )
        chapters = dict.fromkeys(CHAPTERS, fake_chapters.WHOLE)
        chapters[CHAPTERS[-1]] = (*fake_chapters.WHOLE[:-1], wait, fake_chapters.SUMMARY)

        def look() -> None:
            while len(list(here.glob("*.here"))) < hosts:
                time.sleep(0.1)
            seen.append(_seen())
            (here / "go").touch()

        threading.Thread(target=look, daemon=True).start()
        names = [f"mail{number}" for number in range(hosts)]
        result = fake_chapters.run_batch(here, names, chapters, workers=hosts)
        if any(host.state != "passed" for host in result.hosts):
            raise SystemExit(f"the batch did not pass: {[host.problem for host in result.hosts]}")
        return seen[0]


def _seen() -> tuple[float, float, float]:
    """The fork server is the child that has children."""
    parent, everything, server, workers = psutil.Process(), 0, 0, []
    for process in (parent, *parent.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):  # git, asked for the commit
            memory = process.memory_full_info()
            everything += memory.pss
            if process != parent and process.children():
                server = memory.rss
            elif process.parent() != parent and process != parent:
                workers.append(memory.uss)
    return server / 1e6, sum(workers) / len(workers) / 1e6, everything / 1e6


def main() -> None:
    """Measure and print a table; exit status 1 when a goal is missed."""
    missed = False

    def show(what: str, goal: str, base: float, ours: float, more: str = "") -> None:
        nonlocal missed
        missed = missed or ours / base > GOALS[goal]
        print(f"{what:<26} {base:<9.4g} {ours:<9.4g} {ours / base:<7.3f} {GOALS[goal]:<6g} {more}".rstrip())  # noqa: T201

    print(f"{'':<26} {'base':<9} {'ours':<9} ratio   goal")  # noqa: T201
    show("pages, CPU s", "pages", *pages())
    show(f"{RUNS} stored runs, CPU s", "history", *history())
    for hosts in HOSTS:
        server, worker, everything = memory(hosts)
        show(f"memory, MB, {hosts} at work", "memory", server, worker, f"PSS of all: {everything:.0f} MB")
    raise SystemExit(missed)


if __name__ == "__main__":
    main()
