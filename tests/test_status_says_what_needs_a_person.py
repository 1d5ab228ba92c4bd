"""`runbook status` for several hosts: ends, disk against port, what was changed since; 1 where a person is needed."""

import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pki_samples as samples
import pytest
from applied_host import RUNBOOK, applied, run_chapters, run_of, runbook
from ruamel.yaml import YAML
from supported import family_of

from lab import Lab
from runbook_lib.afterwards import overview
from runbook_lib.afterwards.overview import PortShown
from runbook_lib.pki import crl
from runbook_lib.remote.runs import JournaledRun, Standing

WELL, OTHER = "debian13", "debian12"
PORTS = {25: ["-starttls", "smtp"], 465: [], 587: ["-starttls", "smtp"]}


def status(*words: str) -> tuple[int, dict[str, Any]]:
    done = runbook("status", "--json", *words)
    assert done.returncode in (0, 1), done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return done.returncode, told


def served(lab: Lab, host: str) -> dict[int, str]:
    """The serial on each port, as openssl spells it."""
    found = {}
    for port, how in PORTS.items():
        address = f"{lab.host(host).address}:{port}"
        ask = ["openssl", "s_client", "-connect", address, *how]
        shown = subprocess.run(ask, input=b"", capture_output=True, timeout=30, check=True).stdout
        read = ["openssl", "x509", "-noout", "-serial"]
        told = subprocess.run(read, input=shown, capture_output=True, timeout=30, check=True).stdout
        found[port] = told.decode().strip().removeprefix("serial=")
    return found


def file_serial(lab: Lab, host: str) -> str:
    path = family_of(host).certificate_directory / "mail-server.pem"
    return lab.exec(host, f"openssl x509 -noout -serial -in {path}").decode().strip().removeprefix("serial=")


@pytest.fixture(scope="module")
def both(lab: Lab) -> None:
    lab.reset(WELL, "fresh")  # Postfix as its package leaves it, and no run of ours
    applied(lab, OTHER)


@pytest.mark.usefixtures("both")
def test_days_decide_what_needs_a_person_and_each_end_of_the_path_is_there() -> None:
    code, told = status("--host", OTHER)
    assert code == 0
    kinds = {
        end["what"].partition(" CN=")[0] for port in told["hosts"][OTHER]["ports"] for end in port["ends"]
    }
    assert kinds == {"server certificate", "root"}
    assert told["hosts"][OTHER]["earliest"]["what"] == "server certificate"
    days = told["hosts"][OTHER]["earliest"]["days"]
    assert status("--host", OTHER, "--days", str(days))[1]["hosts"][OTHER]["needs"] == []
    code, told = status("--host", OTHER, "--days", str(days + 1))
    assert code == 1
    assert told["hosts"][OTHER]["needs"] == [
        f"server certificate ends in {days} days, at {told['hosts'][OTHER]['earliest']['at']}"
    ]


@pytest.mark.usefixtures("both")
def test_a_file_that_was_cut_off_is_named(lab: Lab) -> None:
    """Postfix goes on with what it has read, until somebody reloads it."""
    path = f"{family_of(OTHER).key_directory}/postfix_mail-server.pem"
    lab.exec(OTHER, f"cp -a {path} /root/whole.pem; sed -i '$d' {path}")
    try:
        code, told = status("--host", OTHER)
    finally:
        lab.exec(OTHER, f"cat /root/whole.pem > {path}; rm /root/whole.pem")
    assert code == 1
    needed = f"{path} has a certificate that cannot be read: put the right file there, and reload Postfix"
    assert needed in told["hosts"][OTHER]["needs"]
    assert status("--host", OTHER)[0] == 0


