"""A sample of the table of faults: those of the host, and of others who are at work there. `make faults` tries all."""

import pytest
from fault_kinds import KINDS
from fault_trial import tried
from faults import FAULTS, Fault
from test_faults_of_the_run import KINDS as OF_THE_RUN

from lab import Lab


@pytest.mark.parametrize(
    "fault", [f for f in FAULTS if f.sample and not f.kind.startswith(OF_THE_RUN)], ids=str
)
def test_a_fault_is_survived(lab: Lab, fault: Fault) -> None:
    told = tried(lab, fault)
    assert told[fault.then]


def test_every_kind_is_in_the_table() -> None:
    assert {fault.kind for fault in FAULTS} == set(KINDS)
    assert len(FAULTS) >= 60
