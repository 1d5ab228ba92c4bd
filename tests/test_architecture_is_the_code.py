"""docs/architecture.md says what the code does: its layers, its steps, and who calls whom."""

import re
import tomllib
from itertools import pairwise

import pytest
from named_in_code import CHECKOUT, cells_of, definition, imports, is_notebook, reached

PAGE = (CHECKOUT / "docs" / "architecture.md").read_text(encoding="utf-8")


def chains() -> list[list[str]]:
    """Each line of the walks; one that begins with an arrow goes on with the line above."""
    lines = re.findall(r"^ {4}(?:[a-z][a-z ]{8} | {10})(\S.*)$", PAGE, flags=re.MULTILINE)
    joined = "\n".join(lines).replace("\n→", " →").split("\n")
    return [line.strip().split(" → ") for line in joined]


STEPS = sorted({name for chain in chains() for name in chain})
CALLS = sorted({(here, there) for chain in chains() for here, there in pairwise(chain)})


def is_connected(here: str, there: str) -> bool:
    """Whether one step leads to the next: a cell or a function uses its name, and can have it from there."""
    if is_notebook(there):
        return here == "batch.execution:execute"  # papermill starts it, by its path
    name = there.rpartition(":")[2]
    if is_notebook(here):
        return name.rpartition(".")[2] in cells_of(here)
    if name.rpartition(".")[2] not in reached(here):
        return False
    module, other = (step.partition(":")[0] for step in (here, there))
    return "." in name or module == other or imports(module, other)  # a method comes with its value


def test_the_layers_are_those_of_the_contract() -> None:
    contracts = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = [re.findall(r"\w+", layer) for contract in contracts[:2] for layer in contract["layers"]]
    rows = re.findall(r"^\| (`.+?`) \|", PAGE, flags=re.MULTILINE)
    assert [re.findall(r"`(\w+)`", row) for row in rows] == layers


def test_there_are_the_two_walks() -> None:
    assert len(CALLS) > 40
    assert {"cli.batch:plan", "cli.rollback:rollback", "pki.ledger:Ledger.record_issuance"} <= set(STEPS)


@pytest.mark.parametrize("step", STEPS)
def test_each_step_is_there(step: str) -> None:
    if is_notebook(step):
        assert (CHECKOUT / "notebooks" / f"{step}.ipynb").exists()
    else:
        assert definition(step) is not None


@pytest.mark.parametrize(("here", "there"), CALLS)
def test_each_step_leads_to_the_next(here: str, there: str) -> None:
    assert is_connected(here, there)


@pytest.mark.parametrize(
    ("here", "there"),
    [
        ("cli.rollback:rollback", "records.publish:publish"),
        ("20-postfix-debian", "chapters.signing:Signing.plan_certificate"),
        ("pki.authority:Authority.issue", "mail.target.postfix:plan_settings"),
        ("mail.target.postfix:plan_settings", "20-postfix-debian"),
    ],
)
def test_steps_that_do_not_lead_to_each_other_would_be_found(here: str, there: str) -> None:
    assert not is_connected(here, there)


def test_a_step_that_is_not_there_would_be_found() -> None:
    assert definition("cli.batch:plans") is None
    assert definition("cli.bach:plan") is None
