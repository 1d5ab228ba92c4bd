"""What is deleted of records shows: redacted is not missing, expired is not lost, and on hold nothing goes."""

import json
import subprocess
from collections.abc import Callable
from datetime import date
from pathlib import Path
from unittest import mock

import pytest
import tampering
from tampering import CUT_OFF, ELSEWHERE, LAST, PLAN, SAMPLE, Site

from runbook_lib.errors import RecordError, RecordNotSigned, UsageError
from runbook_lib.records import export, index, population, report, retention, seal, verification
from runbook_lib.records.chain import Redacted

RECORD = "mail12/90-verification.json"
NOTEBOOK = "mail12/20-postfix-debian.1.ipynb"
WHY = 'MAIL-9: a customer\'s "address"'
LATER = date(2100, 1, 1)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return tampering.make(tmp_path_factory.mktemp("site"))


@pytest.fixture
def site(whole: Site, tmp_path: Path) -> Site:
    """A copy, whose heads and signers are those of before."""
    return whole.copy(tmp_path / "records")


def redact(site: Site, path: str = RECORD, run: str = SAMPLE) -> None:
    with tampering.signing_with(site.keys / "kanri"):
        retention.redact(site.root, run, path, WHY)


def shell(site: Site, folder: Path) -> subprocess.CompletedProcess[str]:
    """What check.sh says of the archive, with the heads as they are now."""
    written = export.write(site.root, folder / "records.tar")
    subprocess.run(["tar", "xf", "records.tar"], cwd=folder, check=True)
    command = ["sh", "records-for-audit/check.sh", str(site.signers), *written.heads]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "path", [RECORD, NOTEBOOK, "mail12/for-users/settings.html", "mail12/20-postfix-debian.json"]
)
def test_what_was_redacted_is_not_missing(path: str, site: Site, tmp_path: Path) -> None:
    content = (site.root / SAMPLE / path).read_bytes()
    redact(site, path)
    assert site.check().holds, site.told()
    found = verification.check(site.root / SAMPLE, site.signers)
    [told] = found.deleted
    assert told.startswith(f"{path}: redacted by ")
    assert WHY in told
    assert f"{len(content)} bytes, SHA-256 {seal.sha256(content)}" in told
    assert found.missing == ()
    left = b"".join(file.read_bytes() for file in (site.root / SAMPLE).rglob("*") if file.is_file())
    assert content not in left
    done = shell(site, tmp_path)
    assert done.stdout.endswith("WHOLE\n"), done.stdout
    assert f"{SAMPLE}: was redacted: {{" in done.stdout


def test_a_redacted_run_keeps_what_it_said_and_who_made_it(site: Site) -> None:
    before = {run: seal.read_statement(site.root / run) for run in (SAMPLE, CUT_OFF)}
    with mock.patch("runbook_lib.records.origin.operator", return_value="dareka"):
        redact(site)
        redact(site, "mail12/11-key-and-csr.json", CUT_OFF)
    for run, was in before.items():
        told = seal.read_statement(site.root / run)
        same = {
            "hosts",
            "kind",
            "reason",
            "started_at",
            "ended_at",
            "operator",
            "controller",
            "cut_off",
            "commit",
        }
        assert told.model_dump(include=same) == was.model_dump(include=same)
    assert verification.check(site.root / CUT_OFF, site.signers).holds


def test_the_page_of_a_redacted_record_goes_and_the_runs_page_says_so(site: Site) -> None:
    page = site.root / SAMPLE / "mail12/90-verification.html"
    assert page.exists()
    redact(site)
    assert not page.exists()
    told = (site.root / SAMPLE / index.PAGE).read_text(encoding="utf-8")
    assert "Deleted since" in told
    assert RECORD in told


def file_gone(site: Site) -> None:
    (site.root / SAMPLE / f"{RECORD}.redacted").unlink()
    tampering.refit_sums(site.root / SAMPLE)
    tampering.forge(site.root)


def file_otherwise(site: Site) -> None:
    file = site.root / SAMPLE / f"{RECORD}.redacted"
    file.write_bytes(tampering.canonical(json.loads(file.read_bytes()) | {"by": "somebody"}))
    tampering.forge(site.root)


