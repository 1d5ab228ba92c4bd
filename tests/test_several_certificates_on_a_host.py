"""Two certificates on one host: each port shows its own, one is renewed without the other, and both go back."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from applied_host import run_cells, runbook
from certificates_on_25 import shown
from cryptography import x509
from ruamel.yaml import YAML
from shaped_host import HOST
from supported import changing
from trees import AT_WORK, MAY_DIFFER, changed

from lab import Lab
from runbook_lib import inventory
from runbook_lib.chapters import verification
from runbook_lib.errors import VerificationFailed
from runbook_lib.mail import probes
from runbook_lib.mail.probes import Verdict
from runbook_lib.pki import authority
from runbook_lib.records.origin import run_id
from runbook_lib.site_ca import own_ca
from runbook_lib.x509 import dns_id
from runbook_lib.x509.certificate import spelled_serial

pytestmark = pytest.mark.usefixtures("as_a_batch")

PORTS = (25, 465, 587)
MAIL, MX = ("mail12.example.test", "pop12.example.test"), ("smtp12.example.test",)
SOCKET_DIRECTORY = "/var/spool/postfix/var"  # saslauthd's start script makes it, and nobody unmakes it
FILES = "cd /etc/ssl; sha256sum private/*mail-server.* certs/mail-server.pem"  # the users' keys, CSR and certificate


def with_mx(lab: Lab, folder: Path, **values: object) -> str:
    """The lab's inventory with a certificate for port 25 on the host."""
    yaml = YAML()
    book = yaml.load(lab.inventory)
    secret = book["defaults"]["certificate"]["key_passphrase"]
    mx = {"names": [*MX], "key_passphrase": secret, **values}
    book["hosts"][HOST]["further_certificates"] = {"mx": mx}
    path = folder / "two.yaml"
    yaml.dump(book, path)
    return str(path)


def run_all(book: str, mode: str = "") -> tuple[str, list[str]]:
    """The chapters that change the host, as one run; its id, and each one's summary."""
    run = run_id(datetime.now(UTC))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RUNBOOK_RUN", run)
        return run, [
            run_cells(chapter, host=HOST, mode=mode, inventory=book)[-1].text() for chapter in changing(HOST)
        ]


def on_ports(lab: Lab) -> Mapping[int, x509.Certificate]:
    return {port: x509.load_der_x509_certificate(shown(lab.host(HOST).address, port)) for port in PORTS}


def serials(lab: Lab) -> list[str]:
    return [spelled_serial(leaf.serial_number) for leaf in on_ports(lab).values()]


def status(book: str, *words: str) -> str:
    done = runbook("status", "--host", HOST, *words, inventory=book)
    return done.stdout + done.stderr


def ledger_rows(book: inventory.Inventory, since: int) -> list[tuple[str, bool]]:
    issued = authority.open_ledger(own_ca.directory(book.site)).issuances(HOST)[since:]
    return [(one.purpose, one.withdrawn_at is not None) for one in issued]


