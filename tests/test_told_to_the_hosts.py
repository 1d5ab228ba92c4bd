"""What hosts were told of runs, as a log server has it, is compared with the records: each difference is named."""

import hashlib
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import command_line
import pytest
import sample_record
import tampering
from fake_chapters import write_inventory

from runbook_lib.records import Record, chain, export, origin, planned, seal, told, undone
from runbook_lib.records.model import Approval
from runbook_lib.records.planned import Document
from runbook_lib.records.publish import publish

FIRST, SECOND = "20261126T010000Z-aaaa", "20261127T010000Z-bbbb"
PLAN = Document.of({}, inventory="0" * 64, commit="", library="0" * 64, chapters={}, parameters=())
CHAPTER = "11-key-and-csr"


def applied(root: Path, run: str, *hosts: str, plan: Document | None = None) -> None:
    """A run that changed hosts, sealed."""
    approval = Approval(plan=plan.sha256, by=(), by_operator=False) if plan else None
    fields = sample_record.COMMON | {"facts": {}, "title": "1-1 Key", "approval": approval}
    for host in hosts:
        record = Record.begin(root, run, host, CHAPTER, **fields)  # type: ignore[arg-type]
        record.add_apply("aa11", ["mail.key"], f"/var/lib/runbook/{run}")
        record.finish("passed", "Done.")
    if plan:
        planned.keep(root / run, plan)
        bound = {
            "run": run,
            "plan": plan.sha256,
            "hosts": list(hosts),
            "chapters": [CHAPTER],
            "approvals": [],
        }
        with chain.locked(root):
            chain.append(root, {"kind": "bound", **bound})
    publish(root, run)


def line(kind: str, run: str, host: str, words: str, sequence: int = 1) -> str:
    """As rsyslog writes it, of a host that calls itself otherwise than the inventory does."""
    return (
        f"2026-11-26T01:00:00.123456+00:00 ms-{host} runbook: {kind} run={run} sequence={sequence} {words} "
        f'host={host} operator="kanri" reason="MAIL-1: \\"x\\" chain=no"'
    )


def begin(root: Path, run: str, host: str, sequence: int, plan: str = "") -> str:
    """The line that the library itself would write."""
    anchor = told.anchor(root, run).replace(told.NOBODY, f"sha256:{plan}" if plan else told.NOBODY)
    return line("begin", run, host, anchor, sequence)


