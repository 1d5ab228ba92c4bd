"""What another account of the host sees of a run, and may do with what it leaves; and a host with much to look at."""

import base64
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from applied_host import RUNBOOK, run_of, runbook

from lab import Lab

HOST = "debian12"
MAILS, LOG_BYTES = (100_000, 1 << 30) if "RUNBOOK_LONG" in os.environ else (2_000, 200 << 20)
# Twenty looks a second at every command line and environment that the account may read.
LOOKS = """
while :; do
    cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'
    sleep 0.05
done | awk '!seen[$0]++ { print; fflush() }' > /tmp/seen
"""
LOG = """
systemctl stop rsyslog 2>/dev/null || :
yes "$(date '+%b %e %H:%M:%S') mail12 postfix/smtpd[99]: connect from unknown[192.0.2.1] and goes on for a while" |
    head -c BYTES > /var/log/mail.log
"""
# A held message, and as many more as copies of its file, each under a name of its own.
HELD = """
cd /var/spool/postfix
cp -p /etc/postfix/main.cf /root/main.cf
postconf -e 'defer_transports = smtp'
postfix reload
printf 'Subject: held\\n\\nx\\n' | sendmail -f hanako@example.test nobody@relay-test.example
for wait in $(seq 300); do one=$(find deferred -type f); [ -z "$one" ] || break; sleep 0.1; done
postsuper -h ALL
one=$(find hold -type f)
seq 100000 $((100000 + MAILS - 2)) | sed 's,^,hold/A,' | tr '\\n' '\\0' | xargs -0 -n 1 cp -p "$one"
cp -p /root/main.cf /etc/postfix/main.cf
postfix reload
find hold -type f | wc -l
"""

# A process begins with the memory of the one that starts it, and this one is large: a small one starts the command,
# takes in whatever it leaves behind, and writes the most that any of them had.
MEASURED = """
import ctypes, os, pathlib, resource, subprocess, sys
assert ctypes.CDLL(None).prctl(36, 1) == 0  # PR_SET_CHILD_SUBREAPER
status = subprocess.call(sys.argv[2:])
while True:
    try:
        os.wait()
    except ChildProcessError:
        break
pathlib.Path(sys.argv[1]).write_text(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(status)
"""


def measured(folder: Path, *words: str) -> tuple[subprocess.CompletedProcess[str], int]:
    """The command on the lab's inventory, and the KiB of memory that its largest process had."""
    told = folder / "memory"
    command = [sys.executable, "-c", MEASURED, str(told), str(RUNBOOK), *words, "--inventory", "lab"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    return done, int(told.read_text())


@contextmanager
def looked_at(lab: Lab, account: str) -> Iterator[list[str]]:
    """What an account sees of others' processes until the block ends: one line each, filled at its end."""
    container = lab.host(HOST).container
    command = ["podman", "exec", "--user", account, container, "sh", "-c", LOOKS]
    seen: list[str] = []
    with subprocess.Popen(command) as looking:
        try:
            yield seen
        finally:
            lab.exec(HOST, f"pkill -u {account} || :")
            looking.wait(timeout=30)
    seen += lab.exec(HOST, "cat /tmp/seen; rm -f /tmp/seen").decode(errors="replace").splitlines()


def test_another_account_sees_no_secret_of_a_whole_run_and_cannot_use_what_it_leaves(lab: Lab) -> None:
    lab.reset(HOST, "fresh")
    with looked_at(lab, "hanako") as seen:
        done = runbook("apply", "--host", HOST)
        assert done.returncode == 0, done.stdout + done.stderr
        run = run_of(lab, HOST)
        _may_not_use(lab, run)
        back = runbook("rollback", run, "--host", HOST)
        assert back.returncode == 0, back.stdout + back.stderr
    told = "\n".join(seen)
    assert "sudo" in told
    for name in ("sudo", "key-passphrase", "ca-passphrase", "kensa"):
        secret = lab.secret(name)
        for form in (secret, base64.b64encode(f"\0kensa\0{secret}".encode()).decode()):
            assert form not in told, name
    assert "PRIVATE KEY" not in told


def _may_not_use(lab: Lab, run: str) -> None:
    """Neither read nor run what is there, nor hold the lock that the next run needs."""
    folder = f"/var/lib/runbook/{run}"
    modes = lab.exec(HOST, f"stat -c '%a %U' {folder} /run/runbook.lock /run/runbook.work").decode()
    assert modes.splitlines() == ["700 root", "600 root", "600 root"]
    keys = (
        lab.exec(HOST, "grep -rl 'PRIVATE KEY' /etc/ssl /etc/postfix | xargs stat -c '%a %U %n'")
        .decode()
        .splitlines()
    )
    ours = [line for line in keys if "ssl-cert-snakeoil" not in line]
    assert len(ours) == 3
    assert {line.rpartition(" ")[0] for line in ours} == {"600 root"}
    before = lab.tree_digest(HOST, "/etc")
    lab.exec(HOST, f"cp {folder}/undo.sh /tmp/undo.sh; chmod 755 /tmp/undo.sh")
    for words in (
        f"ls {folder}", f"cat {folder}/undo.sh", f"sh {folder}/undo.sh", "sh /tmp/undo.sh",
        "flock -n /run/runbook.lock true", "flock -n /run/runbook.work true",
        f"mkdir {folder}x", f"mv {folder} {folder}x", f"touch {folder}/x",
    ):  # fmt: skip
        told = lab.exec(HOST, f"runuser -u hanako -- {words} 2>&1 && echo WENT || :").decode()
        assert "WENT" not in told, words
        assert "denied" in told or "must be run as root; nothing was changed" in told, told
    assert lab.tree_digest(HOST, "/etc") == before
    lab.exec(HOST, "rm /tmp/undo.sh")


def test_a_long_queue_and_a_long_log_cost_no_memory_and_stop_nothing(lab: Lab, tmp_path: Path) -> None:
    """The mail stays, and is named; what is looked for in the log is at its end."""
    lab.reset(HOST, "applied")
    lab.exec(HOST, LOG.replace("BYTES", str(LOG_BYTES)), timeout_s=300)
    count = lab.exec(HOST, HELD.replace("MAILS", str(MAILS)), timeout_s=900).decode()
    assert count.splitlines()[-1] == str(MAILS)
    done, used_by_apply = measured(tmp_path, "apply", "--host", HOST)
    assert done.returncode == 0, done.stdout + done.stderr
    back, used_by_rollback = measured(tmp_path, "rollback", run_of(lab, HOST), "--host", HOST)
    said = back.stdout + back.stderr
    assert back.returncode == 1, said
    assert "mail is in the queue" in said, said
    assert lab.exec(HOST, "find /var/spool/postfix/hold -type f | wc -l").decode().strip() == str(MAILS)
    assert max(used_by_apply, used_by_rollback) < 200 * 1024, (used_by_apply, used_by_rollback)
