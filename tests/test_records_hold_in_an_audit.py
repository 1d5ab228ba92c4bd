"""Whoever alters records is found: by file, by run, by the chain, by a signature; and by a shell without us."""

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest
import sample_record
import tampering
from tampering import BEFORE, CUT_OFF, ELSEWHERE, LAST, PLAN, SAMPLE, Site

from runbook_lib.records import export, seal, undone, verification

MUTATIONS = 300
SEED = 20261130
_RECORD = "mail12/20-postfix-debian.json"
_OLD = "20261127T000000Z-0000"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return tampering.make(tmp_path_factory.mktemp("site"))


@pytest.fixture
def site(whole: Site, tmp_path: Path) -> Site:
    return whole.copy(tmp_path / "records")


def test_a_site_that_nobody_altered_holds(whole: Site) -> None:
    found = whole.check()
    assert found.holds, whole.told()
    signed = {run.run: run.signed_by for run in found.runs}
    assert signed.keys() == {BEFORE, SAMPLE, PLAN, CUT_OFF, ELSEWHERE, LAST}
    assert all(
        by.startswith("kanri@example.test with ED25519 key SHA256:")
        for run, by in signed.items()
        if run != BEFORE
    )
    assert found.first_signers.startswith("kansa@example.test with ED25519 key SHA256:")
    assert seal.read_statement(whole.root / CUT_OFF).cut_off


def replace(path: Path, before: str, after: str) -> None:
    content = path.read_text(encoding="utf-8")
    assert before in content
    path.write_text(content.replace(before, after), encoding="utf-8")


def statement(site: Site, run: str, **fields: object) -> None:
    path = site.root / run / seal.STATEMENT
    path.write_bytes(tampering.canonical(json.loads(path.read_bytes()) | fields))


def lines(site: Site) -> list[bytes]:
    return tampering.stream(site.root).read_bytes().splitlines(keepends=True)


def write_lines(site: Site, wanted: list[bytes]) -> None:
    tampering.stream(site.root).write_bytes(b"".join(wanted))


def without(site: Site, run: str) -> None:
    shutil.rmtree(site.root / run)
    write_lines(site, [line for line in lines(site) if run.encode() not in line])


def verdict(site: Site) -> None:
    replace(site.root / SAMPLE / _RECORD, '"verdict": "pass"', '"verdict": "fail"')


def forged(alter: Callable[[Site], object]) -> Callable[[Site], None]:
    def altered(site: Site) -> None:
        alter(site)
        tampering.forge(site.root)

    return altered


def resigned(alter: Callable[[Site], None]) -> Callable[[Site], None]:
    def altered(site: Site) -> None:
        alter(site)
        tampering.forge(site.root)
        tampering.resign(site, SAMPLE)
        tampering.forge(site.root)

    return altered


def fitted(alter: Callable[[Site], None], run: str = SAMPLE) -> Callable[[Site], None]:
    def altered(site: Site) -> None:
        alter(site)
        tampering.refit_sums(site.root / run)

    return altered


def stranger_among_signers(site: Site) -> None:
    key = (site.keys / "stranger.pub").read_text(encoding="ascii")
    with (site.root / "signers.1").open("a") as listed:
        listed.write(f'kanri@example.test namespaces="run@runbook" {key}')


def swap(site: Site, one: int, other: int) -> None:
    there = lines(site)
    there[one], there[other] = there[other], there[one]
    write_lines(site, there)


def earlier_seal(site: Site) -> None:
    folder = site.root / SAMPLE
    shutil.copy(folder / "SHA256SUMS.1", folder / seal.SUMS)
    shutil.copy(folder / "SHA256SUMS.1.sig", folder / seal.SIGNATURE)
    shutil.copy(folder / "run.json.1", folder / seal.STATEMENT)


def manifest_of_before(site: Site) -> None:
    replace(site.root / BEFORE / "manifest.json", '"operator": "kanri"', '"operator": "dareka"')


def to_another_host(site: Site) -> None:
    (site.root / PLAN / "mail12").rename(site.root / PLAN / "mail13")


def another_comment(site: Site) -> None:
    replace(site.root / "approval.1", "MAIL-1184", "MAIL-1185")
    digest = seal.sha256((site.root / "approval.1").read_bytes())
    lines_of = [json.loads(line[65:]) for line in lines(site)]
    for entry in lines_of:
        if entry["kind"] == "approval":
            entry["sha256"] = digest
    write_lines(site, [b"0" * 64 + b" " + tampering.canonical(entry) for entry in lines_of])


def altered_at_its_end(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:-9] + bytes([content[-9] ^ 1]) + content[-8:])


def link(site: Site) -> None:
    path = site.root / SAMPLE / _RECORD
    path.rename(site.root.parent / "kept")
    path.symlink_to(site.root.parent / "kept")


