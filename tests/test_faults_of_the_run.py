"""A sample of the table of faults: those of the run itself and of its way to the host. `make faults` tries all."""

import pytest
from fault_of_the_run import KINDS
from fault_trial import tried
from faults import FAULTS, Fault

from lab import Lab


@pytest.mark.parametrize(
    "fault", [fault for fault in FAULTS if fault.sample and fault.kind in KINDS], ids=str
)
def test_a_fault_is_survived(lab: Lab, fault: Fault) -> None:
    told = tried(lab, fault)
    assert told[fault.then]
