"""What chapters have in common is written once: who changes it in one place alone is told where, and what mends it."""

import copy
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import shared_cells
from shared_cells import (
    FOLDERS,
    ONE_CHAPTER,
    TAG,
    Cell,
    Chapters,
    carried,
    is_shared,
    read,
    source,
    write,
    wrong,
)

DEBIAN_S, CENTOS_S = ONE_CHAPTER
CELL, OWN = "both-logins", "md-packages"
LANGUAGES = pytest.mark.parametrize("folder", FOLDERS, ids=["en", "ja"])


@pytest.fixture
def chapters() -> Chapters:
    return copy.deepcopy(read(FOLDERS[0]))


def cell(chapters: Chapters, name: str, id_: str) -> Cell:
    (found,) = [one for one in chapters[name] if one["id"] == id_]
    return found


def told(chapters: Chapters) -> list[tuple[str, str]]:
    return [(one.chapter, one.cell) for one in wrong(chapters)]


@LANGUAGES
def test_each_shared_cell_is_as_it_is_written(folder: Path) -> None:
    """`make shared` mends what is told here."""
    assert [str(one) for one in wrong(read(folder))] == []
    assert carried(read(folder)) == read(folder)


@LANGUAGES
def test_most_of_chapter_2_is_shared_and_the_words_are_in_all_but_the_first(folder: Path) -> None:
    """By its length in the first of the families: what the other has more of is its own."""
    chapters = read(folder)
    cells = [one for one in chapters[DEBIAN_S] if one["cell_type"] == "markdown"]
    shared = sum(len(source(one)) for one in cells if is_shared(one))
    assert shared / sum(len(source(one)) for one in cells) > 0.7
    having = [
        name
        for name, cells in chapters.items()
        if any(one["id"] == "words" and is_shared(one) for one in cells)
    ]
    assert having == list(chapters)[1:]


@pytest.mark.parametrize("changed", ONE_CHAPTER)
def test_a_sentence_that_is_changed_in_one_place_is_told(chapters: Chapters, changed: str) -> None:
    """By file, cell and command, wherever it was changed: the home is right, and the other one follows it."""
    text = source(cell(chapters, changed, CELL)).replace("on purpose", "by design")
    cell(chapters, changed, CELL)["source"] = text
    (one,) = wrong(chapters)
    assert str(one) == (
        f"{CENTOS_S}.ipynb, cell {CELL}: it is written in {DEBIAN_S}.ipynb, and is not as it is there. "
        "Change it there, then `make shared`"
    )
    healed = carried(chapters)
    assert wrong(healed) == []
    assert ("by design" in source(cell(healed, CENTOS_S, CELL))) is (changed == DEBIAN_S)


def test_code_is_compared_as_prose_is(chapters: Chapters) -> None:
    cell(chapters, CENTOS_S, "plan-sasl")["source"] = "sasl = chapter.plan_sasl()"
    assert told(chapters) == [(CENTOS_S, "plan-sasl")]


def test_a_new_cell_comes_into_the_other_family_s_chapter_at_its_place(chapters: Chapters) -> None:
    new = {"cell_type": "code", "id": "0f3a", "metadata": {"tags": [TAG]}, "source": "1", "outputs": [1]}
    at = chapters[DEBIAN_S].index(cell(chapters, DEBIAN_S, CELL)) + 1
    chapters[DEBIAN_S].insert(at, new)
    assert told(chapters) == [(CENTOS_S, "0f3a")]
    ids = [one["id"] for one in carried(chapters)[CENTOS_S]]
    assert ids[ids.index("0f3a") - 1] == CELL
    assert cell(carried(chapters), CENTOS_S, "0f3a") == new | {"outputs": [], "execution_count": None}
    assert wrong(carried(chapters)) == []


def untagged(chapters: Chapters) -> None:
    cell(chapters, CENTOS_S, CELL)["metadata"] = {}


def home_untagged(chapters: Chapters) -> None:
    cell(chapters, DEBIAN_S, CELL)["metadata"] = {}


def tagged_alone(chapters: Chapters) -> None:
    cell(chapters, CENTOS_S, "md-firewall")["metadata"] = {"tags": [TAG]}


def said_twice(chapters: Chapters) -> None:
    sentence = "A sentence that both have in cells of their own, and that somebody will change in one alone."
    for name in ONE_CHAPTER:
        cell(chapters, name, OWN)["source"] = f"## {name}\n{sentence} What follows differs: {name}."


@pytest.mark.parametrize(
    ("slip", "places"),
    [
        (untagged, [(CENTOS_S, CELL)]),
        (home_untagged, [(DEBIAN_S, CELL), (CENTOS_S, CELL)]),
        (tagged_alone, [(CENTOS_S, "md-firewall")]),
        (said_twice, [(CENTOS_S, OWN)]),
    ],
)
def test_a_cell_that_is_marked_in_one_chapter_or_in_none_is_told(
    chapters: Chapters, slip: Callable[[Chapters], None], places: list[tuple[str, str]]
) -> None:
    slip(chapters)
    assert told(chapters)[: len(places)] == places
    assert {place for place, _ in told(chapters)} == {place for place, _ in places}


@LANGUAGES
def test_what_is_written_is_told_and_the_rest_of_a_notebook_stays(folder: Path, tmp_path: Path) -> None:
    """Somebody who changed the wrong one sees what was there; outputs and formatting are as they were."""
    copies = tmp_path / "notebooks"
    shutil.copytree(folder, copies)
    assert write(copies) == []
    path = copies / f"{CENTOS_S}.ipynb"
    before = path.read_bytes()
    notebook = json.loads(before)
    (edited,) = [one for one in notebook["cells"] if one["id"] == "show-logins"]
    assert edited["outputs"]
    edited["source"] = ["chapter.show_logins()  # mine"]
    path.write_text(json.dumps(notebook, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    assert write(copies) == [
        f"{CENTOS_S}.ipynb, cell show-logins",
        "@@ -1 +1 @@",
        "-chapter.show_logins()  # mine",
        "+chapter.show_logins()",
    ]
    assert path.read_bytes() == before
    for name in shared_cells.read(folder):
        assert (copies / f"{name}.ipynb").read_bytes() == (folder / f"{name}.ipynb").read_bytes()
