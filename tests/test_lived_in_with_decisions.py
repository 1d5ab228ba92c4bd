"""A server of 2013: chapter 0 explains it, chapter 2 does what a person decided, proves it, and gives it back."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from applied_host import run_cells, runbook
from supported import changing, postfix_chapter
from test_decisions_of_a_person import decided
from trees import AT_WORK, MAY_DIFFER, changed

from lab import Lab
from runbook_lib.chapters import preparation
from runbook_lib.records.origin import run_id

DECISIONS = {
    "main.cf, smtpd_use_tls": "replace",
    "main.cf, smtpd_tls_cert_file": "replace",
    "main.cf, smtpd_tls_key_file": "replace",
    "main.cf, smtpd_tls_session_cache_database": "replace",
    "main.cf, smtpd_tls_protocols": "keep",
    "main.cf, smtpd_tls_mandatory_protocols": "replace",
    "main.cf, smtpd_tls_exclude_ciphers": "keep",
    "main.cf, mynetworks": "replace",
    "master.cf, smtps/inet": "replace",
    "master.cf, submission/inet": "replace",
}
KEPT = (
    "postconf -n smtpd_helo_restrictions; postconf -n smtpd_tls_protocols; postconf -n smtpd_tls_exclude_ciphers; "
    "postconf -n smtpd_milters; postconf -n transport_maps; postconf -n virtual_alias_maps; "
    "postconf -M smtp/inet archive/unix"
)
# etckeeper commits what packages bring and take: its history goes on.
KEPT_BY_ETCKEEPER = ("/etc/.git", "/etc/.etckeeper")


@pytest.mark.parametrize("host", ["debian12", "el9"])
def test_a_server_of_2013_is_done_with_decisions_and_given_back(
    lab: Lab, host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.reset(host, "lived-in")
    before = lab.tree(host)
    kept = lab.exec(host, KEPT)
    told = preparation.open("lab", host).show_findings()
    for words in ("smtpd_use_tls = yes", "private: 10.0.0.0/8, 192.168.0.0/16", "master.cf, line"):
        assert words in told.text()
    inventory = decided(lab, tmp_path, DECISIONS, host)
    run = run_id(datetime.now(UTC))
    monkeypatch.setenv("RUNBOOK_RUN", run)
    for name in changing(host):
        assert "passed" in run_cells(name, host=host, inventory=inventory)[-1].text()
    assert lab.exec(host, KEPT) == kept
    assert b"smtpd_client_restrictions" not in lab.exec(host, "postconf -M submission/inet smtps/inet")
    monkeypatch.setenv("RUNBOOK_RUN", run_id(datetime.now(UTC)))
    assert "nothing to do" in run_cells(postfix_chapter(host), host=host, inventory=inventory)[-1].text()
    assert runbook("rollback", run, "--host", host).returncode == 0
    assert changed(before, lab.tree(host), (*MAY_DIFFER, *AT_WORK, *KEPT_BY_ETCKEEPER)) == []
