"""Records that cannot be written: one refusal with the path, what the host has, how to go on; a record that ends."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from applied_host import RUNBOOK

from lab import Lab

HOST = "debian12"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own for records: what is kept for a run's end, and 32 KiB."""
    (tmp_path / "disk").mkdir()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1056k", "runbook-test", tmp_path / "disk"], check=True
    )
    yield tmp_path / "disk"
    subprocess.run(["umount", tmp_path / "disk"], check=True)


def runbook(records: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"RUNBOOK_RECORDS": str(records)}
    environment.pop("RUNBOOK_RUN", None)
    command = [str(RUNBOOK), *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)


def test_a_disk_that_becomes_full_or_takes_nothing(lab: Lab, disk: Path) -> None:
    lab.reset(HOST, "bare")
    where = ("--inventory", "lab", "--host", HOST)
    done = runbook(disk, "apply", *where, "--only", "11")
    told = done.stdout + done.stderr
    assert done.returncode == 1, told
    assert "Traceback" not in told
    assert len(told.splitlines()) < 40, told
    assert f"{HOST}: " in done.stdout
    assert "No space left on device" in done.stdout
    assert str(disk) in done.stdout
    made = len(lab.exec(HOST, "ls /var/lib/runbook/*/*.done").split())
    assert f"{made} change" in done.stdout
    (run,) = (path.name for path in disk.iterdir() if path.is_dir() and path.name[0] != ".")
    assert runbook(disk, "records", "verify", run).returncode == 0
    assert f"runbook resume {run}" in done.stdout
    assert f"runbook rollback {run}" in done.stdout
    subprocess.run(["mount", "-o", "remount,size=20m", disk], check=True)
    resumed = runbook(disk, "resume", run)
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert runbook(disk, "records", "verify", run).returncode == 0
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    refused = runbook(disk, "plan", *where)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "Read-only file system" in refused.stderr
    assert "Nothing was changed." in refused.stderr
    assert len(refused.stderr.splitlines()) < 6
