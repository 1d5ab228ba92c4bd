"""A plan says which of its looks needed root: those where the account itself sees something else."""

import json
import shlex
import subprocess
from unittest import mock

import pytest
from applied_host import applied, run_cells, runbook
from supported import family_of
from trees import AT_WORK, changed

from lab import Lab
from runbook_lib import remote
from runbook_lib.errors import CommandFailed
from runbook_lib.messages import message
from runbook_lib.remote.facts import gather
from runbook_lib.remote.script import Result

USER = "kanri"


def as_account(lab: Lab, host: str, command: str) -> tuple[int, str]:
    """Status and output of a look, made by the account without sudo."""
    told = lab.exec(
        host, f"runuser -u {USER} -- sh -c {json.dumps(command)} 2>/dev/null || s=$?; printf ' %s' ${{s:-0}}"
    )
    output, _, status = told.decode().rpartition(" ")
    return int(status), output


def test_what_the_account_may_see_is_not_said_to_need_root(lab: Lab, family_host: str) -> None:
    applied(lab, family_host)
    family = family_of(family_host)
    pem = f"{family.key_directory}/postfix_mail-server.pem"
    before = lab.tree(family_host)
    done = runbook("plan", "--host", family_host, "--json")
    assert done.returncode == 0, done.stderr
    chapters = {one["chapter"]: one for one in json.loads(done.stdout)["hosts"][0]["chapters"]}
    assert not {"own", "hosts", "mailname", "myhostname"} & set(chapters["00-preparation"]["needed_root"])
    assert f"{family.key_directory}/nopass_mail-server.key" in chapters["11-key-and-csr"]["needed_root"]
    needed = set(chapters[family.postfix_chapter]["needed_root"])
    assert {"logins", "joined_wanted", "left", pem} <= needed
    assert not {"main_cf", "services", "packages", "saslauthd_enabled", str(family.pam_service)} & needed
    assert as_account(lab, family_host, "test -r /etc/pam.d/smtp")[0] == 0
    assert as_account(lab, family_host, f"test -r {pem}")[0] != 0
    assert changed(before, lab.tree(family_host), AT_WORK) == []


@pytest.mark.parametrize("mode", ["plan", "apply"])
def test_it_stands_in_the_chapters_summary_of_a_plan(lab: Lab, mode: str) -> None:
    applied(lab, "debian12")
    summary = run_cells("11-key-and-csr", host="debian12", mode=mode)[-1].text()
    assert ("needed root to look at" in summary) == (mode == "plan")


def test_the_command_line_says_it_for_each_host(lab: Lab) -> None:
    lab.reset("debian12", "fresh")
    told = runbook("plan", "--host", "debian12", "--only", "11").stdout
    assert "\n    needed root to look at: " in told


@pytest.mark.parametrize(("kept_s", "tried_again"), [(20.0, False), (0.0, True)])
def test_what_a_chapter_of_a_batch_tried_as_the_user_the_next_one_takes_over(
    monkeypatch: pytest.MonkeyPatch, kept_s: float, tried_again: bool
) -> None:
    """A plan changes nothing, so the answer is the same; by hand, where hours may pass, each chapter tries it anew."""
    tried = here(monkeypatch, kept_s)
    host = remote.Host(mock.Mock(), mock.Mock())
    key, release, now = {"key": "cat /etc/shadow"}, {"release": "cat /etc/os-release"}, {"now": "date +%N"}
    host.needed_root = {}
    gather(host, key | release | now, root=True)
    assert host.needed_root == {"key": "cat /etc/shadow", "release": "", "now": ""}
    host.needed_root = {}  # the next chapter
    gather(host, release | key | {"more": "true"}, root=True)
    assert host.needed_root == {"key": "cat /etc/shadow", "release": "", "more": ""}
    assert tried == ["key", "release", "now", *(["release", "key"] if tried_again else []), "more"]
    host.forget_answers()  # something was changed
    host.needed_root = {}
    gather(host, key, root=True)
    assert tried[-1] == "key"


def here(monkeypatch: pytest.MonkeyPatch, kept_s: float) -> list[str]:
    """Scripts run on this machine, as root and as nobody; returns what nobody looked at, once it did."""
    tried: list[str] = []

    def run(_: remote.Host, script: str, **__: object) -> Result:
        by_nobody = script.partition("setpriv")[2].splitlines()
        tried.extend(shlex.split(line)[1] for line in by_nobody if line.startswith("fact "))
        done = subprocess.run(["sh"], input=script.encode(), capture_output=True, check=False)
        if done.returncode:
            failed = CommandFailed(message("it failed"), "here", message("see why"))
            failed.status = done.returncode
            raise failed
        return Result(0, done.stdout, b"")

    monkeypatch.setattr(remote.Host, "run", run)
    monkeypatch.setattr(remote.Host, "answers_kept_s", kept_s)
    monkeypatch.setattr(remote.Host, "user", "nobody")
    return tried


def test_a_look_that_takes_the_account_too_long_is_made_again_with_a_limit_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here(monkeypatch, 0.0)
    host = remote.Host(mock.Mock(), mock.Mock())
    host.needed_root = {}
    slow = {"slow": '[ "$(id -u)" = 0 ] || sleep 60; echo seen', "next": "echo here"}
    found = gather(host, slow, root=True, fact_timeout_s=1)
    assert {name: fact.value for name, fact in found.items()} == {"slow": "seen", "next": "here"}
    assert host.looks_slowly
    assert host.needed_root == {"slow": slow["slow"], "next": ""}


def test_an_account_that_cannot_look_at_all_needs_root_for_everything(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here(monkeypatch, 0.0)
    monkeypatch.setattr(remote.Host, "user", "no-such-account")
    host = remote.Host(mock.Mock(), mock.Mock())
    host.needed_root = {}
    gather(host, {"release": "cat /etc/os-release"}, root=True)
    assert host.needed_root == {"release": "cat /etc/os-release"}
