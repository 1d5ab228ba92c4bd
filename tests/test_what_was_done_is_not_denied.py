"""Where the chain of records is damaged while something is done, that is said, and never that nothing was changed."""

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from fake_chapters import APPLY, OPEN, PLAN, SUMMARY, run_batch

from runbook_lib.errors import NOTHING_CHANGED, RecordError
from runbook_lib.inventory import Inventory
from runbook_lib.records import root
from runbook_lib.site_ca.recorded import recorded

DAMAGE = """
for stream in records.root().glob("*.chain"):
    stream.write_bytes(stream.read_bytes() + b"no entry\\n")
"""


@pytest.fixture(autouse=True)
def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNBOOK_RECORDS", str(tmp_path / "records"))


def test_a_batch_tells_what_became_of_each_host(tmp_path: Path) -> None:
    done = run_batch(tmp_path, ("mail1",), {"11-key": (OPEN, PLAN, APPLY, SUMMARY, DAMAGE)})
    (host,) = done.hosts
    assert (host.state, host.sum("changes_made")) == ("passed", 1)
    assert done.problem is not None
    assert "the chain is damaged" in done.problem
    assert NOTHING_CHANGED not in done.problem
    assert (
        f"What run {done.run} did stays as it is; its seal or its pages are missing or of before."
        in done.problem
    )


def signs_while_somebody_damages_the_chain() -> None:
    book = cast(Inventory, SimpleNamespace(digest="0" * 64))
    with recorded(book, "sign", "A · B") as done:
        done.lines.append("Issued serial 0A.")
        for stream in root().glob("*.chain"):
            stream.write_bytes(stream.read_bytes() + b"no entry\n")


def test_a_command_of_the_ca_tells_what_it_did(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNBOOK_RUN", "20261130T000000Z-0001")
    with pytest.raises(RecordError, match="the chain is damaged") as told:
        signs_while_somebody_damages_the_chain()
    assert told.value.changed == "It was done all the same: Issued serial 0A."
