"""A shorter way says what the long way says: remembered, made once for all hosts, or a few steps fewer."""

import base64
import json
import re
from pathlib import Path

import nbformat
import papermill
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from runbook_lib import credentials
from runbook_lib.batch.execution import Looking, Stop, execute
from runbook_lib.batch.notebooks import find_notebooks
from runbook_lib.batch.parameters import Value
from runbook_lib.credentials import masking
from runbook_lib.records.notebook_page import know, notebook_page

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@pytest.fixture
def _no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masking, "_resolved", {})


@pytest.mark.usefixtures("_no_secrets")
def test_a_text_that_was_searched_before_a_secret_was_known_is_searched_again() -> None:
    masking.remember("Kirschbaum-9")
    text = "login with Herbstlaub-7, then Kirschbaum-9"
    assert credentials.mask(text) == "login with Herbstlaub-7, then ***"
    masking.remember("Herbstlaub-7")
    assert credentials.mask(text) == "login with ***, then ***"


@pytest.mark.usefixtures("_no_secrets")
@pytest.mark.parametrize(
    "text",
    [
        "a Kirsch\\\nbaum-9 b",
        "+ Kirsch\n+baum-9\n",
        "> Kirsch\n> baum-9",
        "no mark Kirsch\nbaum-9",
        "KIRSCH BAUM-9 and Kirschbaum-9" * 200,
    ],
)
def test_a_secret_in_pieces_is_found_however_long_the_text_is(text: str) -> None:
    masking.remember("Kirschbaum-9")
    for whole in (text, text, text + "x" * 2000):
        shown = credentials.mask(whole)
        assert "irsch" not in shown.lower()
        assert "***" in shown


@given(st.text(st.sampled_from("aE3[]0;m^=+>|-nrtxub\\\x1b\x07\r\n \t\x7f\xad\u200b\u2060\ufeff")))
def test_what_may_stand_within_a_secret_is_found_by_its_first_character(text: str) -> None:
    for pattern in (masking._LOOSE, masking._LOOSE_IN_DIFFS):
        whole = re.compile(pattern.pattern.removeprefix(masking._BEGINS))
        assert whole.pattern != pattern.pattern
        assert pattern.sub("#", text) == whole.sub("#", text)


def test_a_page_has_the_picture_that_is_there_now(tmp_path: Path) -> None:
    notebook = new_notebook(cells=[new_markdown_cell("![dot](dot.png)"), new_markdown_cell("*prose*")])
    pages = []
    for content in (PIXEL, PIXEL + b"\0"):
        (tmp_path / "dot.png").write_bytes(content)
        know((cell.cell_type, cell.source) for cell in notebook.cells)
        pages.append(notebook_page(notebook, "title", "record.html", tmp_path))
        assert base64.b64encode(content).decode() in pages[-1]
    assert pages[0] != pages[1]


def test_a_notebook_is_run_as_papermill_runs_it(tmp_path: Path) -> None:
    """Parameters, metadata and outputs; times aside, and what papermill says of the file that it was given."""
    cells = [
        new_markdown_cell("# Title"),
        new_code_cell("host = 'a'\ncount = 1", metadata={"tags": ["parameters"]}),
        new_code_cell("print(host, count)\nhost * count"),
        new_markdown_cell("an end"),
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    path = tmp_path / "10-title.ipynb"
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)
    (notebook,) = find_notebooks(tmp_path)
    values: dict[str, Value] = {"host": "b", "count": 2}
    nothing = Looking(begun=lambda _: None, cell=lambda _: None, done=lambda _, __: None)
    ours = execute(notebook, values, Stop(), nothing, 60).notebook
    theirs = papermill.execute_notebook(str(path), None, values, engine_name="in-process", progress_bar=False)
    assert ours is not None
    assert timeless(ours) == timeless(theirs)


def timeless(notebook: nbformat.NotebookNode) -> object:
    found = json.loads(nbformat.writes(notebook))
    for one in (found, *found["cells"]):
        one.pop("id", None)
        for name in ("start_time", "end_time", "duration"):
            assert one["metadata"]["papermill"].pop(name, None) is not None
    return found
