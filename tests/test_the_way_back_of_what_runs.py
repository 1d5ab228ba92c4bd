"""What runs is put back as well as what lies in files: beside a firewalld that does not run, and while a host boots."""

import subprocess

import pytest
from applied_host import applied, run_of, runbook
from fault_trial import listens

from lab import Lab
from lab.podman import podman

HOST = "el9"
AS_BEFORE = "everything is as before the run"
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
    assert (done.returncode, AS_BEFORE in done.stdout) == (0, True), done.stdout + done.stderr
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
