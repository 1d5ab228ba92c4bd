"""A host on which the chapters were applied: made once a lab and start, then given back in seconds.

The cells of the notebooks are run in this process, which saves a kernel a chapter; that the batch, plain papermill and
nbval run the same cells in kernels is what other tests are about.
"""

import ast
import hashlib
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from supported import changing

from lab import Lab, images
from lab.state import CHECKOUT
from runbook_lib.records.origin import run_id

RUNBOOK = Path(sys.executable).with_name("runbook")
# What decides how an applied host looks; another digest is another state.
_DECIDES = ("runbook_lib/**/*.py", "runbook_lib/**/*.sh", "lab/*.py", "lab/el*/**/*", "lab/lived_in/*")
_START = "applied-from-"


def runbook(*words: str, timeout_s: float = 300, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command line, on the lab's inventory."""
    command = [str(RUNBOOK), *words, "--inventory", "lab"]
    return subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, timeout=timeout_s, check=False
    )


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
    for code in others:
        tree = ast.parse(code)
        end = tree.body[-1]
        last = end if isinstance(end, ast.Expr) else None
        if last is not None:
            tree.body.pop()
        exec(compile(tree, chapter, "exec"), names)  # noqa: S102
        shown.append(eval(compile(ast.Expression(last.value), chapter, "eval"), names) if last else None)  # noqa: S307
    return shown


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
    kept = images.kept_states(lab.host(host).lab_id, host)
    state = f"{_START}{start}-{_digest(host)}"
    if state not in kept:
        for old in kept:
            if old.startswith(f"{_START}{start}-"):
                images.remove(images.kept_tag(lab.host(host).lab_id, host, old))
        lab.reset(host, start)
        run_chapters(host)
        lab.keep(host, state)
    lab.reset(host, state)


def run_of(lab: Lab, host: str) -> str:
    """The one run that has a journal on the host."""
    (run,) = lab.exec(host, "ls /var/lib/runbook").decode().split()
    return run


def _digest(host: str) -> str:
    hasher = hashlib.sha256()
    for pattern in _DECIDES:
        for path in sorted(path for path in CHECKOUT.glob(pattern) if path.is_file()):
            hasher.update(path.read_bytes())
    for chapter in changing(host):
        hasher.update("\0".join(cells(chapter)).encode())
    return hasher.hexdigest()[:16]
