"""Begin and end of a run are lines in the host's syslog, which the controller's disk cannot rewrite."""

import hashlib
import json
import re
from pathlib import Path

import pytest
from applied_host import runbook

from lab import Lab
from runbook_lib.records import chain


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
        assert said(line)["host"] == host_name
    assert begin.startswith("begin ")
    assert said(begin)["plan"] == "none", "nobody approved one"
    stream, number, digest = chain.begun_at(tmp_path, folder.parent.name).split(":")
    assert said(begin)["chain"] == f"{stream}:{number}:{digest[:16]}"
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


def test_the_records_are_compared_with_what_the_host_has(
    lab: Lab, host_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An approved plan's digest is on the host, and a record that is altered, or gone, is found by its lines."""
    monkeypatch.setenv("RUNBOOK_RECORDS", str(tmp_path))
    lab.reset(host_name, "bare")

    def compared() -> tuple[int, list[str]]:
        done = runbook("records", "chain", "--host", host_name)
        return done.returncode, [line for line in done.stdout.splitlines() if line.startswith("WRONG ")]

    assert compared() == (0, [])
    planned = runbook("plan", "--host", host_name, "--only", "11")
    assert planned.returncode == 0, planned.stdout + planned.stderr
    (approved,) = (hashlib.sha256(path.read_bytes()).hexdigest() for path in tmp_path.glob("*/plan.json"))
    done = runbook("apply", "--plan", approved)
    assert done.returncode == 0, done.stdout + done.stderr
    begin = lines(lab, host_name)[0]
    assert said(begin)["plan"] == f"sha256:{approved}"
    run = said(begin)["run"]
    assert compared() == (0, [])

    record = tmp_path / run / host_name / "11-key-and-csr.json"
    content = record.read_bytes()
    record.write_bytes(content.replace(b'"passed"', b'"failed"'))
    status, wrong = compared()
    assert status == 1
    assert wrong[0].startswith(
        f"WRONG {run}, {host_name}: the host was told of another record of the run, sha256:"
    )
    record.write_bytes(content)

    lab.exec(
        host_name,
        f"logger -t runbook -p auth.notice begin run={run[:-4]}ffff sequence=7 host={host_name}",
    )
    status, wrong = compared()
    assert status == 1
    assert any("a line says number 7, and the host's journal does not" in line for line in wrong)

    (tmp_path / run).rename(tmp_path.parent / f"{tmp_path.name}-taken-out")
    status, wrong = compared()
    assert status == 1
    assert f"WRONG {run}, {host_name}: the host has a journal of it, and there is no record" in wrong
