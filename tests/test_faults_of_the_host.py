"""A sample of the table of faults: those of the host, and of others who are at work there. `make faults` tries all."""

import pytest
from fault_of_the_host import KINDS
from fault_trial import KINDS as ALL_KINDS
from fault_trial import tried
from faults import FAULTS, Fault

from lab import Lab


@pytest.mark.parametrize(
    "fault", [fault for fault in FAULTS if fault.sample and fault.kind in KINDS], ids=str
)
def test_a_fault_is_survived(lab: Lab, fault: Fault) -> None:
    told = tried(lab, fault)
    assert told[fault.then]


def test_every_kind_is_in_the_table_and_in_the_sample() -> None:
    assert {fault.kind for fault in FAULTS} == set(ALL_KINDS)
    longer = {"network cut for 8 s", "package lock held for good"}  # than another of its kind, by waiting
    assert {fault.kind for fault in FAULTS if fault.sample} == set(ALL_KINDS) - longer
    assert len(FAULTS) >= 60
