"""Notebook 90 alone, on a server of which only the name is known: no inventory, no SSH, no password, no change."""

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from applied_host import RUNBOOK, run_cells, runbook
from trees import AT_WORK, changed

from lab import Lab
from lab.state import CHECKOUT
from runbook_lib.errors import UsageError
from runbook_lib.mail import probes
from runbook_lib.records import verification

HOST = "debian12"


def logins_seen(lab: Lab) -> int:
    """How often somebody got into sshd."""
    return lab.exec(HOST, "journalctl -q -o cat --no-pager SYSLOG_IDENTIFIER=sshd").count(b"Accepted ")


def test_it_runs_by_papermill_where_nothing_else_is_known(lab: Lab, tmp_path: Path) -> None:
    lab.reset(HOST, "fresh")
    assert runbook("status", "--host", HOST).returncode == 0
    before, seen = lab.tree(HOST), logins_seen(lab)
    assert seen > 0  # a login would be seen
    out = tmp_path / "out.ipynb"
    words = [
        "-p",
        "name",
        "mail12.example.test",
        "-p",
        "resolver",
        lab.network.gateway4,
        "-p",
        "inventory",
        "none",
    ]
    environment = os.environ | {"RUNBOOK_RECORDS": str(tmp_path / "records")}
    papermill = Path(sys.executable).with_name("papermill")
    notebook = CHECKOUT / "notebooks" / "90-verification.ipynb"
    done = subprocess.run(
        [papermill, "--no-progress-bar", notebook, out, *words],
        env=environment,
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    shown = json.dumps(nbformat.read(out, as_version=4).cells)
    assert "its name alone: no inventory, no SSH, no password" in shown
    (path,) = (tmp_path / "records").glob("*/mail12.example.test/90-verification.json")
    record = json.loads(path.read_text())
    verdicts = {step["claim"]: step["verdict"] for step in record["steps"]}
    assert len(verdicts) == len(probes.CLAIMS)
    # A server with Postfix just installed: no submission port yet, and nobody to log in as.
    assert {"pass", "could not test"} <= set(verdicts.values())
    assert (record["mode"], record["outcome"]) == ("plan", "planned")
    command = [str(RUNBOOK), "records", "add", str(out)]
    added = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert added.returncode == 0, added.stderr
    assert verification.check(path.parents[1]).holds
    assert logins_seen(lab) == seen
    assert changed(before, lab.tree(HOST), AT_WORK) == []


def test_on_a_bare_host_it_says_one_reason_once_and_that_nothing_was_applied(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNBOOK_RECORDS", str(tmp_path))
    lab.reset(HOST, "bare")
    shown = [one.text() for one in run_cells("90-verification", host=HOST) if one is not None]
    (path,) = tmp_path.glob(f"*/{HOST}/90-verification.json")
    rows = [row for step in json.loads(path.read_text())["steps"] for row in step.get("rows", ())]
    assert len(rows) <= 32, [row["seen"] for row in rows]
    assert [row["seen"] for row in rows].count("not asked, since no port is reached") >= 15
    assert "outcome     not proven" in shown[-1]
    assert "applied" not in shown[-1]
    assert "not proven  Each port is reached from here" in shown[-1]


@pytest.mark.parametrize(
    ("name", "ports", "resolver", "told"),
    [
        ("no name", "", "", "'no name' "),
        ("mail.example.test", "587, submission", "", "'submission' is no port"),
        ("mail.example.test", "70000", "", "'70000' is no port"),
        ("mail.example.test", "", "ns.example.test", "'ns.example.test' "),
    ],
)
def test_what_is_none_is_refused(
    name: str, ports: str, resolver: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNBOOK_RECORDS", str(tmp_path))
    with pytest.raises(UsageError, match=told) as refused:
        run_cells("90-verification", name=name, ports=ports, resolver=resolver)
    assert "Nothing was changed." in str(refused.value)
    assert list(tmp_path.rglob("*.json")) == []
