"""A name that leads to an address that the server does not have: chapter 0 stops until a person has decided."""

from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from ruamel.yaml import YAML

from lab import Lab
from runbook_lib import inventory
from runbook_lib.chapters import preparation
from runbook_lib.errors import InventoryError, VerificationFailed

HOST, NAME = "debian12", "stale.example.test"  # the lab's DNS leads it to an address that no host has


def written(lab: Lab, folder: Path, decisions: list[dict[str, Any]], further: str = NAME) -> str:
    """The lab's inventory, with one more name for the host, and decisions."""
    yaml = YAML()
    book = yaml.load(lab.inventory)
    book["hosts"][HOST]["names"]["further"] = [further]
    book["hosts"][HOST]["decisions"] = decisions
    path = folder / "nat.yaml"
    yaml.dump(book, path)
    return str(path)


def test_the_lines_that_are_offered_let_the_chapter_go_on(lab: Lab, tmp_path: Path) -> None:
    """Refused, with the address and the lines; the same lines with a reason in them, and it passes."""
    lab.reset(HOST, "fresh")
    with pytest.raises(VerificationFailed) as refusal:
        preparation.open(written(lab, tmp_path, []), HOST).ask_names()
    address = lab.host(HOST).network.address4(99)
    assert f"at {address}: {NAME}, A: an address that this server does not have" in refusal.value.problem
    lines = dedent("    # under hosts" + refusal.value.remedy.partition("# under hosts")[2])
    (offered,) = YAML().load(lines)["decisions"]
    assert (offered["about"], offered["decide"]) == (f"DNS, {NAME}", "keep")
    with pytest.raises(InventoryError, match="is empty; expected why"):
        inventory.load(written(lab, tmp_path, [offered]))
    chapter = preparation.open(written(lab, tmp_path, [offered | {"reason": "a router, MAIL-7"}]), HOST)
    shown = chapter.ask_names().text()
    assert (
        f"{NAME}, A: an address that this server does not have; it leads here, as decided: a router" in shown
    )
    assert "fail" not in shown
    chapter.show_findings()
    assert chapter.record.data.open_decisions == {}


def test_a_plan_says_that_it_is_open(lab: Lab, tmp_path: Path) -> None:
    lab.reset(HOST, "fresh")
    chapter = preparation.open(written(lab, tmp_path, []), HOST, "plan")
    shown = chapter.ask_names().html()
    assert f"about: DNS, {NAME}" in shown
    chapter.show_findings()
    data = chapter.record.data
    assert list(data.open_decisions) == [f"DNS, {NAME}"]
    assert "or from where a name should lead, and a person has to decide about it" in (data.refusal or "")


def test_a_decision_about_a_name_that_leads_here_is_listed_as_without_effect(
    lab: Lab, tmp_path: Path
) -> None:
    lab.reset(HOST, "fresh")
    decision = {"about": "DNS, mail12.example.test", "decide": "keep", "reason": "a router"}
    shown = (
        preparation.open(written(lab, tmp_path, [decision], "v6only.example.test"), HOST).ask_names().text()
    )
    assert (
        "mail12.example.test, A and AAAA: an address of this server (the decision about its name has no effect)"
        in shown
    )


@pytest.mark.parametrize(
    ("about", "decide", "told"),
    [
        ("DNS, stale.example.test", "replace", "nothing here changes the DNS; expected 'keep'"),
        ("DNS, other.example.test", "keep", "is no name of this host; expected one of mail12.example.test"),
    ],
)
def test_a_decision_that_cannot_be_had_is_refused_at_once(
    lab: Lab, tmp_path: Path, about: str, decide: str, told: str
) -> None:
    decision = {"about": about, "decide": decide, "reason": "a router"}
    with pytest.raises(InventoryError, match=told):
        inventory.load(written(lab, tmp_path, [decision]))
