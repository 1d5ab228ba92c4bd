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
    began = time.monotonic()
    seen: dict[str, object] = {"told": {}, "failed": "it was not tried to its end"}
    try:
        seen = {"told": tried(lab, fault), "failed": ""}
    except AssertionError as error:
        seen["failed"] = str(error)
        raise
    finally:
        seen["seconds"] = round(time.monotonic() - began, 1)
        path = Path(os.environ["RUNBOOK_FAULTS"]) / f"{FAULTS.index(fault):03}.json"
        path.write_text(json.dumps(seen, indent=1), encoding="utf-8")
