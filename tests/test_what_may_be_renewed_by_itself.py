"""Renewal by itself: by a standing approval of somebody else, of that host, and of nothing beside a renewal."""

import re
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import approvers
import pytest
import tampering
from approvers import SUZUKI, TANAKA, Site, wanting
from command_line import runbook
from fake_chapters import SUMMARY, SilentWatch, write_chapter, write_inventory
from pydantic import ValidationError
from tampering import KANRI
from test_a_changed_host_is_refused_by_name import BOUND
from test_approvals import typed

from runbook_lib import inventory
from runbook_lib.afterwards.due import Due
from runbook_lib.batch import renewal
from runbook_lib.batch.renewal import Renewed
from runbook_lib.batch.resumption import resume
from runbook_lib.cli.options import say
from runbook_lib.errors import HostUnreachable, RecordNotSigned, UsageError
from runbook_lib.records import (
    approvals,
    chain,
    forms,
    index,
    model,
    origin,
    planned,
    population,
    signing,
    standing,
    verification,
)
from runbook_lib.records.approvals import Binding
from runbook_lib.records.planned import Document, InChapter, OfHost, Planned

WANTED = "records: {signing: required, approvals: 1}"
RUN = "20261126T010000Z-aaaa"
FILE = "file 644 root:root 0f"
ROOT = "root AB:CD"
NAMES = ("mail1.example.test", "smtp.example.test")


def change(kind: str, thing: str, before: Sequence[str] = (), after: Sequence[str] = ()) -> Planned:
    return Planned(kind=kind, thing=thing, before="\n".join(before), after="\n".join(after), commands="true")


CERTIFICATE = change(
    "CertificateToIssue",
    "/etc/ssl/certs/mail-server.pem",
    (FILE, ROOT, *NAMES),
    ("CN=Example CA", "60 days", *NAMES),
)
JOINED = change("MadeOnHost", "/etc/ssl/private/postfix_mail-server.pem", ("file 600 root:root 0a",))
RELOAD = change("TakenUp", "postfix", (), ("reload",))
KEY = change(
    "KeyPairChange", "/a.key /b.key", ("file 600 root:root 0a", "file 600 root:root 0b"), ("rsa 2048",)
)
CSR = change("CsrChange", "/a.csr", (FILE,), NAMES)
RENEWAL = (CERTIFICATE, JOINED, RELOAD)


def on_host(*changes: Planned) -> OfHost:
    return OfHost(
        host_key="",
        machine="",
        packages={},
        chapters=(InChapter(chapter="20-postfix-debian", changes=changes),),
    )


def other(one: Planned, **values: object) -> Planned:
    return one.model_copy(update=values)


def test_a_renewal_and_what_is_left_of_one_are_within() -> None:
    for changes in ((), RENEWAL, (JOINED, RELOAD), (RELOAD,), (other(CSR, before="absent"), *RENEWAL)):
        assert standing.outside(on_host(*changes), new_key=False) == ()
    assert standing.outside(on_host(KEY, CSR, *RENEWAL), new_key=True) == ()


