"""What runs is put back as well as what lies in files: beside a firewalld that does not run, and while a host boots.

What ran before, and somebody stopped since, is left as he left it, and nobody is told that all is as before.
"""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from applied_host import applied, run_cells, run_of, runbook
from fault_trial import listens
from ruamel.yaml import YAML
from supported import postfix_chapter

from lab import Lab
from lab.podman import podman
from runbook_lib import records
from runbook_lib.remote.journal import FUNCTIONS
from runbook_lib.remote.system import SYSTEM_SH

HOST = "el9"
STOPPED = (
    "NOT AS BEFORE {}: it ran before this run, which did not stop it, and does not run now: it stays so; "
    "to start it: systemctl start {}"
)
ELSE = "; what else differs is above (NOT AS BEFORE)\n"
AS_BEFORE = "all that this run changed is as before it"
SERVICES = ("smtp", "smtps", "smtp-submission")


@pytest.fixture
def run(lab: Lab) -> str:
    applied(lab, HOST, "fresh")
    return run_of(lab, HOST)


def zone(lab: Lab, how: str = "") -> set[str]:
    """The services that the zone lets in."""
    return set(lab.exec(HOST, f"firewall-cmd {how} --zone=public --list-services").decode().split())


def test_a_firewalld_that_does_not_run_keeps_nothing_of_ours_in_its_files(lab: Lab, run: str) -> None:
    """Somebody edited the zone since, so its bytes of before are no way back."""
    assert set(SERVICES) <= zone(lab, "--permanent")
    lab.exec(HOST, "firewall-cmd -q --permanent --zone=public --add-port=8080/tcp; systemctl stop firewalld")
    done = runbook("rollback", run, "--host", HOST)
    assert (done.returncode, AS_BEFORE + ELSE in done.stdout) == (0, True), done.stdout + done.stderr
    assert STOPPED.format("firewalld", "firewalld") in done.stdout
    assert lab.exec(HOST, "systemctl is-active firewalld || :") == b"inactive\n"
    lab.exec(HOST, "systemctl start firewalld")
    for how in ("", "--permanent"):
        assert not zone(lab, how) & set(SERVICES)
    assert lab.exec(HOST, "firewall-cmd --permanent --zone=public --list-ports") == b"8080/tcp\n"


def test_a_host_that_boots_is_waited_for(lab: Lab, run: str) -> None:
    """Postfix and firewalld have read what the run wrote, or are about to, when it is put back."""
    gate = '[Service]\\nExecStartPre=/bin/sh -c "until [ -e /run/go-on ]; do sleep 0.1; done"\\n'
    for unit in ("postfix", "firewalld"):
        folder = f"/run/systemd/system/{unit}.service.d"
        lasting = folder.replace("/run/", "/etc/")
        lab.exec(HOST, f"mkdir -p {lasting}; printf '{gate}' > {lasting}/gate.conf")
    container = lab.host(HOST).container
    podman("restart", "--time=0", container)
    starting = 'until [ "$(systemctl is-system-running 2>/dev/null)" = starting ]; do sleep 0.1; done'
    lab.exec(HOST, f"timeout 60 sh -c '{starting}'")
    with subprocess.Popen(
        ["podman", "--log-level=error", "exec", container, "sh", f"/var/lib/runbook/{run}/undo.sh"],
        stdout=subprocess.PIPE, text=True,
    ) as undoing:  # fmt: skip
        assert undoing.stdout is not None
        assert undoing.stdout.readline() == "the host is still starting; waiting for it\n"
        lab.exec(HOST, ": > /run/go-on")
        said = undoing.stdout.read()
    assert (undoing.returncode, AS_BEFORE in said) == (0, True), said
    assert {one.rpartition(":")[0] for one in listens(lab, HOST)} <= {"127.0.0.1", "[::1]"}
    assert not zone(lab) & set(SERVICES)


def of_rollback(host: str) -> Any:
    """The record of the rollback that was made last."""
    found = max(records.root().glob(f"*/{host}/rollback.json"), key=lambda path: path.stat().st_mtime_ns)
    return json.loads(found.read_bytes())


