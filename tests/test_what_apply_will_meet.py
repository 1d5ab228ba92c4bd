"""A plan says what apply will meet: open decisions, the digest, the reason; what would be refused is not begun."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from applied_host import RUNBOOK
from fake_chapters import OPEN, WHOLE, run_batch

from lab import Lab
from lab.state import CHECKOUT
from runbook_lib import inventory
from runbook_lib.errors import UsageError
from runbook_lib.records.index import read_run
from runbook_lib.site_ca import own_ca

HOST = "debian12"


@pytest.fixture
def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RUNBOOK_RECORDS", str(tmp_path / "records"))
    return tmp_path / "records"


def test_open_decisions_stand_in_each_place_and_apply_stops_before_it_changes_anything(
    lab: Lab, tmp_path: Path
) -> None:
    lab.reset(HOST, "fresh")
    lab.exec(HOST, "postconf -e 'smtpd_tls_protocols = TLSv1.2' 'accounts_bind_pw = Tr0ub4dor-bind'")

    def runbook(*words: str) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {"RUNBOOK_RECORDS": str(tmp_path / "records")}
        environment.pop("RUNBOOK_RUN", None)
        command = [str(RUNBOOK), *words, "--inventory", "lab", "--host", HOST]
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=300, check=False
        )

    planned = runbook("plan")
    assert planned.returncode == 0, planned.stdout + planned.stderr
    assert (
        "1 decision open: apply refuses until you decide about main.cf, smtpd_tls_protocols" in planned.stdout
    )
    assert "runbook apply" not in planned.stdout
    assert f"runbook plan --host {HOST} --inventory lab" in planned.stdout
    (run,) = (path for path in (tmp_path / "records").iterdir() if path.is_dir())
    assert re.search(r"planned, none made; 1 decision open", (run / "index.html").read_text(encoding="utf-8"))
    for chapter in ("00-preparation", "20-postfix-debian"):
        page = (run / HOST / f"{chapter}.html").read_text(encoding="utf-8")
        assert "1 decision open: apply refuses until a person has decided" in page
        assert "# keep: " in page
    applied = runbook("apply")
    assert applied.returncode == 1
    assert "a person has to decide about it" in applied.stdout
    assert "runbook resume" not in applied.stdout  # it refuses once the inventory has the decision
    lab.exec(HOST, "test ! -e /etc/ssl/private/mail-server.key && test ! -e /var/lib/runbook")
    for path in (tmp_path / "records").rglob("*"):
        if path.is_file():
            assert b"Tr0ub4dor" not in path.read_bytes(), path


def test_the_index_names_the_digest_and_the_reason_that_apply_needs(
    tmp_path: Path, records: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    off_the_lab = (OPEN.replace("lab=True", "lab=False").format(chapter="11-key", title="1-1"), *WHOLE[1:])
    plan = run_batch(
        tmp_path, ["mail1"], {"11-key": off_the_lab}, mode="plan", next_options="--inventory a.yaml"
    )
    assert plan.plan
    needed = f"runbook apply --plan {plan.plan[:16]} --reason 'TICKET: WHY'"
    assert needed in dict(plan.next_commands).values()
    found = read_run(records / plan.run)
    assert found.next_commands() == plan.next_commands
    page = (found.folder / "index.html").read_text(encoding="utf-8")
    assert f"--plan</span> <span>{plan.plan[:16]}" in page
    given = run_batch(tmp_path, ["mail1"], {"11-key": off_the_lab}, mode="plan", reason="MAIL-1")
    assert "--reason" not in dict(given.next_commands)["to make these changes and no others"]
    with pytest.raises(UsageError, match=r"none of the lab's \(mail1\) needs a reason"):
        run_batch(tmp_path, ["mail1"], {"11-key": off_the_lab}, reason="")
    monkeypatch.setenv("RUNBOOK_RUN", "20991231T000000Z-0001")
    assert run_batch(tmp_path, ["mail1"], {"11-key": off_the_lab}, reason="MAIL-1").exit_code == 0
    monkeypatch.setenv("RUNBOOK_RUN", "20991231T000000Z-0002")
    with pytest.raises(UsageError, match="the reason 'MAIL-1' is that of run 20991231T000000Z-0001"):
        run_batch(tmp_path, ["mail1"], {"11-key": off_the_lab}, reason="MAIL-1")
    assert not (records / "20991231T000000Z-0002").exists()


def test_commands_by_hand_name_the_root_where_it_lies(lab: Lab) -> None:
    site = inventory.load(lab.inventory).site
    own_ca.open_or_create(site)
    assert (CHECKOUT / own_ca.root_file(site, None, "here")).is_file()
