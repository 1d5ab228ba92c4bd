"""Packages that are being installed when the controller, or the package manager itself, is ended."""

import re
import secrets
import signal
import subprocess
import time
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest
from applied_host import RUNBOOK, run_cells, runbook
from fault_scene import At, Scene, scene
from fault_trial import ALLOWED
from faults import PACKAGES
from mail_states import mail_state
from test_notebooks_by_plain_papermill import PAPERMILL
from trees import changed

from lab import Lab
from lab.state import CHECKOUT
from runbook_lib.families.package_managers import APT
from runbook_lib.mail.target import postfix

HOST = "debian12"
CHAPTER = "20-postfix-debian"
# As an administrator has it who wants to be asked everything; a message waits in the queue.
EXIM = """
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update > /dev/null
apt-get -qq -y --no-install-recommends install exim4-daemon-light > /dev/null 2>&1
echo 'debconf debconf/priority select low' | debconf-set-selections
sleep 3  # the daemon runs the queue once when it begins, and would send the message back
echo hello | exim4 -odq kensa@example.net
"""
# Its script finds no process to stop in a container, where root may not trace those of others.
EXIM_GONE = """
systemctl stop exim4
pkill -x exim4 || :
DEBIAN_FRONTEND=noninteractive apt-get -qq -y remove exim4-daemon-light > /dev/null 2>&1
"""
LIBRARY = "libldap-2.5-0"  # sasl2-bin needs it
QUEUED = "find /var/spool/exim4/input -name '*-H' | wc -l"


def test_an_install_that_was_killed_is_completed_and_that_is_said(lab: Lab) -> None:
    """exim4 is there, which a person decides about; then dpkg is killed in the middle, and the controller."""
    lab.reset(HOST, "bare")
    lab.exec(HOST, EXIM, timeout_s=180)
    with scene(lab, HOST, "bare", f"20991231T000000Z-{secrets.token_hex(2)}") as stage:
        stage.start()
        stage.wait()
        stage.stopped_with(r"packages, exim4-daemon-light: installed, 1 message in its queue")
        assert "running on port 25: " in stage.said
        assert lab.exec(HOST, QUEUED) == b"1\n"
        assert lab.exec(HOST, "dpkg-query -W -f '${db:Status-Abbrev}' exim4-daemon-light") == b"ii "
        lab.exec(HOST, EXIM_GONE)
        stage.start("resume")
        stage.stop_at(At(PACKAGES, 0))
        configuring(lab, stage)
        lab.exec(HOST, "pkill -KILL -x 'apt-get|dpkg'")
        stage.kill()
        stage.host_is_idle()
        assert lab.exec(HOST, "dpkg --audit") != b""
        done = stage.run_again("resume")
        assert done.returncode == 0, done.stdout
        (found,) = (line for line in done.stdout.splitlines() if line.startswith(f"Found on {HOST}: "))
        assert "failed or cut off, so perhaps half made: packages postfix" in found
        assert found.endswith("; an install was cut off: the package manager completes it first")
    assert lab.exec(HOST, "dpkg --audit") == b""
    assert lab.exec(HOST, QUEUED) == b"1\n"  # what the person left in it is nobody else's


def test_what_was_being_unpacked_when_the_power_went_goes_with_a_rollback(lab: Lab) -> None:
    """`dpkg --configure -a` does not mend it, and apt-get does not remove it (dpkg(1), reinst-required)."""
    lab.reset(HOST, "bare")
    before = lab.tree(HOST)
    with scene(lab, HOST, "bare", f"20991231T000000Z-{secrets.token_hex(2)}") as stage:
        stage.start()
        stage.stop_at(At(PACKAGES, 0))
        configuring(lab, stage)
        lab.exec(HOST, "pkill -KILL -x 'apt-get|dpkg'")
        stage.kill()
        stage.host_is_idle()
        # As dpkg has it from the begin of an unpacking to its end: too short to be met on purpose.
        status = "s/^Status: .*/Status: install reinstreq half-installed/"
        lab.exec(HOST, f"sed -i '/^Package: {LIBRARY}$/,/^$/{status}' /var/lib/dpkg/status")
        assert lab.exec(HOST, f"dpkg-query -W -f '${{db:Status-Abbrev}}' {LIBRARY}") == b"iHR"
        done = stage.run_again("rollback")
        assert done.returncode == 0, done.stdout
        assert "all that this run changed is as before it" in done.stdout
        assert re.search(f"PUT BACK packages: removed .*{LIBRARY}", done.stdout), done.stdout
    assert changed(before, lab.tree(HOST), ALLOWED) == []
    assert lab.exec(HOST, "dpkg --audit; apt-get -q check 2>&1 | grep ^E: || :") == b""


