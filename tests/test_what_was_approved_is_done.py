"""What was approved is what is done: on a bare host, too, each change is at its turn the one that was planned."""

from collections.abc import Iterator
from pathlib import Path

import approvers
import pytest
import tampering
from applied_host import run_cells
from approvers import Site, wanting
from fake_chapters import SilentWatch
from ruamel.yaml import YAML

from lab import Lab
from runbook_lib import places, records
from runbook_lib.batch.order import Order, apply_plan
from runbook_lib.errors import ApplyRefused
from runbook_lib.records import approved, verification
from runbook_lib.records.index import read_run
from runbook_lib.records.planned import Planned

HOST = "debian12"


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RUNBOOK_RECORDS", str(tmp_path / "records"))
    return tmp_path / "records"


def changes(run: str) -> dict[tuple[str, str], list[Planned]]:
    """Chapter and title of each plan of a run, and its changes as they were when it was shown."""
    return {
        (entry.record.chapter, plan.title): [Planned.of(change) for change in plan.changes]
        for entry in read_run(records.root() / run).current
        for plan in entry.record.plans
    }


def test_on_a_bare_host_each_change_is_at_its_turn_the_one_that_was_planned(lab: Lab) -> None:
    lab.reset(HOST, "bare")
    planned = Order("plan", "lab", [HOST], run="20261130T000000Z-aaaa").carry_out(SilentWatch())
    applied = Order("apply", "lab", [HOST], run="20261130T000000Z-bbbb").carry_out(SilentWatch())
    assert [host.state for host in applied.hosts] == ["passed"], applied.hosts[0].told()
    assert changes(applied.run) == changes(planned.run)
    assert sum(map(len, changes(applied.run).values())) == applied.hosts[0].sum("changes_made")


@pytest.fixture
def site(tmp_path: Path, root: Path) -> Iterator[Site]:
    """Records with a list of signers; kanri is at work."""
    found = approvers.make(tmp_path)
    with tampering.signing_with(found.keys / "kanri"):
        yield Site(root, found.keys, found.listed)
    with wanting(tmp_path, "signing: off"):
        pass


@pytest.fixture
def book(lab: Lab, tmp_path: Path) -> str:
    """The lab's inventory, with one approval wanted."""
    yaml = YAML()
    text = yaml.load(lab.inventory)
    text["site"]["records"] = {"signing": "required", "approvals": 1}
    path = tmp_path / "wanted.yaml"
    yaml.dump(text, path)
    return str(path)


KEYS = "/etc/ssl/private/nopass_mail-server.key"
ALL = "cd / && tar -cf - etc var/lib/runbook 2>/dev/null | sha256sum"


def test_a_host_that_changed_after_its_approval_stays_as_it_is_byte_for_byte(
    lab: Lab, site: Site, book: str
) -> None:
    lab.reset(HOST, "bare")
    planned = Order("plan", book, [HOST], only="11", run="20261130T000000Z-aaaa").carry_out(SilentWatch())
    assert planned.plan
    site.given("suzuki", planned.plan)
    there = lab.exec(HOST, "[ ! -d /etc/ssl/private ] || echo there")
    lab.exec(HOST, f"install -D -m 0600 /dev/null {KEYS}")
    before = lab.exec(HOST, ALL)
    with pytest.raises(
        ApplyRefused, match=rf"{HOST}: 11-key-and-csr, KeyPairChange .*: would be done otherwise now"
    ):
        apply_plan(planned.plan, SilentWatch(), reason="", workers=None, notebooks=places.NOTEBOOKS)
    assert lab.exec(HOST, ALL) == before
    lab.exec(HOST, f"rm {KEYS}{'' if there else '; rmdir /etc/ssl/private'}")
    result = apply_plan(planned.plan, SilentWatch(), reason="", workers=None, notebooks=places.NOTEBOOKS)
    assert [host.state for host in result.hosts] == ["passed"], result.hosts[0].told()
    assert verification.check(site.root / result.run).holds, verification.check(
        site.root / result.run
    ).report()


def test_by_hand_a_chapter_makes_what_was_approved_and_nothing_else(lab: Lab, site: Site, book: str) -> None:
    """As plain papermill and JupyterLab run it: the parameter `plan` binds it."""
    lab.reset(HOST, "bare")
    planned = Order("plan", book, [HOST], only="11", run="20261130T000000Z-aaaa").carry_out(SilentWatch())
    assert planned.plan
    told = {"inventory": book, "host": HOST, "mode": "apply", "plan": planned.plan}
    try:
        with pytest.raises(ApplyRefused, match="has 0 of 1 approvals"):
            run_cells("11-key-and-csr", **told)
        with pytest.raises(ApplyRefused, match="this chapter is bound to none"):
            run_cells("11-key-and-csr", **(told | {"plan": ""}))
        site.given("suzuki", planned.plan)
        lab.exec(HOST, f"install -D -m 0600 /dev/null {KEYS}")
        with pytest.raises(ApplyRefused, match=r"Private key: KeyPairChange .*: would be done otherwise now"):
            run_cells("11-key-and-csr", **told)
        lab.exec(HOST, f"test ! -s {KEYS}; test ! -e /var/lib/runbook")
    finally:
        approved.bind(None)