NOT_KEPT = "is not the one that was kept elsewhere"
TAMPERINGS: dict[str, tuple[Callable[[Site], object], str]] = {
    "a verdict": (verdict, f"altered: {_RECORD}"),
    "a verdict, and the list of files": (fitted(verdict), "SHA256SUMS is not the one of the chain"),
    "a verdict, and every digest": (forged(verdict), NOT_KEPT),
    "a verdict, every digest, and a stranger's signature": (resigned(verdict), "signature: kanri@example.test: "),
    "a step that was approved": (
        lambda s: replace(s.root / SAMPLE / _RECORD, "smtpd_tls_auth_only = yes", "smtpd_tls_auth_only = no"),
        f"altered: {_RECORD}",
    ),
    "what a cell showed": (
        lambda s: replace(s.root / SAMPLE / "mail12/20-postfix-debian.1.ipynb", "9 of 9", "8 of 9"),
        "altered: mail12/20-postfix-debian.1.ipynb",
    ),
    "a cell's code, and the list of files": (
        fitted(lambda s: replace(s.root / SAMPLE / "mail12/20-postfix-debian.1.ipynb", "apply", "skip")),
        "SHA256SUMS is not the one of the chain",
    ),
    "the script of a plan": (
        lambda s: replace(s.root / PLAN / "mail12/11-key-and-csr.sh", "077", "022"),
        "altered: mail12/11-key-and-csr.sh",
    ),
    "a plan": (
        lambda s: replace(s.root / PLAN / "plan.json", "auth_only = yes", "auth_only = no"), "altered: plan.json",
    ),
    "an approval": (
        lambda s: replace(s.root / "approval.1", "MAIL-1184", "MAIL-1185"), "approval.1: is not the one of the chain",
    ),
    "an approval, and every digest": (forged(another_comment), "approval.1: signature: suzuki@example.test: "),
    "an approval less": (lambda s: (s.root / "approval.1").unlink(), "approval.1: No such file"),
    "an approval more": (
        lambda s: shutil.copy(s.root / "approval.1", s.root / "approval.2"), "approval.2: the chain does not have it",
    ),
    "a page for users": (
        lambda s: replace(s.root / SAMPLE / "mail12/for-users/settings.html", "mail", "evil"),
        "altered: mail12/for-users/settings.html",
    ),
    "a file more": (
        lambda s: (s.root / SAMPLE / "mail12" / "approval.json").write_text("{}"),
        "not in the record's list: mail12/approval.json",
    ),
    "a page of nothing": (
        lambda s: (s.root / SAMPLE / "mail12" / "evil.html").touch(), "not in the record's list: mail12/evil.html",
    ),
    "a file less": (lambda s: (s.root / SAMPLE / _RECORD).unlink(), f"missing: {_RECORD}"),
    "a file less, and in the list": (
        fitted(lambda s: (s.root / SAMPLE / _RECORD).unlink()), "SHA256SUMS is not the one of the chain",
    ),
    "a file that is a link": (link, f"altered: {_RECORD}"),
    "a record under another host": (fitted(to_another_host, PLAN), "SHA256SUMS is not the one of the chain"),
    "a run less": (lambda s: shutil.rmtree(s.root / PLAN), f"{PLAN}: the run is missing"),
    "a run less, and in the chain": (lambda s: without(s, PLAN), "does not follow the line before"),
    "a run less, and every digest": (forged(lambda s: without(s, PLAN)), "lines, and had"),
    "a run that was made up": (
        lambda s: shutil.copytree(s.root / PLAN, s.root / _OLD),
        f"run: the folder has the name {_OLD}, and is of run {PLAN}",
    ),
    "a run of before that was made up": (
        lambda s: shutil.copytree(s.root / BEFORE, s.root / _OLD), "the chain does not have this run",
    ),
    "a run under another name": (lambda s: (s.root / PLAN).rename(s.root / _OLD), f"{PLAN}: the run is missing"),
    "who ran it": (lambda s: statement(s, PLAN, operator={"login": "dareka", "principal": None}), "altered: run.json"),
    "why it ran, and every digest": (forged(lambda s: statement(s, PLAN, reason="MAIL-1: approved")), NOT_KEPT),
    "a manifest of before": (manifest_of_before, "the chain does not have this run"),
    "an earlier seal in the place of the last": (earlier_seal, "SHA256SUMS is not the one of the chain"),
    "two lines in another order": (lambda s: swap(s, 2, 3), "does not follow the line before"),
    "a line less": (lambda s: write_lines(s, [*lines(s)[:3], *lines(s)[4:]]), "does not follow the line before"),
    "that a run was put back": (
        forged(lambda s: write_lines(s, [x for x in lines(s) if b'"undone"' not in x])), "lines, and had",
    ),
    "the end of the chain": (lambda s: write_lines(s, lines(s)[:-2]), "lines, and had"),
    "a controller's whole chain": (
        lambda s: (s.root / "elsewhere-kanri.chain").unlink(), "is missing, and had 4 lines",
    ),
    "a signature less": (
        lambda s: (s.root / PLAN / seal.SIGNATURE).unlink(), f"signature: {seal.SIGNATURE} No such file",
    ),
    "another run's signature": (
        lambda s: shutil.copy(s.root / LAST / seal.SIGNATURE, s.root / PLAN / seal.SIGNATURE),
        "signature: is not the one of the chain",
    ),
    "a time-stamp": (
        lambda s: altered_at_its_end(s.root / SAMPLE / seal.STAMP), "time-stamp: is not the one of the chain",
    ),
    "a time-stamp less": (
        lambda s: (s.root / SAMPLE / seal.STAMP).unlink(), f"time-stamp: {seal.STAMP} No such file",
    ),
    "another run's time-stamp, and every digest": (
        forged(lambda s: shutil.copy(s.root / LAST / seal.STAMP, s.root / SAMPLE / seal.STAMP)),
        "time-stamp: message imprint mismatch",
    ),
    "the roots of time-stamps": (
        lambda s: altered_at_its_end(next(s.root.glob("tsa-*.pem"))), ".pem: is not the one of the chain",
    ),
    "a stranger among the signers": (stranger_among_signers, "signers.1: is not the one of the chain"),
}  # fmt: skip


