"""A state that was prepared once is the state that it is prepared as: files, services that run, mail in the queue."""

import os
from collections.abc import Mapping

import pytest
from trees import AT_WORK

from lab import Lab, Prepared
from lab.prepared import PREPARED, run_chapters
from lab.tree import Entry, compare

# Random, or of the moment: keys, what is signed with them, what a run writes down, indexes with a time in them.
_MADE_ANEW = (
    *AT_WORK,
    "/etc/ssl/private/",
    "/etc/ssl/certs/",
    "/etc/pki/tls/",
    "/var/lib/runbook",
    "/var/cache/",
    "/var/lib/apt/",
    "/var/lib/dnf/",
    "/var/lib/dpkg/",
    "/var/lib/rpm/",
    "/etc/aliases.",
    "/etc/shadow",  # salts
    "/etc/postfix/main.cf",  # postconf -e writes new entries in an order of its own: compared as what it says
    "/var/lib/systemd/",
)
_SERVICES = "systemctl list-units --type=service --state=running --plain --no-legend | cut -d ' ' -f 1 | sort"


def seen(lab: Lab, host: str) -> tuple[Mapping[str, Entry], bytes, bytes, bytes]:
    """Files, services that run, the queue without the times of its mail, and main.cf. Postfix is stopped at the end."""
    tree, services, settings = lab.tree(host), lab.exec(host, _SERVICES), lab.exec(host, "postconf -n")
    # A mail that is tried again while the queue is listed may be missed, or be listed twice.
    queue = lab.exec(
        host, "postfix stop > /dev/null 2>&1; postqueue -p | grep -o '[a-z0-9.]*@[a-z.]*' | sort"
    )
    return tree, services, queue, settings


def differing(one: Mapping[str, Entry], other: Mapping[str, Entry], outside: tuple[str, ...]) -> list[str]:
    return [path for path in compare(one, other) if not path.startswith(outside)]


@pytest.mark.parametrize(("host", "state"), [("debian12", "lived-in-applied"), ("el9", "applied")])
def test_it_comes_back_as_it_was_kept(lab: Lab, host: str, state: str) -> None:
    lab.reset(host, state)
    tree, services, queue, settings = seen(lab, host)
    lab.exec(
        host,
        "postsuper -d ALL; echo other > /etc/postfix/main.cf; rm -f /etc/pam.d/smtp; systemctl stop postfix",
    )
    lab.reset(host, state)
    again = seen(lab, host)
    assert differing(tree, again[0], AT_WORK) == []
    assert again[1:] == (services, queue, settings)
    assert b"postfix" in services
    assert (len(queue) > 1000) is (state == "lived-in-applied")  # 240 mails wait there


@pytest.mark.parametrize(("host", "state"), [("debian13", "signed"), ("el9", "applied")])
def test_it_is_what_is_made_anew(lab: Lab, host: str, state: str) -> None:
    """The same paths with the same kind, mode and owner; the same bytes, but of what is random or has a time in it."""
    lab.reset(host, state)
    kept, services, queue, settings = seen(lab, host)
    prepared = PREPARED[state]
    lab.reset(host, prepared.start)
    run_chapters(host, lab.host(host).release, prepared, lab.folder, lab.inventory)
    made = seen(lab, host)
    assert differing(kept, made[0], _MADE_ANEW) == []
    assert made[1:] == (services, queue, settings)
    keys = [path for path in kept if path.endswith("mail-server.key")]
    assert keys
    for path in keys:
        assert kept[path][:4] == made[0][path][:4]
        assert kept[path] != made[0][path]


def test_it_is_made_once_and_anew_when_what_decides_it_changes(lab: Lab) -> None:
    """Other labs of the same identity find what one of them made; an older one goes."""
    first = Prepared("counted", "bare", script="echo one >> /root/count; date +%N >> /root/count")
    lab.reset("debian12", first)
    said = lab.exec("debian12", "cat /root/count")
    lab.reset("debian12", first)
    assert lab.exec("debian12", "cat /root/count") == said
    lab.reset("debian12", Prepared("counted", "bare", script="echo two >> /root/count"))
    assert lab.exec("debian12", "cat /root/count") == b"two\n"
    lab.reset("debian12", first)
    assert lab.exec("debian12", "cat /root/count") != said


def test_a_state_of_other_code_is_taken_only_on_request(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """For whoever changes a line and tries one test: the state need not be made anew."""
    older = Prepared("of-other-code", "bare", script="echo older > /root/made")
    newer = Prepared("of-other-code", "bare", script="echo newer > /root/made")
    lab.reset("debian12", older)
    monkeypatch.setenv("RUNBOOK_LAB_STATES", "kept")
    lab.reset("debian12", newer)
    assert lab.exec("debian12", "cat /root/made") == b"older\n"
    monkeypatch.delenv("RUNBOOK_LAB_STATES")
    lab.reset("debian12", newer)
    assert lab.exec("debian12", "cat /root/made") == b"newer\n"
    assert "RUNBOOK_LAB_STATES" not in os.environ
