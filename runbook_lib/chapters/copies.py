"""Copies of the notebooks to step through, for one host: what `runbook jupyter` opens.

Parameters that stay in a copy would apply at the next 'Run all', so each time the copies are made anew, with an empty
mode. A copy that somebody edited is kept beside the new one.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import nbformat
import papermill
from nbformat import NotebookNode

from runbook_lib.errors import UsageError
from runbook_lib.places import notebooks_in
from runbook_lib.records.attachment import read_notebook

_MADE = "runbook_copy"  # in a copy's metadata: the digest of its cells as they were made


def make(source: Path, folder: Path, inventory: str, host: str) -> Path | None:
    """Make the copy of one notebook, without outputs.

    Args:
        source: the notebook.
        folder: where the copy goes.
        inventory, host: its parameters.
    Returns: where the copy that was there is kept, if somebody edited it.
    """
    copy = folder / source.name
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)  # what a chapter shows is for who may read its record, also in a folder of before
    kept = _set_aside(copy) if copy.exists() and _is_edited(copy) else None
    papermill.execute_notebook(
        str(source), str(copy), {"inventory": inventory, "host": host}, prepare_only=True, progress_bar=False
    )
    notebook = read_notebook(copy)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    notebook.metadata[_MADE] = _digest(notebook)
    nbformat.write(notebook, copy)
    return kept


def _is_edited(copy: Path) -> bool:
    try:
        notebook = read_notebook(copy)
    except UsageError:  # no notebook any more: whatever it is, it is somebody's
        return True
    return bool(notebook.metadata.get(_MADE) != _digest(notebook))


def _set_aside(copy: Path) -> Path:
    number = 1
    while (kept := copy.with_name(f"{copy.stem}.edited-{number}{copy.suffix}")).exists():
        number += 1
    copy.rename(kept)
    return kept


def _digest(notebook: NotebookNode) -> str:
    cells = [[cell.cell_type, cell.source] for cell in notebook.cells]
    return hashlib.sha256(json.dumps(cells).encode()).hexdigest()


def make_all(inventory: str, host: str, folder: Path, language: str = "en") -> Iterator[str]:
    """Make the copies of all notebooks in a language; a sentence for each edited one that is kept."""
    for source in sorted(notebooks_in(language).glob("[0-9]*.ipynb")):
        kept = make(source, folder, inventory, host)
        if kept:
            yield f"{folder / source.name} had been edited: kept as {kept.name}, beside the new copy"
