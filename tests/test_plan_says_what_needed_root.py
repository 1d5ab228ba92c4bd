"""A plan says which of its looks needed root: those where the account itself sees something else."""

import json
import shlex
from unittest import mock

import pytest
from applied_host import applied, run_cells, runbook
from supported import family_of
from trees import AT_WORK, changed

from lab import Lab
from runbook_lib import remote
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
    tried: list[str] = []

    def run(_: remote.Host, script: str, **__: object) -> Result:
        asked = [shlex.split(line) for line in script.splitlines() if line.startswith("fact ")]
        tried.extend(words[1] for words in asked if words[3:])
        told = ((words[1], "0", "seen", "yes" if words[1] == "key" else "") for words in asked)
        return Result(0, "".join(f"{word}\0" for words in told for word in words).encode(), b"")

    monkeypatch.setattr(remote.Host, "run", run)
    monkeypatch.setattr(remote.Host, "answers_kept_s", kept_s)
    monkeypatch.setattr(remote.Host, "user", "kanri")
    host = remote.Host(mock.Mock(), mock.Mock())
    key, release = {"key": "cat /etc/key"}, {"release": "cat /etc/os-release"}
    host.needed_root = {}
    gather(host, key | release, root=True)
    assert host.needed_root == {"key": "cat /etc/key", "release": ""}
    host.needed_root = {}  # the next chapter
    gather(host, release | key | {"more": "true"}, root=True)
    assert host.needed_root == {"key": "cat /etc/key", "release": "", "more": ""}
    assert tried == ["key", "release", *(["release", "key"] if tried_again else []), "more"]
    host.forget_answers()  # something was changed
    host.needed_root = {}
    gather(host, key, root=True)
    assert tried[-1] == "key"