def ends(root: Path, run: str, host: str, sequence: int) -> list[str]:
    digest = hashlib.sha256((root / run / host / f"{CHAPTER}.json").read_bytes()).hexdigest()
    said = f'outcome="passed" changes=1 record=sha256:{digest}'
    return [
        line("end", run, host, f"chapter={CHAPTER} {said}", sequence), line("end", run, host, f"run {said}", sequence)
    ]  # fmt: skip


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two runs, of which the second had an approved plan and changed two hosts."""
    applied(tmp_path / "records", FIRST, "mail1")
    applied(tmp_path / "records", SECOND, "mail1", "mail2", plan=PLAN)
    return tmp_path / "records"


def log(root: Path) -> list[str]:
    """What a log server has of them, and of others."""
    return [
        "Nov 26 00:59:59 ms-mail1 sshd[12]: Accepted publickey for kanri",
        begin(root, FIRST, "mail1", 1),
        *ends(root, FIRST, "mail1", 1),
        begin(root, SECOND, "mail1", 2, PLAN.sha256),
        *ends(root, SECOND, "mail1", 2),
        begin(root, SECOND, "mail2", 1, PLAN.sha256),
        *ends(root, SECOND, "mail2", 1),
        f"Nov 27 02:00:00 ms-mail1 kanri: runbook: begin run={FIRST[:-4]}ffff sequence=9 plan=none",
    ]


def compared(root: Path, lines: list[str]) -> told.Compared:
    return told.compare(told.Site.read(root), told.read(lines))


def test_what_nobody_altered_agrees(root: Path) -> None:
    assert compared(root, log(root)) == told.Compared((), 2, ())


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("2026-11-26T01:00:00.123456+00:00 ms-", "Nov 26 01:00:00 ms-"),
        ("2026-11-26T01:00:00.123456+00:00 ms-", "<37>Nov  6 01:00:00 ms-"),
        (" runbook: ", " runbook[812]: "),
        ("2026-11-26T01:00:00.123456+00:00 ms-", "<37>1 2026-11-26T01:00:00Z ms-"),
    ],
)
def test_a_line_is_read_however_the_log_is_written(before: str, after: str, root: Path) -> None:
    lines = [one.replace(before, after) for one in log(root)]
    if "<37>1" in after:
        lines = [one.replace(" runbook: ", " runbook - - - ") for one in lines]
    assert compared(root, lines) == told.Compared((), 2, ())
    message = [one.partition("runbook: ")[2] for one in log(root)[:-1]]
    assert compared(root, message).wrong == ()


def no_run(root: Path, lines: list[str]) -> list[str]:
    shutil.rmtree(root / FIRST)
    return lines


def made_anew(root: Path, lines: list[str]) -> list[str]:
    """The whole chain, so that each of its lines follows the one before."""
    path = tampering.stream(root)
    path.write_bytes(re.sub(rb'"at":"2[0-9]{3}-', b'"at":"2001-', path.read_bytes()))
    tampering.forge(root)
    return lines


def another_record(root: Path, lines: list[str]) -> list[str]:
    path = root / SECOND / "mail2" / f"{CHAPTER}.json"
    path.write_bytes(path.read_bytes().replace(b'"passed"', b'"failed"'))
    return lines


def another_plan(_: Path, lines: list[str]) -> list[str]:
    return [one.replace(f"sha256:{PLAN.sha256}", f"sha256:{'cd' * 32}") for one in lines]


def without(*words: str) -> Callable[[Path, list[str]], list[str]]:
    return lambda _, lines: [one for one in lines if not all(word in one for word in words)]


def of_nobody(_: Path, lines: list[str]) -> list[str]:
    return [*lines, line("begin", f"{SECOND[:-4]}cccc", "mail1", "plan=none", 3)]


def put_back(_: Path, lines: list[str]) -> list[str]:
    return [*lines, f"2026-11-28T01:00:00+00:00 ms-mail1 runbook: undone run={FIRST} sequence=1"]


DIFFERENCES: dict[str, tuple[Callable[[Path, list[str]], list[str]], str]] = {
    "a run without a record": (of_nobody, f"{SECOND[:-4]}cccc, mail1: the host tells of it, and there is no record"),
    "a record that was taken out": (no_run, f"{FIRST}, mail1: the host tells of it, and there is no record"),
    "a record that no host tells of": (
        without(SECOND, "host=mail2"),
        f"{SECOND}, mail2: its record says that it changed the host, and no line tells of it",
    ),
    "another record": (another_record, f"{SECOND}, mail2: the host was told of another record of the run, sha256:"),
    "another plan": (another_plan, f"{SECOND}, mail1: the host was told of another plan than the chain says"),
    "another chain": (made_anew, f"{FIRST}, mail1: the host was told of line "),
    "a run that was put back there": (
        put_back, f"{FIRST}, mail1: was put back on the host, and the chain does not say so",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DIFFERENCES)
def test_each_difference_is_named(name: str, root: Path) -> None:
    alter, said = DIFFERENCES[name]
    lines = alter(root, log(root))
    assert any(one.startswith(said) for one in compared(root, lines).wrong), compared(root, lines).wrong


def test_a_run_that_was_put_back_by_us_is_no_difference(root: Path) -> None:
    undone.note(root, FIRST, "mail1", complete=True)
    assert compared(root, put_back(root, log(root))).wrong == ()


def test_what_is_older_than_the_log_is_said_to_be_not_compared(root: Path) -> None:
    assert compared(root, log(root)[4:]) == told.Compared((), 1, (f"{FIRST}, mail1",))
    assert compared(root, []).uncovered == (f"{FIRST}, mail1", f"{SECOND}, mail1", f"{SECOND}, mail2")


def test_lines_of_version_0_1_0_are_compared_by_their_run(root: Path) -> None:
    old = [
        one.replace(" host=mail1", "").replace(" host=mail2", "").partition(" chain=")[0]
        + f" plan=sha256:{PLAN.sha256}"
        if " begin " in one
        else one.replace(" host=mail1", "").replace(" host=mail2", "")
        for one in log(root)
    ]
    assert compared(root, old).wrong == ()
    another_record(root, old)
    assert any(SECOND in one for one in compared(root, old).wrong)


JOURNALS = {FIRST: "1", SECOND: "2"}


@pytest.mark.parametrize(
    ("journals", "said"),
    [
        (JOURNALS, ""),
        (
            {SECOND: "2"},
            f"{FIRST}, mail1: its record says that it changed the host, and there is no journal of it",
        ),
        ({SECOND: "2"}, "mail1: the journal of its run number 1 is missing"),
        (
            JOURNALS | {"20261128T000000Z-0000": "3"},
            "20261128T000000Z-0000, mail1: the host has a journal of it",
        ),
        (JOURNALS | {SECOND: "3"}, f"{SECOND}, mail1: a line says number 2, and the host's journal does not"),
    ],
)
def test_a_hosts_journals_are_compared_too(journals: dict[str, str], said: str, root: Path) -> None:
    lines = told.read([one for one in log(root) if "ms-mail1 runbook:" in one], "mail1")
    found = told.compare_journals(told.Site.read(root), "mail1", journals, lines)
    assert found == [] if not said else any(one.startswith(said) for one in found), found


@pytest.fixture
def kept_elsewhere(tmp_path: Path) -> Iterator[Path]:
    """An inventory that says who keeps the hosts' syslog."""
    yield write_inventory(tmp_path, "mail1", site="records: {log_server: 'log.example.test, 7 years'}")
    origin._said = None


