"""A command that failed on the host is no answer: the doctor says 'could not test', whatever was printed before."""

import pytest

from runbook_lib.doctor import judge
from runbook_lib.remote.facts import Fact

MASTER = 'LISTEN 0 100 0.0.0.0:25 0.0.0.0:* users:(("master",pid=9,fd=13))'


@pytest.mark.parametrize("printed", ["", MASTER])
@pytest.mark.parametrize("status", [1, 127])
def test_ss_that_failed_does_not_say_that_a_port_is_free_or_held(status: int, printed: str) -> None:
    finding = judge.port(25, Fact(printed, status), "", postfix_runs=True)
    assert finding.standing == "could not test"
    assert f"(status {status})" in finding.seen
    assert "iproute2" in finding.to_do


def test_ss_that_answered_is_believed() -> None:
    assert judge.port(25, Fact("", 0), "", postfix_runs=False).seen == "nobody listens yet"


def test_df_without_a_line_says_nothing_of_the_room() -> None:
    [finding] = judge.disk(Fact("", 127), packages_missing=True)
    assert finding.standing == "could not test"
    assert "(status 127)" in finding.seen
