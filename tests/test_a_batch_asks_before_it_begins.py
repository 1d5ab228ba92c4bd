"""In a batch a decision that is missing stops the host before its first change; by hand key and certificate go on."""

import json
import subprocess
from pathlib import Path

from applied_host import RUNBOOK, run_cells, runbook
from decided import decided
from trees import AT_WORK, changed

from lab import Lab

HOST = "debian13"


def test_a_missing_decision_stops_the_host_before_chapter_1_1(lab: Lab) -> None:
    lab.reset(HOST, "fresh")
    lab.exec(HOST, "postconf -e smtpd_sasl_type=dovecot")
    before = lab.tree(HOST)
    done = runbook("apply", "--host", HOST, "--reason", "MAIL-77", "--json")
    assert done.returncode == 1, done.stderr
    (host,) = json.loads(done.stdout)["hosts"]
    last = host["chapters"][-1]
    assert last["chapter"] == "11-key-and-csr"
    assert "main.cf, smtpd_sasl_type" in last["problem"]
    assert "Nothing was changed." in last["problem"]
    assert sum(chapter["changes_made"] for chapter in host["chapters"]) == 0
    assert changed(before, lab.tree(HOST), AT_WORK) == []
    assert "passed" in run_cells("11-key-and-csr", host=HOST)[-1].text()


# A certificate of another CA whose key is gone: another one lies in its place.
ODD_PAIR = """
cd /etc/ssl/private
openssl req -x509 -newkey rsa:2048 -nodes -keyout odd.key -out odd.pem -days 90 -subj /CN=odd 2>/dev/null
openssl genrsa -out odd.key 2048 2>/dev/null
chmod 600 odd.key
postconf -e smtpd_tls_cert_file=$PWD/odd.pem smtpd_tls_key_file=$PWD/odd.key smtpd_tls_chain_files=
postconf -X smtpd_tls_chain_files
"""


def test_what_chapter_2_would_refuse_stops_the_host_before_chapter_1_1(lab: Lab, tmp_path: Path) -> None:
    """No key is made for nothing, and no certificate issued: what smtpd refuses, and a kept pair that does not fit."""
    lab.reset(HOST, "fresh")
    keep = {f"main.cf, smtpd_tls_{what}_file": "keep" for what in ("cert", "key")}
    for shape, book, words in (
        ("postconf -e smtpd_timeout=5x", "lab", "parameter smtpd_timeout: bad time value"),
        (
            f"postconf -X smtpd_timeout\n{ODD_PAIR}",
            decided(lab, tmp_path, keep, HOST),
            "does not fit the certificate",
        ),
    ):
        lab.exec(HOST, shape)
        before = lab.tree(HOST)
        command = [
            str(RUNBOOK),
            "apply",
            "--host",
            HOST,
            "--reason",
            "MAIL-78",
            "--json",
            "--inventory",
            book,
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 1, done.stderr
        (host,) = json.loads(done.stdout)["hosts"]
        last = host["chapters"][-1]
        assert last["chapter"] == "11-key-and-csr"
        assert words in last["problem"]
        assert "Nothing was changed." in last["problem"]
        assert sum(chapter["changes_made"] for chapter in host["chapters"]) == 0
        assert changed(before, lab.tree(HOST), AT_WORK) == []