def test_two_certificates_from_the_first_run_to_the_way_back(lab: Lab, tmp_path: Path) -> None:
    lab.reset(HOST, "fresh")
    path = with_mx(lab, tmp_path, valid_days=20, renew_days=5)
    book = inventory.load(path)
    place = own_ca.directory(book.site)
    since = len(authority.open_ledger(place).issuances(HOST)) if authority.exists(place) else 0
    before = lab.tree(HOST)

    run_all(path, mode="plan")
    assert changed(before, lab.tree(HOST), AT_WORK) == []

    _, summaries = run_all(path)
    assert ["passed" in summary for summary in summaries] == [True] * 3
    leaves = on_ports(lab)
    assert {port: dns_id.of(leaf) for port, leaf in leaves.items()} == {25: MX, 465: MAIL, 587: MAIL}
    assert leaves[25].public_key() != leaves[465].public_key()
    assert leaves[465] == leaves[587]
    assert ledger_rows(book, since) == [("mail", False), ("mx", False)]
    options = lab.exec(HOST, "postconf -P '*/inet/smtpd_tls_chain_files'").decode()
    assert options.count("= /etc/ssl/private/postfix_mail-server.pem") == 2
    assert lab.exec(HOST, "postconf -h smtpd_tls_chain_files") == b"/etc/ssl/private/postfix_mx-server.pem\n"
    secret = "/etc/ssl/private/*server.key /etc/ssl/private/postfix_*"  # of each: encrypted, plain, joined
    assert lab.exec(HOST, f"stat -c '%a %U:%G' {secret}") == b"600 root:root\n" * 6

    # Asked from outside: each port by its own name, and what a person types shows the same.
    asked = verification.open(path, HOST)
    assert isinstance(asked, verification.Verification)
    claims = (probes.chain_validates, probes.serial_on_each_port, probes.days_left, probes.names_covered)
    for claim in claims:
        asked.ask(claim)
    assert {row.verdict for row in asked._rows} == {Verdict.PASS}
    by_name = {
        port: {row.command.split("-servername ")[1].split()[0] for row in asked._rows if row.port == port}
        for port in PORTS
    }
    assert by_name == {25: {MX[0]}, 465: {MAIL[0]}, 587: {MAIL[0]}}
    covered = [row.seen for row in asked._rows if row.port is None]
    assert {f"{name}: covered" for name in (*MAIL, *MX)} <= set(covered)

    _, again = run_all(path)
    assert ["nothing to do" in summary for summary in again] == [True] * 3

    told = status(path)
    assert f"{HOST} (mx)" in told
    assert "server certificate (mx)" in told
    assert f"'{HOST} mx days'=19;5:;5:" in status(path, "--nagios")

    # What port shows which is proven: a port that shows the other's is found.
    master = "/etc/postfix/master.cf"
    lab.exec(
        HOST,
        f"cp {master} /run/master.cf; postconf -PX submission/inet/smtpd_tls_chain_files; postfix reload 2>/dev/null",
    )
    for claim in (probes.serial_on_each_port, probes.chain_validates):
        wrong = verification.open(path, HOST)
        assert isinstance(wrong, verification.Verification)
        with pytest.raises(VerificationFailed, match=r"port 587"):
            wrong.ask(claim)
        assert {row.port for row in wrong._rows if row.verdict is Verdict.FAIL} == {587}
    assert "port 587 is told the certificate for mx in place of the one for mail" in status(path)
    lab.exec(HOST, f"cat /run/master.cf > {master}; rm /run/master.cf; postfix reload 2>/dev/null")

    # One is renewed, with a new key: of the other not a byte is another one.
    of_mail, serial_of = lab.exec(HOST, FILES), serials(lab)
    path = with_mx(lab, tmp_path, valid_days=40, renew_days=30, new_key_at_renewal=True)
    renewed, summaries = run_all(path)
    assert ["passed" in summary for summary in summaries] == [True] * 3
    assert lab.exec(HOST, FILES) == of_mail
    now = serials(lab)
    assert [one == other for one, other in zip(now, serial_of, strict=True)] == [False, True, True]
    assert on_ports(lab)[25].public_key() != leaves[25].public_key()
    assert ledger_rows(book, since) == [("mail", False), ("mx", False), ("mx", False)]

    # The renewal alone goes back, then all of it.
    done = runbook("rollback", renewed, "--host", HOST, inventory=path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert serials(lab) == serial_of
    assert lab.exec(HOST, FILES) == of_mail
    assert ledger_rows(book, since) == [("mail", False), ("mx", False), ("mx", True)]
    for run in lab.exec(HOST, "ls -r /var/lib/runbook").decode().split():
        done = runbook("rollback", run, "--host", HOST, inventory=path)
        assert done.returncode == 0, done.stdout + done.stderr
    assert changed(before, lab.tree(HOST), (*MAY_DIFFER, SOCKET_DIRECTORY)) == []
    assert ledger_rows(book, since) == [("mail", True), ("mx", True), ("mx", True)]
