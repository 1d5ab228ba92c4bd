"""An executed notebook becomes part of the record of the chapter that it ran."""

import ast
import html
import json
import os
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from runbook_lib import inventory, places
from runbook_lib.credentials.reference import SCHEMES
from runbook_lib.errors import RecordError, RecordMissing, UsageError
from runbook_lib.messages import message
from runbook_lib.records import files, index, origin, signing
from runbook_lib.records.index import Entry
from runbook_lib.records.notebook_page import notebook_page
from runbook_lib.records.redaction import refuse_secrets, resolve_references, without_homes
from runbook_lib.records.signing import Kept

_TAG = re.compile(r"<[^<>]*>")
RUN_AGAIN = "see that no cell shows it, then run the chapter again"


@dataclass(frozen=True)
class Attached:
    """A notebook in the record that it was attached to, and how the run was sealed then."""

    entry: Entry
    kept: Kept


def add_notebook(
    path: Path,
    root: Path,
    run: str | None = None,
    schemes: Collection[str] = SCHEMES,
    *,
    asking: bool = True,
) -> Attached:
    """Attach an executed notebook to its chapter's record, and seal the run anew, signed where the site signs.

    A notebook names an inventory, and an inventory names commands: it is believed only where its digest is the one
    that the record has, which is what the chapter was run with.

    Args:
        path: the notebook, as papermill or JupyterLab saved it; it is copied.
        root: the folder of all records.
        run: the run it belongs to; None: $RUNBOOK_RUN, else the newest with this chapter and host.
        schemes: of references to secrets that may be followed, to look for the secrets in the notebook.
        asking: whether a person may be asked for the key that signs.
    Raises:
        UsageError: not a notebook, or none that says which host it is about.
        SecretUnavailable: a secret of its inventory cannot be had here, so nobody can look for it.
        RecordMissing: no such record.
        RecordError: the notebook holds a secret, or names another inventory than its record. Nothing was written.
    """
    notebook = read_notebook(path)
    values = parameters(notebook, path)
    chapter = chapter_of(path, notebook)
    run = run or os.environ.get("RUNBOOK_RUN")
    host = values.get("host")
    if values.get("name"):  # a server that is known by its name alone has no secrets here
        entry = _find(root, run, origin.folder_of(inventory.address(str(values["name"]))), chapter)
    elif isinstance(host, str):
        entry = _find(root, run, host, chapter)
        site = inventory.load(str(values.get("inventory") or "lab"))
        _refuse_other_inventory(site, entry, path)
        origin.use(site)
        unavailable = resolve_references(site, host, schemes)
        if unavailable:
            raise unavailable[0]
    else:
        raise UsageError(
            message("has no parameter 'host'"), str(path), message("give a chapter's notebook, executed")
        )
    folder = root / entry.record.run
    remedy = f"destroy {path}; {RUN_AGAIN}"
    keep_notebook(notebook, folder, entry, places.NOTEBOOKS, remedy)
    replaced = {entry.notebook.as_posix(), entry.notebook_page.as_posix()}
    return Attached(entry, signing.keep(root, entry.record.run, replaced=replaced, asking=asking))


def _refuse_other_inventory(site: inventory.Inventory, entry: Entry, path: Path) -> None:
    if site.digest != entry.record.inventory_sha256:
        raise RecordError(
            message(
                "names the inventory {path}, which is not (or no longer) the one that run {run} had on "
                "{host}, so the secrets in it may be others",
                path=site.path,
                run=entry.record.run,
                host=entry.record.host,
            ),
            str(path),
            message("run the chapter again with the inventory as it is now, then add the notebook"),
            message("The notebook was not attached, and no secret was fetched."),
        )


def keep_notebook(
    notebook: NotebookNode, folder: Path, entry: Entry, pictures: Path, remedy: str = RUN_AGAIN
) -> None:
    """Write an executed notebook and its page beside the record, if no secret is in it.

    Args:
        folder: the run's folder.
        pictures: where pictures that the notebook's text names lie.
        remedy: what to do when a secret is in it.
    Raises: RecordError when a secret is in it; nothing was written then.
    """
    where = f"{entry.record.host}, {entry.notebook.name}"
    refuse_secrets([notebook, *_told_in_pieces(notebook), *_shown_by_markup(notebook)], where, remedy)
    page = notebook_page(notebook, entry.record.title, entry.page.name, pictures)
    text = nbformat.writes(_without_homes(notebook))
    files.write_atomically(folder / entry.notebook, (text.rstrip("\n") + "\n").encode())
    files.write_atomically(folder / entry.notebook_page, page.encode())


