"""Systems that are past their end, that the inventory claims wrongly, or that are of no family that was tried."""

from pathlib import Path

import pytest
from applied_host import run_cells, run_chapters
from test_enterprise_linux import CHAPTER, HOST, record
from trees import MAY_DIFFER, changed

from lab import Lab
from runbook_lib.errors import ApplyRefused


def as_centos_7(lab: Lab) -> None:
    """A host that says it is CentOS 7 and has yum alone; its packages are the lab's."""
    lab.exec(
        HOST,
        "mv $(readlink -f /usr/bin/dnf) /usr/bin/yum.real; rm /usr/bin/dnf; ln -sf yum.real /usr/bin/yum;"
        "sed -i -e 's/^ID=.*/ID=centos/; s/^VERSION_ID=.*/VERSION_ID=7/; s/^PRETTY_NAME=.*/PRETTY_NAME=\"CentOS 7\"/'"
        " $(readlink -f /etc/os-release)",
    )


def test_a_system_past_its_end_is_planned_and_changed_only_where_that_is_known(
    lab: Lab, tmp_path: Path
) -> None:
    lab.reset(HOST, "bare")
    as_centos_7(lab)
    _, summaries = run_chapters(HOST, mode="plan")
    assert ["nothing was changed" in summary for summary in summaries] == [True, True, True]
    tree = lab.tree(HOST)
    with pytest.raises(ApplyRefused, match="CentOS 7 has had no security fixes since 2024-06-30"):
        run_cells("11-key-and-csr", host=HOST)
    assert changed(tree, lab.tree(HOST), tuple(MAY_DIFFER)) == []
    known = tmp_path / "known.yaml"
    known.write_text(
        lab.inventory.read_text().replace(f"  {HOST}:\n", f"  {HOST}:\n    past_its_end_is_known: true\n")
    )
    for chapter in ("11-key-and-csr", "12-signing"):
        run_cells(chapter, host=HOST, inventory=str(known))
    shown = [repr(one) for one in run_cells(CHAPTER, host=HOST, inventory=str(known))]
    assert "outcome   passed" in shown[-1]
    commands = str([step["changes"] for step in record()["steps"] if step["kind"] == "plan"])  # type: ignore[attr-defined]
    assert "yum -q -y install postfix cyrus-sasl cyrus-sasl-plain" in commands


def test_a_wrong_claim_in_the_inventory_is_refused_before_anything_is_touched(
    lab: Lab, tmp_path: Path
) -> None:
    lab.reset(HOST, "bare")
    tree = lab.tree(HOST)
    claimed = tmp_path / "claimed.yaml"
    claimed.write_text(lab.inventory.read_text().replace(f"  {HOST}:\n", f"  {HOST}:\n    family: Debian\n"))
    with pytest.raises(
        ApplyRefused, match="the inventory says family: Debian, and the host is Enterprise Linux"
    ):
        run_cells("11-key-and-csr", host=HOST, inventory=str(claimed))
    assert changed(tree, lab.tree(HOST), tuple(MAY_DIFFER)) == []


def test_a_system_of_no_family_is_refused_before_anything_is_touched(lab: Lab) -> None:
    lab.reset(HOST, "bare")
    lab.exec(
        HOST,
        "sed -i -e 's/^ID=.*/ID=opensuse-leap/; s/^ID_LIKE=.*/ID_LIKE=\"suse opensuse\"/'"
        " -e 's/^PRETTY_NAME=.*/PRETTY_NAME=\"openSUSE Leap 15.6\"/' $(readlink -f /etc/os-release)",
    )
    tree = lab.tree(HOST)
    with pytest.raises(ApplyRefused, match=r"was not tried on openSUSE Leap 15\.6"):
        run_cells("11-key-and-csr", host=HOST)
    assert changed(tree, lab.tree(HOST), tuple(MAY_DIFFER)) == []


def test_the_chapter_of_the_other_family_says_which_one_to_open(lab: Lab) -> None:
    lab.reset(HOST, "bare")
    with pytest.raises(ApplyRefused, match="this chapter is not for Enterprise Linux") as refused:
        run_cells("20-postfix-debian", host=HOST)
    assert "open 21-postfix-centos.ipynb for this host" in str(refused.value)
