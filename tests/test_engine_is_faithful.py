"""The in-process engine against the stock one: the same notebook comes out, for chapters and for hard cases."""

import configparser
import contextlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import papermill
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook
from supported import changing

from lab import Lab
from lab.state import CHECKOUT
from runbook_lib.batch import quiet  # noqa: F401

PAPERMILL = Path(sys.executable).with_name("papermill")
CHAPTERS = {
    "debian12": [
        path for path in sorted((CHECKOUT / "notebooks").glob("[0-9]*.ipynb")) if path.stem[:2] != "21"
    ],
    "el9": [CHECKOUT / "notebooks" / f"{chapter}.ipynb" for chapter in changing("el9")],
}
HOST_OF = {"21-postfix-centos": "el9"}  # the host that a notebook is stored of, but for the first
ENGINES = ("nbclient", "in-process")


def patterns() -> list[tuple[str, str]]:
    """What nbval replaces, and where a kernel and a process differ by nature: a traceback's file, an id of memory."""
    kept = configparser.RawConfigParser()
    kept.read(CHECKOUT / "tests" / "nbval.cfg")
    return [(kept[name]["regex"], kept[name]["replace"]) for name in kept.sections()] + [
        (r"[^\s\"]*/ipykernel_\d+/\d+\.py|\b\d+\.py(?=, line)|<ipython-input-\d+-\w+>", "CELL"),
        (r"\\u001b\[[0-9;]*m", ""),  # ours marks the part of a line that failed, a kernel does not
        (r"0x[0-9a-f]{6,}", "0xN"),
    ]


def sanitized(notebook: NotebookNode) -> list[dict[str, Any]]:
    """Source, count and outputs of each cell; pieces of one stream put together."""
    cells: list[dict[str, Any]] = []
    for cell in notebook.cells:
        outputs: list[dict[str, Any]] = []
        for output in cell.get("outputs", ()):
            last = outputs[-1] if outputs else {}
            if output.output_type == "stream" and last.get("name") == output.name:
                last["text"] += output.text
            else:
                outputs.append(dict(output))
        text = json.dumps(outputs, sort_keys=True)
        for pattern, put in patterns():
            text = re.sub(pattern, put, text)
        cells.append(
            {"source": cell.source, "count": cell.get("execution_count"), "outputs": json.loads(text)}
        )
    return cells


def run(cells: list[str], folder: Path, engine: str, **options: Any) -> NotebookNode:
    """Run cells; one that fails is in the notebook that comes back."""
    notebook = new_notebook(
        cells=[new_code_cell(code) for code in cells],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )
    path, out = folder / "in.ipynb", folder / f"{engine}.ipynb"
    nbformat.write(notebook, path)
    with contextlib.suppress(papermill.PapermillExecutionError):  # it is in the notebook
        papermill.execute_notebook(path, out, engine_name=engine, progress_bar=False, cwd=folder, **options)
    made: NotebookNode = nbformat.read(out, as_version=4)
    return made


SAME = {
    "a display that a later cell updates": [
        "from IPython.display import display, HTML\nhandle = display(HTML('<b>1</b>'), display_id='x')",
        "handle.update(HTML('<b>2</b>'))",
        "display('again', display_id='x')",
    ],
    "outputs cleared, now and with the next": [
        "from IPython.display import clear_output\nprint('gone'); clear_output(); print('stays')",
        "print('goes'); clear_output(wait=True); print('comes')",
        "print('stays, for nothing comes'); clear_output(wait=True)",
    ],
    "magics and shell commands": ["%env RUNBOOK_TRY=1\n!echo $RUNBOOK_TRY", "%%bash\necho from bash", "%who_ls"],
    "await": ["import asyncio\nawait asyncio.sleep(0.01)\n'awaited'", "async def f(): return 7\nawait f()"],
    "In, Out, _ and a semicolon": ["1", "_ + 1", "In[1], Out[2], _oh", "5;"],
    "rich and its HTML": ["from rich.table import Table\nt = Table('a')", "from rich import print as p; p(t)"],
    "a logging handler that kept a stream": [
        "import logging, sys\nlogging.getLogger().addHandler(logging.StreamHandler(sys.stderr))",
        "logging.warning('one')",
        "logging.warning('two')",
    ],
    "a picture as bytes, JSON with a tuple": [
        "from IPython.display import display",
        "display({'image/png': b'\\x89PNG', 'application/json': {'a': (1, 2)}}, raw=True)",
    ],
    "pickle, and a class of the notebook": [
        "import pickle\nclass A: x = 1\npickle.loads(pickle.dumps(A())).x, __name__",
    ],
    "a module beside the notebook": ["import beside\nbeside.VALUE"],
    "a thread that ends before its cell": [
        "import threading\nt = threading.Thread(target=lambda: print('thread')); t.start(); t.join(); print('main')"
    ],
    "an expected exception": ["1 + 1"],
    "an exception": ["def f(x):\n    return 1 / x", "f(0)", "print('never')"],
    "a syntax error": ["def (", "print('never')"],
    "an interruption": ["raise KeyboardInterrupt"],
    "a reader of standard input": ["import sys; sys.stdin.read()", "import subprocess as s; s.run(['cat']).returncode"],
    "colour for programs": ["import os; [os.environ[n] for n in ('TERM', 'FORCE_COLOR', 'PAGER')]"],
    "a picture drawn by the display formatter": ["class P:\n    def _repr_png_(self): return b'\\x89PNG'\nP()"],
}  # fmt: skip