def _without_homes(notebook: NotebookNode) -> NotebookNode:
    """The same notebook, whose metadata tell where it lies in the checkout, and not in whose home folder."""
    cells = [NotebookNode({**cell, "metadata": without_homes(cell.metadata)}) for cell in notebook.cells]
    return NotebookNode({**notebook, "metadata": without_homes(notebook.metadata), "cells": cells})


def _told_in_pieces(notebook: NotebookNode) -> Iterator[str]:
    """What the outputs say one after the other, and each stream alone: a secret may be told in halves."""
    for cell in notebook.cells:
        outputs = cell.get("outputs", ())
        yield "\n".join(map(_told_by, outputs))
        for stream in ("stdout", "stderr"):
            yield "\n".join(_told_by(output) for output in outputs if output.get("name") == stream)


def _shown_by_markup(notebook: NotebookNode) -> Iterator[str]:
    """What markup shows, without its tags: a colour for the digits of a secret leaves it readable."""
    for cell in notebook.cells:
        texts = [cell.source] if cell.cell_type == "markdown" else []
        texts += [text for output in cell.get("outputs", ()) for text in output.get("data", {}).values()]
        for text in texts:
            if isinstance(text, str) and "<" in text:
                yield html.unescape(_TAG.sub("", text))


def _told_by(output: NotebookNode) -> str:
    return str(output.get("text") or output.get("data", {}).get("text/plain", ""))


def read_notebook(path: Path) -> NotebookNode:
    """Read a notebook of format 4.

    Raises: UsageError when it is not there or not one.
    """
    try:
        content = json.loads(path.read_bytes())
        if not isinstance(content, dict) or content.get("nbformat") != 4:
            raise UsageError(
                message("is not a notebook of format 4"), str(path), message("give the executed notebook")
            )
        nbformat.validate(content)
        notebook: NotebookNode = nbformat.reads(json.dumps(content), as_version=4)
    except FileNotFoundError as error:
        raise UsageError(
            message("there is no such file"), str(path), message("give the executed notebook")
        ) from error
    except (ValueError, TypeError, RecursionError, nbformat.ValidationError) as error:
        # TypeError: nbformat builds its own message from a cell's type, which may be a list.
        raise UsageError(
            message("is not a notebook"), str(path), message("give the executed notebook")
        ) from error
    return notebook


def parameters(notebook: NotebookNode, path: Path) -> dict[str, object]:
    """The literal values that the notebook ran with: its parameters cell, then what papermill added.

    Args:
        path: where it is, for messages.
    Raises: UsageError: such a cell is no Python.
    """
    values: dict[str, object] = {}
    for tag in ("parameters", "injected-parameters"):
        for cell in notebook.cells:
            if tag in cell.metadata.get("tags", []):
                try:
                    values |= _literals(cell.source)
                except (SyntaxError, ValueError, RecursionError, MemoryError) as error:  # as ast.parse has it
                    raise UsageError(
                        message(
                            "its cell of {tag} cannot be read as Python ({error})",
                            tag=tag,
                            error=str(error) or type(error).__name__,
                        ),
                        str(path),
                        message("give the notebook as it was executed"),
                    ) from error
    return values


def _literals(source: str) -> dict[str, object]:
    found: dict[str, object] = {}
    for node in ast.parse(source).body:
        if not isinstance(node, ast.Assign | ast.AnnAssign) or not isinstance(node.value, ast.Constant):
            continue
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            if isinstance(target, ast.Name):
                found[target.id] = node.value.value
    return found


def chapter_of(path: Path, notebook: NotebookNode) -> str:
    """The chapter's name: of the notebook that papermill read, else of the file (a copy to work in)."""
    by_papermill = notebook.metadata.get("papermill")
    source = by_papermill.get("input_path") if isinstance(by_papermill, dict) else None
    return Path(str(source)).stem if source else path.stem


def _find(root: Path, run: str | None, host: str, chapter: str) -> Entry:
    candidates = [origin.plain_name(run, "run")] if run else list(index.runs(root))
    for name in candidates:
        for entry in index.read_run(root / name).of_host(host):
            if entry.record.chapter == chapter and entry.attempt == 0:
                return entry
    raise RecordMissing(
        message("no record of chapter {chapter} on {host} in run {run}", chapter=chapter, host=host, run=run)
        if run
        else message("no record of chapter {chapter} on {host}", chapter=chapter, host=host),
        str(root),
        message("run the chapter first; --run names its run when it is another"),
    )
