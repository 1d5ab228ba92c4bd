"""What the runbook promises, on all hosts, from a host without Postfix and from one with Postfix just installed.

Plan touches nothing; apply twice changes nothing the second time; rollback gives the tree of before, which is compared
path by path: kind, mode, owner, size, content.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import pytest
from applied_host import applied, run_chapters, run_of, runbook
from trees import AT_WORK, MAY_DIFFER, changed

from lab import Lab
from lab.tree import Entry


@dataclass(frozen=True)
class Start:
    """A host before anything was done, and its name and state."""

    host: str
    state: str
    before: Mapping[str, Entry]


# Each host, and each state on both families.
STARTS = (("debian12", "bare"), ("debian13", "fresh"), ("el9", "fresh"), ("el10", "bare"))


@pytest.fixture(scope="module", params=STARTS, ids="-".join)
def start(lab: Lab, request: pytest.FixtureRequest) -> Start:
    host, state = request.param
    applied(lab, host, state)  # made here, so that no test pays for it
    lab.reset(host, state)
    return Start(host, state, lab.tree(host))


def test_plan_touches_nothing_and_counts_what_apply_makes(lab: Lab, start: Start) -> None:
    lab.reset(start.host, start.state)
    before = lab.tree(start.host)
    _, summaries = run_chapters(start.host, mode="plan")
    assert ["nothing was changed" in summary for summary in summaries] == [True, True, True]
    assert changed(before, lab.tree(start.host), AT_WORK) == []
    planned = sum(int(number) for told in summaries for number in re.findall(r"planned: (\d+) change", told))
    applied(lab, start.host, start.state)
    assert planned == len(lab.exec(start.host, "ls /var/lib/runbook/*/*.done").split())


def test_a_second_time_changes_nothing_and_says_so(lab: Lab, start: Start) -> None:
    """No journal, the same times of files, the same processes."""
    applied(lab, start.host, start.state)
    look = (
        "find /etc /usr /var/lib/runbook -printf '%p %T@ %C@ %m %u %g\\n' | sort | sha256sum;"
        "cat /var/spool/postfix/pid/master.pid; pgrep -o -x saslauthd;"
        "systemctl show -p ExecMainStartTimestamp saslauthd"
    )
    tree, seen = lab.tree(start.host), lab.exec(start.host, look)
    for mode in ("apply", "plan"):
        run, summaries = run_chapters(start.host, mode=mode)
        assert ["nothing to do" in summary for summary in summaries] == [True, True, True]
        assert lab.exec(start.host, look) == seen
        assert changed(tree, lab.tree(start.host), AT_WORK) == []
        assert run_of(lab, start.host) != run
    if start.host == "el10":  # where no hash: is built in, none is named
        assert lab.exec(start.host, "postconf -n | grep -E 'hash:|btree:' || :") == b""
        assert lab.exec(start.host, "postconf -h default_database_type") == b"lmdb\n"


def test_rollback_gives_the_tree_of_before(lab: Lab, start: Start) -> None:
    """On a host that was bare after a reboot, which nothing of an undo may need; on the others at once."""
    applied(lab, start.host, start.state)
    if start.state == "bare":
        lab.reboot(start.host)
    done = runbook("rollback", run_of(lab, start.host), "--host", start.host)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all that this run changed is as before it" in done.stdout
    assert changed(start.before, lab.tree(start.host), tuple(MAY_DIFFER)) == []
    listening = lab.exec(start.host, "ss -Hltn 'sport = :25 or sport = :465 or sport = :587' | wc -l")
    assert listening == (b"0\n" if start.state == "bare" else b"2\n")  # fresh: 25 on both address families
