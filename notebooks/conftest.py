"""`pytest --nbval notebooks`: the chapters against a real host, in the document's order, from bare.

nbval runs each notebook with its default parameters, so all of them meet the lab's first host. It is reset once, before
the first cell; a chapter that is asked for alone finds what the chapters before it leave, since those are run first.
"""

import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import papermill
import pytest

from lab import Lab
from runbook_lib import inventory
from runbook_lib.chapters import own_ca
from runbook_lib.records.origin import run_id

FOLDER = Path(__file__).parent
HOST = "debian12"  # the default of each notebook's parameter `host`
CHANGING = ("11-key-and-csr", "12-signing", "20-postfix-debian")
_done: list[str] = []


def pytest_configure(config: pytest.Config) -> None:
    """The patterns are found from wherever pytest was started."""
    if getattr(config.option, "nbval", False):
        config.option.nbval_sanitize_with = str(FOLDER.parent / "tests" / "nbval.cfg")


@pytest.hookimpl(tryfirst=True)  # before nbval starts the notebook's kernel
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Before the first cell of a notebook: the host as the chapters before it leave it."""
    if item.path.suffix != ".ipynb" or item.path.stem in _done:
        return
    if not _done:
        _begin()
    for chapter in CHANGING:
        if chapter < item.path.stem and chapter not in _done:
            _run(chapter)
    _done.append(item.path.stem)


def _begin() -> None:
    lab = Lab.load()
    lab.up()
    lab.reset(HOST, "bare")
    own_ca.open_or_create(inventory.load("lab").site)  # the stored notebooks were run where the CA was there
    # What is run here is one run, and its records are of no interest afterwards.
    os.environ["RUNBOOK_RUN"] = run_id(datetime.now(UTC))
    os.environ["RUNBOOK_RECORDS"] = tempfile.mkdtemp(prefix="runbook-records-")


def _run(chapter: str) -> None:
    notebook = str(FOLDER / f"{chapter}.ipynb")
    papermill.execute_notebook(notebook, None, progress_bar=False, cwd=FOLDER)
    _done.append(chapter)
