"""Many hosts: so many at a time and no more, each told as soon as it is known, and a page that a person can use."""

import json
import shutil
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import sample_record
from command_line import runbook
from fake_chapters import SilentWatch, write_inventory

from runbook_lib.batch.job import Job
from runbook_lib.batch.rollout import _Rollout
from runbook_lib.cli.options import DocumentByLines
from runbook_lib.errors import HostUnreachable, RunbookError
from runbook_lib.inventory import source
from runbook_lib.records import index, model, pages
from runbook_lib.remote import many

DEADLINE_S = 30.0


@dataclass(frozen=True)
class Named:
    name: str


HOSTS = [Named(f"mail{number}") for number in range(60)]


def test_never_more_hosts_are_at_work_than_was_said_and_each_is_told_once() -> None:
    at_work, most, lock = 0, 0, threading.Lock()

    def look(host: Named) -> str:
        nonlocal at_work, most
        with lock:
            at_work += 1
            most = max(most, at_work)
        time.sleep(0.005)
        with lock:
            at_work -= 1
        return host.name

    found = dict(many.look_at_each(HOSTS, look, 4))
    assert found == {host: host.name for host in HOSTS}
    assert 1 < most <= 4


def test_a_host_that_takes_long_holds_up_nobody() -> None:
    free = threading.Event()

    def look(host: Named) -> str:
        if host == HOSTS[0]:
            assert free.wait(DEADLINE_S)
        return host.name

    told = []
    for host, _ in many.look_at_each(HOSTS, look, 2):
        told.append(host)
        if len(told) == len(HOSTS) - 1:  # all others were told by then
            free.set()
    assert told[-1] == HOSTS[0]


def test_what_nobody_has_taken_yet_holds_up_the_looking() -> None:
    looked: list[Named] = []

    def look(host: Named) -> None:
        looked.append(host)

    found = many.look_at_each(HOSTS, look, 3)
    next(found)
    time.sleep(0.3)  # as long as it takes threads that nothing holds up to look at all of them
    assert len(looked) <= 3 + 3 + 1  # told and not taken, at work, taken


def test_why_a_host_could_not_be_looked_at_is_told_and_any_other_fault_is_ours() -> None:
    gone = HostUnreachable("refused", "mail0", "see whether it runs")

    def look(host: Named) -> None:
        raise gone if host == HOSTS[0] else ValueError(host.name)

    assert list(many.look_at_each(HOSTS[:1], look)) == [(HOSTS[0], gone)]
    with pytest.raises(ValueError, match="mail1"):
        list(many.look_at_each(HOSTS[1:2], look))
    assert isinstance(gone, RunbookError)


@pytest.mark.parametrize("keyed", [True, False])
def test_a_document_by_lines_is_one_document_and_each_line_a_host(
    capsys: pytest.CaptureFixture[str], *, keyed: bool
) -> None:
    document = DocumentByLines({"format": 1}, "hosts", keyed=keyed)
    document.add({"seen": "a\u202eb"}, "mail1")
    first = capsys.readouterr().out
    assert first.endswith("}\n")  # all of the host is there before the next is known
    document.add({"seen": 2}, "mail2")
    document.end({"ca": None})
    whole = first + capsys.readouterr().out
    hosts = {"mail1": {"seen": "a\u202eb"}, "mail2": {"seen": 2}}
    assert json.loads(whole) == {"format": 1, "hosts": hosts if keyed else list(hosts.values()), "ca": None}
    lines = [line.removeprefix(",") for line in whole.splitlines()[1:-1]]
    assert len(lines) == 2
    assert [json.loads(f"{{{line}}}" if keyed else line) for line in lines] == (
        [{name: host} for name, host in hosts.items()] if keyed else list(hosts.values())
    )
    assert "\u202e" not in whole


def test_status_tells_of_every_host_that_it_could_not_look_at(tmp_path: Path) -> None:
    names = [f"mail{number}" for number in range(20)]
    path = write_inventory(tmp_path, *names)
    text = path.read_text()
    for number in range(20):
        text = text.replace(f"address: 192.0.2.{number}\n", f"address: 127.0.1.{number}\n    port: 1\n")
    path.write_text(text)
    done = runbook("status", "--inventory", str(path), "--json")
    assert done.returncode == 1
    told = json.loads(done.stdout)
    assert list(told["failures"]) == names  # in the inventory's order, whenever each was known
    assert told["hosts"] == {}
    assert done.stderr.count("Connection refused") == 20


class _Counted(SimpleNamespace):
    """A job that counts how often it is looked at."""

    looks = 0

    @property
    def production(self) -> bool:
        _Counted.looks += 1
        return False


class _Started(_Rollout):
    """A rollout whose workers are none: who would be started is kept."""

    def start(self, job: Job) -> None:
        self.at_work.append(cast(Any, SimpleNamespace(job=job)))


