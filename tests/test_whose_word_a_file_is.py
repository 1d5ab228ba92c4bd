"""An inventory and an order name what runs as the operator: from somebody else they are refused, before anything."""

import os
from pathlib import Path

import pytest
from fake_chapters import WHOLE, run_batch, write_inventory

from runbook_lib import inventory
from runbook_lib.batch.order import apply_plan
from runbook_lib.batch.written_order import WrittenOrder
from runbook_lib.cli.progress import BatchProgress
from runbook_lib.credentials import another_writer
from runbook_lib.errors import ApplyRefused, InventoryError, RecordError

NOBODY = 65534


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return write_inventory(tmp_path, "mail1")


def test_an_inventory_of_somebody_else_is_refused(site: Path) -> None:
    os.chown(site, NOBODY, NOBODY)
    with pytest.raises(InventoryError, match="belongs to another user"):
        inventory.load(site)


@pytest.mark.parametrize("mode", [0o666, 0o602])
def test_an_inventory_that_others_may_write_is_refused(mode: int, site: Path) -> None:
    site.chmod(mode)
    with pytest.raises(InventoryError, match=f"its mode is {mode:04o}") as refusal:
        inventory.load(site)
    assert "go-w" in refusal.value.remedy
    site.chmod(0o644)
    assert inventory.load(site).hosts


def test_a_folder_in_which_others_may_replace_it_counts(site: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    assert "can be written by others" in str(another_writer(site))
    tmp_path.chmod(0o1777)
    assert another_writer(site) is None


def test_a_link_counts_as_what_it_leads_to_and_as_where_it_lies(site: Path, tmp_path: Path) -> None:
    (tmp_path / "open").mkdir(mode=0o700)
    link = tmp_path / "open" / "link.yaml"
    link.symlink_to(site)
    assert another_writer(link) is None
    os.chown(link, NOBODY, NOBODY, follow_symlinks=False)
    assert "belongs to another user" in str(another_writer(link))


def test_the_group_of_one_person_is_nobody_else(site: Path) -> None:
    """A umask of 002 makes files so, where each person has a group of his own."""
    site.chmod(0o664)
    os.chown(site, 0, 0)
    assert another_writer(site) is None
    os.chown(site, 0, NOBODY)
    assert "can be written by others" in str(another_writer(site))


def test_behind_sudo_the_person_who_called_it_is_the_reader(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.chown(site, NOBODY, NOBODY)
    monkeypatch.setenv("SUDO_UID", str(NOBODY))
    assert another_writer(site) is None


@pytest.fixture
def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RUNBOOK_RECORDS", str(tmp_path / "records"))
    return tmp_path / "records"


def test_records_are_their_owners_alone(tmp_path: Path, records: Path) -> None:
    result = run_batch(tmp_path, ["mail1"], {"11-key": WHOLE}, mode="plan")
    for path in (records, *records.rglob("*")):
        assert path.stat().st_mode & 0o077 == 0, path
    (records / result.run / "order.json").chmod(0o666)
    with pytest.raises(RecordError, match="somebody else may write it"):
        WrittenOrder.read(records / result.run)


def test_an_approved_plan_with_another_inventory_fetches_no_secret(tmp_path: Path, records: Path) -> None:
    """The path of the inventory is not in the digest; its bytes are, and they are compared first."""
    result = run_batch(tmp_path, ["mail1"], {"11-key": WHOLE}, mode="plan")
    assert result.plan
    ran = tmp_path / "ran"
    other = tmp_path / "other.yaml"
    text = (tmp_path / "site.yaml").read_text(encoding="utf-8")
    other.write_text(text.replace('"file:kensa"', f"cmd:sh -c 'touch {ran}; echo {ran}'"), encoding="utf-8")
    order = records / result.run / "order.json"
    order.write_text(order.read_text(encoding="utf-8").replace("site.yaml", "other.yaml"), encoding="utf-8")
    with (
        BatchProgress(silent=True) as watch,
        pytest.raises(ApplyRefused, match="no longer the one of the plan"),
    ):
        apply_plan(result.plan, watch, reason="", workers=None, notebooks=tmp_path / "notebooks")
    assert not ran.exists()
