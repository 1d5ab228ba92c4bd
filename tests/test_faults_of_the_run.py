"""A sample of the table of faults: those of the run itself and of its way to the host. `make faults` tries all."""

import pytest
from fault_trial import tried
from faults import FAULTS, Fault

from lab import Lab

KINDS = ("controller", "command", "worker", "SIGTERM", "network", "clock")


@pytest.mark.parametrize("fault", [f for f in FAULTS if f.sample and f.kind.startswith(KINDS)], ids=str)
def test_a_fault_is_survived(lab: Lab, fault: Fault) -> None:
    told = tried(lab, fault)
    assert told[fault.then]