@pytest.mark.parametrize("host", ["debian12", "el9"])
def test_what_somebody_stopped_since_a_run_stays_stopped_and_is_named(
    lab: Lab, host: str, tmp_path: Path
) -> None:
    """A run that restarted saslauthd and reloaded Postfix; on one host it is put back by hand."""
    applied(lab, host)
    yaml = YAML()
    book = yaml.load(lab.inventory)
    book["hosts"][host] |= {"sasl": {"workers": 7}, "submission": {"floor_on_25": "TLSv1.2"}}
    path = tmp_path / "site.yaml"
    yaml.dump(book, path)
    first = run_of(lab, host)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RUNBOOK_RUN", "20991231T000000Z-beef")
        run_cells(postfix_chapter(host), host=host, inventory=str(path))
    units = ("postfix", "saslauthd")
    active = f"systemctl is-active {' '.join(units)} || :"
    assert lab.exec(host, active) == b"active\n" * 2
    lab.exec(host, f"systemctl stop {' '.join(units)}")

    undo = "sh /var/lib/runbook/20991231T000000Z-beef/undo.sh"
    if host == "el9":
        said = lab.exec(host, f"{undo} 2>&1").decode()
    else:
        done = runbook("rollback", "20991231T000000Z-beef", "--host", host, inventory=str(path))
        assert done.returncode == 0, done.stdout + done.stderr
        said = done.stdout
        kept = of_rollback(host)
        (step,) = [one for one in kept["steps"] if one["kind"] == "undo"]
        assert sorted(step["left"]) == [STOPPED.format(unit, unit) for unit in units]
        assert kept["outcome"] == "passed"
        page = max(records.root().glob("*/index.html"), key=lambda one: one.stat().st_mtime_ns).parent
        assert "put back in part" not in (page / host / "rollback.html").read_text(encoding="utf-8")
    assert AS_BEFORE + ELSE in said, said
    for unit in units:
        assert said.count(STOPPED.format(unit, unit)) == 1, said
    assert b"active" not in lab.exec(host, active).splitlines()  # or failed, where a stop took too long
    told = runbook("status", "--host", host).stdout
    assert (
        "was put back; not as before it, when that was done: postfix, saslauthd (stopped or disabled since)"
        in told
    )

    # What they are told starts them, and then the run before comes back, too.
    lab.exec(host, "; ".join(f"systemctl start {unit}" for unit in units))
    again = lab.exec(host, f"{undo} 2>&1").decode()
    assert "nothing to put back: what this run changed is back already" in again
    assert "NOT AS BEFORE" not in again
    back = runbook("rollback", first, "--host", host)
    assert (back.returncode, f"{AS_BEFORE}\n" in back.stdout) == (0, True), back.stdout + back.stderr


def test_what_a_change_or_a_way_back_left_stopped_is_started_again(lab: Lab) -> None:
    """Stopped since is what was whole when it was stopped, and that the way back has not stopped itself."""
    lab.reset("debian12", "bare")
    unit = "[Service]\\nExecStart=/bin/sleep infinity\\n[Install]\\nWantedBy=multi-user.target\\n"
    lab.exec(
        "debian12",
        f"printf '{unit}' > /etc/systemd/system/mine.service; systemctl enable -q --now mine; mkdir /root/j\n"
        "cd /root/j; echo enabled > 001.enabled; echo active | tee 001.active > 001.leaves; : > 001.done",
    )

    def back(script: str) -> str:
        whole = f"{FUNCTIONS}\n{SYSTEM_SH}\nJ=/root/j\n{script}\nsystemctl is-active mine || :"
        return lab.exec("debian12", whole).decode()

    assert back("(unit_back 001 mine); systemctl is-active mine || :").endswith("inactive\ninactive\n")
    assert back("do_afterwards") == "active\n"  # the next one does what that one owed
    assert back("unit_back 001 mine; do_afterwards").endswith("active\n")

    stopped = back("systemctl stop mine; unit_back 001 mine; do_afterwards")
    assert stopped == f"{STOPPED.format('mine', 'mine')}\ninactive\n"
    # A later change of the run, which is put back first, had started it anew.
    chain = "for one in enabled active leaves done; do cp 001.$one 002.$one; done; "
    chain += "echo inactive | tee 002.active 001.leaves"
    stopped = back(f"cd /root/j; {chain} > /dev/null; unit_back 002 mine; unit_back 001 mine; do_afterwards")
    assert (
        stopped == f"PUT BACK unit mine (was enabled, inactive)\n{STOPPED.format('mine', 'mine')}\ninactive\n"
    )
    assert back("rm /root/j/002.* /root/j/stopped.mine; unit_back 001 mine; do_afterwards").endswith(
        "active\n"
    )

    failed = "echo active > /root/j/001.leaves; rm /root/j/001.done; systemctl stop mine"
    assert back(f"{failed}; unit_back 001 mine; do_afterwards").endswith("active\n")

    disabled = back("systemctl disable -q mine; unit_back 001 mine; do_afterwards")
    assert (
        "NOT AS BEFORE mine: it started with the host before this run, which did not disable it" in disabled
    )
    assert disabled.endswith("active\n")