def configuring(lab: Lab, stage: Scene) -> None:
    """Wait until dpkg runs a package's script: what is unpacked then is not set up."""
    deadline = time.monotonic() + 120
    while b".postinst" not in lab.exec(
        HOST, "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '", check=False
    ):
        assert time.monotonic() < deadline, f"nothing is set up\n{stage.said}"


def test_plain_papermill_that_is_ended_leaves_no_half_of_a_step(lab: Lab, tmp_path: Path) -> None:
    """TERM does not reach its kernel; the host ends the step by itself, and holds no lock."""
    lab.reset(HOST, "bare")
    run = "20991231T000000Z-00dd"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RUNBOOK_RUN", run)
        # Each in a process of its own: the one that makes a run holds it as long as it lives.
        papermill: list[str | Path] = [
            PAPERMILL,
            "--log-level",
            "ERROR",
            "--no-progress-bar",
            "-p",
            "host",
            HOST,
        ]
        for chapter in ("11-key-and-csr", "12-signing"):
            notebook = CHECKOUT / "notebooks" / f"{chapter}.ipynb"
            subprocess.run([*papermill, notebook, tmp_path / notebook.name], check=True, timeout=240)
        process = subprocess.Popen(
            [*papermill, CHECKOUT / "notebooks" / f"{CHAPTER}.ipynb", tmp_path / "out.ipynb"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    stage = Scene(lab, HOST, run, tmp_path)
    journal = stage.path(f"/var/lib/runbook/{run}")
    deadline = time.monotonic() + 120
    while not any(PACKAGES in path.with_suffix(".title").read_text() for path in journal.glob("*.begun")):
        assert time.monotonic() < deadline, "packages were never begun"
        time.sleep(0.02)
    kernels = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == -signal.SIGTERM
    assert psutil.wait_procs(kernels, timeout=30)[1] == [], "a kernel goes on without anybody"
    stage.host_is_idle()
    (begun,) = (
        path for path in journal.glob("*.begun") if PACKAGES in path.with_suffix(".title").read_text()
    )
    assert begun.with_suffix(".done").exists(), "the step is neither made nor undone"
    assert not stage.is_held("/run/runbook.lock")
    assert lab.exec(HOST, "dpkg --audit") == b""
    told = runbook("status", "--host", HOST).stdout
    assert re.search(
        rf"no run is at work; the last to change something, {run} .*, the last of them: packages", told
    ), told
    # Plain papermill's kernel has no time left to end its record: that is said, and no seal claims otherwise.
    for words, status, expected in (
        (("verify", run), 1, "went on after its seal, and was not sealed again"),
        (("list",), 0, f"{HOST} did not finish 2 Postfix with TLS and SMTP AUTH"),
    ):
        done = subprocess.run(
            [RUNBOOK, "records", *words], capture_output=True, text=True, timeout=60, check=False
        )
        said = " ".join((done.stdout + done.stderr).split())
        assert (done.returncode, expected in said) == (status, True), said
    assert re.search(r"outcome +passed", run_cells(CHAPTER, host=HOST)[-1].text())


HALF_MADE, OURS = "The following packages have been unpacked", "/var/lib/runbook/R/004"


@pytest.mark.parametrize(
    ("half_made", "ours", "titles"),
    [(HALF_MADE, OURS, ["the install that was cut off is completed"]), (HALF_MADE, "", []), ("", OURS, [])],
)
def test_where_nothing_is_missing_only_what_we_left_half_made_is_completed(
    half_made: str, ours: str, titles: list[str]
) -> None:
    """dpkg was killed when all was unpacked but a trigger; what an administrator left is his."""
    plan = postfix.plan_packages(mail_state({}, more={"unfinished": half_made, "install_open": ours}))
    assert [change.title for change in plan.changes] == titles
    assert [change.commands() for change in plan.changes] == [APT.complete for _ in titles]
