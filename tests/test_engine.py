"""The in-process engine where the stock one is silent, slow or wrong: each promise of docs/engine.md."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import nbformat
import papermill
import pytest
from nbclient.exceptions import CellTimeoutError
from nbformat.v4 import new_code_cell, new_notebook
from papermill.engines import papermill_engines

from runbook_lib.engine import InProcessEngine
from runbook_lib.engine.in_process import WrongKernel

PYTHON = {"name": "python3", "display_name": "Python 3", "language": "python"}


@pytest.fixture(autouse=True)
def in_this_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(*cells: str, kernel: dict[str, str] = PYTHON, name: str = "in.ipynb") -> Path:
    """A notebook of these cells."""
    path = Path(name)
    nbformat.write(new_notebook(cells=list(map(new_code_cell, cells)), metadata={"kernelspec": kernel}), path)
    return path


def run(*cells: str, **options: Any) -> list[str]:
    """What each cell's streams and results show, as text."""
    path = write(*cells)
    made = papermill.execute_notebook(
        path, "out.ipynb", engine_name="in-process", progress_bar=False, **options
    )
    return [shown(cell) for cell in made.cells]


def shown(cell: Any) -> str:
    texts = [
        output.get("text") or output.get("data", {}).get("text/plain", "") or output.get("evalue", "")
        for output in cell.outputs
    ]
    return "".join(texts)


def test_papermill_finds_it_by_its_entry_point() -> None:
    assert papermill_engines.get_engine("in-process") is InProcessEngine


def test_what_python_and_its_subprocesses_write_stays_in_order() -> None:
    (told,) = run(
        "import os, subprocess\nprint(1); subprocess.run(['echo', '2']); os.write(1, b'3\\n'); print(4)\n5"
    )
    assert told == "1\n2\n3\n4\n5"


def test_bytes_that_are_no_utf8_are_shown_escaped() -> None:
    assert run("import os; _ = os.write(2, b'\\xff \\xc3\\xa9')") == ["\\xff é"]


def test_a_thread_that_prints_after_its_cell_prints_into_its_cell() -> None:
    cells = (
        "import threading, time\ndef late():\n    time.sleep(0.3); print('late')",
        "t = threading.Thread(target=late); t.start()",
        "print('second')",
        "t.join()",
    )
    assert run(*cells) == ["", "late\n", "second\n", ""]


def test_a_handler_that_kept_a_stream_of_an_earlier_notebook_writes_into_this_one() -> None:
    add = "import logging; log = logging.getLogger('kept-by-a-library'); log.addHandler(logging.StreamHandler())"
    assert run(add, "log.warning('first')")[1] == "first\n"
    assert run("import logging; logging.getLogger('kept-by-a-library').warning('second')") == ["second\n"]
    logging_handlers = __import__("logging").getLogger("kept-by-a-library").handlers
    logging_handlers.clear()


@pytest.mark.parametrize(
    ("cell", "told"),
    [
        ("raise SystemExit", "SystemExit"),  # papermill alone takes 0 and nothing for success
        ("import sys; sys.exit(0)", "SystemExit"),
        ("exit", "SystemExit"),
        ("input('name? ')", "does not support input"),
        ("import getpass; getpass.getpass()", "does not support input"),
        ("%nosuchmagic", "nosuchmagic"),
        ("%debug", "."),
        ("1 / 0", "division by zero"),
        ("def (", "invalid syntax"),
        ("import asyncio\nawait asyncio.wait_for(asyncio.sleep(9), 0.01)", "TimeoutError"),
    ],
)
def test_a_cell_that_did_not_end_well_fails_the_notebook(cell: str, told: str) -> None:
    if cell == "%debug":  # a debugger has nobody to ask
        cell = "try:\n    1 / 0\nexcept Exception as e:\n    import pdb; pdb.post_mortem(e.__traceback__)"
    with pytest.raises(papermill.PapermillExecutionError) as raised:
        run(cell, "print('not run')")
    assert re.search(told, str(raised.value))
    left = nbformat.read("out.ipynb", as_version=4)
    assert left.cells[-1].execution_count is None


def test_a_cell_has_room_for_so_much_and_the_rest_is_said_to_be_left_out() -> None:
    (told, after) = run("for _ in range(1000): print('x' * 999)", "print('next')", output_limit_bytes=10_000)
    assert len(told) < 11_000
    assert "beyond 10000 bytes is left out" in told
    assert after == "next\n"


