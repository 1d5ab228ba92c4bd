"""On a host: four minutes between the two clocks are taken, ten minutes and two days are refused."""

import re
import subprocess
from datetime import UTC, datetime, timedelta

import pytest
from applied_host import RUNBOOK, run_cells
from other_clock import by_another_clock

from lab import Lab

HOST = "el9"
PEM = "/etc/pki/tls/certs/mail-server.pem"


@pytest.fixture
def asked_for(lab: Lab) -> str:
    """A host with a key and a CSR."""
    lab.reset(HOST, "bare")
    run_cells("11-key-and-csr", host=HOST)
    return HOST


def signed_by(offset: str, host: str) -> subprocess.CompletedProcess[str]:
    """`runbook apply` of the chapter that issues the certificate, by a controller whose clock differs."""
    words = ("apply", "--inventory", "lab", "--host", host, "--only", "12-signing")
    command = [*by_another_clock(offset), str(RUNBOOK), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_a_small_difference_is_taken_and_a_large_one_refused(lab: Lab, asked_for: str) -> None:
    refused = signed_by("+2d", asked_for)
    assert refused.returncode == 1
    told = " ".join((refused.stdout + refused.stderr).split())
    times = re.search(r"2 days behind the controller's: host (\S+), controller (\S+);", told)
    assert times, told
    host, controller = map(datetime.fromisoformat, times.groups())
    assert host.utcoffset() == controller.utcoffset() == timedelta(0)
    assert abs(controller - host - timedelta(days=2)) < timedelta(seconds=30)
    lab.exec(asked_for, f"test ! -e {PEM}")
    taken = signed_by("+4m", asked_for)
    assert taken.returncode == 0, taken.stdout + taken.stderr
    begins = lab.exec(asked_for, f"openssl x509 -in {PEM} -noout -startdate -dateopt iso_8601").decode()
    not_before = datetime.strptime(begins.strip(), "notBefore=%Y-%m-%d %H:%M:%SZ").replace(tzinfo=UTC)
    assert not_before < datetime.now(UTC), "the host takes the certificate for one of the future"
