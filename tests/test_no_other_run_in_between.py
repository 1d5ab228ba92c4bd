"""A run that somebody else's run came after does not go on."""

import pytest

from lab import Lab
from runbook_lib.chapters import key_and_csr
from runbook_lib.errors import ApplyRefused

RUN, OTHER = "20991231T000000Z-0001", "20991231T000001Z-0002"


def test_a_chapter_is_refused_after_another_run_and_a_plan_is_not(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.reset("debian12", "bare")
    monkeypatch.setenv("RUNBOOK_RUN", RUN)
    make = "mkdir -p /var/lib/runbook/{0}; touch -d '{1}' /var/lib/runbook/{0}"
    lab.exec("debian12", make.format(RUN, "2026-01-01 10:00"))
    key_and_csr.open("lab", "debian12")
    lab.exec("debian12", make.format(OTHER, "2026-01-01 10:01"))
    with pytest.raises(ApplyRefused, match=f"run {OTHER} changed this host after run {RUN}"):
        key_and_csr.open("lab", "debian12")
    assert "plan" in key_and_csr.open("lab", "debian12", mode="plan").text()
