"""A run that is bound to a plan and was cut off goes on as what was approved, wherever it stopped."""

import pytest
from fault_of_the_run import controller_killed
from fault_scene import At, scene
from faults import CERTIFICATE, KEY, MAIN_CF, MASTER_CF, PACKAGES, PAIR, SASL, TAKEN_UP

from lab import Lab
from runbook_lib.records import verification
from runbook_lib.records.index import read_run

RUN = "20991231T000000Z-b0bd"


@pytest.mark.parametrize(
    "title",
    [
        KEY,
        CERTIFICATE,
        PACKAGES,
        SASL,
        PAIR,
        pytest.param(MAIN_CF, marks=pytest.mark.always),
        MASTER_CF,
        TAKEN_UP,
    ],
)
@pytest.mark.parametrize("host", ["debian12", "el9"])
def test_a_run_that_is_bound_to_a_plan_goes_on_where_it_was_killed(lab: Lab, host: str, title: str) -> None:
    lab.reset(host, "fresh")
    with scene(lab, host, "fresh", RUN) as stage:
        plan = stage.planned()
        stage.start(plan=plan)
        stage.stop_at(At(title))
        with controller_killed(stage):
            pass
        done = stage.run_again("resume")
        assert done.returncode == 0, f"{stage.said}\n---\n{done.stdout}"
        run = stage.folder / "records" / RUN
        found = verification.check(run)
        assert found.holds, found.report()
        bound = {entry.record.approval.plan for entry in read_run(run).current if entry.record.approval}
        assert bound == {plan}