@pytest.mark.programs
@pytest.mark.parametrize("case", SAME)
def test_hard_cells_come_out_the_same(case: str, tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("VALUE = 'from beside'\n")
    stock, ours = (sanitized(run(SAME[case], tmp_path, engine)) for engine in ENGINES)
    assert ours == stock


@pytest.mark.programs
def test_tags_are_heeded_as_by_the_stock_engine(tmp_path: Path) -> None:
    cells = ["1 / 0", "print('not run')", "print('after')"]
    tags: tuple[list[str], ...] = (["raises-exception"], ["skip-execution"], [])
    path = tmp_path / "in.ipynb"
    notebook = new_notebook(
        cells=[new_code_cell(code, metadata={"tags": t}) for code, t in zip(cells, tags, strict=True)]
    )
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, path)
    made = {}
    for engine in ENGINES:
        with pytest.raises(papermill.PapermillExecutionError):  # papermill counts any error shown
            papermill.execute_notebook(
                path, tmp_path / f"{engine}.ipynb", engine_name=engine, progress_bar=False
            )
        read = nbformat.read(tmp_path / f"{engine}.ipynb", as_version=4)
        made[engine] = sanitized(read)
    assert made["in-process"] == made["nbclient"]
    assert "after" in str(made["in-process"])


@pytest.mark.parametrize("host", CHAPTERS)
def test_every_chapter_comes_out_as_it_is_stored(lab: Lab, tmp_path: Path, host: str) -> None:
    """From a bare host on, each with the papermill command as a person types it.

    nbval shows of the same stored outputs, in a kernel, that they are what the stock engine's kernels make.
    """
    lab.reset(host, "bare")
    # Else the chapter makes the CA, and says so.
    runbook = Path(sys.executable).with_name("runbook")
    subprocess.run([runbook, "ca", "init", "--inventory", "lab"], check=True, capture_output=True)
    environment = os.environ | {
        "RUNBOOK_RUN": "20260101T000000Z-0000",
        "RUNBOOK_RECORDS": str(tmp_path / "records"),
    }
    compared = []
    for chapter in CHAPTERS[host]:
        out = tmp_path / chapter.name
        done = subprocess.run(
            [PAPERMILL, "--no-progress-bar", "--engine", "in-process", chapter, out, "-p", "host", host],
            capture_output=True, text=True, env=environment, timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        stored, made = (nbformat.read(path, as_version=4) for path in (chapter, out))
        if HOST_OF.get(chapter.stem, "debian12") == host:
            assert shown(made) == shown(stored), chapter.name
            compared.append(chapter)
    assert len(compared) == (7 if host == "debian12" else 1)


def shown(notebook: NotebookNode) -> list[dict[str, Any]]:
    """Source and outputs of each cell but the parameters that papermill put in, without what counts executions."""
    notebook.cells = [
        cell for cell in notebook.cells if "injected-parameters" not in cell.metadata.get("tags", ())
    ]
    cells = sanitized(notebook)
    for cell in cells:
        for one in (cell, *cell["outputs"]):
            one.pop("count", None)
            one.pop("execution_count", None)
    return cells
