"""A host on which the chapters were applied, and the chapters run here as a test needs them.

The cells of the notebooks are run in this process, which saves a kernel a chapter; that the batch, plain papermill and
nbval run the same cells in kernels is what other tests are about.
"""

import ast
import json
import os
import subprocess
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from supported import changing

from lab import Lab
from lab.state import CHECKOUT
from runbook_lib import inventory as inventories
from runbook_lib import remote
from runbook_lib.batch.worker import ANSWERS_KEPT_S
from runbook_lib.pki import authority
from runbook_lib.pki.ledger import Issuance
from runbook_lib.records.origin import run_id
from runbook_lib.remote import connection
from runbook_lib.site_ca import own_ca

RUNBOOK = Path(sys.executable).with_name("runbook")


def runbook(
    *words: str, timeout_s: float = 300, inventory: str = "lab", **environment: str
) -> subprocess.CompletedProcess[str]:
    """The command line, on the lab's inventory or another; its tables are not broken to fit a page."""
    command = [str(RUNBOOK), *words, "--inventory", inventory]
    wide = os.environ | {"COLUMNS": "400"}
    try:
        return subprocess.run(
            command, env=wide | environment, capture_output=True, text=True, timeout=timeout_s, check=False
        )
    finally:
        forget_answers()


def cells(chapter: str) -> list[str]:
    """The code of a notebook, cell by cell."""
    notebook = json.loads((CHECKOUT / "notebooks" / f"{chapter}.ipynb").read_bytes())
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]


def run_cells(chapter: str, **parameters: str) -> list[Any]:
    """Run a chapter's cells here; what each shows (None where it ends in no value)."""
    first, *others = [code for code in cells(chapter) if code]
    names: dict[str, Any] = {}
    exec(first, names)  # noqa: S102 - our own notebook
    names |= parameters
    shown = []
    with answers_are_kept():
        for code in others:
            tree = ast.parse(code)
            end = tree.body[-1]
            last = end if isinstance(end, ast.Expr) else None
            if last is not None:
                tree.body.pop()
            exec(compile(tree, chapter, "exec"), names)  # noqa: S102
            shown.append(eval(compile(ast.Expression(last.value), chapter, "eval"), names) if last else None)  # noqa: S307
    return shown


@contextmanager
def answers_are_kept() -> Iterator[None]:
    """Between its cells nobody changes the host, so answers are kept as in a batch; none from before, or for later."""
    forget_answers()
    before, remote.Host.answers_kept_s = remote.Host.answers_kept_s, ANSWERS_KEPT_S
    try:
        yield
    finally:
        remote.Host.answers_kept_s = before
        forget_answers()


def forget_answers() -> None:
    """Something else than the chapters changed a host."""
    for connected in connection._hosts.values():
        connected.forget_answers()


def run_chapters(host: str, mode: str = "", chapters: tuple[str, ...] = ()) -> tuple[str, list[str]]:
    """The chapters that change the host, or these, as one run of their own; its id, and each chapter's summary."""
    run = run_id(datetime.now(UTC))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RUNBOOK_RUN", run)
        return run, [
            run_cells(chapter, host=host, mode=mode)[-1].text() for chapter in chapters or changing(host)
        ]


def applied(lab: Lab, host: str, start: str = "bare") -> None:
    """Give a host back as the chapters leave it.

    Args:
        start: the starting state they met: 'bare' or 'fresh'.
    """
    lab.reset(host, {"bare": "applied", "fresh": "applied-from-fresh"}[start])


def run_of(lab: Lab, host: str) -> str:
    """The one run that has a journal on the host."""
    (run,) = lab.exec(host, "ls /var/lib/runbook").decode().split()
    return run


def issued_by(runs: Collection[str], host: str, inventory: str = "lab") -> list[Issuance]:
    """What the inventory's CA issued for a host in these runs.

    Never count a host's rows as a whole: with `pytest -n` each process has hosts of these names, and all have one CA.
    """
    place = own_ca.directory(inventories.load(inventory).site)
    if not authority.exists(place):
        return []
    return [one for one in authority.open_ledger(place).issuances(host) if one.run in runs]
