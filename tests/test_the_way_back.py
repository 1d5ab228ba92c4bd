"""What a rollback says is true: of a damaged journal, of a file that is gone, of a run that nobody knows, and twice."""

import subprocess
from pathlib import Path

import pytest
from applied_host import applied, run_chapters, run_of, runbook
from trees import MAY_DIFFER, changed

from lab import Lab
from runbook_lib import inventory
from runbook_lib.pki import authority
from runbook_lib.records import undone
from runbook_lib.remote.journal import FUNCTIONS
from runbook_lib.site_ca import own_ca

HOST = "debian12"
AS_BEFORE = "all that this run changed is as before it"
NOTHING = "nothing to put back: what this run changed is back already"


def numbers(lab: Lab, run: str) -> dict[str, str]:
    """Path to the number of the change that touches it, in the journal."""
    look = f"cd /var/lib/runbook/{run}; for p in *.path; do echo $(cat $p) ${{p%.path}}; done"
    return dict(line.split(" ") for line in lab.exec(HOST, look).decode().splitlines())


def test_a_damaged_journal_is_told_and_not_believed(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNBOOK_RECORDS", str(tmp_path))
    lab.reset(HOST, "fresh")
    before = lab.tree(HOST)
    run, _ = run_chapters(HOST)
    journal = f"/var/lib/runbook/{run}"
    number = numbers(lab, run)
    smtpd, pam = number["/etc/postfix/sasl/smtpd.conf"], number["/etc/pam.d/smtp"]
    master, main = number["/etc/postfix/master.cf"], number["/etc/postfix/main.cf"]
    lab.exec(
        HOST,
        f"cd {journal}; mkdir kept; cp -a {smtpd}.path {pam}.was {master}.before kept\n"
        f"rm {smtpd}.path; : > {pam}.was; echo '# not of before' >> {master}.before\n"
        "rm /etc/postfix/main.cf",
    )
    first = runbook("rollback", run, "--host", HOST)
    assert first.returncode == 1, first.stdout
    assert AS_BEFORE not in first.stdout + first.stderr
    for said in (
        f"is left alone: the journal is damaged ({journal}: {smtpd}.path, missing or altered): /etc/postfix/sasl",
        f"is left alone: the journal is damaged ({journal}: {pam}.was, missing or altered): /etc/pam.d/smtp",
        "CONFLICT /etc/postfix/main.cf: removed since",
    ):
        assert said in first.stderr
    assert "# not of before" not in lab.exec(HOST, "cat /etc/postfix/master.cf").decode()
    assert "CONFLICT /etc/postfix/master.cf: Postfix cannot read it" in first.stderr
    book = inventory.load("lab")
    issued = [
        one for one in authority.open_ledger(own_ca.directory(book.site)).issuances(HOST) if one.run == run
    ]
    assert [one.withdrawn_at is not None for one in issued] == [True]  # the certificate itself is back
    assert not undone.read(tmp_path / run)[HOST].complete

    lab.exec(HOST, f"cd {journal}; cp -a kept/* .; cp -a {main}.after /etc/postfix/main.cf")
    second = runbook("rollback", run, "--host", HOST)
    assert second.returncode == 0, second.stdout + second.stderr
    assert AS_BEFORE in second.stdout
    assert changed(before, lab.tree(HOST), tuple(MAY_DIFFER)) == []
    third = runbook("rollback", run, "--host", HOST)
    assert (third.returncode, NOTHING in third.stdout) == (0, True), third.stdout + third.stderr
    by_hand = lab.exec(HOST, f"sh {journal}/undo.sh 2>&1").decode()
    assert NOTHING in by_hand
    assert AS_BEFORE not in by_hand
    assert undone.read(tmp_path / run)[HOST].complete


@pytest.mark.parametrize("damage", ["rm undo.sh", "sed -i '/# 009/,$d' undo.sh"])
def test_an_undo_that_is_cut_off_does_nothing_and_is_written_anew(lab: Lab, damage: str) -> None:
    lab.reset(HOST, "fresh")
    before = lab.tree(HOST)
    applied(lab, HOST, "fresh")
    run = run_of(lab, HOST)
    after = lab.tree(HOST)
    lab.exec(HOST, f"cd /var/lib/runbook/{run}; {damage}")
    ended = lab.exec(HOST, f"sh /var/lib/runbook/{run}/undo.sh > /dev/null 2>&1 || echo failed")
    assert ended == b"failed\n"
    assert (
        changed(after, lab.tree(HOST), ("/var/lib/runbook", "/var/lib/postfix", "/var/spool/postfix")) == []
    )
    done = runbook("rollback", run, "--host", HOST)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "undo.sh was missing or cut off, and was written anew from the journal's parts" in done.stdout
    assert AS_BEFORE in done.stdout
    assert changed(before, lab.tree(HOST), tuple(MAY_DIFFER)) == []


# What became of main.cf, and of master.cf: the shell's words, and what is said of it.
GONE = ("rm {}", "removed since")
EMPTY = (": > {}", "emptied since")
GARBLED = ("head -c 2000 /dev/urandom | base64 > {}", "Postfix cannot read it")
LISTENERS = "ss -Hltn | awk '{ print $4 }' | sort"
DAMAGES = ((GONE, GARBLED), (EMPTY, EMPTY), (GARBLED, GONE))


@pytest.mark.parametrize("host", [HOST, "el9"])
def test_files_that_are_gone_empty_or_garbled_are_conflicts(lab: Lab, host: str) -> None:
    """Never 'now: not set' of a file that has no settings; with the files back as we left them, all goes back."""
    lab.reset(host, "fresh")
    before, listened = lab.tree(host), lab.exec(host, LISTENERS)
    applied(lab, host, "fresh")
    run = run_of(lab, host)
    lab.exec(host, "cp -a /etc/postfix /root/left")
    for damages in DAMAGES:
        said = {}
        for path, (script, words) in zip(
            ("/etc/postfix/main.cf", "/etc/postfix/master.cf"), damages, strict=True
        ):
            lab.exec(host, script.format(path))
            said[path] = words
        done = runbook("rollback", run, "--host", host)
        assert done.returncode == 1, done.stdout
        assert AS_BEFORE not in done.stdout + done.stderr
        for path, words in said.items():
            assert f"CONFLICT {path}: {words}" in done.stderr, (damages, done.stderr)
            assert "we left" not in done.stderr.partition(words)[0]
        assert "now: not set" not in done.stderr
        assert "now: no such service" not in done.stderr
        assert "postfix is neither reloaded nor restarted: /etc/postfix/" in done.stderr
        assert lab.exec(host, "systemctl is-active postfix") == b"active\n"  # with what it had read before
        lab.exec(host, "cp -a /root/left/main.cf /root/left/master.cf /etc/postfix/")
    lab.exec(host, "rm -r /root/left")
    done = runbook("rollback", run, "--host", host)
    assert (done.returncode, AS_BEFORE in done.stdout) == (0, True), done.stdout + done.stderr
    assert "PUT BACK Postfix runs with what was there before" in done.stdout
    assert lab.exec(host, "systemctl is-active postfix") == b"active\n"
    assert lab.exec(host, LISTENERS) == listened
    # A Postfix that runs beside broken files writes to its postmaster.
    told = ("/var/mail/root", "/var/spool/mail/root")
    assert changed(before, lab.tree(host), (*MAY_DIFFER, *told)) == []
    again = runbook("rollback", run, "--host", host)
    assert (again.returncode, NOTHING in again.stdout) == (0, True), again.stdout + again.stderr


def test_what_a_rollback_owed_at_its_end_the_next_one_does(tmp_path: Path) -> None:
    """A reload that could not be, or before which the rollback was killed: 'as before' would not be true without it."""
    ask = f"""{FUNCTIONS}
J={tmp_path}
taken_up() {{ if [ -e "$J/broken" ]; then conflict "not yet"; else say "taken up"; fi; }}
"""

    def said(script: str) -> str:
        return subprocess.run(["sh", "-c", ask + script], capture_output=True, text=True, check=True).stdout

    (tmp_path / "broken").touch()
    assert "taken up" not in said("afterwards taken_up; do_afterwards")
    assert "CONFLICT not yet" in said("do_afterwards")
    (tmp_path / "broken").unlink()
    assert said("do_afterwards") == "taken up\n"
    assert said("do_afterwards") == ""
    said("afterwards taken_up; exit 0")  # killed before its end
    assert said("afterwards taken_up; do_afterwards") == "taken up\n"
    assert list(tmp_path.iterdir()) == []
    # A journal in which nothing can be noted holds up nothing.
    nowhere = f"J={tmp_path}/not-there\nafterwards taken_up; do_afterwards"
    assert said(nowhere) == "taken up\n"


def test_a_run_that_nobody_knows_is_refused(lab: Lab) -> None:
    lab.reset(HOST, "bare")
    for options in ((), ("--host", HOST)):
        done = runbook("rollback", "20991231T000000Z-ffff", *options)
        assert done.returncode == 2, done.stdout
        assert (
            "there is no run 20991231T000000Z-ffff: it has no record here, and no journal on " in done.stderr
        )
        assert "nothing to put back" not in done.stdout


def test_a_journal_that_is_gone_is_no_run_without_changes(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that planned, one that changed something, and the same with its journal gone."""
    monkeypatch.setenv("RUNBOOK_RECORDS", str(tmp_path))
    lab.reset(HOST, "bare")
    chapter = ("--host", HOST, "--only", "11-key-and-csr")
    planned = runbook("plan", *chapter, "--json")
    assert planned.returncode == 0, planned.stderr
    (run,) = (path.name for path in tmp_path.iterdir() if path.is_dir())
    nothing = runbook("rollback", run, "--host", HOST)
    assert (nothing.returncode, nothing.stderr) == (0, "")
    assert "nothing to put back, the run changed nothing there" in nothing.stdout
    assert runbook("apply", *chapter, "--reason", "MAIL-1").returncode == 0
    (run,) = (path.name for path in tmp_path.iterdir() if path.is_dir() and path.name != run)
    lab.exec(HOST, "rm -rf /var/lib/runbook/*")
    lost = runbook("rollback", run)
    assert lost.returncode == 1
    assert (
        "the run's record has 2 changes on this host, and its journal there is gone: they stand"
        in lost.stderr
    )


def test_a_service_that_was_edited_keeps_what_it_rests_on(lab: Lab) -> None:
    """TLS, logins and certificate stay with it, each port is asked, and the way out that is told works."""
    lab.reset(HOST, "fresh")
    before = lab.tree(HOST)
    applied(lab, HOST, "fresh")
    run = run_of(lab, HOST)
    after = lab.tree(HOST)
    lab.exec(HOST, "postconf -P submission/inet/smtpd_tls_loglevel=2; postfix reload 2>/dev/null; sleep 1")
    spared = runbook("rollback", run, "--host", HOST)
    assert spared.returncode == 1, spared.stdout
    assert "CONFLICT /etc/postfix/master.cf: submission/inet was changed since" in spared.stderr
    assert "the way out: write it as we left it, or take it out" in spared.stderr
    assert "port 587 answers with TLS, offers logins (PLAIN LOGIN)" in spared.stdout
    at_work = ("/var/lib/runbook", "/var/lib/postfix", "/var/spool/postfix", "/etc/postfix/master.cf")
    assert changed(after, lab.tree(HOST), at_work) == []
    lab.exec(HOST, "postconf -PX submission/inet/smtpd_tls_loglevel")
    done = runbook("rollback", run, "--host", HOST)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "port 587 serves nobody now: " in done.stdout
    assert "port 25 answers with TLS\n" in done.stdout
    assert changed(before, lab.tree(HOST), tuple(MAY_DIFFER)) == []
