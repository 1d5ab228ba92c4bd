"""All faults of the table, by `make faults`; pytest finds this file only by its name."""

import pytest
from fault_trial import tried
from faults import FAULTS, Fault

from lab import Lab


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_fault_is_survived(lab: Lab, fault: Fault) -> None:
    tried(lab, fault)
