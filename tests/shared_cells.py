"""What several chapters say, as cells with the tag `shared`: written in the first chapter that has one, shown in all.

`make shared` writes them into the later chapters, in each language; a test asks whether it would change anything.
Jupyter has no include, and a notebook that is read as it lies there needs the text in it.
"""

import difflib
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from runbook_lib.families.known import FAMILIES

CHECKOUT = Path(__file__).resolve().parents[1]
FOLDERS = (CHECKOUT / "notebooks", CHECKOUT / "notebooks" / "ja")
TAG = "shared"
# The same chapter, one a family: a shared cell of one belongs in all of them.
ONE_CHAPTER = tuple(sorted({family.postfix_chapter for family in FAMILIES}))
_SENTENCE_FROM = 60  # bytes of UTF-8: what is shorter may be said twice

Cell = dict[str, Any]
Chapters = dict[str, list[Cell]]  # by name, in the document's order


@dataclass(frozen=True)
class Wrong:
    """A cell that is not what its home says, or says what belongs into one.

    Args:
        chapter, cell: where; the cell's id.
        problem: what is the matter, and what to do.
    """

    chapter: str
    cell: str
    problem: str

    def __str__(self) -> str:
        return f"{self.chapter}.ipynb, cell {self.cell}: {self.problem}"


def read(folder: Path) -> Chapters:
    """The cells of a folder's chapters."""
    return {path.stem: json.loads(path.read_bytes())["cells"] for path in sorted(folder.glob("[0-9]*.ipynb"))}


def source(cell: Cell) -> str:
    return "".join(cell["source"])


def is_shared(cell: Cell) -> bool:
    return TAG in cell["metadata"].get("tags", ())


def homes(chapters: Chapters) -> dict[str, str]:
    """Where each shared cell is written: the first chapter that has it, by the cell's id."""
    found: dict[str, str] = {}
    for name, cells in chapters.items():
        for cell in filter(is_shared, cells):
            found.setdefault(cell["id"], name)
    return found


def carried(chapters: Chapters) -> Chapters:
    """The chapters as `make shared` leaves them: each shared cell as its home has it, outputs left as they are.

    What is new in the first of `ONE_CHAPTER` comes into the others, behind the cell that it stands behind there.
    """
    made = {name: list(cells) for name, cells in chapters.items()}
    written = {id_: _cell(chapters[home], id_) for id_, home in homes(chapters).items()}
    for cells in made.values():
        for place, cell in enumerate(cells):
            if is_shared(cell):
                cells[place] = _as_written(cell, written[cell["id"]])
    first, *others = _of_one_chapter(made)
    for name in others:
        for before, new in pairwise([None, *filter(is_shared, made[first])]):
            if new is not None and _place(made[name], new["id"]) is None:
                behind = _place(made[name], before["id"]) if before else None
                # Without one before it: behind the title, which is each chapter's own.
                made[name].insert((behind or 0) + 1, _as_written(_empty(new), new))
    return made


def wrong(chapters: Chapters) -> list[Wrong]:
    """Everything that is not in order, each with what mends it."""
    return [*_not_carried(chapters), *_marked_in_one_alone(chapters), *_said_twice(chapters)]


def _of_one_chapter(chapters: Chapters) -> list[str]:
    return [name for name in ONE_CHAPTER if name in chapters]


def _not_carried(chapters: Chapters) -> Iterator[Wrong]:
    home = homes(chapters)
    for name, cells in carried(chapters).items():
        for cell in filter(is_shared, cells):
            there = _place(chapters[name], cell["id"])
            if there is None or _text(chapters[name][there]) != _text(cell):
                written = f"it is written in {home[cell['id']]}.ipynb"
                missing = "is not there" if there is None else "is not as it is there"
                yield Wrong(
                    name, cell["id"], f"{written}, and {missing}. Change it there, then `make shared`"
                )


