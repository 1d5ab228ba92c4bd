"""`pytest --nbval notebooks`: the chapters against a real host, in the document's order, from bare.

nbval runs each notebook with its default parameters, so all of them meet the lab's first host, but for the Postfix
chapter of the other family, which has a host of its own. Each host is reset once, before the first cell; a chapter that
is asked for alone finds what the chapters before it leave, since those are run first.
"""

import tempfile
from datetime import UTC, datetime
from pathlib import Path

import papermill
import pytest

from lab import Lab
from runbook_lib import inventory
from runbook_lib.records.origin import run_id
from runbook_lib.site_ca import own_ca

FOLDER = Path(__file__).parent
HOST = "debian12"  # the default of each notebook's parameter `host`, but for these
HOST_OF = {"21-postfix-centos": "el9"}
CHANGING = {
    "debian12": ("11-key-and-csr", "12-signing", "20-postfix-debian"),
    "el9": ("11-key-and-csr", "12-signing", "21-postfix-centos"),
}
_done: list[tuple[str, str]] = []  # host and chapter, of one language
_folder = FOLDER  # of the notebooks that are run: each language begins from bare
_of_this_run = pytest.MonkeyPatch()


def pytest_configure(config: pytest.Config) -> None:
    """The patterns are found from wherever pytest was started."""
    if getattr(config.option, "nbval", False):
        config.option.nbval_sanitize_with = str(FOLDER.parent / "tests" / "nbval.cfg")


@pytest.hookimpl(tryfirst=True)  # before nbval starts the notebook's kernel
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Before the first cell of a notebook: the host as the chapters before it leave it."""
    global _folder
    host = HOST_OF.get(item.path.stem, HOST)
    if item.path.suffix != ".ipynb" or (item.path.parent == _folder and (host, item.path.stem) in _done):
        return
    if item.path.parent != _folder:
        _folder = item.path.parent
        _done.clear()
    if not _done:
        _begin()
    for chapter in CHANGING[host]:
        if chapter < item.path.stem and (host, chapter) not in _done:
            _run(chapter, host)
    _done.append((host, item.path.stem))


def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """After the last cell: other tests of this process have runs and records of their own."""
    if item.path.suffix == ".ipynb" and (nextitem is None or nextitem.path.suffix != ".ipynb"):
        _of_this_run.undo()


def _begin() -> None:
    lab = Lab.load()
    lab.up()
    for host in CHANGING:
        lab.reset(host, "bare")
    own_ca.open_or_create(inventory.load("lab").site)  # the stored notebooks were run where the CA was there
    # What is run here is one run, and its records are of no interest afterwards.
    _of_this_run.setenv("RUNBOOK_RUN", run_id(datetime.now(UTC)))
    _of_this_run.setenv("RUNBOOK_RECORDS", tempfile.mkdtemp(prefix="runbook-records-"))


def _run(chapter: str, host: str) -> None:
    notebook = str(_folder / f"{chapter}.ipynb")
    papermill.execute_notebook(notebook, None, {"host": host}, progress_bar=False, cwd=_folder)
    _done.append((host, chapter))
