"""Two certificates on one host: each port shows its own, one is renewed without the other, and both go back.

Where one is refused, or cannot be installed, what was issued is withdrawn.
"""

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from applied_host import issued_by, run_cells, runbook
from certificates_on_25 import shown
from cryptography import x509
from ruamel.yaml import YAML
from supported import changing, family_of
from trees import AT_WORK, MAY_DIFFER, changed

from lab import Lab
from lab.releases import RELEASES
from runbook_lib import records
from runbook_lib.chapters import verification
from runbook_lib.errors import CsrRefused, HostBusy, RunbookError, VerificationFailed
from runbook_lib.mail import probes
from runbook_lib.mail.probes import Verdict
from runbook_lib.records.origin import run_id
from runbook_lib.remote.journal import LOCK
from runbook_lib.x509 import dns_id
from runbook_lib.x509.certificate import spelled_serial

pytestmark = pytest.mark.usefixtures("as_a_batch")

DEBIAN = "debian12"
PORTS = (25, 465, 587)
SOCKET_DIRECTORY = "/var/spool/postfix/var"  # Debian's saslauthd makes it as it starts, and nobody unmakes it
KEYS, SIGNING = "11-key-and-csr", "12-signing"


def names(host: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of the users' certificate, and those of port 25's."""
    number = RELEASES[host].number
    return (f"mail{number}.example.test", f"pop{number}.example.test"), (f"smtp{number}.example.test",)


def with_mx(lab: Lab, folder: Path, host: str, **values: object) -> str:
    """The lab's inventory with a certificate for port 25 on the host."""
    yaml = YAML()
    book = yaml.load(lab.inventory)
    secret = book["defaults"]["certificate"]["key_passphrase"]
    mx = {"names": [*names(host)[1]], "key_passphrase": secret, **values}
    book["hosts"][host]["further_certificates"] = {"mx": mx}
    path = folder / "two.yaml"
    yaml.dump(book, path)
    return str(path)


def run_all(
    host: str, book: str, mode: str = "", chapters: Sequence[str] = (), run: str = ""
) -> tuple[str, list[str]]:
    """The chapters that change the host, or these, as one run; its id, and each one's summary."""
    run = run or run_id(datetime.now(UTC))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RUNBOOK_RUN", run)
        return run, [
            run_cells(chapter, host=host, mode=mode, inventory=book)[-1].text()
            for chapter in chapters or changing(host)
        ]


def on_ports(lab: Lab, host: str) -> Mapping[int, x509.Certificate]:
    return {port: x509.load_der_x509_certificate(shown(lab.host(host).address, port)) for port in PORTS}


def serials(lab: Lab, host: str) -> list[str]:
    return [spelled_serial(leaf.serial_number) for leaf in on_ports(lab, host).values()]


def status(host: str, book: str, *words: str) -> str:
    done = runbook("status", "--host", host, *words, inventory=book)
    return done.stdout + done.stderr


def ledger_rows(runs: Sequence[str], host: str) -> list[tuple[str, bool]]:
    """What was issued in these runs, by its purpose, and whether it was withdrawn."""
    return [(one.purpose, one.withdrawn_at is not None) for one in issued_by(runs, host)]


def record(run: str, host: str) -> dict[str, Any]:
    """The record of chapter 1-2."""
    found: dict[str, Any] = json.loads((records.root() / run / host / f"{SIGNING}.json").read_bytes())
    return found


def signing_fails(host: str, book: str, error: type[RunbookError]) -> tuple[str, str, str]:
    """Chapter 1-2, which fails: its run, what it said, and the notes of its record."""
    run = run_id(datetime.now(UTC))
    with pytest.raises(error) as raised:
        run_all(host, book, "apply", [SIGNING], run)
    notes = [step["text"] for step in record(run, host)["steps"] if step["kind"] == "note"]
    return run, str(raised.value), "\n".join(notes)


@contextmanager
def locked(lab: Lab, host: str) -> Iterator[None]:
    """Another run holds the host's lock."""
    hold = f"umask 077; exec 9>>{LOCK}; flock 9; echo 'run OTHER of somebody' > {LOCK}; echo held; exec sleep 600"
    command = ["podman", "--log-level=error", "exec", lab.host(host).container, "sh", "-c", hold]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holding:
        assert holding.stdout is not None
        assert holding.stdout.readline() == "held\n"
        try:
            yield
        finally:
            lab.exec(host, "kill $(pgrep -fx 'sleep 600')")


@pytest.mark.parametrize("host", [DEBIAN, "el9"])
def test_two_certificates_from_the_first_run_to_the_way_back(lab: Lab, host: str, tmp_path: Path) -> None:
    family, (of_users, of_mx) = family_of(host), names(host)
    keys, certificate = family.key_directory, family.certificate_directory / "mail-server.pem"
    files = f"sha256sum {keys}/*mail-server.* {certificate}"  # the users' keys, CSR and certificate
    lab.reset(host, "fresh")
    path = with_mx(lab, tmp_path, host, valid_days=20, renew_days=5)
    before = lab.tree(host)

    run_all(host, path, mode="plan")
    assert changed(before, lab.tree(host), AT_WORK) == []

    first, summaries = run_all(host, path)
    assert ["passed" in summary for summary in summaries] == [True] * 3
    leaves = on_ports(lab, host)
    assert {port: dns_id.of(leaf) for port, leaf in leaves.items()} == {
        25: of_mx,
        465: of_users,
        587: of_users,
    }
    assert leaves[25].public_key() != leaves[465].public_key()
    assert leaves[465] == leaves[587]
    assert ledger_rows([first], host) == [("mail", False), ("mx", False)]
    options = lab.exec(host, "postconf -P '*/inet/smtpd_tls_chain_files'").decode()
    assert options.count(f"= {keys}/postfix_mail-server.pem") == 2
    assert lab.exec(host, "postconf -h smtpd_tls_chain_files").decode() == f"{keys}/postfix_mx-server.pem\n"
    secret = f"{keys}/*server.key {keys}/postfix_*"  # of each: encrypted, plain, joined
    assert lab.exec(host, f"stat -c '%a %U:%G' {secret}") == b"600 root:root\n" * 6

    # Asked from outside: each port by its own name, and what a person types shows the same.
    asked = verification.open(path, host)
    assert isinstance(asked, verification.Verification)
    claims = (probes.chain_validates, probes.serial_on_each_port, probes.days_left, probes.names_covered)
    for claim in claims:
        asked.ask(claim)
    assert {row.verdict for row in asked._rows} == {Verdict.PASS}
    by_name = {
        port: {row.command.split("-servername ")[1].split()[0] for row in asked._rows if row.port == port}
        for port in PORTS
    }
    assert by_name == {25: {of_mx[0]}, 465: {of_users[0]}, 587: {of_users[0]}}
    covered = [row.seen for row in asked._rows if row.port is None]
    assert {f"{name}: covered" for name in (*of_users, *of_mx)} <= set(covered)

    _, again = run_all(host, path)
    assert ["nothing to do" in summary for summary in again] == [True] * 3

    told = status(host, path)
    assert f"{host} (mx)" in told
    assert "server certificate (mx)" in told
    assert f"'{host} mx days'=19;5:;5:" in status(host, path, "--nagios")

    # What port shows which is proven: a port that shows the other's is found.
    master = "/etc/postfix/master.cf"
    lab.exec(
        host,
        f"cp {master} /run/master.cf; postconf -PX submission/inet/smtpd_tls_chain_files; postfix reload 2>/dev/null",
    )
    for claim in (probes.serial_on_each_port, probes.chain_validates):
        wrong = verification.open(path, host)
        assert isinstance(wrong, verification.Verification)
        with pytest.raises(VerificationFailed, match=r"port 587"):
            wrong.ask(claim)
        assert {row.port for row in wrong._rows if row.verdict is Verdict.FAIL} == {587}
    assert "port 587 is told the certificate for mx in place of the one for mail" in status(host, path)
    lab.exec(host, f"cat /run/master.cf > {master}; rm /run/master.cf; postfix reload 2>/dev/null")

    # One is renewed, with a new key: of the other not a byte is another one.
    of_mail, serial_of = lab.exec(host, files), serials(lab, host)
    path = with_mx(lab, tmp_path, host, valid_days=40, renew_days=30, new_key_at_renewal=True)
    renewed, summaries = run_all(host, path)
    assert ["passed" in summary for summary in summaries] == [True] * 3
    assert lab.exec(host, files) == of_mail
    now = serials(lab, host)
    assert [one == other for one, other in zip(now, serial_of, strict=True)] == [False, True, True]
    assert on_ports(lab, host)[25].public_key() != leaves[25].public_key()
    assert ledger_rows([first, renewed], host) == [("mail", False), ("mx", False), ("mx", False)]

    # The renewal alone goes back, then all of it.
    done = runbook("rollback", renewed, "--host", host, inventory=path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert serials(lab, host) == serial_of
    assert lab.exec(host, files) == of_mail
    assert ledger_rows([first, renewed], host) == [("mail", False), ("mx", False), ("mx", True)]
    for run in lab.exec(host, "ls -r /var/lib/runbook").decode().split():
        done = runbook("rollback", run, "--host", host, inventory=path)
        assert done.returncode == 0, done.stdout + done.stderr
    assert changed(before, lab.tree(host), (*MAY_DIFFER, SOCKET_DIRECTORY)) == []
    assert ledger_rows([first, renewed], host) == [("mail", True), ("mx", True), ("mx", True)]


def test_where_the_second_is_refused_the_first_that_was_issued_is_withdrawn(lab: Lab, tmp_path: Path) -> None:
    lab.reset(DEBIAN, "fresh")
    book = with_mx(lab, tmp_path, DEBIAN)
    run_all(DEBIAN, book, chapters=[KEYS])
    csr = "/etc/ssl/private/csr_mx-server.pem"
    lab.exec(DEBIAN, f"cp -a {csr} /root/csr; echo garbage > {csr}")
    run, told, notes = signing_fails(DEBIAN, book, CsrRefused)
    assert ledger_rows([run], DEBIAN) == [("mail", True)]
    withdrawn = "Certificates that were issued before that, are not on the host, and are withdrawn: 1."
    assert f"Nothing was changed on the host.\n  {withdrawn}" in told
    assert "Nothing was signed" not in told
    assert withdrawn in notes
    assert withdrawn in record(run, DEBIAN)["error"]["message"]
    assert lab.exec(DEBIAN, "ls /etc/ssl/certs | grep -c server.pem || :") == b"0\n"

    lab.exec(DEBIAN, f"cp -a /root/csr {csr}")
    run, _ = run_all(DEBIAN, book, chapters=[SIGNING])
    assert ledger_rows([run], DEBIAN) == [("mail", False), ("mx", False)]


def test_what_was_issued_and_could_not_be_installed_is_withdrawn(lab: Lab) -> None:
    """One certificate, and a host on which another run began meanwhile."""
    lab.reset(DEBIAN, "fresh")
    run_all(DEBIAN, "lab", chapters=[KEYS])
    with locked(lab, DEBIAN):
        run, told, notes = signing_fails(DEBIAN, "lab", HostBusy)
    assert ledger_rows([run], DEBIAN) == [("mail", True)]
    withdrawn = "Certificates that were issued before that, are not on the host, and are withdrawn: 1."
    assert withdrawn in told
    assert withdrawn in notes
    run, _ = run_all(DEBIAN, "lab", chapters=[SIGNING])
    assert ledger_rows([run], DEBIAN) == [("mail", False)]
