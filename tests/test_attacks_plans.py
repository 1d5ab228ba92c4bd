"""What was approved is what is made: nothing that is written meanwhile into inventory, notebooks or library decides."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fake_chapters import OPEN, SUMMARY, WHOLE, SilentWatch, run_batch, write_chapter, write_inventory

from lab import Lab
from runbook_lib import inventory, places, records
from runbook_lib.batch import approval
from runbook_lib.batch.job import ChapterEnded, Event, HostEnded, Job
from runbook_lib.batch.order import Order, apply_plan
from runbook_lib.batch.resumption import resume
from runbook_lib.errors import ApplyRefused
from runbook_lib.records import approvals, model
from runbook_lib.records.approved import Approved, changes_of
from runbook_lib.records.index import read_run
from runbook_lib.records.origin import library_sha256
from runbook_lib.records.planned import Document, InChapter, OfHost, keep, read
from runbook_lib.remote.change import Change, Plan

SAYS = """
from runbook_lib import inventory as inventories
record.add_note("user " + inventories.load(inventory).host(host).user)
"""
ATTACK = 'record.add_note("not in the plan")'
HOST = "debian12"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RUNBOOK_RECORDS", str(tmp_path / "records"))
    return tmp_path / "records"


@dataclass(frozen=True)
class Line(Change):
    """A change as a test needs it."""

    line: str
    why: str = ""
    before: str = ""
    of: str = "file"
    said: str = ""

    @property
    def kind(self) -> str:
        return self.of

    @property
    def thing(self) -> str:
        return "/etc/x"

    @property
    def title(self) -> str:
        return f"/etc/x is written{self.why}"

    def state_before(self) -> str:
        return "" if self.of in ("UnitChange", "TakenUp") else super().state_before()

    def diff(self) -> str:
        return f"{self.said}-{self.before}\n+{self.line}\n"

    def commands(self) -> str:
        return f"echo {self.line} > /etc/x"


class Colleague(SilentWatch):
    """Writes into the inventory and a notebook once the first host has ended."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def event(self, job: Job, event: Event) -> None:
        super().event(job, event)
        if isinstance(event, HostEnded) and job.host == "mail1":
            site = self.folder / "site.yaml"
            site.write_text(site.read_text(encoding="utf-8").replace("kanri", "root"), encoding="utf-8")
            write_chapter(self.folder / "notebooks", "11-key", OPEN, SAYS, ATTACK, SUMMARY)


def notes(root: Path, run: str, host: str) -> list[str]:
    (entry,) = read_run(root / run).of_host(host)
    return [step.text for step in entry.record.steps if step.kind == "note"]


def test_what_is_written_during_a_run_is_for_the_next(tmp_path: Path, root: Path) -> None:
    chapters = {"11-key": (OPEN, SAYS, SUMMARY)}
    result = run_batch(
        tmp_path, ["mail1", "mail2"], chapters, production=True, reason="MAIL-1", watch=Colleague(tmp_path)
    )
    assert [host.state for host in result.hosts] == ["passed", "passed"]
    assert [notes(root, result.run, host) for host in ("mail1", "mail2")] == [["user kanri"]] * 2
    again = Order(
        "apply", str(tmp_path / "site.yaml"), ["mail2"], reason="MAIL-2", notebooks=tmp_path / "notebooks",
        run="20260101T000000Z-aaaa",
    ).carry_out(SilentWatch())  # fmt: skip
    assert notes(root, again.run, "mail2") == ["user root", "not in the plan"]


def test_a_process_that_holds_an_inventory_reads_it_no_more(tmp_path: Path) -> None:
    site = write_inventory(tmp_path, "mail1")
    content = site.read_bytes()
    site.write_text("nothing of the kind", encoding="utf-8")
    book = inventory.parse(site, content)
    inventory.hold(site, book)
    assert inventory.load(site).host("mail1").user == "kanri"


def approved(*changes: Change, library: str | None = None) -> Approved:
    """As a plan has it."""
    planned = InChapter(chapter="11-key", changes=changes_of(Plan("Files", changes)))
    host = OfHost(host_key="", machine="", packages={}, chapters=(planned,))
    by = model.Approval(plan="f8e1" * 16, by=(), by_operator=False)
    return Approved(by.plan, library_sha256() if library is None else library, host, by, is_enough=True)


@pytest.mark.parametrize(
    "now",
    [
        (Line("a"), Line("b")),
        (Line("b"),),
        (),
        (Line("a"), Line("b"), Line("c", of="UnitChange", before="disabled, inactive")),
        (Line("d", of="TakenUp", why=": its files are newer"),),
        (Line("e"),),
        (Line("a", why=": it is for another key"),),
        (Line("a", why=" in other words"),),
    ],
)
def test_what_was_approved_goes_through_and_what_is_not_needed_any_more_may_be_missing(
    now: tuple[Change, ...],
) -> None:
    bound = approved(
        Line("a"),
        Line("b"),
        Line("c", of="UnitChange", before="not-found, inactive"),
        Line("d", of="TakenUp"),
        Line("e", said="# another pair comes from the chapters before\n"),
    )
    bound.check("11-key", Plan("Files", now), "mail1")


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (Plan("Files", (Line("c"),)), "Files: file /etc/x: would be done otherwise now"),
        (Plan("Files", (Line("a", before="somebody's"),)), "would be done otherwise"),
        (Plan("Files", (Line("b"), Line("a"))), "would be done otherwise"),
        (Plan("Files", (Line("a"), Line("a"))), "would be done otherwise"),
        (Plan("Files", (Line("a", of="another"),)), "another /etc/x: was not in the plan"),
    ],
)
def test_what_was_not_approved_is_refused(now: Plan, told: str) -> None:
    with pytest.raises(ApplyRefused, match=told):
        approved(Line("a"), Line("b")).check("11-key", now, "mail1")
    with pytest.raises(ApplyRefused, match="was not in the plan"):
        approved(Line("a")).check("12-signing", Plan("Files", (Line("a"),)), "mail1")


