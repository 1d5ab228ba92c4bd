"""Facts: all in one round trip, and 'could not look' is never 'is not there'."""

import time
from collections.abc import Iterator

import pytest
from remote_hosts import connected

from lab import Lab
from runbook_lib import remote
from runbook_lib.remote.facts import FACTS, NOT_INSTALLED, TIMED_OUT


@pytest.fixture(scope="module", params=["debian12", "debian13"])
def host(lab: Lab, request: pytest.FixtureRequest) -> Iterator[remote.Host]:
    with connected(lab, request.param) as host:
        yield host


def test_base_facts_are_those_of_the_host(lab: Lab, host: remote.Host) -> None:
    facts = remote.gather(host)
    assert list(facts) == list(FACTS)
    assert f'VERSION_ID="{host.name.removeprefix("debian")}"' in facts["os_release"].value
    assert facts["hostname"].value == lab.host(host.name).release.hostname
    assert facts["machine_id"].value == lab.exec(host.name, "cat /etc/machine-id").decode().strip()
    assert abs(float(facts["time_utc"].value) - time.time()) < 5


def test_missing_program_is_not_an_empty_answer(host: remote.Host) -> None:
    facts = remote.gather(host, {"missing": "no-such-program --version", "empty": "true", "failed": "false"})
    assert facts == {
        "missing": remote.Fact("", NOT_INSTALLED),
        "empty": remote.Fact("", 0),
        "failed": remote.Fact("", 1),
    }


@pytest.mark.parametrize("root", [False, True])
def test_any_value_comes_back_as_it_was(host: remote.Host, root: bool) -> None:
    facts = remote.gather(
        host,
        {
            "lines": r"printf '\n a\n\n  b \n'",
            "quotes": """printf '%s' "it's \\"quoted\\" \\$HOME %s \\\\n" """,
            "latin 1; $(id)": r"printf 'caf\351'",
            "dash": "printf '%s' -n",
            "user": "id -u",
        },
        root=root,
    )
    assert {name: fact.value for name, fact in facts.items()} == {
        "lines": "\n a\n\n  b ",
        "quotes": 'it\'s "quoted" $HOME %s \\n',
        "latin 1; $(id)": "caf\\xe9",
        "dash": "-n",
        "user": "0" if root else "1000",
    }


def test_fact_cannot_disturb_the_next(host: remote.Host) -> None:
    """It may leave, change the folder, read all input, or be no sh at all."""
    facts = remote.gather(
        host, {"exit": "echo a; exit 3", "cd": "cd /", "reads": "cat", "syntax": "if (", "last": "pwd"}
    )
    assert facts["exit"] == remote.Fact("a", 3)
    assert facts["reads"] == remote.Fact("", 0)
    assert facts["syntax"].status == 2
    assert facts["last"] == remote.Fact("/home/kanri", 0)


def test_fact_that_hangs_is_given_up_on_the_host(host: remote.Host) -> None:
    started = time.monotonic()
    facts = remote.gather(host, {"hangs": "sleep 60", "next": "echo here"}, fact_timeout_s=1)
    assert facts["hangs"].status == TIMED_OUT
    assert facts["next"] == remote.Fact("here", 0)
    assert time.monotonic() - started < 30
