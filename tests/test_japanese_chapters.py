"""`notebooks/ja` is the same document: the same cells and code, and each sentence of it in Japanese.

What an administrator types or compares stays as it is: commands, settings, answers of servers, numbers, links.
"""

import json
import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from runbook_lib.batch.notebooks import find_notebooks

ENGLISH = Path(__file__).resolve().parents[1] / "notebooks"
JAPANESE = ENGLISH / "ja"
NAMES = sorted(path.name for path in ENGLISH.glob("[0-9]*.ipynb"))
JAPANESE_LETTER = re.compile(r"[\u3041-\u309f\u30a1-\u30ff\u4e00-\u9fff]")
WITH_TABLES = MarkdownIt("commonmark").enable("table")

# What stands in an English cell and is meant to be another thing in the Japanese one, by chapter and cell.
LEFT_OUT = {
    ("90-verification.ipynb", "scanners"): {"2013"},  # the name of a section, *Against 2013*: 当時と今
}


class Pair(NamedTuple):
    """A cell in both languages."""

    id: str
    english: str
    japanese: str


@cache
def cells(notebook: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(notebook.read_bytes())["cells"]
    return found


def pairs(name: str, kind: str) -> list[Pair]:
    return [
        Pair(one["id"], "".join(one["source"]), "".join(other["source"]))
        for one, other in zip(cells(ENGLISH / name), cells(JAPANESE / name), strict=True)
        if one["cell_type"] == kind
    ]


@cache
def tokens(text: str) -> list[Token]:
    """Those of a text, with those inside of its lines."""
    return [one for token in WITH_TABLES.parse(text) for one in (token, *(token.children or ()))]


def code_spans(text: str) -> Counter[str]:
    return Counter(token.content for token in tokens(text) if token.type == "code_inline")


def commands(text: str) -> list[str]:
    """The lines of its blocks, without comments: those are translated."""
    blocks = [token.content for token in tokens(text) if token.type in ("code_block", "fence")]
    return [re.sub(r"(^|\s+)# .*", "", line) for block in blocks for line in block.splitlines()]


def links(text: str) -> Counter[str]:
    return Counter(str(token.attrs["href"]) for token in tokens(text) if token.type == "link_open")


def shape(text: str) -> list[str]:
    """Headings with their levels, lists, tables with rows and columns: in what order they come."""
    kinds = ("heading_open", "table_open", "tr_open", "th_open", "td_open", "list_item_open", "code_block")
    return [f"{token.tag} {token.type}" for token in tokens(text) if token.type in kinds]


def said(text: str) -> str:
    """What is read, without code."""
    return " ".join(token.content for token in tokens(text) if token.type == "text")


def numbers(text: str) -> set[str]:
    """Ports, answers, RFCs, dates, sizes: 398,000 is 398000, and a single digit may be a word."""
    return set(re.findall(r"\d[\d.]*\d", re.sub(r"(\d),(?=\d{3}\b)", r"\1", said(text))))


def test_there_is_one_for_each_chapter() -> None:
    assert sorted(path.name for path in JAPANESE.glob("*.ipynb")) == NAMES


def test_a_batch_runs_the_english_ones_alone() -> None:
    assert [one.path for one in find_notebooks(ENGLISH)] == [ENGLISH / name for name in NAMES]


@pytest.mark.parametrize("name", NAMES)
def test_the_cells_are_the_same_in_number_kind_and_order(name: str) -> None:
    def outlines(notebook: Path) -> list[tuple[str, str, object]]:
        return [(cell["cell_type"], cell["id"], cell["metadata"]) for cell in cells(notebook)]

    assert outlines(JAPANESE / name) == outlines(ENGLISH / name)
    english, japanese = (
        json.loads((folder / name).read_bytes()) | {"cells": []} for folder in (ENGLISH, JAPANESE)
    )
    assert japanese == english


@pytest.mark.parametrize("name", NAMES)
def test_code_is_the_same_but_for_the_line_that_names_the_language(name: str) -> None:
    def without_it(code: str) -> list[str]:
        return [line for line in code.split("\n") if not line.startswith("language: ")]

    for cell in pairs(name, "code"):
        assert without_it(cell.japanese) == without_it(cell.english), cell.id
    parameters = [
        "".join(cell["source"]).split("\n")
        for cell in cells(JAPANESE / name)
        if "parameters" in cell["metadata"].get("tags", ())
    ]
    assert [lines[-1].split("  #")[0] for lines in parameters] == ['language: str = "ja"']
    whole = "\n".join(cell.japanese for cell in pairs(name, "code"))
    assert len(re.findall("^language: ", whole, flags=re.MULTILINE)) == 1


@pytest.mark.parametrize("name", NAMES)
def test_each_cell_of_prose_is_in_japanese(name: str) -> None:
    """Each of its lines, too: a heading, a paragraph, a row; a few words of English are a name, or a server's."""
    for cell in pairs(name, "markdown"):
        if re.search(r"[a-z]", said(cell.english)):
            assert JAPANESE_LETTER.search(said(cell.japanese)), cell.id
        for line in cell.japanese.split("\n"):
            if len(re.findall(r"[a-z]{2,}", said(line))) > 4:
                assert JAPANESE_LETTER.search(line), f"{cell.id}: {line}"


@pytest.mark.parametrize("name", NAMES)
def test_headings_lists_and_tables_are_the_same(name: str) -> None:
    for cell in pairs(name, "markdown"):
        assert shape(cell.japanese) == shape(cell.english), cell.id


@pytest.mark.parametrize("name", NAMES)
def test_what_is_typed_or_compared_stays_as_it_is(name: str) -> None:
    missing = {}
    for cell in pairs(name, "markdown"):
        assert commands(cell.japanese) == commands(cell.english), cell.id
        assert links(cell.japanese) == links(cell.english), cell.id
        gone = set(code_spans(cell.english) - code_spans(cell.japanese))
        gone |= numbers(cell.english) - numbers(cell.japanese)
        if gone := gone - LEFT_OUT.get((name, cell.id), set()):
            missing[cell.id] = gone
    assert missing == {}


@pytest.mark.parametrize("name", NAMES)
def test_emphasis_is_emphasis(name: str) -> None:
    """Beside Japanese marks an asterisk easily is just one: Markdown looks for a blank there."""
    for cell in pairs(name, "markdown"):
        assert "*" not in said(cell.japanese), cell.id


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_to_japanese_chapters(name: str) -> None:
    for cell in pairs(name, "markdown"):
        files = [link.split("#")[0] for link in links(cell.japanese) if "://" not in link]
        assert [file for file in files if (JAPANESE / file).name not in NAMES or "/" in file] == [], cell.id
