"""A plan is approved by somebody else, with a key of their own, while that is good: anything else makes nothing."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import approvers
import pytest
import tampering
from approvers import SUZUKI, TANAKA, Site, plan, wanting
from typer.testing import CliRunner

from runbook_lib.cli import app
from runbook_lib.errors import ApplyRefused, InventoryError, RecordNotSigned, RunbookError, UsageError
from runbook_lib.records import approvals, chain, planned, policy, signers, verification
from runbook_lib.records.approvals import Binding
from runbook_lib.records.planned import Document

WANTED = "signing: required, approvals: 1"
PLAN = plan("mail1", "mail2")
RUN, OTHER = "20261126T010000Z-aaaa", "20261126T020000Z-bbbb"


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return approvers.make(tmp_path_factory.mktemp("people"))


@pytest.fixture
def site(people: Site, tmp_path: Path) -> Iterator[Site]:
    """Records of a site that wants one approval; kanri is at work."""
    tampering.Site(people.root, people.keys, people.listed, ()).copy(tmp_path / "records")
    with wanting(tmp_path, WANTED), tampering.signing_with(people.keys / "kanri"):
        yield Site(tmp_path / "records", people.keys, people.listed)


def bind(site: Site, document: Document = PLAN, host: str = "mail1", run: str = "", **how: Any) -> Binding:
    return approvals.bind(site.root, document, [host], run=run, **how)


def spent(site: Site) -> None:
    site.given("suzuki", PLAN.sha256)
    bind(site).spend(site.root, OTHER, ["mail1"], ["11-key"])


def refused(site: Site) -> None:
    site.given("suzuki", PLAN.sha256)
    site.given("tanaka", PLAN.sha256, decision="refuse")


def by_the_same_key(site: Site) -> None:
    given = site.sent("kanri", PLAN.sha256, approver="doppel@example.test")
    approvals.take_in(site.root, given)


def a_refusal_taken_away(site: Site) -> None:
    site.given("suzuki", PLAN.sha256)
    site.given("tanaka", PLAN.sha256, decision="refuse")
    (site.root / "approval.2").unlink()


REFUSED: dict[str, tuple[Callable[[Site], object], str]] = {
    "nobody": (lambda s: s, "has 0 of 1 approvals"),
    "the operator": (lambda s: s.given("kanri", PLAN.sha256), "by the operator"),
    "the operator's second key": (lambda s: s.given("kanri-2", PLAN.sha256), "by the operator"),
    "the operator's key under another name": (by_the_same_key, "doppel@example.test .*: by the operator"),
    "ended": (lambda s: s.given("suzuki", PLAN.sha256, days=1, ago_days=2), "it ended at"),
    "older than the site allows": (
        lambda s: s.given("suzuki", PLAN.sha256, days=30, ago_days=8),
        "it ended at",
    ),
    "of tomorrow": (lambda s: s.given("suzuki", PLAN.sha256, ago_days=-1), "which is not yet"),
    "of another plan": (lambda s: s.given("suzuki", plan("mail3").sha256), "has 0 of 1 approvals"),
    "refused": (refused, f"this plan was refused\n    {TANAKA} .* refused it: MAIL-1"),
    "a refusal taken away": (
        a_refusal_taken_away,
        "nobody can tell whether this plan was refused\n    approval.2: No",
    ),
    "spent": (spent, f"spent by run {OTHER}"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_approval_makes_nothing_and_says_why(name: str, site: Site) -> None:
    make, told = REFUSED[name]
    make(site)
    with pytest.raises(ApplyRefused, match=told) as error:
        bind(site)
    assert "Nothing was changed." in str(error.value)
    assert not bind(site, emergency=True).is_enough


def test_one_by_somebody_else_is_enough_and_counts_for_each_host_once(site: Site) -> None:
    site.given("suzuki", PLAN.sha256)
    bound = bind(site)
    assert (bound.approval.by, bound.is_enough) == ((SUZUKI,), True)
    bound.spend(site.root, RUN, ["mail1"], ["11-key"])
    assert bind(site, host="mail2").is_enough
    assert bind(site, run=RUN).is_enough, "what a run spent itself is not spent for it"
    with pytest.raises(ApplyRefused, match=f"spent by run {RUN}"):
        bind(site)


def test_who_changes_his_mind_decided_what_he_said_last(site: Site) -> None:
    site.given("suzuki", PLAN.sha256, decision="refuse", ago_days=0.1)
    site.given("suzuki", PLAN.sha256)
    assert bind(site).approval.by == (SUZUKI,)
    site.given("suzuki", PLAN.sha256, decision="refuse")
    with pytest.raises(ApplyRefused, match="was refused"):
        bind(site)


def test_a_run_that_goes_on_keeps_what_it_spent_unless_somebody_refused_since(site: Site) -> None:
    site.given("suzuki", PLAN.sha256)
    bind(site).spend(site.root, RUN, ["mail1"], ["11-key"])
    again = approvals.bind_again(site.root, PLAN, ["mail1"], RUN)
    assert (again.approval.by, again.is_enough) == ((SUZUKI,), True)
    site.given("tanaka", PLAN.sha256, decision="refuse")
    with pytest.raises(ApplyRefused, match="was refused"):
        approvals.bind_again(site.root, PLAN, ["mail1"], RUN)


def altered(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"MAIL-1", b"MAIL-2"))


def respelled(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'","', b'", "', 1))


@pytest.mark.parametrize(
    ("name", "spoil", "told"),
    [
        ("suzuki", altered, "signature is not good"),
        ("suzuki", respelled, "is no approval"),
        ("suzuki", Path.unlink, "cannot be read"),
        ("only-runs", None, "signature is not good"),
        ("kansa", None, "signature is not good"),
    ],
)
def test_what_an_approver_did_not_sign_is_not_taken_in(
    name: str, spoil: Callable[[Path], object] | None, told: str, site: Site
) -> None:
    path = site.sent(name, PLAN.sha256)
    if spoil:
        spoil(path)
    with pytest.raises(UsageError, match=told):
        approvals.take_in(site.root, path)
    assert chain.approvals(site.root) == ()


def test_who_keeps_the_list_neither_approves_nor_runs(site: Site) -> None:
    text = site.listed.read_text(encoding="ascii")
    for more in (signers.APPROVE, signers.RUN):
        with pytest.raises(UsageError, match="may sign runs or approve them, and change who may"):
            signers.parse(text.replace(signers.CHANGE, f"{signers.CHANGE},{more}").encode(), "list")
    key = (site.keys / "suzuki.pub").read_text(encoding="ascii")
    with pytest.raises(UsageError, match="change who may"):
        signers.parse(f'{text}other@example.test namespaces="{signers.CHANGE}" {key}'.encode(), "list")


def test_a_list_that_nobody_signed_lets_nobody_approve(site: Site) -> None:
    """Whoever makes the run may write where records go, and so a list of signers, too."""
    stranger = (site.keys / "stranger.pub").read_text(encoding="ascii")
    more = f'friend@example.test namespaces="{signers.APPROVE}" {stranger}'
    (site.root / "signers.2").write_text(site.listed.read_text(encoding="ascii") + more)
    with pytest.raises(UsageError, match=r"signers.2: the chain does not have it"):
        site.given("suzuki", PLAN.sha256)


def test_an_edited_inventory_lowers_nothing(site: Site, tmp_path: Path) -> None:
    policy.note(site.root)
    with wanting(tmp_path, "signing: required, approval_days: 30"):
        assert policy.in_force(site.root) == policy.Policy(1, 30)
        with pytest.raises(ApplyRefused, match="has 0 of 1 approvals"):
            bind(site)
        with pytest.raises(RecordNotSigned):  # kanri may not change the list of signers
            policy.lower(site.root, policy.Wanted())
        with chain.locked(site.root):
            less = {"kind": "policy", "approvals": 0, "approval_days": None, "review_days": None}
            chain.append(site.root, less)
        assert policy.in_force(site.root).approvals == 1
        assert any("nobody signed that" in told for told in verification.check_all(site.root).wrong)


def test_who_keeps_the_list_may_lower_it_and_an_old_signature_does_not_do_it_again(
    site: Site, tmp_path: Path
) -> None:
    policy.note(site.root)
    with tampering.signing_with(site.keys / "kansa"):
        policy.lower(site.root, policy.Wanted())
    with wanting(tmp_path, "signing: required"):
        assert policy.in_force(site.root).approvals == 0
        assert verification.check_all(site.root).holds
    with wanting(tmp_path, WANTED):
        policy.note(site.root)
    again = chain.policies(site.root)[1].model_dump(exclude={"n", "at"})
    with chain.locked(site.root):
        chain.append(site.root, again)
    with wanting(tmp_path, "signing: required"):
        assert policy.in_force(site.root).approvals == 1
    assert any(
        "is older than what it would replace" in told for told in verification.check_all(site.root).wrong
    )


def test_approvals_take_a_signature_of_the_operator(tmp_path: Path) -> None:
    with pytest.raises(InventoryError, match="signing: required"), wanting(tmp_path, "approvals: 1"):
        pass


def test_where_nothing_is_wanted_an_own_approval_is_called_so(site: Site, tmp_path: Path) -> None:
    with wanting(tmp_path, "signing: offered"):
        assert bind(site).approval.told == "approved by nobody"
        site.given("kanri", PLAN.sha256)
        own = bind(site)
        assert (own.approval.told, own.approval.by, own.is_enough) == ("self-approved", (), True)
        site.given("suzuki", PLAN.sha256)
        assert bind(site).approval.told == f"approved by {SUZUKI}"
        with tampering.signing_with(site.keys / "stranger"):  # nobody knows who is at work
            assert bind(site).approval.told == "self-approved"
        site.given("tanaka", PLAN.sha256, decision="refuse")
        with pytest.raises(ApplyRefused, match="was refused"):
            bind(site)


def test_without_a_key_nobody_knows_who_the_operator_is(site: Site) -> None:
    site.given("suzuki", PLAN.sha256)
    with tampering.signing_with(site.keys / "stranger"), pytest.raises(RecordNotSigned):
        bind(site)


def typed(*words: str | Path, digits: str = "") -> tuple[int, str]:
    """What `runbook WORDS` ends with and says, in this process."""
    done = CliRunner().invoke(app, [str(word) for word in words], input=f"{digits}\n")
    status = done.exception.exit_code if isinstance(done.exception, RunbookError) else done.exit_code
    return status, f"{done.output}{done.exception or ''}"


def test_an_approver_reads_the_whole_plan_types_its_digest_and_signs_without_our_records(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNBOOK_RECORDS", str(tmp_path / "nothing"))
    monkeypatch.setenv("RUNBOOK_SIGN_KEY", str(site.keys / "suzuki"))
    (tmp_path / "out").mkdir()
    file = tmp_path / "plan.json"
    file.write_bytes(planned.to_bytes(PLAN))
    words = ("approve", file, "--signers", site.listed, "--output", tmp_path / "out", "--comment", "MAIL-1")
    status, said = typed(*words, digits="00000000")
    assert (status, list((tmp_path / "out").iterdir())) == (2, [])
    status, said = typed(*words, digits=PLAN.sha256[:8])
    assert status == 0, said
    assert f"Plan: sha256:{PLAN.sha256}" in said
    assert said.count("11-key, 1. FileChange /etc/x\n    + y\n    # echo y > /etc/x\n") == 2
    (sent,) = (tmp_path / "out").glob("*.json")
    monkeypatch.setenv("RUNBOOK_RECORDS", str(site.root))
    status, said = typed("approvals", "add", sent)
    assert (status, said) == (0, f"approval.1: {SUZUKI} approves plan {PLAN.sha256[:16]}\n")
    assert bind_as_kanri(site).approval.by == (SUZUKI,)
    status, said = typed("approvals", "add", sent)
    assert (status, "is here already, as approval.1" in said) == (2, True)
    assert SUZUKI in typed("approvals", "list")[1]


def bind_as_kanri(site: Site) -> Binding:
    with tampering.signing_with(site.keys / "kanri"):
        return bind(site)


def test_a_plan_that_was_altered_is_none(site: Site, tmp_path: Path) -> None:
    """Its own digests are made anew, so that what is shown is what is signed."""
    file = tmp_path / "plan.json"
    file.write_bytes(planned.to_bytes(PLAN).replace(b"echo y", b"echo z"))
    with tampering.signing_with(site.keys / "suzuki"):
        status, said = typed("approve", file, "--signers", site.listed)
    assert (status, "the digest of a host is not that of what is planned for it" in said) == (1, True)


def test_two_runs_that_counted_the_same_approval_do_not_both_spend_it(site: Site) -> None:
    site.given("suzuki", PLAN.sha256)
    first, second = bind(site, run=RUN), bind(site, run=OTHER)
    first.spend(site.root, RUN, ["mail1"], ["11-key"])
    with pytest.raises(ApplyRefused, match=f"was spent by run {RUN} meanwhile"):
        second.spend(site.root, OTHER, ["mail1"], ["11-key"])
    second.spend(site.root, OTHER, ["mail2"], ["11-key"])
    assert [one.hosts for one in chain.bound(site.root)] == [["mail1"], ["mail2"]]