@pytest.mark.usefixtures("both")
def test_of_two_hosts_the_one_that_needs_a_person_is_named(lab: Lab) -> None:
    """A valid certificate was put into the file by hand, and the ports go on with the old one."""
    assert status("--host", WELL, "--host", OTHER)[0] == 0
    old = file_serial(lab, OTHER)
    family = family_of(OTHER)
    request = lab.exec(OTHER, f"cat {family.key_directory}/csr_mail-server.pem").decode()
    signed = subprocess.run(
        [RUNBOOK, "ca", "sign", "--host", OTHER, "--inventory", "lab"],
        input=request, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    path = family.certificate_directory / "mail-server.pem"
    lab.exec(OTHER, f"cat > {path} <<'PEM'\n{signed.stdout}PEM")
    new = file_serial(lab, OTHER)
    assert new != old
    code, told = status("--host", WELL, "--host", OTHER)
    assert code == 1
    assert told["hosts"][WELL]["needs"] == []
    assert told["hosts"][OTHER]["file_serial"] == new
    assert [need.partition(":")[0] for need in told["hosts"][OTHER]["needs"]] == [
        f"port {port} shows {old}, the certificate's file has {new}" for port in PORTS
    ]
    shown = runbook("status", "--host", WELL, "--host", OTHER)
    assert shown.returncode == 1
    assert f"{OTHER}: port 465 shows {old}" in shown.stdout
    run_chapters(OTHER)
    assert served(lab, OTHER) == dict.fromkeys(PORTS, new)
    code, told = status("--host", WELL, "--host", OTHER)
    assert (code, [port["serial"] for port in told["hosts"][OTHER]["ports"]]) == (0, [new] * 3)


@pytest.mark.parametrize(
    ("shown", "told"),
    [
        ("0A", "port 465 shows 0A, the file has 0B: not taken up"),  # others' file: any run reloads
        ("0C", "port 465 shows 0C, as the certificate's file has it; the one that Postfix reads has 0B"),
    ],
)
def test_whichever_file_was_replaced_by_hand_is_named(shown: str, told: str) -> None:
    """The file that Postfix reads: apply makes it anew from the certificate's file, and says so before."""
    ours = Standing("", False, (JournaledRun("r", "1", 1, "all of it", ""),))
    port = PortShown(465, shown, ("0B",), "", "", ())
    (need,) = overview._needed(ours, [port], {"mail": "0C"}, (), {"mail": 30}, "runbook apply")
    assert need.what.startswith(told)


def test_what_was_changed_since_is_told_thing_by_thing(lab: Lab) -> None:
    applied(lab, OTHER)
    run = run_of(lab, OTHER)
    assert status("--host", OTHER)[1]["hosts"][OTHER]["drift"] == []
    lab.exec(
        OTHER,
        "cp -p /etc/postfix/master.cf /root\n"
        "postconf -e 'smtpd_tls_loglevel = 0'; postconf -P 'submissions/inet/syslog_name=mine'\n"
        "postconf -e 'message_size_limit = 31457280'\n"  # not ours, so nothing to tell
        "echo '# mine' >> /etc/pam.d/smtp; systemctl stop saslauthd",
    )
    code, told = status("--host", OTHER)
    found = {one["what"]: one for one in told["hosts"][OTHER]["drift"]}
    assert code == 1
    assert sorted(found) == [
        "/etc/pam.d/smtp",
        "/etc/postfix/main.cf, smtpd_tls_loglevel",
        "/etc/postfix/master.cf, submissions/inet",
        "unit saslauthd",
    ]
    setting = found["/etc/postfix/main.cf, smtpd_tls_loglevel"]
    assert (setting["run"], setting["left"], setting["now"]) == (
        run, "smtpd_tls_loglevel = 1", "smtpd_tls_loglevel = 0",
    )  # fmt: skip
    assert (found["unit saslauthd"]["left"], found["unit saslauthd"]["now"]) == ("active", "inactive")
    # Nothing that an edited service rests on is taken from under it; without the edit the run goes back.
    said = lab.exec(OTHER, f"sh /var/lib/runbook/{run}/undo.sh || :")
    assert b"submissions/inet was changed since" in said
    lab.exec(OTHER, f"cp -p /root/master.cf /etc/postfix; sh /var/lib/runbook/{run}/undo.sh || :")
    left = {one["what"] for one in status("--host", OTHER)[1]["hosts"][OTHER]["drift"]}
    assert "/etc/pam.d/smtp" in left  # spared, so it is still as somebody made it
    assert "unit saslauthd" not in left


def test_the_end_of_a_crl_is_watched_like_a_certificate_s(lab: Lab, tmp_path: Path) -> None:
    """No certificate has ended, and who checks lists refuses everybody."""
    ca = samples.fresh_ca(tmp_path)
    yaml = YAML()
    book = yaml.load(lab.inventory)
    book["site"]["ca"]["directory"] = str(ca.directory)
    book["hosts"] = {"debian13": book["hosts"]["debian13"]}
    yaml.dump(book, tmp_path / "site.yaml")
    lab.reset("debian13", "bare")
    command = [str(RUNBOOK), "status", "--inventory", str(tmp_path / "site.yaml")]

    def asked(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*command, *words], capture_output=True, text=True, timeout=120, check=False)

    for days, code in ((90, 0), (29, 1), (1, 1)):
        then = datetime.now(UTC) - timedelta(days=10)
        made = crl.make(ca.ledger, ca.certificate, ca.key, 1, days + (0 if days == 1 else 10), then)
        done = asked("--json")
        (end,) = json.loads(done.stdout)["ca"]["crls"]
        assert (done.returncode, end["next_update"]) == (code, made.next_update.isoformat())
    told = asked().stdout
    assert f"CA: CRL number 3 ended at {made.next_update.isoformat()}: runbook ca crl" in told
    assert asked("--days", "0").returncode == 1
    crl.make(ca.ledger, ca.certificate, ca.key, 1)
    assert asked().returncode == 0
