"""docs/security.md promises nothing that no test holds."""

import ast
import re

from lab.state import CHECKOUT

DOCUMENT = (CHECKOUT / "docs" / "security.md").read_text(encoding="utf-8")
NAMED = re.findall(r"`(test_\w+\.py)::(test_\w+)`", DOCUMENT)


def test_each_promise_names_a_test() -> None:
    promised = DOCUMENT.partition("## What is promised")[2].partition("## What is not promised")[0]
    rows = [line for line in promised.splitlines() if line.startswith("| ")]
    promises = [row for row in rows if not re.match(r"\| (promise|---)", row)]
    assert len(promises) > 30
    assert [
        row for row in promises if not re.fullmatch(r"\| .+ \| (`test_\w+\.py::test_\w+`(, )?)+ \|", row)
    ] == []


def test_each_test_that_it_names_is_there() -> None:
    there = {
        (path.name, node.name)
        for path in (CHECKOUT / "tests").glob("test_*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef)
    }
    assert set(NAMED) - there == set()
    assert len(NAMED) > 50
