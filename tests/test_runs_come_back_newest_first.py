"""An older run under a later one is not put back; nobody but root holds the lock; no text of a change is a command."""

import subprocess
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest
from applied_host import run_chapters, runbook
from trees import MAY_DIFFER, changed

from lab import Lab
from runbook_lib.families.package_managers import APT
from runbook_lib.mail.configuration.postconf import Service, ServicesChange, Setting, SettingsChange, TakenUp
from runbook_lib.remote.change import Change, Plan, TouchedPath
from runbook_lib.remote.files import DirectoryChange, FileChange, FileState, MadeOnHost
from runbook_lib.remote.journal import FUNCTIONS
from runbook_lib.remote.system import MembershipChange, PackagesChange, UnitChange

HOST = "debian12"
EVIL = "an issuer\ntouch /root/pwned\r\x1b[2J"
PATH = PurePosixPath("/etc/x")


def test_an_older_run_under_a_later_one_is_refused_by_name(lab: Lab) -> None:
    lab.reset(HOST, "bare")
    before = lab.tree(HOST)
    lab.exec(HOST, "echo 'run R of nobody' > /run/runbook.lock; chmod 644 /run/runbook.lock")
    first, _ = run_chapters(HOST, chapters=("11-key-and-csr",))
    second, _ = run_chapters(HOST, chapters=("12-signing",))
    locked = "runuser -u hanako -- flock -n /run/runbook.lock true 2>/dev/null || echo refused"
    assert lab.exec(HOST, f"stat -c %a /run/runbook.lock; {locked}") == b"600\nrefused\n"
    after = lab.tree(HOST)
    done = runbook("rollback", first, "--host", HOST)
    by_hand = lab.exec(HOST, f"sh /var/lib/runbook/{first}/undo.sh 2>&1 || echo failed").decode()
    for said in (done.stderr, by_hand):
        assert f"run {second} changed this host later and rests on this run: put it back first" in said
    assert (done.returncode, by_hand.splitlines()[-1]) == (1, "failed")
    assert changed(after, lab.tree(HOST), ("/var/lib/runbook",)) == []
    for run in (second, first):
        back = runbook("rollback", run, "--host", HOST)
        assert back.returncode == 0, back.stdout + back.stderr
    assert changed(before, lab.tree(HOST), tuple(MAY_DIFFER)) == []


def every_change() -> Iterator[Change]:
    """One of each kind, with a line end wherever somebody else's words may stand."""
    state = FileState.wanted(b"content\n")
    yield FileChange(PATH, None, state, EVIL)
    yield DirectoryChange(PATH, None, "root:root", 0o755, EVIL)
    yield MadeOnHost(EVIL, (TouchedPath(PATH, "absent"),), "true", "+x")
    yield PackagesChange(("postfix",), APT, why=EVIL)
    yield UnitChange("postfix", "disabled", "inactive", True, EVIL)
    yield MembershipChange("postfix", "sasl", EVIL)
    yield TakenUp(EVIL, "reload")
    yield SettingsChange((Setting("myhostname", EVIL, None, EVIL),))
    yield ServicesChange((Service("smtp/inet", (EVIL,), None, EVIL),))


@pytest.mark.parametrize("change", list(every_change()), ids=lambda change: type(change).__name__)
def test_no_text_of_a_change_becomes_a_line_of_a_script(tmp_path: Path, change: Change) -> None:
    lines = Plan("plan", (change,)).as_shell() + change.as_lines()
    assert not [line for line in lines.splitlines() if line.startswith("touch ")]
    (tmp_path / "001.title").write_text(f"{change.title}\n{EVIL}\n")
    (tmp_path / "001.undo").write_text("paths_back 001\n")
    (tmp_path / "journal.sh").write_text(FUNCTIONS)
    subprocess.run(["sh", "-euc", f"{FUNCTIONS}\nJ={tmp_path}\nwrite_undo"], check=True, timeout=30)
    undo = (tmp_path / "undo.sh").read_bytes()
    assert b"\ntouch " not in undo
    assert b"\r" not in undo