OUTSIDE: dict[str, tuple[tuple[Planned, ...], str]] = {
    "a setting": ((*RENEWAL, change("SettingsChange", "/etc/postfix/main.cf")), "is no part of a renewal"),
    "a package": ((change("PackagesChange", "postfix"),), "is no part of a renewal"),
    "a file": ((change("FileChange", "/etc/ssl/certs/mail-server.pem", (FILE,)),), "is no part of a renewal"),
    "a kind that is not known": ((change("Renewal", "x"),), "is no part of a renewal"),
    "a name more": (
        (other(CERTIFICATE, after="\n".join(("CN=Example CA", "60 days", *NAMES, "other.example.test"))),),
        "other names: mail1.example.test, smtp.example.test before, mail1.example.test, other.example.test, ",
    ),
    "a name less": (
        (other(CERTIFICATE, after=f"CN=Example CA\n60 days\n{NAMES[0]}"),), "other names: .* after",
    ),
    "another root": (
        (other(CERTIFICATE, before="\n".join((FILE, "another root", *NAMES))),), "another root would sign",
    ),
    "no certificate yet": ((other(CERTIFICATE, before="absent"),), "there is no certificate yet"),
    "what is none": ((other(CERTIFICATE, before=f"{FILE}\nno certificate"),), "another root would sign"),
    "of a version that did not say": ((other(CERTIFICATE, before=FILE),), "another root would sign"),
    "a new key": ((KEY, CSR, *RENEWAL), "a new key is not in the standing approval"),
    "a CSR for another key": ((CSR, *RENEWAL), "it is for another key"),
    "a CSR for other names": (
        (other(CSR, before="absent", after=f"{NAMES[0]}\nother.example.test"), *RENEWAL),
        "no certificate that is renewed has exactly the names",
    ),
    "a CSR in another file's place": (
        (other(CSR, before="file 600 root:root 0c"), *RENEWAL), "another file is in its place",
    ),
    "a joined file in another's place": (
        (other(JOINED, before="file 640 root:ssl-cert 0c"),), "there is no such file yet",
    ),
    "a first joined file": ((other(JOINED, before="absent"),), "there is no such file yet"),
    "a restart": ((other(RELOAD, after="restart"),), "it is more than a reload"),
    "a start": ((other(RELOAD, after="start"),), "it is more than a reload"),
}  # fmt: skip


@pytest.mark.parametrize("name", OUTSIDE)
def test_anything_else_is_outside_and_named_by_kind_and_thing(name: str) -> None:
    changes, told = OUTSIDE[name]
    (line, *_) = standing.outside(on_host(*changes), new_key=False)
    assert any(line.startswith(f"{one.kind} {one.thing}: ") for one in changes)
    assert re.search(told, line), line


def test_a_key_is_replaced_where_there_is_one_and_that_is_said() -> None:
    first = other(KEY, before="absent\nabsent")
    (line,) = standing.outside(on_host(first, CSR, *RENEWAL), new_key=True)
    assert line.endswith("there is no key yet that it would replace")


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return approvers.make(tmp_path_factory.mktemp("people"))


