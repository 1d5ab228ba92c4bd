"""A plan is made on the hosts that are as they were planned for: one that changed since is named, and left as it is."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import approvers
import pytest
import tampering
from approvers import SUZUKI, Site, wanting
from fake_chapters import OPEN, SUMMARY, SilentWatch, another_reason, write_chapter, write_inventory

from runbook_lib.batch.order import Order, apply_plan
from runbook_lib.batch.results import BatchResult
from runbook_lib.batch.resumption import resume
from runbook_lib.errors import ApplyRefused, UsageError
from runbook_lib.records import approvals, chain, model, planned, run_id, verification

WANTED = "records: {signing: required, approvals: 1}"
# As the real ones: what the process is bound to, and until when it is to be reviewed, stands in the record.
BOUND = OPEN.replace(
    "record = ",
    "from datetime import UTC, datetime\n"
    "from runbook_lib import inventory as books\n"
    "from runbook_lib.chapters import opening\n"
    "from runbook_lib.records import approved\n"
    "records.use(books.load(inventory))\n"
    'is_emergency, mode = mode == "emergency", "apply" if mode == "emergency" else mode\n'
    'bound = approved.bound() if mode == "apply" else None\n'
    'until = opening._review_by(host, datetime.now(UTC), is_emergency=is_emergency) if mode == "apply" else None\n'
    "record = ",
).replace(
    'inventory_sha256="0" * 64',
    'inventory_sha256="0" * 64, approval=bound.approval if bound else None, review_by=until',
)
# The host is a file: what stands in it is before, and apply writes it.
WORK = """
from pathlib import Path
path = Path({folder!r}, "host-" + host)
change = {{"title": "x", "kind": "FileChange", "thing": str(path), "before": path.read_text(), "after": "wanted",
          "diff": "+wanted", "commands": "echo wanted > x"}}
record.add_plan("Files", "aa11", [] if path.read_text() == "wanted" else [change])
if mode == "apply" and path.read_text() != "wanted":
    path.write_text("wanted")
    record.add_apply("aa11", ["x"], "/var/lib/runbook/x")
"""


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return approvers.make(tmp_path_factory.mktemp("people"))


@pytest.fixture
def site(people: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Three hosts and a chapter; one approval is wanted; kanri is at work."""
    tampering.Site(people.root, people.keys, people.listed, ()).copy(tmp_path / "records")
    monkeypatch.setenv("RUNBOOK_RECORDS", str(tmp_path / "records"))
    monkeypatch.setenv("RUNBOOK_SIGN_KEY", str(people.keys / "kanri"))
    write_chapter(
        tmp_path / "notebooks",
        "11-key",
        BOUND.format(chapter="11-key", title="Key"),
        WORK.format(folder=str(tmp_path)),
        SUMMARY,
    )
    for name in ("mail1", "mail2", "mail3"):
        (tmp_path / f"host-{name}").write_text("found")
    yield Site(tmp_path / "records", people.keys, people.listed)
    with wanting(tmp_path, "signing: off"):
        pass


def plan(site: Site) -> str:
    folder = site.root.parent
    inventory = write_inventory(folder, "mail1", "mail2", "mail3", site=WANTED)
    run = run_id(datetime.now(UTC))
    done = Order("plan", str(inventory), notebooks=folder / "notebooks", run=run).carry_out(SilentWatch())
    assert done.plan is not None
    return done.plan


def applied(site: Site, digest: str, *hosts: str, emergency: bool = False) -> BatchResult:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RUNBOOK_RUN", run_id(datetime.now(UTC)))  # as a command of its own has it
        return apply_plan(
            digest, SilentWatch(), reason=another_reason(), workers=None,
            notebooks=site.root.parent / "notebooks", hosts=hosts, emergency=emergency,
        )  # fmt: skip


def states(result: BatchResult) -> dict[str, str]:
    return {host.host: host.state for host in result.hosts}


def test_one_that_changed_is_named_and_the_others_are_made(site: Site) -> None:
    host = site.root.parent / "host-mail2"
    digest = plan(site)
    with pytest.raises(ApplyRefused, match="has 0 of 1 approvals"):
        applied(site, digest)
    site.given("suzuki", digest)
    with pytest.raises(UsageError, match="mail4: not in the plan"):
        applied(site, digest, "mail4")
    host.write_text("somebody's")
    result = applied(site, digest)
    assert states(result) == {"mail1": "passed", "mail3": "passed", "mail2": "refused"}
    assert "FileChange" in result.hosts[2].told()
    assert "would be done otherwise now" in result.hosts[2].told()
    assert (host.read_text(), result.exit_code) == ("somebody's", 1)
    assert result.approval == f"approved by {SUZUKI}"
    record = model.read(site.root / result.run / "mail1" / "11-key.json")
    assert record.approval == model.Approval(plan=digest, by=(SUZUKI,), by_operator=False)
    assert planned.read(site.root / result.run).sha256 == digest
    assert verification.check(site.root / result.run).holds, verification.check(
        site.root / result.run
    ).report()
    assert chain.bound(site.root)[0].hosts == ["mail1", "mail3"]
    host.write_text("found")  # it is as it was planned for again, and nothing of the approval was spent there
    assert states(applied(site, digest, "mail2")) == {"mail2": "passed"}
    with pytest.raises(ApplyRefused, match="spent by run"):
        applied(site, digest, "mail2")
    assert verification.check_all(site.root).holds, verification.check_all(site.root).wrong


def test_without_a_plan_nothing_is_made_but_in_an_emergency_which_stays_open_until_it_is_reviewed(
    site: Site,
) -> None:
    folder = site.root.parent
    inventory = write_inventory(folder, "mail1", site=WANTED)
    order = Order("apply", str(inventory), notebooks=folder / "notebooks", reason=another_reason())
    with pytest.raises(ApplyRefused, match="wants a plan to be approved first"):
        order.carry_out(SilentWatch())
    assert (folder / "host-mail1").read_text() == "found"
    urgent = Order(
        "apply", str(inventory), notebooks=folder / "notebooks", reason=another_reason(), emergency=True,
        run="20260101T000000Z-cccc",
    ).carry_out(SilentWatch())  # fmt: skip
    assert states(urgent) == {"mail1": "passed"}
    assert resume(urgent.run, folder / "notebooks") is None
    found = verification.check_all(site.root)
    assert found.holds, found.wrong
    assert found.to_review[0].startswith(f"{urgent.run}: made without approval, to be reviewed by ")
    run, sums = approvals.review_of(site.root, urgent.run)
    for name, left in (("kanri-2", 1), ("suzuki", 0)):  # the operator reviews nothing of his own
        sent = site.sent(name, "", decision="review", run=run, sums=sums)
        approvals.take_in(site.root, sent)
        assert len(verification.check_all(site.root).to_review) == left, name
