"""Beside each remarkable line stands what chapter 2 does about it: it stays, a person decides, or somebody mends it."""

from pathlib import Path

import pytest
from mail_states import mail_state

from runbook_lib import inventory
from runbook_lib.mail.configuration import parse
from runbook_lib.mail.configuration.bare_newlines import BARE_NEWLINE, GUARDS
from runbook_lib.mail.findings.explained import explain
from runbook_lib.mail.findings.finding import Look

INVENTORY = """
site: {name: Example, domain: example.jp, ca: {passphrase: "env:CA"}}
hosts:
  mail1:
    address: 192.0.2.25
    user: kanri
    names: {smtp: mail.example.jp}
    certificate: {key_passphrase: "env:KEY"}
"""
DECIDED = f"""    decisions:
      - {{about: "main.cf, {BARE_NEWLINE}", decide: replace, reason: asked for}}
"""


def fates(
    folder: Path, main: str, more: str = "", knows: tuple[str, ...] = GUARDS, guard: str = "no"
) -> list[str]:
    path = folder / "site.yaml"
    path.write_text(INVENTORY + more)
    main_cf = {entry.name: entry.value for entry in parse.entries(main.encode()) if entry.name}
    facts = {
        "warnings": "",
        "refused": "",
        "myhostname": "mail.example.jp",
        "mydestination": "mail.example.jp",
    }
    look = Look(
        mail_state(main_cf, main=main, more=facts, host=inventory.load(path).hosts["mail1"]),
        main.encode(),
        parameters=frozenset({"mynetworks", *knows}),
        defaults={BARE_NEWLINE: guard},
    )
    return [one.fate for one in explain(look, ())]


NETWORKS = "mynetworks = 10.0.0.0/8\n"


@pytest.mark.parametrize(
    ("main", "guard", "told"),
    [
        (NETWORKS, "normalize", ["stays"]),
        ("", "no", ["stays, unless you decide: replace"]),
        (NETWORKS, "no", ["stays", "stays, unless you decide: replace"]),
    ],
)
def test_only_the_guard_can_be_decided_about_without_a_difference(
    tmp_path: Path, main: str, guard: str, told: list[str]
) -> None:
    assert fates(tmp_path, main, guard=guard) == told


def test_a_guard_that_this_postfix_lacks_is_mended_by_hand_and_by_no_decision(tmp_path: Path) -> None:
    (told,) = fates(tmp_path, "", DECIDED, knows=())
    assert told.startswith("stays; by hand: update Postfix from your distribution: ")


def test_a_decision_is_told_with_its_reason(tmp_path: Path) -> None:
    assert fates(tmp_path, "", DECIDED) == ["decided: replace: asked for"]
