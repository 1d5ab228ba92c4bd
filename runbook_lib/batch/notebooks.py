"""The chapters as files: which there are, and what each takes as parameters."""

import ast
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runbook_lib.errors import UsageError


@dataclass(frozen=True)
class Notebook:
    """A chapter's notebook.

    Args:
        path: the file.
        title: its first heading.
        parameters: name to type of every parameter; the type is the annotation's word, or None without one.
        code_cells: how many cells run.
        content: the file's bytes, as they were read: it is these that run.
        code_sha256: a digest of the code of its cells; prose and stored outputs may change meanwhile.
    """

    path: Path
    title: str
    parameters: Mapping[str, str | None]
    code_cells: int
    content: bytes = field(repr=False)
    code_sha256: str

    @property
    def chapter(self) -> str:
        """The name under which it is recorded."""
        return self.path.stem


def find_notebooks(folder: Path) -> tuple[Notebook, ...]:
    """The chapters of a folder in the document's order.

    Raises: UsageError when there is none, or one of them has no cell tagged `parameters`.
    """
    found = tuple(_read(path) for path in sorted(folder.glob("[0-9][0-9]-*.ipynb")))
    if not found:
        raise UsageError("has no chapters (NN-name.ipynb)", str(folder), "name the folder of the notebooks")
    return found


def select(notebooks: Sequence[Notebook], only: str | None, start: str | None) -> tuple[Notebook, ...]:
    """Some of the chapters.

    Args:
        only: one chapter, by its name or the beginning of it ("20").
        start: the first of those to run; None: from the beginning.
    Raises: UsageError when there is no such chapter, or more than one.
    """
    if only:
        return (_named(notebooks, only, "--only"),)
    first = notebooks.index(_named(notebooks, start, "--from")) if start else 0
    return tuple(notebooks[first:])


def _named(notebooks: Sequence[Notebook], name: str, option: str) -> Notebook:
    found = [notebook for notebook in notebooks if notebook.chapter.startswith(name)]
    exact = [notebook for notebook in found if notebook.chapter == name]
    if len(exact or found) != 1:
        there = ", ".join(notebook.chapter for notebook in notebooks)
        problem = f"{name!r} means more than one chapter" if found else f"there is no chapter {name!r}"
        raise UsageError(problem, option, f"name one of {there}")
    return (exact or found)[0]


def _read(path: Path) -> Notebook:
    content = path.read_bytes()
    try:
        cells = [_Cell.of(cell) for cell in json.loads(content)["cells"]]
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(
            "is not a notebook of format 4", str(path), "make it again from the repository"
        ) from error
    tagged = [cell for cell in cells if "parameters" in cell.tags]
    if len(tagged) != 1:
        raise UsageError(
            f"has {len(tagged)} cells tagged 'parameters', not one",
            str(path),
            "tag the cell that assigns the parameters (JupyterLab: property inspector, cell tags)",
        )
    headings = (match[1] for cell in cells if (match := re.match(r"#\s+(.+)", cell.source)))
    return Notebook(
        path=path,
        title=next(headings, path.stem),
        parameters=_parameters(tagged[0].source),
        code_cells=sum(cell.runs for cell in cells),
        content=content,
        code_sha256=hashlib.sha256(
            json.dumps([cell.source for cell in cells if cell.is_code]).encode()
        ).hexdigest(),
    )


@dataclass(frozen=True)
class _Cell:
    source: str
    tags: frozenset[str]
    is_code: bool

    @property
    def runs(self) -> bool:
        return self.is_code and bool(self.source.strip())

    @classmethod
    def of(cls, cell: Mapping[str, Any]) -> "_Cell":
        source = "".join(cell["source"])
        tags = frozenset(cell["metadata"].get("tags", ()))
        return cls(source, tags, cell["cell_type"] == "code")


def _parameters(source: str) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found[node.target.id] = ast.unparse(node.annotation)
        elif isinstance(node, ast.Assign):
            kind = type(node.value.value).__name__ if isinstance(node.value, ast.Constant) else None
            found |= {target.id: kind for target in node.targets if isinstance(target, ast.Name)}
    return found
