"""A command that is printed can be typed as it stands: its options exist, and apply has the reason that it needs."""

import ast
import functools
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from fake_chapters import WHOLE, write_chapter, write_inventory

import runbook_lib
from lab.state import CHECKOUT
from runbook_lib import inventory
from runbook_lib.batch.order import Order
from runbook_lib.cli import app
from runbook_lib.inventory.typed import apply_command, apply_to, option_for

LIBRARY = Path(runbook_lib.__file__).parent
HOME = LIBRARY / "inventory" / "typed.py"
RUNBOOK = typer.main.get_command(app)
NAMED = re.compile(
    r"\brunbook ((?:ca|records|certificate)(?: roll-over)? )?([a-z]+(?:-[a-z]+)*)((?:(?!runbook)[^\n;:,)`…])*)"
)


def command(words: list[str]) -> tuple[Any, list[str]]:
    """The command that words name, and what is left for it."""
    found: Any = RUNBOOK
    while words and hasattr(found, "commands") and words[0] in found.commands:
        found, words = found.commands[words[0]], words[1:]
    return found, words


@functools.cache
def texts() -> tuple[tuple[str, str], ...]:
    """Each text of the library that is no docstring, with its place; what a value fills in is X."""
    return tuple(_read_texts())


def _read_texts() -> Iterator[tuple[str, str]]:
    for path in sorted(LIBRARY.rglob("*.py")):
        name = path.relative_to(LIBRARY)
        tree = ast.parse(path.read_text(encoding="utf-8"))
        docs = {
            id(node.body[0].value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            and node.body
            and isinstance(node.body[0], ast.Expr)
        }
        parts = {
            id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values
        }
        for node in ast.walk(tree):
            where = f"{name}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.JoinedStr):
                yield (
                    where,
                    "".join(str(p.value) if isinstance(p, ast.Constant) else "X" for p in node.values),
                )
            elif (
                isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and id(node) not in docs | parts
            ):
                yield where, node.value


def test_every_option_of_a_command_that_a_message_names_is_one_of_it() -> None:
    seen = 0
    for where, text in texts():
        for group, name, rest in NAMED.findall(text):
            found, left = command([*group.split(), name])
            if left:  # prose: 'the runbook alone'
                continue
            seen += 1
            known = {option for one in found.params for option in one.opts}
            unknown = [word for word in re.findall(r"(?<=\s)--?[a-z][a-z-]*", rest) if word not in known]
            assert not unknown, f"{where}: {text}"
    assert seen > 40


def test_apply_is_written_in_one_place() -> None:
    elsewhere = [
        where
        for where, text in texts()
        if "runbook apply" in text and not where.startswith("inventory/typed.py")
    ]
    assert elsewhere == []
    assert HOME.exists()


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> inventory.Inventory:
    monkeypatch.setenv("RUNBOOK_RECORDS", str(tmp_path / "records"))
    for chapter in ("11-key", "31-pages"):
        write_chapter(tmp_path / "notebooks", chapter, *WHOLE)
    return inventory.load(str(write_inventory(tmp_path, "mail1", "mail2", production=True)))


def printed(book: inventory.Inventory) -> Iterator[str]:
    option, host = option_for(book), book.host("mail1")
    yield apply_to(book, host)
    yield apply_to(book, host, chapter="11")
    yield apply_command(options=option)
    yield apply_command(["mail1", "mail2"], start="31", options=option)


def test_what_is_printed_is_taken(book: inventory.Inventory, tmp_path: Path) -> None:
    """By the parser, and by the rule that a host which is none of the lab's needs a reason."""
    for line in printed(book):
        words = shlex.split(line)
        found, left = command(words[1:])
        given = found.make_context("apply", left).params
        assert given["inventory"] == str(book.path)
        order = Order(
            mode="apply",
            inventory=given["inventory"],
            hosts=given["host"] or (),
            only=given["only"],
            start=given["start"],
            reason=given["reason"],
            notebooks=tmp_path / "notebooks",
        )
        assert {job.host for job in order.jobs()} <= {"mail1", "mail2"}
    bound = shlex.split(apply_command(plan="0" * 16))
    found, left = command(bound[1:])
    assert found.make_context("apply", left).params["plan"] == "0" * 16


def test_lines_of_the_documents_are_taken() -> None:
    seen = 0
    for path in (*sorted((CHECKOUT / "docs").glob("*.md")), CHECKOUT / "README.md"):
        for line in path.read_text(encoding="utf-8").splitlines():
            if not line.startswith("    runbook "):
                continue
            words = shlex.split(re.split(" [<>|] ", line)[0], comments=True)
            found, left = command(words[1:])
            context = found.make_context(found.name, left)
            seen += 1
            if found.name == "apply" and context.params["inventory"] != "lab":
                assert context.params["reason"], f"{path.name}: {line}"
    assert seen > 30
