"""Imported last by the process that workers are forked from: what notebooks import, and then memory is left alone.

The chapters are imported by name, as the notebooks do it: the batch runs whatever notebooks there are.
"""

import contextlib
import gc
import importlib
import json
import pkgutil
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from runbook_lib import places
from runbook_lib.batch.execution import Looking, Stop, execute
from runbook_lib.batch.notebooks import Notebook
from runbook_lib.mail.probes.control import control_key
from runbook_lib.records.notebook_page import know, notebook_page
from runbook_lib.records.origin import code_state

_DEADLINE_S = 60.0


def _rehearse() -> None:
    """Run a notebook that does nothing and make its page.

    What the first one sets up (the schema of notebooks, the shell, lexers, templates, patterns, what the interpreter
    learns of our code) every worker would set up again, in memory of its own.
    """
    cells = [new_markdown_cell("# `Nothing`\n\n| a |\n|-|\n| **b** |"), new_code_cell("print(1)\n'two'")]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    content = nbformat.writes(new_notebook(cells=cells, metadata={"kernelspec": kernel})).encode()
    notebook = Notebook(Path("nothing.ipynb"), "Nothing", {}, 1, content, "")
    looking = Looking(begun=lambda _: None, cell=lambda _: None, done=lambda _, __: None)
    done = execute(notebook, {}, Stop(), looking, _DEADLINE_S)
    if done.notebook is not None:
        nbformat.writes(done.notebook)
        notebook_page(done.notebook, "Nothing", "nothing.html", Path.cwd())


def _know_the_notebooks() -> None:
    """Prose and code of the chapters are the same on every host, and so is what pages show of them."""
    for path in sorted(places.NOTEBOOKS.glob("[0-9]*.ipynb")):
        with contextlib.suppress(
            OSError, ValueError, KeyError, TypeError
        ):  # told to the person by who runs it
            know(
                (cell["cell_type"], "".join(cell["source"]))
                for cell in json.loads(path.read_bytes())["cells"]
            )


for _module in pkgutil.iter_modules(importlib.import_module("runbook_lib.chapters").__path__):
    importlib.import_module(f"runbook_lib.chapters.{_module.name}")
with contextlib.suppress(OSError):  # as of a full disk: the worker whose notebook it stops can say so
    _rehearse()
_know_the_notebooks()
code_state()  # of the code that is loaded here, for all of them
control_key()
# A collection writes into every object, which would copy each page of memory in each worker.
gc.collect()
gc.freeze()
