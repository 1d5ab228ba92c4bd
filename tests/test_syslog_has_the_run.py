"""Begin and end of a run are lines in the host's syslog, which the controller's disk cannot rewrite."""

import hashlib
import json
import re
from pathlib import Path

import pytest
from applied_host import runbook

from lab import Lab


def lines(lab: Lab, host: str) -> list[str]:
    """What the host's journal has of us, in order."""
    return lab.exec(host, "journalctl -q -t runbook -o cat --no-pager").decode().splitlines()


def said(line: str) -> dict[str, str]:
    """The words NAME=VALUE of a line; a value in quotes is JSON."""
    found = re.findall(r'(\S+?)=("(?:[^"\\]|\\.)*"|\S+)', line)
    return {name: json.loads(value) if value.startswith('"') else value for name, value in found}


def test_begin_and_end_of_a_run_are_told_with_their_digests(
    lab: Lab, host_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNBOOK_RECORDS", str(tmp_path))
    lab.reset(host_name, "bare")
    reason = 'MAIL-12: "quoted", $HOME; `id`'
    done = runbook("apply", "--host", host_name, "--only", "11", "--reason", reason)
    assert done.returncode == 0, done.stdout + done.stderr
    begin, chapter, end = lines(lab, host_name)
    (folder,) = tmp_path.glob(f"*/{host_name}")
    record = json.loads((folder / "11-key-and-csr.json").read_text())
    for line in (begin, chapter, end):
        assert said(line)["run"] == folder.parent.name
        assert said(line)["sequence"] == "1"
        assert said(line)["reason"] == reason
        assert said(line)["operator"] == record["operator"]
    plans = [step["digest"] for step in record["steps"] if step["kind"] == "plan"]
    assert begin.startswith("begin ")
    assert said(begin)["plan"] == f"sha256:{plans[0]}"
    digest = hashlib.sha256((folder / "11-key-and-csr.json").read_bytes()).hexdigest()
    assert said(chapter) | {"chapter": "11-key-and-csr", "outcome": "passed", "changes": "2"} == said(chapter)
    assert (
        said(chapter)["record"] == said(end)["record"] == f"sha256:{digest}"
    )  # the run has this record alone
    assert said(end)["outcome"] == "passed"

    runbook("apply", "--host", host_name, "--only", "11")  # nothing to do: nothing to tell
    assert len(lines(lab, host_name)) == 3
    assert runbook("rollback", folder.parent.name, "--host", host_name).returncode == 0
    assert said(lines(lab, host_name)[3])["run"] == folder.parent.name
    assert lines(lab, host_name)[3].startswith("undone ")
    assert runbook("apply", "--host", host_name, "--only", "11").returncode == 0
    assert said(lines(lab, host_name)[4])["sequence"] == "2"