def _marked_in_one_alone(chapters: Chapters) -> Iterator[Wrong]:
    home = homes(chapters)
    for name, cells in chapters.items():
        for cell in cells:
            elsewhere = [one for other, there in chapters.items() if other != name for one in there]
            alone = not any(is_shared(one) and one["id"] == cell["id"] for one in elsewhere)
            if is_shared(cell) and alone and name != ONE_CHAPTER[0]:
                told = f"no other chapter has it with the tag `{TAG}`: write it in the first one that shall have it, or"
                yield Wrong(name, cell["id"], f"{told} take the tag off")
            elif not is_shared(cell) and name in ONE_CHAPTER and home.get(cell["id"]) in ONE_CHAPTER:
                told = f"it has the id of a cell that is shared, and not its tag: give it the tag `{TAG}`, or"
                yield Wrong(name, cell["id"], f"{told} take it off in {home[cell['id']]}.ipynb")


def _said_twice(chapters: Chapters) -> Iterator[Wrong]:
    """Sentences and code of a family's own cells that another family has as well."""
    said: dict[str, tuple[str, str]] = {}
    for name in _of_one_chapter(chapters):
        own = [(cell["id"], part) for cell in chapters[name] if not is_shared(cell) for part in _parts(cell)]
        for id_, part in own:
            other, there = said.get(part, (name, id_))
            if other != name:
                told = f"cell {there} of {other}.ipynb says this too: {part[:60]!r}. Make it a cell of its own there"
                yield Wrong(name, id_, f"{told}, with the tag `{TAG}`, take it out here, then `make shared`")
        said |= {part: (name, id_) for id_, part in own}


def _parts(cell: Cell) -> list[str]:
    """A cell of code whole; of prose its sentences and rows, but for short ones."""
    if cell["cell_type"] == "code":
        return [source(cell)]
    sentences = re.split(r"(?<=[.:])\s+|(?<=。)|\n", source(cell))
    return [
        one.strip() for one in sentences if len(one.strip().encode()) >= _SENTENCE_FROM and "---" not in one
    ]


def _text(cell: Cell) -> tuple[object, ...]:
    return cell["cell_type"], source(cell), cell["metadata"]


def _place(cells: list[Cell], id_: str) -> int | None:
    return next((place for place, cell in enumerate(cells) if cell["id"] == id_), None)


def _cell(cells: list[Cell], id_: str) -> Cell:
    return next(cell for cell in cells if cell["id"] == id_)


def _as_written(cell: Cell, home: Cell) -> Cell:
    return cell | {key: home[key] for key in ("cell_type", "metadata", "source")}


def _empty(cell: Cell) -> Cell:
    """A cell without what a run leaves in it."""
    return cell | ({"execution_count": None, "outputs": []} if cell["cell_type"] == "code" else {})


def write(folder: Path) -> list[str]:
    """Write the shared cells into a folder's chapters.

    Returns: what was written, each with the lines that it replaced: somebody may have changed them in the wrong place.
    """
    told = []
    chapters = read(folder)
    for name, cells in carried(chapters).items():
        before = {cell["id"]: cell for cell in chapters[name]}
        changed = [cell for cell in cells if _text(cell) != _text(before.get(cell["id"], _NONE))]
        if not changed:
            continue
        path = folder / f"{name}.ipynb"
        notebook = json.loads(path.read_bytes()) | {"cells": cells}
        path.write_text(json.dumps(notebook, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        for cell in changed:
            told.append(f"{path.name}, cell {cell['id']}")
            old = source(before.get(cell["id"], _NONE)).splitlines()
            told += list(difflib.unified_diff(old, source(cell).splitlines(), lineterm="", n=0))[2:]
    return told


_NONE: Cell = {"cell_type": "", "metadata": {}, "source": ""}


if __name__ == "__main__":
    left = []
    for one in FOLDERS:
        place = one.relative_to(CHECKOUT)
        sys.stdout.writelines(f"{line}\n" for line in write(one))
        left += [f"{place}/{found}" for found in wrong(read(one))]
    sys.exit("\n".join(left) or None)