@pytest.fixture
def site(people: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Records of a site that wants one approval; kanri is at work."""
    tampering.Site(people.root, people.keys, people.listed, ()).copy(tmp_path / "records")
    monkeypatch.setenv("RUNBOOK_RECORDS", str(tmp_path / "records"))
    with wanting(tmp_path, "signing: required, approvals: 1"), tampering.signing_with(people.keys / "kanri"):
        yield Site(tmp_path / "records", people.keys, people.listed)


def lets(site: Site, host: str = "mail1", **how: bool) -> list[int]:
    """Numbers of the standing approvals that count for a host now."""
    return [one.number for one in approvals.lasting(site.root).on(host, **how)]


def test_one_by_somebody_else_for_this_operator_counts_on_its_hosts_until_it_ends(site: Site) -> None:
    assert lets(site) == []
    site.stands("suzuki", "mail1")
    assert (lets(site), lets(site, "mail2"), lets(site, new_key=True)) == ([1], [], [])
    given = site.stands("tanaka", new_key=True)
    assert (lets(site), lets(site, "mail2"), lets(site, new_key=True)) == ([1, 2], [2], [2])
    site.ends("suzuki", given)
    assert (lets(site), lets(site, "mail2")) == ([1], [])
    assert approvals.lasting(site.root).against == (f"{TANAKA} (approval.2): {SUZUKI} (approval.3) ended it",)


def by_the_operators_key(site: Site) -> None:
    site.stands("kanri", operator=KANRI, approver="doppel@example.test")


def an_end_taken_away(site: Site) -> None:
    site.ends("suzuki", site.stands("suzuki"))
    (site.root / "approval.2").unlink()


AGAINST: dict[str, tuple[Callable[[Site], object], str]] = {
    "expired": (lambda s: s.stands("suzuki", days=10, ago_days=11), "it ended at"),
    "of tomorrow": (lambda s: s.stands("suzuki", ago_days=-1), "which is not yet"),
    "ended": (lambda s: s.ends("tanaka", s.stands("suzuki")), f"{TANAKA} .* ended it"),
    "ended by the operator": (lambda s: s.ends("kanri", s.stands("suzuki")), f"{KANRI} .* ended it"),
    "the operator's key under another name": (by_the_operators_key, "by the operator"),
    "another operator's": (lambda s: s.stands("suzuki", operator=TANAKA), f"it is for runs of {TANAKA}"),
    "an end taken away": (an_end_taken_away, "approval.2: No such file"),
}


@pytest.mark.parametrize("name", AGAINST)
def test_what_does_not_count_is_told_with_its_reason(name: str, site: Site) -> None:
    make, told = AGAINST[name]
    make(site)
    found = approvals.lasting(site.root)
    assert found.good == ()
    assert re.search(told, "\n".join(found.against)), found.against


def test_a_key_that_went_out_of_use_lets_nothing_be_made_any_more(site: Site) -> None:
    """The signature stays good, as one of its day: what is made today needs a key that is good today."""
    site.stands("suzuki", ago_days=1)
    ended = f"{datetime.now(UTC) - timedelta(minutes=1):%Y%m%d%H%M%S}"
    lines = site.listed.read_text(encoding="ascii").splitlines()
    lines = [
        line.replace(" ssh-", f',valid-before="{ended}" ssh-', 1) if line.startswith(SUZUKI) else line
        for line in lines
    ]
    listed = site.root.parent / "another-list"
    listed.write_text("\n".join(lines) + "\n", encoding="ascii")
    with tampering.signing_with(site.keys / "kansa"):
        signing.replace_signers(site.root, listed)
    found = approvals.lasting(site.root)
    assert (found.good, "the signature is not good" in found.against[0]) == ((), True)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"days": 401}, "stands for 401 days"),
        ({"days": 0}, "stands for 0 days"),
        ({"operator": SUZUKI}, "is by the operator that it names"),
    ],
)
def test_nobody_signs_one_for_longer_or_for_own_runs(
    values: dict[str, object], told: str, site: Site
) -> None:
    with pytest.raises(ValidationError, match=told):
        site.stands("suzuki", **values)  # type: ignore[arg-type]


def test_who_may_not_approve_lets_nothing_be_made_by_itself(site: Site) -> None:
    with pytest.raises(UsageError, match="signature is not good"):
        site.stands("only-runs", operator=KANRI)


def test_without_a_key_nobody_knows_whose_runs_they_are(site: Site) -> None:
    site.stands("suzuki")
    with tampering.signing_with(site.keys / "stranger"), pytest.raises(RecordNotSigned):
        approvals.lasting(site.root)


def test_what_was_signed_before_there_were_standing_ones_is_read_as_it_was(site: Site) -> None:
    given = site.given("suzuki", "0" * 64)
    content = (site.root / f"approval.{given.number}").read_bytes()
    assert given.decided.content == content
    assert (b"standing" in content, b"ends" in content) == (False, False)


# Runs: the hosts are files, in which the days left stand; a chapter renews, and more where somebody edited something.
WORK = """
from pathlib import Path
path = Path({folder!r}, "host-" + host)
names = host + ".example.test"
change = dict(title="x", kind="CertificateToIssue", thing=str(path), diff="+60", commands="true",
              before="file 644 root:root 0f\\nroot AB\\n" + names, after="CN=CA\\n60 days\\n" + names)
edited = dict(title="y", kind="SettingsChange", thing="/etc/postfix/main.cf", diff="+z", commands="true")
changes = [change] if path.read_text() != "60" else []
changes += [edited] if Path(str(path) + "-edited").exists() else []
record.add_plan("Certificate", "aa11", changes)
if mode == "apply" and changes:
    path.write_text("60")
    record.add_apply("aa11", ["x"], "/var/lib/runbook/x")
"""


@dataclass(frozen=True)
class Hosts:
    """Hosts that are files, an inventory of them, and who approves."""

    site: Site
    folder: Path
    days: dict[str, Path]

    def renew(self, *hosts: str) -> Renewed:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("RUNBOOK_RUN", origin.run_id(datetime.now(UTC)))  # as a command of its own has it
            patch.setattr("runbook_lib.afterwards.due.look", self._look)
            return renewal.renew(
                str(self.folder / "site.yaml"),
                SilentWatch(),
                hosts=hosts,
                notebooks=self.folder / "notebooks",
            )

    def _look(self, _book: inventory.Inventory, host: inventory.Host) -> Due:
        left = self.days[host.name].read_text()
        if left == "gone":
            raise HostUnreachable("no connection", host.name, "see whether it runs")
        return Due(() if left == "60" else (f"{left} days are left",))

    @property
    def runs(self) -> list[str]:
        return sorted(index.runs(self.site.root))


@pytest.fixture
def hosts(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hosts:
    monkeypatch.setenv("RUNBOOK_SIGN_KEY", str(site.keys / "kanri"))
    write_chapter(
        tmp_path / "notebooks",
        "12-signing",
        BOUND.format(chapter="12-signing", title="Signing"),
        WORK.format(folder=str(tmp_path)),
        SUMMARY,
    )
    names = ("mail1", "mail2", "mail3")
    write_inventory(tmp_path, *names, site=WANTED)
    days = {name: tmp_path / f"host-{name}" for name in names}
    for path in days.values():
        path.write_text("20")
    return Hosts(site, tmp_path, days)


def states(done: Renewed) -> dict[str, str]:
    made = {host.host: host.state for run in done.runs for host in run.hosts}
    return made | {name: one.text.split("\n")[0] for name, one in done.told.items()}


REFUSED = "refused, nothing was changed there"


def test_what_is_due_is_made_once_and_a_host_with_anything_else_is_refused_by_its_name(hosts: Hosts) -> None:
    site = hosts.site
    site.stands("suzuki", "mail1", "mail2")
    edited = hosts.folder / "host-mail2-edited"
    edited.write_text("")
    done = hosts.renew()
    assert states(done) == {"mail1": "passed", "mail2": REFUSED, "mail3": REFUSED}
    assert "SettingsChange /etc/postfix/main.cf: is no part of a renewal" in done.told["mail2"].text
    assert "there are 0 of 1 standing ones of this host" in done.told["mail3"].text
    assert [path.read_text() for path in hosts.days.values()] == ["60", "20", "20"]
    assert done.exit_code == 1
    (run,) = done.runs
    assert run.approval == f"approved by the standing approval 1 of {SUZUKI}"
    record = model.read(site.root / run.run / "mail1" / "12-signing.json")
    assert record.approval == model.Approval(
        plan=planned.read(site.root / run.run).sha256, by=(SUZUKI,), by_operator=False, standing=(1,)
    )
    assert (chain.bound(site.root)[0].hosts, chain.bound(site.root)[0].approvals) == (["mail1"], [1])
    before = hosts.runs
    assert (states(hosts.renew("mail1")), hosts.runs) == ({"mail1": "nothing is due"}, before)
    edited.unlink()
    hosts.days["mail1"].write_text("10")
    done = hosts.renew("mail1", "mail2")
    assert (states(done), done.exit_code) == ({"mail1": "passed", "mail2": "passed"}, 0)
    hosts.days["mail1"].write_text("20")
    (again,) = hosts.renew("mail1").runs  # the very same plan: it was not spent by the first run
    assert planned.read(site.root / again.run) == planned.read(site.root / run.run)
    assert [host.state for host in again.hosts] == ["passed"]
    assert verification.check_all(site.root).holds, verification.check_all(site.root).told_wrong
    assert resume(run.run, hosts.folder / "notebooks") is None


def test_records_report_form_and_the_auditors_script_say_by_which_one(hosts: Hosts, tmp_path: Path) -> None:
    site = hosts.site
    site.stands("suzuki")
    (run,) = hosts.renew().runs
    found = verification.check_all(site.root)
    (row,) = [row for row in population.rows(site.root, found) if row.run == run.run]
    assert row.approved_by == f"{SUZUKI} (standing approval 1)"
    page = forms.page(site.root / run.run, verification.check(site.root / run.run))
    assert ("包括承認" in page, SUZUKI in page) == (True, True)
    heads = [verification.Head.parse(head) for head in found.heads]
    said = tampering.checked(tampering.unpacked(site.root, tmp_path / "archive"), site.listed, *heads)
    assert (said.returncode, said.stdout.splitlines()[-1]) == (0, "WHOLE"), said.stdout


def test_where_nothing_is_due_there_is_no_run_and_what_cannot_be_looked_at_is_told(hosts: Hosts) -> None:
    for path in hosts.days.values():
        path.write_text("60")
    before = hosts.runs
    done = hosts.renew()
    assert (set(states(done).values()), done.exit_code, hosts.runs) == ({"nothing is due"}, 0, before)
    hosts.days["mail2"].write_text("gone")
    done = hosts.renew()
    assert (states(done)["mail2"], done.exit_code, hosts.runs) == ("not looked at", 1, before)


def test_in_a_freeze_nothing_is_made_and_it_says_until_when(hosts: Hosts) -> None:
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    write_inventory(
        hosts.folder, *hosts.days, site=f'{WANTED}\n  maintenance: {{time_zone: UTC, freezes: [{{first_day: "{today}", '
        f'last_day: "{today}", reason: year end}}]}}',
    )  # fmt: skip
    hosts.site.stands("suzuki")
    done = hosts.renew()
    assert all(
        told.startswith("no changes now: ") and "; it opens " in told for told in states(done).values()
    )
    assert (done.exit_code, done.plan, hosts.days["mail1"].read_text()) == (0, None, "20")


def test_two_approvals_are_two_people(hosts: Hosts) -> None:
    write_inventory(hosts.folder, *hosts.days, site=WANTED.replace("approvals: 1", "approvals: 2"))
    hosts.site.stands("suzuki")
    hosts.site.stands("suzuki", "mail1")
    assert states(hosts.renew("mail1")) == {"mail1": REFUSED}
    hosts.site.stands("tanaka", "mail1")
    done = hosts.renew("mail1", "mail2")
    assert states(done) == {"mail1": "passed", "mail2": REFUSED}
    assert done.runs[0].approval == f"approved by the standing approval 1, 2, 3 of {SUZUKI} and {TANAKA}"


def test_without_approvals_it_makes_the_same_and_no_more(hosts: Hosts) -> None:
    write_inventory(hosts.folder, *hosts.days)
    origin.use(inventory.load(str(hosts.folder / "site.yaml")))
    (hosts.folder / "host-mail2-edited").write_text("")
    done = hosts.renew("mail1", "mail2")
    assert states(done) == {"mail1": "passed", "mail2": REFUSED}
    assert done.runs[0].approval == "approved by nobody"


def made(site: Site, document: Document, *given: approvals.Given, run: str = RUN) -> None:
    """A run on mail12 that says that it was made by these, whatever they are."""
    bound = Binding(document, given, by_operator=False, is_enough=True)
    last = tampering.record(site.root, run, mode="apply", end=False, approval=bound.approval)
    bound.spend(site.root, run, ["mail12"], ["11-key-and-csr"])
    last.finish("passed", "Done.")
    tampering.sign(site.root, run)


def renewal_of(host: str, *changes: Planned) -> Document:
    return Document.of(
        {host: on_host(*changes)},
        inventory="0" * 64, commit="", library="0" * 64, chapters={"11-key-and-csr": "0" * 64}, parameters=(),
    )  # fmt: skip


def ended_before(site: Site) -> None:
    given = site.stands("suzuki")
    site.ends("tanaka", given)
    made(site, renewal_of("mail12", *RENEWAL), given)


WRONG: dict[str, tuple[Callable[[Site], object], str, str]] = {
    "none": (
        lambda s: made(s, renewal_of("mail12", *RENEWAL), s.stands("suzuki")), "", "",
    ),
    "a setting": (
        lambda s: made(s, renewal_of("mail12", change("SettingsChange", "main.cf")), s.stands("suzuki")),
        "mail12: SettingsChange main.cf: is no part of a renewal",
        "more than approval.1 approves: SettingsChange",
    ),
    "a new key": (
        lambda s: made(s, renewal_of("mail12", KEY, CSR, *RENEWAL), s.stands("suzuki")),
        "a new key is not in the standing approval",
        "approval.1 approves no new key",
    ),
    "another host": (
        lambda s: made(s, renewal_of("mail12", *RENEWAL), s.stands("suzuki", "mail1")),
        "approval.1 is not about mail12",
        'approval.1 is not about "mail12"',
    ),
    "another operator": (
        lambda s: made(s, renewal_of("mail12", *RENEWAL), s.stands("suzuki", operator=TANAKA)),
        f"approval.1 is for runs of {TANAKA}",
        "approval.1 is for another operator",
    ),
    "ended": (
        ended_before,
        f"{TANAKA} had ended approval.1",
        "approval.1 had been ended by approval.2",
    ),
    "expired": (
        lambda s: made(s, renewal_of("mail12", *RENEWAL), s.stands("suzuki", days=10, ago_days=11)),
        "approval.1 was not good when the run began",
        "approval.1 was not good then",
    ),
    "by the operator": (
        lambda s: made(
            s, renewal_of("mail12", *RENEWAL), s.stands("kanri", operator=KANRI, approver="doppel@example.test")
        ),
        "approval.1 is by the operator",
        "approval.1 is by the operator",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_run_that_was_made_beyond_its_standing_approval_does_not_hold(
    name: str, site: Site, tmp_path: Path
) -> None:
    make, told, said_by_script = WRONG[name]
    make(site)
    found = verification.check_all(site.root)
    wrong = "\n".join(found.told_wrong)
    assert (not found.holds, told in wrong) == (bool(told), True), wrong
    heads = [verification.Head.parse(head) for head in found.heads]
    said = tampering.checked(tampering.unpacked(site.root, tmp_path / "archive"), site.listed, *heads)
    assert (said.returncode, said_by_script in said.stdout) == (1 if told else 0, True), (
        said.stdout + said.stderr
    )


def test_a_run_made_before_the_end_of_its_standing_approval_holds_after_it(site: Site) -> None:
    given = site.stands("suzuki")
    made(site, renewal_of("mail12", *RENEWAL), given)
    site.ends("tanaka", given)
    assert verification.check_all(site.root).holds, verification.check_all(site.root).told_wrong


def test_a_run_that_goes_on_keeps_its_standing_approval_until_somebody_ends_it(site: Site) -> None:
    given, document = site.stands("suzuki"), renewal_of("mail12", *RENEWAL)
    made(site, document, given)
    again = approvals.bind_again(site.root, document, ["mail12"], RUN)
    assert (again.approval.standing, again.is_enough) == ((1,), True)
    site.ends("tanaka", given)
    again = approvals.bind_again(site.root, document, ["mail12"], RUN)
    assert (again.approval.standing, again.is_enough) == ((), False)


def test_who_approves_reads_it_types_its_digest_signs_and_ends_it(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out").mkdir()
    monkeypatch.setenv("COLUMNS", "200")  # a table's cells in a line each
    monkeypatch.setenv("RUNBOOK_SIGN_KEY", str(site.keys / "suzuki"))
    until = f"{datetime.now(UTC) + timedelta(days=200):%Y-%m-%d}"
    words = ("approve", "--standing", "--host", "mail1", "--operator", KANRI, "--signers", site.listed, "--output",
             tmp_path / "out")  # fmt: skip
    assert typed(*words)[0] == 2  # no last day
    status, said = typed(*words, "--until", until, digits="00000000")
    assert (status, list((tmp_path / "out").iterdir())) == (2, [])
    assert "with the same key, for the same names, by the same root" in said
    late = f"{datetime.now(UTC) + timedelta(days=401):%Y-%m-%d}"
    assert "and may for 1 to 400" in typed(*words, "--until", late)[1]
    sent = signed(words, "--until", until, monkeypatch=monkeypatch)
    status, said = typed("approvals", "add", sent)
    assert (status, said) == (0, f"approval.1: {SUZUKI} lets {KANRI} renew by itself on mail1\n")
    monkeypatch.setenv("RUNBOOK_SIGN_KEY", str(site.keys / "kanri"))
    assert lets(site) == [1]
    monkeypatch.setenv("RUNBOOK_SIGN_KEY", str(site.keys / "tanaka"))
    (tmp_path / "end").mkdir()
    ending = ("approve", sent, "--refuse", "--signers", site.listed, "--output", tmp_path / "end")
    sent = signed(ending, monkeypatch=monkeypatch)
    assert "ends the standing approval" in typed("approvals", "add", sent)[1]
    monkeypatch.setenv("RUNBOOK_SIGN_KEY", str(site.keys / "kanri"))
    assert lets(site) == []
    said = typed("approvals", "list")[1]
    assert ("renew by itself on mail1" in said, f"{TANAKA} ends" in said) == (True, True)


def signed(words: Sequence[str | Path], *more: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What `runbook approve` writes where the digits are typed that it shows."""
    with monkeypatch.context() as patch:
        patch.setattr("typer.prompt", lambda *_, **__: shown[-1][:8])
        shown: list[str] = []

        def kept(text: str = "") -> None:
            if "sha256:" in text:
                shown.append(text.partition("sha256:")[2])
            say(text)

        patch.setattr("runbook_lib.cli.approvals.say", kept)
        status, said = typed(*words, *more)
    assert status == 0, said
    (sent,) = Path(str(words[-1])).glob("*.json")
    return sent


@pytest.mark.parametrize(
    "words",
    [
        ("--host", "mail1"),
        ("--standing", "--until", "2027-01-01"),
        ("--standing", "--operator", KANRI),
        ("plan.json", "--new-key"),
        ("plan.json", "--standing", "--operator", KANRI, "--until", "2027-01-01"),
    ],
)
def test_options_that_do_not_go_together_are_wrong_usage(words: tuple[str, ...]) -> None:
    assert typed("approve", *words)[0] == 2


@pytest.fixture
def units(tmp_path: Path) -> list[Path]:
    """Both units as the command prints them, put where systemd is told to look."""
    for kind in ("service", "timer"):
        done = runbook("unit", f"renew-{kind}")
        assert done.returncode == 0
        (tmp_path / f"runbook-renew.{kind}").write_text(done.stdout)
    return [tmp_path / f"runbook-renew.{kind}" for kind in ("service", "timer")]


def test_systemd_takes_the_units_and_finds_little_that_the_service_could_reach(units: list[Path]) -> None:
    asked: tuple[list[str | Path], ...] = (
        ["verify", "--man=no", *units],
        ["security", "--offline=true", "--threshold=20", units[0]],
    )
    for words in asked:
        done = subprocess.run(
            ["systemd-analyze", *words], capture_output=True, text=True, timeout=60, check=False
        )
        assert (done.returncode, done.stderr) == (0, ""), done.stdout
    text = units[1].read_text()
    assert all(line in text for line in ("OnCalendar=daily", "RandomizedDelaySec=", "Persistent=yes"))
