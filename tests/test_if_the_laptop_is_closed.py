"""What is so when nobody at this end goes on: `runbook status` says it at every moment; undo.sh needs none of us."""

import json
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from applied_host import applied, run_of, runbook
from fault_scene import At, scene
from test_promises_when_others_are_at_work import start_chapters, wait_for
from trees import MAY_DIFFER, changed

from lab import Lab
from lab.tree import compare

# As a person runs it on a host that is cut off: no network, nothing of a login's environment.
ALONE = "env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin sh"


def undone_alone(lab: Lab, host: str, run: str) -> str:
    """What undo.sh says, and its status, while nothing goes out of the host and nothing comes in."""
    said = lab.exec(
        host,
        f"ip rule add pref 1 unreachable; ip -6 rule add pref 1 unreachable\n"
        f"if timeout 5 bash -c 'exec 3<>/dev/tcp/{lab.network.gateway4}/53'; then echo the network is there; fi\n"
        f"status=0; {ALONE} /var/lib/runbook/{run}/undo.sh || status=$?\n"
        "ip rule del pref 1; ip -6 rule del pref 1; echo status $status",
        timeout_s=300,
    ).decode()
    assert "the network is there" not in said
    return said


def status(host: str) -> dict[str, Any]:
    done = runbook("status", "--host", host, "--json")
    assert (done.returncode, done.stderr) in ((0, ""), (1, ""))  # 1: something needs a person
    standing: dict[str, Any] = json.loads(done.stdout)["hosts"][host]
    return standing


def done_in_journal(lab: Lab, host: str, run: str) -> list[str]:
    """Titles of the changes that came to their end, asked of the host itself."""
    look = f"cd /var/lib/runbook/{run} && for d in *.done; do cat ${{d%.done}}.title; done"
    return lab.exec(host, look).decode().splitlines()


def test_a_look_leaves_nothing_behind(lab: Lab) -> None:
    lab.reset("debian12", "bare")
    before = lab.tree("debian12")
    done = runbook("status", "--host", "debian12")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(
        "debian12: no run is at work; none has changed anything here\n"
        "    If you close the laptop now: nothing changes: the host waits for nobody.\n\n"
    )
    assert done.stdout.endswith("\n\nNothing needs a person.\n")
    assert list(compare(before, lab.tree("debian12"))) == []
    lab.exec("debian12", "test ! -e /run/runbook.lock")


@pytest.mark.parametrize(
    ("host", "state", "begun"),
    # What takes seconds: a shorter change may have ended before the controller is stopped.
    [("debian12", "bare", "packages postfix"), ("debian13", "fresh", "packages ")],
)
def test_cut_off_in_the_middle_it_is_as_status_said(
    lab: Lab, tmp_path: Path, host: str, state: str, begun: str
) -> None:
    lab.reset(host, state)
    before = lab.tree(host)
    run = "20991231T000000Z-00cc"
    process = start_chapters(host, run, tmp_path)
    wait_for(lab, host, run, begun)
    process.send_signal(signal.SIGSTOP)  # else it may be done before it is asked
    at_work = status(host)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert at_work["holder"].startswith(f"run {run} of ")
    said = runbook("status", "--host", host).stdout
    deadline = time.monotonic() + 120
    while (left := status(host))["changing"] or left["holder"]:
        assert "the host ends the change that is being made by itself" in said or not left["changing"]
        assert time.monotonic() < deadline
        time.sleep(0.3)
    # It ended what it had begun, and began nothing else.
    made = done_in_journal(lab, host, run)
    (journaled,) = left["runs"]
    assert (journaled["run"], journaled["made"], journaled["last"]) == (run, len(made), made[-1])
    assert journaled["open"] == ""
    assert journaled["made"] >= at_work["runs"][-1]["made"]
    told = runbook("status", "--host", host).stdout
    assert (
        f"no run is at work; the last to change something, {run} (number 1 here), made {len(made)} " in told
    )
    assert "If you close the laptop now: nothing changes: the host waits for nobody." in told
    assert f"To put it back, here: runbook rollback {run} --host {host} --inventory lab\n" in told
    # Nobody of us goes on: the line that status printed, typed at a root shell.
    assert f"on the host, without us: sh /var/lib/runbook/{run}/undo.sh" in told
    assert undone_alone(lab, host, run).endswith("all that this run changed is as before it\nstatus 0\n")
    assert changed(before, lab.tree(host), tuple(MAY_DIFFER)) == []
    assert f"no run is at work; the last, {run}, was put back" in runbook("status", "--host", host).stdout


