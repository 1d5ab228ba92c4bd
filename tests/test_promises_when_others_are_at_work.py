"""An administrator's own settings, changes in between, killed controllers, a second run, mail in the queue."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from applied_host import applied, run_cells, run_chapters, run_of, runbook
from supported import changing, family_of
from trees import MAY_DIFFER, changed

from lab import Lab
from lab.tree import Entry
from runbook_lib.chapters import key_and_csr, postfix
from runbook_lib.errors import ApplyRefused, ChangedMeanwhile, HostBusy

OWN_MAIN_CF = r"""
sed -i '1i # ours: do not touch (MAIL-7)' /etc/postfix/main.cf
cat >> /etc/postfix/main.cf <<'OWN'

# two networks, wrapped
mynetworks = 127.0.0.0/8
    [::ffff:127.0.0.0]/104
  [::1]/128
message_size_limit = 31457280
OWN
cat >> /etc/postfix/master.cf <<'OWN'
# our own port
127.0.0.1:10025 inet n - y - - smtpd
  -o content_filter=
OWN
postfix reload
"""


def read(lab: Lab, host: str, path: str) -> list[str]:
    return lab.exec(host, f"cat {path}").decode().splitlines()


def in_order(some: list[str], among: list[str]) -> bool:
    rest = iter(among)
    return all(line in rest for line in some)


def test_an_administrators_own_lines_survive_apply_and_rollback(lab: Lab, family_host: str) -> None:
    lab.reset(family_host, "fresh")
    lab.exec(family_host, f"sed -i '/^mynetworks *=/d' /etc/postfix/main.cf; {OWN_MAIN_CF}")
    ours = ("smtpd_tls_cert_file", "smtpd_tls_key_file", "inet_interfaces = localhost")
    files = {
        path: read(lab, family_host, path) for path in ("/etc/postfix/main.cf", "/etc/postfix/master.cf")
    }
    shown = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RUNBOOK_RUN", run := "20991231T000000Z-00aa")
        for chapter in changing(family_host):
            shown += [repr(one) for one in run_cells(chapter, host=family_host)]
    assert any("message_size_limit" in one and "stays" in one for one in shown)
    for path, before in files.items():
        kept = [line for line in before if not line.startswith(ours)]
        assert in_order(kept, read(lab, family_host, path)), path
    assert runbook("rollback", run, "--host", family_host).returncode == 0
    assert {path: read(lab, family_host, path) for path in files} == files


@pytest.mark.always
def test_what_was_changed_after_the_run_is_spared_and_shown_three_ways(lab: Lab, family_host: str) -> None:
    """Of two changes since, one is to a setting of ours, one is not."""
    applied(lab, family_host)
    pam = str(family_of(family_host).pam_service)
    lab.exec(
        family_host,
        f"postconf -e smtpd_tls_loglevel=2 message_size_limit=31457280; echo '# mine' >> {pam}",
    )
    done = runbook("rollback", run_of(lab, family_host), "--host", family_host)
    assert done.returncode == 1
    told = done.stderr
    assert (
        "smtpd_tls_loglevel was changed since (before: -; we left: smtpd_tls_loglevel = 1; now: smtpd_tls_loglevel = 2)"
        in told
    )
    assert f"CONFLICT {pam}: changed since" in told
    before = pam if family_of(family_host).files_left else "/dev/null"  # the package brought it, or nobody
    assert f"the run:\n--- {before}\n+++ {pam}" in told
    assert f"since the run:\n--- {pam}" in told
    assert "+# mine" in told
    assert read(lab, family_host, pam)[-1] == "# mine"
    key = family_of(family_host).key_directory / "mail-server.key"
    lab.exec(family_host, f"test ! -e {key}")  # what nobody touched is back


def test_a_plan_that_is_no_longer_true_is_not_applied(lab: Lab) -> None:
    applied(lab, "debian12")
    lab.exec("debian12", "postconf -X smtpd_tls_loglevel")
    chapter = postfix.open("lab", "debian12")
    plan = chapter.plan_settings()
    assert [change.title for change in plan.changes] == ["/etc/postfix/main.cf: 1 setting"]
    lab.exec("debian12", "postconf -e smtpd_tls_loglevel=1")
    before = read(lab, "debian12", "/etc/postfix/main.cf")
    with pytest.raises(ChangedMeanwhile, match="expected nothing, found smtpd_tls_loglevel = 1"):
        chapter.apply(plan)
    assert read(lab, "debian12", "/etc/postfix/main.cf") == before
    with pytest.raises(ApplyRefused, match="an earlier step of this chapter failed"):
        chapter.apply(plan)


def test_a_second_run_at_the_same_time_is_refused_and_names_the_first(lab: Lab) -> None:
    lab.reset("debian12", "bare")
    lab.exec(
        "debian12",
        "echo 'run R1 of hanako' > /run/runbook.lock; setsid flock -n /run/runbook.lock sleep 30 >/dev/null 2>&1 &",
    )
    chapter = key_and_csr.open("lab", "debian12")
    with pytest.raises(HostBusy, match="run R1 of hanako is at work on this host"):
        chapter.apply(chapter.plan_key())
    lab.exec("debian12", "test ! -e /var/lib/runbook && test ! -e /etc/ssl/private/mail-server.key")


# Holds the lock of changes until somebody waits for it; then makes its own change and ends.
LEFT_BEHIND = r"""
cat > /root/left.sh <<'EOF'
exec 8>>/run/runbook.work
flock 8
until pgrep -xf 'flock -w 600 8' > /dev/null; do sleep 0.1 8>&-; done
mkdir -p -m 0700 /etc/ssl/private
echo a > /etc/ssl/private/mail-server.key
EOF
setsid sh /root/left.sh > /dev/null 2>&1 &
"""


def test_a_change_that_a_killed_run_left_at_work_is_waited_for_and_named(lab: Lab) -> None:
    """The state that the plan saw is gone then, and a person is told why; the lock says since when a run is at work."""
    lab.reset("debian12", "bare")
    chapter = key_and_csr.open("lab", "debian12")
    plan = chapter.plan_key()
    key = chapter.paths(chapter.host).encrypted
    lab.exec("debian12", LEFT_BEHIND.replace("/etc/ssl/private/mail-server.key", str(key)))
    with pytest.raises(ChangedMeanwhile, match="was still being made and has ended just now"):
        chapter.apply(plan)
    since = r"^run \S+ of \S+, since 20\d\d-\d\d-\d\d \d\d:\d\d UTC$"
    assert re.match(since, lab.exec("debian12", "cat /run/runbook.lock").decode())


def test_mail_in_the_queue_keeps_postfix_where_it_is(lab: Lab) -> None:
    applied(lab, "debian12")
    lab.exec(
        "debian12", "postconf -e defer_transports=local; postfix reload; echo hello | sendmail kensa; sleep 1"
    )
    queued = lab.exec(
        "debian12",
        "find /var/spool/postfix/deferred /var/spool/postfix/active /var/spool/postfix/incoming -type f",
    )
    assert queued.count(b"\n") == 1
    done = runbook("rollback", run_of(lab, "debian12"), "--host", "debian12")
    assert done.returncode == 1
    assert (
        "KEPT packages: mail is in the queue, and removing Postfix would destroy it; Postfix is stopped"
        in done.stderr
    )
    assert (
        lab.exec(
            "debian12",
            "find /var/spool/postfix/deferred /var/spool/postfix/active /var/spool/postfix/incoming -type f",
        ).count(b"\n")
        == 1
    )
    assert b"inactive" in lab.exec("debian12", "systemctl is-active postfix || :")


@pytest.mark.parametrize(
    ("host", "state", "begun"),
    [
        ("debian12", "bare", "packages postfix"),
        ("el9", "fresh", "firewalld"),
    ],
)
def test_a_killed_run_is_put_back_and_another_goes_through(
    lab: Lab, tmp_path: Path, host: str, state: str, begun: str
) -> None:
    """SIGKILL to the controller as soon as a change has begun on the host."""
    lab.reset(host, state)
    before = lab.tree(host)
    run = "20991231T000000Z-00bb"
    process = start_chapters(host, run, tmp_path)
    wait_for(lab, host, run, begun)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = runbook("rollback", run, "--host", host)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all that this run changed is as before it" in done.stdout
    assert put_back(before, lab.tree(host)) == []
    assert all("passed" in summary for summary in run_chapters(host)[1])


def put_back(before: Mapping[str, Entry], after: Mapping[str, Entry]) -> list[str]:
    return changed(before, after, tuple(MAY_DIFFER))


def start_chapters(host: str, run: str, folder: Path) -> subprocess.Popen[bytes]:
    code = (
        "from applied_host import run_cells\nfrom supported import changing\n"
        "for chapter in changing({host!r}): run_cells(chapter, host={host!r})"
    )
    environment = os.environ | {
        "RUNBOOK_RUN": run,
        "RUNBOOK_RECORDS": str(folder),
        "PYTHONPATH": f"{Path(__file__).parent}:{Path(__file__).parents[1]}",
    }
    return subprocess.Popen([sys.executable, "-c", code.format(host=host)], env=environment)


def wait_for(lab: Lab, host: str, run: str, begun: str) -> None:
    look = f"cd /var/lib/runbook/{run} 2>/dev/null && for b in *.begun; do cat ${{b%.begun}}.title; done || :"
    deadline = time.monotonic() + 180
    while begun not in lab.exec(host, look, check=False).decode():
        assert time.monotonic() < deadline, f"{begun} was never begun"
        time.sleep(0.05)
