"""All faults of the table, by `make faults`; pytest finds this file only by its name."""

import json
import os
import time
from pathlib import Path

import pytest
from fault_trial import tried
from faults import FAULTS, Fault

from lab import Lab


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_fault_is_survived(lab: Lab, fault: Fault) -> None:
    begun = time.monotonic()
    told: dict[str, str] = {}
    try:
        told = tried(lab, fault)
    finally:
        keep(lab, fault, told, time.monotonic() - begun)


def keep(lab: Lab, fault: Fault, told: dict[str, str], seconds: float) -> None:
    """Leave what was seen where faults_document.py looks for it, under $RUNBOOK_FAULTS; told is empty where it failed."""
    folder = Path(os.environ["RUNBOOK_FAULTS"])
    release = lab.host(fault.host).release
    seen = {"told": told, "seconds": round(seconds, 1), "host": release.name}
    (folder / f"{FAULTS.index(fault):03}.json").write_text(json.dumps(seen), encoding="utf-8")