def test_undo_without_us_spares_what_somebody_changed_since(lab: Lab) -> None:
    applied(lab, "debian12")
    run = run_of(lab, "debian12")
    assert status("debian12")["runs"][0]["made"] == len(done_in_journal(lab, "debian12", run))
    lab.exec("debian12", "echo '# mine' >> /etc/pam.d/smtp")
    told = undone_alone(lab, "debian12", run)
    assert "CONFLICT /etc/pam.d/smtp: changed since" in told
    assert told.endswith("1 left alone; read the lines above\nstatus 1\n")
    assert lab.exec("debian12", "tail -n 1 /etc/pam.d/smtp") == b"# mine\n"
    lab.exec("debian12", "test ! -e /etc/ssl/private/mail-server.key")
    (left,) = status("debian12")["runs"]
    assert left["made"] == 1
    assert left["last"].startswith("/etc/pam.d/smtp ")


def test_a_chapter_that_was_put_back_is_not_among_what_was_made(lab: Lab) -> None:
    applied(lab, "debian12")
    run = run_of(lab, "debian12")
    first = lab.exec("debian12", f"cd /var/lib/runbook/{run}; grep -l main.cf *.title").decode()[:3]
    lab.exec("debian12", f"sh /var/lib/runbook/{run}/undo.sh --from {first}")
    (left,) = status("debian12")["runs"]
    assert left["made"] == int(first) - 1


def test_what_a_power_cut_left_half_made_is_told_until_resume_has_made_it_whole(lab: Lab) -> None:
    """Of two files of one change the first is in its place, and the second waits for a slow mv of the test's own."""
    lab.reset("debian12", "bare")
    slow = '#!/bin/sh\ncase "$*" in *nopass*) sleep 30;; esac\nexec /bin/mv "$@"\n'
    lab.exec("debian12", f"cat > /usr/local/bin/mv <<'SH'\n{slow}SH\nchmod 755 /usr/local/bin/mv")
    run = "20991231T000000Z-00dd"
    with scene(lab, "debian12", "bare", run) as stage:
        stage.start(chapters=("11-key-and-csr",))
        stage.stop_at(At("a private key", 3.0))
        stage.power_off_and_on()
        stage.kill()
        lab.exec(
            "debian12",
            "rm /usr/local/bin/mv; cd /etc/ssl/private; test -e mail-server.key -a ! -e nopass*.key",
        )
        (cut,) = status("debian12")["runs"]
        assert cut["open"].startswith("a private key (RSA 2048) is made on the host")
        told = runbook("status", "--host", "debian12")
        assert told.returncode == 1
        assert (
            f"debian12: perhaps half made by run {run}: {cut['open']}; runbook resume {run} " in told.stdout
        )
        resumed = stage.run_again("resume")
        assert resumed.returncode == 0, resumed.stdout
        assert "perhaps half made: a private key" in resumed.stdout
        whole = runbook("status", "--host", "debian12")
        assert (whole.returncode, "half made" in whole.stdout) == (0, False), whole.stdout
        undone = stage.run_again("rollback")
        assert "all that this run changed is as before it" in undone.stdout
        assert f"the last, {run}, was put back" in runbook("status", "--host", "debian12").stdout