def test_the_command_shows_heads_open_runs_and_what_differs(root: Path, kept_elsewhere: Path) -> None:
    tampering.record(root, tampering.LAST, end=False)
    file = root.parent / "log"

    def chain_command(lines: list[str]) -> tuple[int, list[str]]:
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        done = command_line.runbook(
            "records", "chain", "--syslog", str(file), "--inventory", str(kept_elsewhere), cwd=root,
            environment={"RUNBOOK_RECORDS": str(root), "RUNBOOK_RUN": ""},
        )  # fmt: skip
        assert done.stderr == ""
        return done.returncode, done.stdout.splitlines()

    status, said = chain_command(log(root))
    assert (status, said[0]) == (0, f"Head: {chain.head(root)}")
    assert said[1].startswith(f"Open: {tampering.LAST}, ")
    assert said[2:] == [
        "Log server: log.example.test, 7 years", f"{file}: compared with the records of 2 runs"
    ]  # fmt: skip
    status, said = chain_command(of_nobody(root, log(root)))
    assert status == 1
    assert said[-1].startswith(f"WRONG {SECOND[:-4]}cccc, mail1: ")


def test_the_archive_says_who_keeps_the_hosts_syslog(
    root: Path, tmp_path: Path, kept_elsewhere: Path
) -> None:
    environment = {"RUNBOOK_RECORDS": str(root), "RUNBOOK_RUN": ""}
    words = ["records", "export", "-o", str(tmp_path / "a.tar"), "--inventory", str(kept_elsewhere)]
    assert command_line.runbook(*words, cwd=tmp_path, environment=environment).returncode == 0
    content = (tmp_path / "a.tar").read_bytes().decode(errors="replace")
    assert "is kept elsewhere by: log.example.test, 7 years.\n" in content
    assert "@LOG_SERVER@" not in content
    export.write(root, tmp_path / "b.tar")
    assert "is kept elsewhere by: nobody was named" in (tmp_path / "b.tar").read_bytes().decode(
        errors="replace"
    )
    assert seal.SUMS in content
