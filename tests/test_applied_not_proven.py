"""A change is put back only for something reached and wrong: what could not be reached stays, and is not called proven.

Each obstacle is real, and none is the server's fault: a firewall on the host, an address that leads nowhere, an account
that the inventory does not name.
"""

import re
from datetime import UTC, datetime
from pathlib import Path

import probes_dns
import pytest
from applied_host import applied, run_cells, run_of, runbook
from probes_firewalls import NFT_CASES, loaded
from supported import changing

from lab import Lab
from runbook_lib.records.origin import run_id

POLICY = NFT_CASES["a policy that drops"][0]
UFW = (
    "apt-get -qq update >/dev/null; DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install ufw"
    " >/dev/null 2>&1; { ufw allow 22/tcp; ufw --force enable; } >/dev/null"
)


def run_all(host: str, inventory: str = "lab") -> list[str]:
    """The chapters that change the host and what they showed, as one run of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RUNBOOK_RUN", run_id(datetime.now(UTC)))
        return [
            shown.text()
            for chapter in changing(host)
            for shown in run_cells(chapter, host=host, inventory=inventory)
            if shown is not None
        ]


def assert_applied_not_proven(lab: Lab, host: str, shown: list[str]) -> None:
    assert "applied, not proven" in shown[-1]
    assert b"submissions inet" in lab.exec(host, "postconf -M submissions/inet | tr -s ' '")
    assert lab.exec(host, f"ls /var/lib/runbook/{run_of(lab, host)}/undo.sh")


def own_inventory(lab: Lab, folder: Path, pattern: str, replacement: str) -> str:
    """The lab's inventory with something else in it."""
    text = lab.inventory.read_text(encoding="utf-8")
    path = folder / "other.yaml"
    changed = re.sub(pattern, replacement, text)
    assert changed != text
    path.write_text(changed, encoding="utf-8")
    return str(path)


def test_behind_a_closed_nftables_policy(lab: Lab, family_host: str) -> None:
    """All that does not depend on the client is proven from the host itself; the rest names who must act."""
    lab.reset(family_host, "fresh")
    lab.exec(family_host, loaded(POLICY))
    shown = run_all(family_host)
    assert_applied_not_proven(lab, family_host, shown)
    told = "\n".join(shown)
    assert "nft 'add rule inet filter input tcp dport { 25, 465, 587 } accept'" in told
    assert "the serial that was signed (asked from the host itself, through SSH)" in told
    assert "only asked from the host itself, through SSH, which says nothing about strangers" in told
    assert lab.exec(family_host, "nft list chain inet filter input").count(b"dport") == 1  # not edited


def test_behind_ufw(lab: Lab) -> None:
    lab.reset("debian13", "fresh")
    lab.exec("debian13", UFW, timeout_s=180.0)
    shown = run_all("debian13")
    assert_applied_not_proven(lab, "debian13", shown)
    assert "its administrator adds: ufw allow 25,465,587/tcp" in "\n".join(shown)


def test_with_an_address_that_leads_nowhere(lab: Lab, tmp_path: Path) -> None:
    """An AAAA record that nothing routes: the other address is proven, and who publishes it is named."""
    lab.reset("debian12", "fresh")
    inventory = own_inventory(lab, tmp_path, r"resolver: \S+", f"resolver: {probes_dns.ADDRESS}")
    names = {
        f"{label}12.example.test": (lab.host("debian12").address, "fd77:250::1") for label in ("mail", "pop")
    }
    with probes_dns.answering(names):
        shown = run_all("debian12", inventory)
    assert_applied_not_proven(lab, "debian12", shown)
    assert "who publishes the address, or routes for it, must act" in "\n".join(shown)


def test_without_an_account_for_checks(lab: Lab, tmp_path: Path) -> None:
    applied(lab, "debian12", "fresh")
    inventory = own_inventory(lab, tmp_path, r"  check_account:\n.*\n.*\n", "")
    *asked, summary = [
        shown.text()
        for shown in run_cells("90-verification", host="debian12", inventory=inventory)
        if shown is not None
    ]
    assert "outcome     not proven" in summary
    assert "not proven  An unknown name is refused (and 5 more): no account for checks" in summary
    assert any("name one under check_account in the inventory" in text for text in asked)


def test_the_command_verify_shows_the_rule_and_the_line(lab: Lab) -> None:
    """As the administrator types it; nothing that failed makes its exit status 1."""
    applied(lab, "debian12", "fresh")
    lab.exec("debian12", loaded(POLICY))
    done = runbook("verify", "debian12")
    assert done.returncode == 0, done.stdout + done.stderr
    told = done.stdout
    assert "could not test  Each port is reached from here, on each address of the name" in told
    assert "nft 'add rule inet filter input tcp dport { 25, 465, 587 } accept'" in told
    assert "(nftables, table inet filter, chain input: policy drop)" in told
    assert "could not test  Without a login nothing is relayed, on any port" in told
    assert "pass            The right password is accepted, by PLAIN and by LOGIN" in told
