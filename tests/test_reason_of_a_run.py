"""Off the lab a run needs a reason, and one of its own (a host counts as the lab's only if it proves it)."""

import pytest
from applied_host import run_cells

from lab import Lab
from runbook_lib.errors import UsageError

CHAPTER = "11-key-and-csr"


@pytest.fixture
def host(lab: Lab) -> str:
    lab.reset("debian12", "bare")
    lab.exec("debian12", "rm /etc/runbook-lab")
    return "debian12"


def test_without_a_word_a_host_off_the_lab_is_only_planned(lab: Lab, host: str) -> None:
    assert "planned" in run_cells(CHAPTER, host=host)[-1].text()
    lab.exec(host, "test ! -e /etc/ssl/private/mail-server.key")
    with pytest.raises(UsageError, match="apply on debian12, which is no lab host, needs a reason"):
        run_cells(CHAPTER, host=host, mode="apply")


def test_the_reason_of_a_completed_run_is_not_taken_again(
    host: str, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.setenv("RUNBOOK_RECORDS", str(tmp_path))
    monkeypatch.setenv("RUNBOOK_RUN", "20991231T000000Z-0001")
    assert "passed" in run_cells(CHAPTER, host=host, mode="apply", reason="MAIL-1184")[-1].text()
    run_cells(CHAPTER, host=host, mode="apply", reason="MAIL-1184")  # the same run goes on
    monkeypatch.setenv("RUNBOOK_RUN", "20991231T000000Z-0002")
    with pytest.raises(UsageError, match="the reason 'MAIL-1184' is that of run 20991231T000000Z-0001"):
        run_cells(CHAPTER, host=host, mode="apply", reason="MAIL-1184")
    assert "passed" in run_cells(CHAPTER, host=host, mode="apply", reason="MAIL-1184, again")[-1].text()