def file_empty(site: Site) -> None:
    (site.root / SAMPLE / f"{RECORD}.redacted").write_bytes(b"")
    tampering.forge(site.root)


def one_more(site: Site) -> None:
    folder = site.root / SAMPLE
    (folder / "mail12/for-users/settings.html").rename(folder / "mail12/for-users/settings.html.redacted")
    tampering.forge(site.root)


def brought_back(site: Site) -> None:
    (site.root / SAMPLE / RECORD).write_text("{}\n")


@pytest.mark.parametrize("alter", [file_gone, file_otherwise, file_empty, one_more, brought_back])
def test_a_redaction_that_the_chain_does_not_have_so_is_found(
    alter: Callable[[Site], None], site: Site, tmp_path: Path
) -> None:
    redact(site)
    alter(site)
    found = verification.check(site.root / SAMPLE)
    assert [*found.contradicted, *found.extra], found.report()
    done = subprocess.run(["sh", export.__file__.replace("export.py", "audit/check.sh"), "-"], check=False,
                          capture_output=True, text=True, cwd=tmp_path)  # fmt: skip
    assert done.returncode == 2, "it is for an archive"
    told = shell(site, tmp_path).stdout
    assert f"WRONG {SAMPLE}: " in told
    named = "listed (<) and there (>)" if alter is brought_back else "redact"
    assert any(named in line for line in told.splitlines() if line.startswith("WRONG")), told


def test_a_redaction_that_broke_off_is_named_and_goes_on(site: Site) -> None:
    with (
        mock.patch("runbook_lib.records.retention.signing.keep", side_effect=KeyboardInterrupt),
        pytest.raises(KeyboardInterrupt),
    ):
        redact(site)
    found = verification.check(site.root / SAMPLE)
    assert f"{RECORD}: its redaction broke off; type it again" in found.contradicted
    redact(site)
    assert site.check().holds, site.told()
    entries = [entry for entry in chain_of(site) if entry["kind"] == "redacted"]
    assert len(entries) == 1


def chain_of(site: Site) -> list[dict[str, object]]:
    return [json.loads(line[65:]) for line in tampering.stream(site.root).read_bytes().splitlines()]


def test_a_file_that_came_anew_is_redacted_anew(site: Site) -> None:
    redact(site, NOTEBOOK)
    (site.root / SAMPLE / NOTEBOOK).write_text("anew\n")
    with tampering.signing_with(site.keys / "kanri"):
        tampering.sign(site.root, SAMPLE)
    assert site.check().holds, site.told()
    redact(site, NOTEBOOK)
    assert site.check().holds, site.told()
    told = json.loads((site.root / SAMPLE / f"{NOTEBOOK}.redacted").read_bytes())
    assert told["sha256"] == seal.sha256(b"anew\n")


def test_without_a_key_a_signed_run_is_not_redacted(site: Site) -> None:
    before = tampering.state(site.root, frozenset())
    with tampering.signing_with(site.keys / "stranger"), pytest.raises(RecordNotSigned):
        retention.redact(site.root, SAMPLE, RECORD, WHY)
    assert tampering.state(site.root, frozenset()) == before


@pytest.mark.parametrize(
    ("path", "reason", "told"),
    [
        (RECORD, " ", "is empty"),
        ("mail12/nothing", WHY, "is no file of this run"),
        ("../signers.1", WHY, "is no file of this run"),
        ("run.json", WHY, "it stays"),
        ("SHA256SUMS.1", WHY, "it stays"),
    ],
)
def test_what_cannot_be_redacted_is_refused(path: str, reason: str, told: str, site: Site) -> None:
    before = tampering.state(site.root, frozenset())
    with tampering.signing_with(site.keys / "kanri"), pytest.raises(UsageError, match=told):
        retention.redact(site.root, SAMPLE, path, reason)
    assert tampering.state(site.root, frozenset()) == before


def test_what_was_altered_is_not_redacted(site: Site) -> None:
    (site.root / SAMPLE / NOTEBOOK).write_text("{}\n")
    with pytest.raises(RecordError, match="not as it was sealed"):
        redact(site)
    assert (site.root / SAMPLE / RECORD).exists()


