"""What docs/what-stays.md lists is what the code has."""

import re
from pathlib import Path

from runbook_lib.mail.target.restrictions.policy import FOR_STRANGERS
from runbook_lib.mail.target.restrictions.table import TABLE, Whom

PAGE = Path(__file__).resolve().parents[1] / "docs" / "what-stays.md"


def listed(whom: Whom) -> set[str]:
    rows = re.findall(rf"^\| (`.*`) \| {whom} \| \S.* \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`([a-z_]+)`", row)}


def test_every_element_is_listed_for_whom_it_is_meant() -> None:
    for whom in Whom:
        assert listed(whom) == {row.name for row in TABLE.values() if row.whom is whom}


def test_the_reasons_are_the_tables_own() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert [row.name for row in TABLE.values() if f"| {row.whom} | {row.why} |" not in text] == []


def test_every_policy_service_for_strangers_is_listed() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert [
        name for name, kind in FOR_STRANGERS.items() if not re.search(rf"`{name}`.*\| {kind} \|", text)
    ] == []