def rollout(jobs: Sequence[object]) -> _Started:
    return _Started(cast(Sequence[Job], jobs), None, SilentWatch(), lambda: 0)


def test_of_a_thousand_that_wait_not_each_is_looked_at_for_each_word_of_a_worker() -> None:
    made = rollout([_Counted(host=f"mail{number}", group=None) for number in range(1000)])
    made.start_what_may()
    assert [worker.job.host for worker in made.at_work] == ["mail0", "mail1", "mail2", "mail3"]
    before = _Counted.looks
    for _ in range(1000):
        made.start_what_may()
    assert _Counted.looks == before
    made.at_work.pop(0)
    made.room = True
    made.start_what_may()
    assert [worker.job.host for worker in made.at_work] == ["mail1", "mail2", "mail3", "mail4"]


def test_hosts_of_a_group_wait_for_each_other_and_let_others_pass() -> None:
    jobs = [
        SimpleNamespace(host=f"mail{number}", production=number == 3, group="pool" if number < 2 else None)
        for number in range(5)
    ]
    made = rollout(jobs)
    made.start_what_may()
    assert [worker.job.host for worker in made.at_work] == ["mail0", "mail2", "mail3", "mail4"]


def run_of(folder: Path, outcomes: Sequence[str]) -> index.RunIndex:
    """A run with a chapter on each host, which came out so."""
    sample_record.postfix_chapter(folder)
    (record,) = folder.glob("*/*/*.json")
    told = json.loads(record.read_bytes())
    shutil.rmtree(record.parent)
    for number, outcome in enumerate(outcomes):
        host = folder / sample_record.RUN / f"mail{number:02}"
        host.mkdir()
        (host / "20-postfix-debian.json").write_text(
            json.dumps(told | {"host": host.name, "outcome": outcome})
        )
    return index.read_run(folder / sample_record.RUN)


def test_those_that_did_not_get_through_come_first(tmp_path: Path) -> None:
    run = run_of(tmp_path, ["passed", "not proven", "failed", "passed", "interrupted"])
    assert [(line.host, line.outcome) for line in run.host_lines] == [
        ("mail02", "failed"),
        ("mail04", "interrupted"),
        ("mail01", "not proven"),
        ("mail00", "passed"),
        ("mail03", "passed"),
    ]
    assert run.host_lines[0].stopped == run.of_host("mail02")[0]
    text = pages.index_page(run)
    assert text.index("mail02") < text.index(">mail01<") < text.index(">mail00<")
    assert "<select" not in text  # five hosts are seen at once


def test_of_many_hosts_a_page_has_a_line_each_and_shows_those_that_were_chosen(tmp_path: Path) -> None:
    run = run_of(tmp_path, ["passed"] * 30 + ["failed"] * 2)
    text = pages.index_page(run)
    assert "every host (32)" in text
    assert '<option class="came-failed">failed (2)</option>' in text
    assert "body:has(option.came-failed:checked) .group:not(.came-failed) { display: none; }" in text
    for number in range(1, 33):
        assert text.count(f'href="#host-{number}"') == 1
        assert text.count(f'id="host-{number}"') == 1
    assert "<script" not in text


def test_a_page_in_japanese_says_the_same_of_many_hosts(tmp_path: Path) -> None:
    text = pages.index_page(run_of(tmp_path, ["passed"] * 13), "ja")
    assert "全ホスト（13台）" in text


def test_a_record_without_its_texts_is_told_of_as_the_whole_one(tmp_path: Path) -> None:
    run = run_of(tmp_path, ["passed", "failed", "not proven"])
    less = index.read_run(run.folder, model.told_of)
    assert less.headline() == run.headline()
    assert less.next_commands() == run.next_commands()
    assert less.host_lines == tuple(
        replace(line, stopped=less.of_host(line.host)[0] if line.stopped else None) for line in run.host_lines
    )
    assert pages.index_page(less) == pages.index_page(run)
    size = sum(len(model.to_bytes(entry.record)) for entry in less.entries)
    assert size < sum(len(model.to_bytes(entry.record)) for entry in run.entries) / 2


def test_an_inventory_may_have_as_many_values_as_are_written_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of hosts do; more than the bytes of the file have room for is made by aliases alone."""
    monkeypatch.setattr(source, "_VALUES_MAX", 50)
    written = source.read(f"a: [{', '.join('1' * 200)}]\n".encode())
    assert not written.problems
    assert len(written.data["a"]) == 200
    aliases = "a: &a [1, 1, 1, 1, 1, 1]\nb: &b [*a, *a, *a, *a, *a, *a]\nc: [*b, *b, *b, *b, *b, *b]\n"
    (problem,) = source.read(aliases.encode()).problems
    assert problem[2].startswith(f"aliases make more than {len(aliases)} values")
