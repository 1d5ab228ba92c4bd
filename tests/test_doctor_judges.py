"""What `runbook doctor` makes of what a host prints, where no lab host can be made to print it, or only at a price."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from lab import Lab
from runbook_lib import inventory
from runbook_lib.doctor import Finding, judge
from runbook_lib.families import Family, Release
from runbook_lib.families.known import find
from runbook_lib.remote.facts import Fact
from runbook_lib.remote.runs import JournaledRun, Standing

HOST = "debian12"


@pytest.mark.parametrize(
    ("line", "missing", "standing"),
    [
        ("5000 9000 rw 400000 900000 /", True, "ok"),
        ("5000 9000 rw 299999 900000 /", True, "warning"),
        ("5000 9000 rw 299999 900000 /", False, "ok"),
        ("5000 9000 rw 20479 900000 /etc", False, "stops a run"),
        ("199 9000 rw 400000 900000 /", False, "stops a run"),
        ("4999 9000 rw 400000 900000 /", False, "warning"),
        ("0 0 rw 400000 900000 /", False, "ok"),  # btrfs
        ("- - rw 400000 900000 /", False, "ok"),
        ("5000 9000 ro 400000 900000 /a b", False, "stops a run"),
        ("df: nothing", False, "could not test"),
    ],
)
def test_room_on_a_file_system(line: str, missing: bool, standing: str) -> None:
    [finding] = judge.disk(Fact(line, 0), missing)
    assert finding.standing == standing
    assert bool(finding.to_do) == (standing not in ("ok", "could not test"))


@pytest.mark.parametrize(
    ("skew_s", "standing"),
    [(0, "ok"), (-240, "ok"), (240, "ok"), (-301, "stops a run"), (172800, "stops a run")],
)
def test_clock_of_the_host(skew_s: int, standing: str) -> None:
    now = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
    finding = judge.clock(Fact(f"{now.timestamp() + skew_s:.9f}", 0), now, "mail1")
    assert finding.standing == standing
    if standing == "stops a run":
        assert "controller 2026-11-26T12:00:00+00:00" in finding.seen
    assert judge.clock(Fact("", 127), now, "mail1").standing == "could not test"


MASTER = 'LISTEN 0 100 0.0.0.0:25 0.0.0.0:* users:(("master",pid=9,fd=13))'
TALKING = MASTER.replace('(("master"', '(("smtpd",pid=32000,fd=6),("master"')
EXIM = 'LISTEN 0 20 127.0.0.1:25 0.0.0.0:* users:(("exim4",pid=7,fd=3))'


@pytest.mark.parametrize(
    ("line", "from_here", "standing", "seen"),
    [
        (MASTER, "", "ok", "held by master; reached from here"),
        (TALKING, "", "ok", "held by master; reached from here"),
        (MASTER, "no answer", "warning", "not reached from here: no answer"),
        (MASTER.replace("0.0.0.0:25", "127.0.0.1:25"), "refused", "ok", "for the host alone"),
        (EXIM, "", "stops a run", "held by exim4, not by Postfix"),
        (MASTER.partition("users")[0], "", "ok", "ss does not name who listens, and Postfix runs"),
        ("", "refused", "ok", "nobody listens yet"),
        (MASTER.replace(":25", ":2525"), "refused", "ok", "nobody listens yet"),
    ],
)
def test_who_holds_a_port(line: str, from_here: str, standing: str, seen: str) -> None:
    finding = judge.port(25, Fact(line, 0), from_here, postfix_runs=True)
    assert finding.standing == standing
    assert seen in finding.seen


def _system(os_release: str, manager: str, **changes: Any) -> Finding:
    family: Family
    release: Release
    family, release = find(os_release, manager, "mail1")
    host = inventory.load("lab").host(HOST).model_copy(update=changes)
    return judge.system(host, os_release, family, release)


def test_system_past_its_end_stops_until_a_person_takes_it_into_account(lab: Lab) -> None:
    assert lab.inventory.exists()
    centos = 'ID="centos"\nVERSION_ID="7"\nPRETTY_NAME="CentOS Linux 7"\n'
    assert _system(centos, "yum").standing == "stops a run"
    assert _system(centos, "yum", past_its_end_is_known=True).standing == "warning"
    assert _system('ID=debian\nVERSION_ID="12"\n', "apt-get").standing == "ok"


def test_sources_that_could_not_be_asked_are_not_called_reached() -> None:
    assert judge.sources({"http://a": None}, ["postfix"]).standing == "could not test"
    assert judge.sources({"http://a": "no answer"}, ["postfix"]).standing == "stops a run"
    assert judge.sources({"http://a": "no answer"}, []).standing == "warning"
    assert judge.sources({}, []).standing == "warning"
    assert judge.sources({"http://a": "", "http://b": ""}, ["postfix"]).standing == "ok"


def test_run_that_was_cut_off_is_a_warning_with_both_ways_on() -> None:
    cut = Standing("", False, (JournaledRun("R1", "3", 2, "a", "b"),))
    finding = judge.other_run(cut, "mail1")
    assert finding.standing == "warning"
    assert finding.to_do == "runbook resume R1, or runbook rollback R1 --host mail1"
    assert judge.other_run(replace(cut, runs=()), "mail1").standing == "ok"
    assert judge.other_run(replace(cut, changing=True), "mail1").standing == "stops a run"
