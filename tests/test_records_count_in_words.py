"""A run in one sentence: what was made and proved is counted, with its noun in the singular where it is one."""

from pathlib import Path
from typing import Literal

import pytest
from sample_record import RUN, change, postfix_chapter, whole_run

from runbook_lib.records import Record, index

Mode = Literal["plan", "apply"]


@pytest.mark.parametrize(("number", "told"), [(0, "0 changes"), (1, "1 change"), (2, "2 changes")])
def test_a_number_has_its_noun(number: int, told: str) -> None:
    assert index.counted(number, "change") == told


def test_a_run_that_went_through_counts_changes_and_claims(tmp_path: Path) -> None:
    postfix_chapter(tmp_path)
    run = index.read_run(tmp_path / RUN)
    assert run.headline() == "1 host: 3 changes made; 9 of 9 claims proved"
    assert run.next_commands() == (
        ("to prove it from outside at any time", "runbook verify mail12"),
        ("to put back what this run changed", f"runbook rollback {RUN}"),
    )


def test_a_run_that_stopped_says_where_and_on_which_host(tmp_path: Path) -> None:
    run = index.read_run(whole_run(tmp_path))
    assert run.headline() == "mail13 failed at 1-1 Private key and CSR"


def begun(root: Path, mode: Mode = "plan") -> Record:
    return Record.begin(
        root, RUN, "mail12", "11-key-and-csr",
        title="Key", mode=mode, reason="", operator="kanri", lab=True, inventory_sha256="0" * 64, facts={},
    )  # fmt: skip


def test_a_plan_of_one_change_says_that_none_was_made(tmp_path: Path) -> None:
    record = begun(tmp_path)
    record.add_plan("The private key", "aa11", [change("mail-server.key", "key", "-no such file\n+RSA 2048")])
    record.finish("passed", "A key.")
    run = index.read_run(tmp_path / RUN)
    assert run.headline() == "1 host: 1 change planned, none made"
    assert run.next_commands() == (
        ("to have these changes approved and made by the command line", "runbook plan --host mail12"),
    )


@pytest.mark.parametrize("mode", ["plan", "apply"])
def test_lines_that_wait_for_the_owner_of_the_files_are_no_nothing_to_do(tmp_path: Path, mode: Mode) -> None:
    record = begun(tmp_path, mode)
    withheld = [
        {"title": title, "kind": "settings", "diff": "+x", "owner": owner, "why": "its files", "lines": "x"}
        for title, owner in (("a", "Puppet"), ("b", "Ansible"), ("c", "Puppet"))
    ]
    record.add_plan("The private key", "aa11", [], withheld=withheld)
    record.finish("passed", "A key.")
    run = index.read_run(tmp_path / RUN)
    assert run.left_to == ("Puppet", "Ansible")
    assert run.headline() == "1 host: lines left to Puppet and Ansible"
    assert run.next_commands()[0][1] == f"runbook {mode} --host mail12"