@pytest.mark.parametrize("name", TAMPERINGS)
def test_each_tampering_is_found_and_named(name: str, site: Site) -> None:
    alter, told = TAMPERINGS[name]
    alter(site)
    assert told in site.told()


def test_random_mutations_are_found_without_an_exception_and_no_false_alarm(
    whole: Site, tmp_path: Path, tries: Callable[[int], int]
) -> None:
    chance = random.Random(SEED)  # noqa: S311 - the same at each run
    missed = []
    for number in range(tries(MUTATIONS)):
        seed = chance.randrange(1 << 32)
        is_told, what = tampering.tried(whole, seed, tmp_path / str(number))
        if not is_told:
            missed.append(f"{seed}: {what}")
    assert missed == []


def test_a_shell_finds_a_whole_site_whole(whole: Site, tmp_path: Path) -> None:
    done = tampering.checked(tampering.unpacked(whole.root, tmp_path), whole.signers, *whole.heads)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert done.stdout.splitlines()[-1] == "WHOLE"
    for run in (SAMPLE, PLAN, CUT_OFF, ELSEWHERE, LAST):
        assert (
            f'{run}: Good "run@runbook" signature for kanri@example.test with ED25519 key SHA256:'
            in done.stdout
        )


def test_a_clock_that_was_set_back_makes_no_earlier_seal_the_last(site: Site, tmp_path: Path) -> None:
    undone.note(site.root, PLAN, "mail12", complete=False)
    with (
        tampering.signing_with(site.keys / "kanri"),
        mock.patch("runbook_lib.records.origin.now_text", return_value="2026-01-01T00:00:00.000+00:00"),
    ):
        sample_record.postfix_chapter(site.root)
        tampering.sign(site.root, SAMPLE)
        undone.note(site.root, PLAN, "mail12", complete=True)
    assert undone.read(site.root / PLAN)["mail12"].complete
    heads = tuple(verification.Head.parse(head) for head in verification.check_all(site.root).heads)
    later = Site(site.root, site.keys, site.signers, heads)
    assert later.check().holds, later.told()
    done = tampering.checked(tampering.unpacked(later.root, tmp_path), site.signers, *heads)
    assert done.stdout.splitlines()[-1] == "WHOLE", done.stdout


@pytest.mark.programs
@pytest.mark.parametrize("name", TAMPERINGS)
def test_a_shell_finds_each_tampering(name: str, whole: Site, tmp_path: Path) -> None:
    folder = tampering.unpacked(whole.root, tmp_path)
    TAMPERINGS[name][0](Site(folder / "records", whole.keys, whole.signers, whole.heads))
    done = tampering.checked(folder, whole.signers, *whole.heads)
    assert done.returncode == 1, done.stdout
    assert "WRONG " in done.stdout
    # On a terminal what stands behind a carriage return hides the WRONG that its line begins with.
    assert [line for line in done.stdout.splitlines() if line.startswith(" ")] == []
    assert done.stdout.splitlines()[-1].startswith("NOT WHOLE: ")


def test_the_same_records_give_the_same_archive_for_its_owner_alone(whole: Site, tmp_path: Path) -> None:
    first, second = (export.write(whole.root, tmp_path / name) for name in ("a.tar", "b.tar"))
    assert first.sha256 == second.sha256
    assert (tmp_path / "a.tar").stat().st_mode & 0o777 == 0o600