def test_the_process_is_as_it_was_before() -> None:
    def state() -> tuple[object, ...]:
        handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGALRM)]
        streams = sys.stdin, sys.stdout, sys.stderr, sys.displayhook, sys.excepthook
        return (
            dict(os.environ),
            Path.cwd(),
            list(sys.path),
            sys.modules["__main__"],
            handlers,
            streams,
            *map(os.fstat, (0, 1, 2)),
        )

    before, threads = state(), threading.active_count()
    run(
        "import os, sys; os.environ['RUNBOOK_TRY'] = '1'; sys.path.append('/nowhere'); os.chdir('/')",
        execution_timeout=9,
    )
    after = state()
    assert after[:6] == before[:6]
    assert threading.active_count() == threads
    from IPython.core.getipython import get_ipython

    assert get_ipython() is None


def test_a_cell_may_run_another_notebook() -> None:
    write("print('inner'); x = 1", name="inner.ipynb")
    inner = (
        "import papermill\nmade = papermill.execute_notebook("
        "'inner.ipynb', None, engine_name='in-process', progress_bar=False)"
    )
    assert run("y = 2", inner, "print('outer', y, 'x' in globals(), made.cells[0].outputs[0].text.strip())") == [
        "", "", "outer 2 False inner\n",
    ]  # fmt: skip


def test_notebooks_do_not_see_each_other() -> None:
    run("secret = 1")
    assert run("'secret' in globals(), In[-1]") == ["(False, \"'secret' in globals(), In[-1]\")"]


def test_a_deadline_is_not_swallowed_and_what_ran_is_written() -> None:
    swallow = "import time\ntry:\n    time.sleep(60)\nexcept Exception:\n    pass"
    with pytest.raises(CellTimeoutError):
        run("print('before')", swallow, "print('after')", execution_timeout=1)
    left = nbformat.read("out.ipynb", as_version=4)
    assert [shown(cell) for cell in left.cells] == ["before\n", "the cell took longer than 1 s", ""]


def test_a_process_that_is_killed_leaves_the_notebook_up_to_there() -> None:
    path = write("print('before')", "print('within', flush=True)\nimport time; time.sleep(60)")
    command: list[str | Path] = [
        Path(sys.executable).with_name("papermill"),
        "--engine",
        "in-process",
        "--no-progress-bar",
    ]
    process = subprocess.Popen([*command, path, "out.ipynb"], stderr=subprocess.PIPE)
    deadline = time.monotonic() + 30
    while not (
        Path("out.ipynb").exists() and "within" in Path("out.ipynb").read_text().rpartition("source")[0]
    ):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    process.kill()
    process.communicate()
    left = nbformat.read("out.ipynb", as_version=4)
    assert [shown(cell) for cell in left.cells] == ["before\n", "within\n"]


@pytest.mark.parametrize(("name", "language"), [("ir", "R"), ("nosuchkernel", "python")])
def test_another_kernel_is_refused(name: str, language: str) -> None:
    write("1", kernel={"name": name, "display_name": name, "language": language})
    with pytest.raises(WrongKernel, match=f"wants kernel '{name}'"):
        papermill.execute_notebook("in.ipynb", None, engine_name="in-process", progress_bar=False)
    papermill.execute_notebook(
        "in.ipynb", None, engine_name="in-process", kernel_name="python3", progress_bar=False
    ) if language == "python" else None


def test_another_thread_is_refused() -> None:
    raised: list[BaseException] = []

    def try_it() -> None:
        try:
            run("1")
        except RuntimeError as error:
            raised.append(error)

    thread = threading.Thread(target=try_it)
    thread.start()
    thread.join()
    assert "main thread" in str(raised[0])


RUNS = 500 if "RUNBOOK_LONG" in os.environ else 48  # some of the processes make more than one
MANY = """
import multiprocessing, sys
def one(number):
    import papermill
    made = papermill.execute_notebook('in.ipynb', f'out{number}.ipynb', {'n': number}, engine_name='in-process',
                                      progress_bar=False)
    return made.cells[-1].outputs[-1].text.split()[-1]
if __name__ == '__main__':
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload(['runbook_lib.batch.quiet', 'papermill', 'runbook_lib.engine.cells'])
    with context.Pool(16, maxtasksperchild=2) as pool:
        told = pool.map(one, range(RUNS), chunksize=1)
    assert told == [str(2 * n) for n in range(RUNS)], told
"""


@pytest.mark.programs
def test_runs_16_at_a_time_none_fails_and_none_says_a_word() -> None:
    cells = [new_code_cell("n = 0", metadata={"tags": ["parameters"]})]
    cells += [new_code_cell(f"print('cell {i}')\n{i}") for i in range(8)]
    cells += [new_code_cell("import subprocess\nsubprocess.run(['true'])\nprint('twice', 2 * n)")]
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": PYTHON}), "in.ipynb")
    Path("many.py").write_text(MANY.replace("RUNS", str(RUNS)))
    done = subprocess.run(
        [sys.executable, "many.py"], capture_output=True, text=True, timeout=300, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert len(list(Path().glob("out*.ipynb"))) == RUNS
