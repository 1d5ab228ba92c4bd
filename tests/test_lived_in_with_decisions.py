"""A server of 2013: chapter 0 explains it, chapter 2 does what a person decided, proves it, and gives it back.

What it does besides submission it does before, during and after: mail is really sent on every path, again and again.
"""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from applied_host import run_cells, runbook
from decided import decided, for_lived_in
from lived_in import LivedIn, everything_it_did, its_old_submission, lived_in
from supported import changing, postfix_chapter
from trees import AT_WORK, GOES_ON, MAY_DIFFER, changed, history_is_whole

from lab import Lab
from runbook_lib.chapters import preparation
from runbook_lib.records.origin import run_id

pytestmark = pytest.mark.usefixtures("as_a_batch")

KEPT = (
    "postconf -n smtpd_helo_restrictions; postconf -n smtpd_tls_protocols; postconf -n smtpd_tls_exclude_ciphers; "
    "postconf -n smtpd_milters; postconf -n transport_maps; postconf -n virtual_alias_maps; "
    "postconf -M smtp/inet archive/unix"
)


@contextmanager
def again_and_again(server: LivedIn) -> Iterator[list[BaseException | None]]:
    """All paths, round after round, beside what is done; a round's failure, or None."""
    rounds: list[BaseException | None] = []
    over = threading.Event()

    def sends() -> None:
        while not over.is_set():
            try:
                everything_it_did(server)
            except BaseException as error:  # noqa: BLE001 - it is looked at where the rounds are
                rounds.append(error)
            else:
                rounds.append(None)

    thread = threading.Thread(target=sends)
    thread.start()
    try:
        yield rounds
    finally:
        over.set()
        thread.join()


@pytest.mark.parametrize(("host", "state"), [("debian12", "lived-in"), ("el9", "lived-in-postscreen")])
def test_a_server_of_2013_is_done_with_decisions_and_given_back(
    lab: Lab, host: str, state: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.reset(host, state)
    with lived_in(lab, host) as server:
        everything_it_did(server)
        its_old_submission(server)
        before = lab.tree(host)
        kept = lab.exec(host, KEPT)
        told = preparation.open("lab", host).show_findings()
        for words in ("smtpd_use_tls = yes", "private: 10.0.0.0/8, 192.168.0.0/16", "master.cf, line"):
            assert words in told.text()
        inventory = decided(lab, tmp_path, for_lived_in(state), host)
        run = run_id(datetime.now(UTC))
        monkeypatch.setenv("RUNBOOK_RUN", run)
        with again_and_again(server) as rounds:
            summaries = [
                run_cells(name, host=host, inventory=inventory)[-1].text() for name in changing(host)
            ]
        assert rounds
        assert [failure for failure in rounds if failure is not None] == []
        # Relaying can only be tried by a stranger, and this machine is inside of what was kept.
        assert [one.rpartition("  ")[2] for one in summaries] == ["passed", "passed", "applied, not proven"]
        assert re.search(r"\d+ pass, \d+ could not test\n", summaries[-1]), summaries[-1]
        for port in (25, 465, 587):
            asked = (
                rf"port {port}: asked \d+ times as far as (EHLO|RCPT for \S+), 0 refused, 0 without an answer"
            )
            assert re.search(asked, summaries[-1]), summaries[-1]
        everything_it_did(server)
        assert lab.exec(host, KEPT) == kept
        assert b"smtpd_client_restrictions" not in lab.exec(host, "postconf -M submission/inet smtps/inet")
        monkeypatch.setenv("RUNBOOK_RUN", run_id(datetime.now(UTC)))
        again = run_cells(postfix_chapter(host), host=host, inventory=inventory)[-1].text()
        assert "nothing to do" in again
        assert runbook("rollback", run, "--host", host).returncode == 0
        assert changed(before, lab.tree(host), (*MAY_DIFFER, *AT_WORK, *GOES_ON)) == []
        assert history_is_whole(lab, host)
        everything_it_did(server)
        its_old_submission(server)
