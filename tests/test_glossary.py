"""docs/glossary.md: each word is one that people meet, and each place of the code is there."""

import json
import re

import pytest
from named_in_code import CHECKOUT, definition
from typer.testing import CliRunner

from runbook_lib.cli import app

PAGE = (CHECKOUT / "docs" / "glossary.md").read_text(encoding="utf-8")
WORDS = re.findall(r"\*\*(.+?)\*\*", PAGE)
NAMED = sorted(set(re.findall(r"`([a-z_0-9.]+:[\w.]+)`", PAGE)))
FILES = sorted(set(re.findall(r"`((?:[\w.-]+/)+[\w.-]+)`", PAGE)))
COMMANDS = (
    "plan",
    "apply",
    "verify",
    "doctor",
    "status",
    "resume",
    "rollback",
    "records",
    "ca",
    "certificate",
)


def plain(text: str) -> str:
    """One blank between words, and none of the marks that a word may have around it."""
    return " ".join(re.sub(r"[*_`|]", "", text).split()).lower()


@pytest.fixture(scope="module")
def met() -> str:
    """README, other documents, prose and outputs of the notebooks, and the help of the command."""
    documents = [CHECKOUT / "README.md", CHECKOUT / "CONTRIBUTING.md", *(CHECKOUT / "docs").glob("*.md")]
    texts = [path.read_text(encoding="utf-8") for path in documents if path.name != "glossary.md"]
    for notebook in (CHECKOUT / "notebooks").glob("[0-9]*.ipynb"):
        cells = json.loads(notebook.read_bytes())["cells"]
        texts += ["".join(cell["source"]) for cell in cells]
    for words in ([], *([name] for name in COMMANDS)):
        texts.append(CliRunner().invoke(app, [*words, "--help"]).output)
    return plain("\n".join(texts))


def is_met(word: str, texts: str) -> bool:
    """Whether it stands there as a word of its own, also with the ending of a plural."""
    return re.search(rf"(?<!\w){re.escape(plain(word))}s?(?!\w)", texts) is not None


def test_there_are_words() -> None:
    assert len(WORDS) > 40
    assert len(set(WORDS)) == len(WORDS)
    assert {"inventory", "run", "could not test", "journal", "undo.sh", "ledger"} <= set(WORDS)
    assert len(NAMED) > 40


@pytest.mark.parametrize("word", WORDS)
def test_each_word_is_one_that_people_meet(word: str, met: str) -> None:
    assert is_met(word, met)


@pytest.mark.parametrize("named", NAMED)
def test_each_place_of_the_code_is_there(named: str) -> None:
    assert definition(named) is not None


@pytest.mark.parametrize("file", FILES)
def test_each_file_is_there(file: str) -> None:
    assert (CHECKOUT / file).exists()


def test_a_word_that_nobody_meets_would_be_found(met: str) -> None:
    assert not is_met("vantageous", met)
    assert not is_met("run-of-mill", met)
