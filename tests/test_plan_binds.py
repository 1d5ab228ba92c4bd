"""`apply --plan DIGEST` makes what was approved, and refuses anything else with what changed since."""

import re
import subprocess
from pathlib import Path

import command_line
import pytest
from applied_host import RUNBOOK, runbook

from lab import Lab

HOST = "debian12"


@pytest.fixture(autouse=True)
def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RUNBOOK_RECORDS", str(tmp_path / "records"))
    return tmp_path / "records"


def plan(*words: str) -> str:
    """A plan's digest."""
    done = runbook("plan", "--host", HOST, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    digest: str
    (digest,) = re.findall(r"^Plan: sha256:([0-9a-f]{64})$", done.stdout, flags=re.MULTILINE)
    assert f"runbook apply --plan {digest[:16]}" in done.stdout
    return digest


def bound(*words: str) -> tuple[int, str]:
    """`runbook apply` without an inventory: the plan has its own."""
    done = subprocess.run(
        [RUNBOOK, "apply", *words], capture_output=True, text=True, timeout=300, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_what_was_approved_is_made_and_a_second_plan_has_the_same_digest(lab: Lab) -> None:
    lab.reset(HOST, "bare")
    digest = plan("--only", "11")
    assert plan("--only", "11") == digest
    status, told = bound("--plan", digest[:16], "--reason", "MAIL-1")
    assert status == 0, told
    assert "changed 2 things" in told
    assert lab.exec(HOST, "stat -c %a /etc/ssl/private/nopass_mail-server.key") == b"600\n"
    status, told = bound("--plan", digest)  # it was made already: the same plan would do something else now
    assert status == 1, told
    assert re.search("11-key-and-csr, KeyPairChange .*: is not to be done any more", told)


@pytest.mark.always
def test_what_changed_since_is_named_and_nothing_is_done(lab: Lab) -> None:
    lab.reset(HOST, "fresh")
    digest = plan()
    lab.exec(HOST, "postconf -e 'smtpd_tls_loglevel = 2'")
    before = lab.exec(HOST, "cat /etc/postfix/main.cf; ls /etc/ssl/private")
    status, told = bound("--plan", digest)
    assert status == 1, told
    assert "what would be done now is not what was approved" in told
    assert re.search(r"debian12: 20-postfix-debian, .*: would be done otherwise now", told)
    assert "11-key" not in told.partition("not what was approved")[2]
    assert lab.exec(
        HOST, "cat /etc/postfix/main.cf; ls /etc/ssl/private; ls /var/lib/runbook 2>&1 || :"
    ).startswith(before)
    lab.exec(HOST, "test ! -e /var/lib/runbook")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--plan", "abc"), "give 12 or more of the digest"),
        (("--plan", "0" * 16), "no plan under .* has the digest 0000000000000000"),
        (("--plan", "0" * 16, "--host", HOST, "-p", "key_bits=3072"), "^-p: is decided by the plan"),
    ],
)
def test_a_plan_that_is_none_is_refused(words: tuple[str, ...], told: str) -> None:
    refused = command_line.runbook("apply", *words)
    said = refused.stdout + refused.stderr
    assert refused.returncode == 2
    assert re.search(told, said), said