def test_on_hold_nothing_is_deleted(site: Site) -> None:
    retention.hold(site.root, SAMPLE, "case 7")
    with pytest.raises(RecordError, match=r"on hold by \S+: case 7"):
        redact(site)
    stays = {one.run: one.stays for one in retention.expire(site.root, LATER)}
    assert stays[SAMPLE].startswith("on hold by ")
    assert (site.root / SAMPLE / RECORD).exists()
    assert not (site.root / LAST / "mail12").exists()
    with pytest.raises(UsageError, match="on hold already"):
        retention.hold(site.root, SAMPLE, "case 8")
    retention.release(site.root, SAMPLE, "case 7 is closed")
    redact(site)
    with pytest.raises(UsageError, match="not on hold"):
        retention.release(site.root, SAMPLE, "again")


def test_what_vouches_for_an_expired_run_stays(site: Site, tmp_path: Path) -> None:
    redact(site)
    before = retention.due(site.root, LATER)
    assert {one.run for one in before} == {SAMPLE, PLAN, CUT_OFF, ELSEWHERE, LAST}
    assert (site.root / SAMPLE / NOTEBOOK).exists(), "to name them deletes nothing"
    assert retention.expire(site.root, date(2020, 1, 1)) == ()
    retention.expire(site.root, LATER)
    left = {path for path in seal.paths(site.root / SAMPLE) if not path.endswith(".html")}
    assert left == {
        "run.json", "run.json.1", "run.json.2", "SHA256SUMS.1", "SHA256SUMS.1.sig", "SHA256SUMS.1.tsr", "SHA256SUMS.2",
        "SHA256SUMS.2.sig", "SHA256SUMS.2.tsr", f"{RECORD}.redacted",
    }  # fmt: skip
    assert site.check().holds, site.told()
    assert verification.check(site.root / PLAN, site.signers).signed_by.startswith(tampering.KANRI)
    done = shell(site, tmp_path)
    assert done.stdout.endswith("WHOLE\n"), done.stdout
    assert retention.due(site.root, LATER) == ()
    assert "expired" in index.read_run(site.root / LAST).headline()


def test_an_expired_run_is_a_row_all_the_same(site: Site) -> None:
    was = {row.run: row for row in report.make(site.root, site.check()).rows}
    retention.expire(site.root, LATER)
    rows = {row.run: row for row in report.make(site.root, site.check()).rows}
    assert rows.keys() == was.keys()
    assert (
        rows[SAMPLE].flags == f"{was[SAMPLE].flags}; expired".removeprefix("; ")
        or "expired" in rows[SAMPLE].flagged
    )
    kept = set(population.COLUMNS) - {"flags", "emergency"}
    assert {name: getattr(rows[LAST], name) for name in kept} == {
        name: getattr(was[LAST], name) for name in kept
    }


def test_files_that_are_gone_are_not_expired_by_themselves(site: Site) -> None:
    retention.expire(site.root, LATER)
    (site.root / LAST / "run.json").unlink()
    assert not site.check().holds


def test_an_expiry_that_broke_off_is_named_and_goes_on(site: Site) -> None:
    with (
        mock.patch("runbook_lib.records.retention._delete", side_effect=KeyboardInterrupt),
        pytest.raises(KeyboardInterrupt),
    ):
        retention.expire(site.root, LATER)
    assert not site.check().holds
    retention.expire(site.root, LATER)
    assert site.check().holds, site.told()


def test_files_that_were_deleted_while_on_hold_are_named(site: Site) -> None:
    retention.hold(site.root, PLAN, "case 7")
    with mock.patch(
        "runbook_lib.records.retention.kept.read_all", return_value={}
    ):  # by somebody who looks away
        retention.expire(site.root, LATER)
    found = verification.check(site.root / PLAN)
    assert "its files were deleted while it was on hold" in found.contradicted


def test_an_entry_is_for_its_owner_alone_and_is_the_chains(site: Site) -> None:
    redact(site)
    file = site.root / SAMPLE / f"{RECORD}.redacted"
    assert file.stat().st_mode & 0o777 == 0o600
    assert Redacted.model_validate(json.loads(file.read_bytes())).path == RECORD
    assert json.loads(file.read_bytes()) in chain_of(site)