def test_another_library_makes_nothing() -> None:
    bound = approved(Line("a"), library="0" * 64)
    with pytest.raises(ApplyRefused, match="files of runbook_lib are no longer those"):
        bound.check("11-key", Plan("Files", (Line("a"),)), "mail1")


def test_each_file_of_the_library_is_in_its_digest(tmp_path: Path) -> None:
    """Committed or not: the digest asks the files, not git."""
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "journal.sh").write_text("true\n", encoding="utf-8")
    before = library_sha256(tmp_path)
    (tmp_path / "__pycache__" / "x.pyc").write_bytes(b"x")
    assert library_sha256(tmp_path) == before
    (tmp_path / "journal.sh").write_text("touch /root/not-in-the-plan\n", encoding="utf-8")
    changed = library_sha256(tmp_path)
    assert changed != before
    (tmp_path / "more.py").write_text("", encoding="utf-8")
    assert library_sha256(tmp_path) not in (before, changed)


@pytest.mark.usefixtures("root")
def test_whatever_decides_a_plan_is_in_its_digest(tmp_path: Path) -> None:
    """Inventory, code, parameters, and of each host its key, its machine, packages to come and changes."""
    result = run_batch(tmp_path, ["mail1"], {"11-key": WHOLE}, mode="plan")
    plan = approval.decided(records.root() / result.run)
    assert (plan.library, plan.sha256) == (library_sha256(), result.plan)
    (host,) = plan.hosts.values()
    hosts = [
        host.model_copy(update={"host_key": "another"}),
        host.model_copy(update={"machine": "another"}),
        host.model_copy(update={"packages": {"postfix": "3.7"}}),
        host.model_copy(update={"chapters": ()}),
    ]
    ground: tuple[dict[str, Any], ...] = (
        {"inventory": "1"},
        {"commit": "1"},
        {"library": "1"},
        {"chapters": {}},
        {"parameters": (("a", "b"),)},
    )
    told = plan.model_dump(include={"inventory", "commit", "library", "chapters", "parameters"})
    others = [Document.of({"mail1": one}, **told) for one in hosts]
    others += [plan.model_copy(update=one) for one in ground]
    assert len({plan.sha256, *(other.sha256 for other in others)}) == 1 + len(others)
    assert others[6].changes_to(plan) == ["runbook_lib: its files are others"]


def test_a_resumed_run_stays_bound(tmp_path: Path, root: Path) -> None:
    """The rest of it is held to the plan that its beginning was held to."""
    planned = run_batch(tmp_path, ["mail1"], {"11-key": WHOLE}, mode="plan")
    assert planned.plan
    order = Order("apply", str(tmp_path / "site.yaml"), reason="MAIL-3", notebooks=tmp_path / "notebooks",
                  run="20260101T000000Z-bbbb")  # fmt: skip
    plan = read(root / planned.run)
    bound = order.to_apply(approvals.bind(root, plan, ["mail1"]))
    ground = bound.read()
    bound.written(bound.jobs(), ground.library).write(root / "20260101T000000Z-bbbb")
    keep(root / "20260101T000000Z-bbbb", plan)
    rest = resume("20260101T000000Z-bbbb", tmp_path / "notebooks")
    assert rest is not None
    (job,) = rest.jobs()
    assert job.approved is not None
    assert job.approved.plan == planned.plan
    assert [change.thing for change in job.approved.host.changes_of("11-key")] == ["/etc/postfix/main.cf"]


class Administrator(SilentWatch):
    """Edits main.cf on the host between two chapters of the run that applies."""

    def __init__(self, lab: Lab) -> None:
        super().__init__()
        self.lab = lab

    def event(self, job: Job, event: Event) -> None:
        self.events.append((time.monotonic(), job.host, event))
        if job.mode == "apply" and isinstance(event, ChapterEnded) and event.result.chapter == "12-signing":
            self.lab.exec(HOST, "postconf -e 'smtpd_tls_auth_only = yes'")


@pytest.mark.usefixtures("root")
def test_an_edit_between_two_chapters_is_not_written_over(lab: Lab) -> None:
    lab.reset(HOST, "fresh")
    planned = Order("plan", "lab", [HOST]).carry_out(SilentWatch())
    assert planned.plan
    result = apply_plan(
        planned.plan,
        Administrator(lab),
        reason="",
        workers=None,
        notebooks=places.NOTEBOOKS,
    )
    (host,) = result.hosts
    assert host.state == "failed"
    assert "main.cf: SettingsChange /etc/postfix/main.cf: would be done otherwise now" in host.told()
    assert lab.exec(HOST, "postconf -h smtpd_tls_auth_only") == b"yes\n"
    assert "submission" not in lab.exec(HOST, "grep -v ^# /etc/postfix/master.cf").decode()
