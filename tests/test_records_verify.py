"""Whoever gets a record can tell whether it is whole and unaltered."""

import hashlib
import json
import os
import pwd
import subprocess
from pathlib import Path

import pytest
import sample_record

from runbook_lib.errors import RecordError
from runbook_lib.records import Record, verification
from runbook_lib.records.publish import publish

CHAPTER = "mail12/20-postfix-debian.json"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    root = tmp_path / "records"
    folder = sample_record.whole_run(root)
    publish(root, folder.name)
    return folder


def replace(path: Path, before: str, after: str) -> None:
    content = path.read_bytes()
    assert before.encode() in content
    path.write_bytes(content.replace(before.encode(), after.encode()))


def test_a_whole_record_holds(run: Path) -> None:
    found = verification.check(run)
    assert found.holds
    assert len(found.unchanged) == 5
    assert found.report() == f"{run.name}: 5 files are as they were recorded (sealed, unsigned)"


def test_the_seal_says_who_when_why_and_from_which_state(run: Path) -> None:
    told = json.loads((run / "run.json").read_text(encoding="utf-8"))
    records = [json.loads(path.read_text(encoding="utf-8")) for path in run.glob("*/*.json")]
    assert told["operator"] == {"login": pwd.getpwuid(os.geteuid()).pw_name, "principal": None}
    assert told["reason"] == "MAIL-1184: TLS for submission"
    assert told["started_at"] == min(record["started_at"] for record in records)
    assert told["ended_at"] == max(record["ended_at"] for record in records)
    assert told["commit"] == records[0]["commit"]
    assert told["inventory_sha256"] == sample_record.COMMON["inventory_sha256"]
    assert told["hosts"]["mail12"] == {
        "outcome": "not proven", "changes": 4, "verdicts": {"could not test": 1, "pass": 10},
    }  # fmt: skip
    lock = Path(__file__).parents[1] / "requirements.lock"
    assert told["lock_sha256"] == subprocess.check_output(["sha256sum", lock], text=True).split()[0]
    subprocess.run(["sha256sum", "-c", "--strict", "--quiet", "SHA256SUMS"], cwd=run, check=True)


def test_jq_writes_the_statement_as_it_is(run: Path) -> None:
    """One spelling: sorted keys, no blanks, UTF-8, one line end."""
    content = (run / "run.json").read_bytes()
    again = json.dumps(json.loads(content), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert content == f"{again}\n".encode()


@pytest.mark.parametrize("name", [CHAPTER, "mail13/11-key-and-csr.json", "run.json"])
def test_one_altered_character_is_found(name: str, run: Path) -> None:
    replace(run / name, "20261125", "20261126")
    found = verification.check(run)
    assert (found.altered, found.holds) == ((name,), False)
    assert f"altered: {name}" in found.report()


def test_a_page_lies_outside_and_is_made_anew_from_the_data(run: Path) -> None:
    page = run / "mail12" / "20-postfix-debian.html"
    before = page.read_bytes()
    replace(page, "20261125", "20261126")
    assert verification.check(run).holds
    publish(run.parent, run.name)
    assert page.read_bytes() == before


def test_a_missing_and_a_further_file_are_found(run: Path) -> None:
    (run / CHAPTER).unlink()
    (run / "mail12" / ".hidden").touch()
    found = verification.check(run)
    assert (found.missing, found.extra, found.holds) == ((CHAPTER,), ("mail12/.hidden",), False)


def test_a_link_in_place_of_a_file_is_no_record(run: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (run / CHAPTER).rename(elsewhere)
    (run / CHAPTER).symlink_to(elsewhere)
    assert verification.check(run).altered == (CHAPTER,)


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.test", "-c", "core.safecrlf=false"]
    subprocess.run(["git", "-C", folder, *identity, *arguments], check=True, capture_output=True)


@pytest.mark.parametrize("marked", [True, False])
def test_a_checkout_that_changes_line_ends_is_told_from_tampering(
    marked: bool, run: Path, tmp_path: Path
) -> None:
    """With our .gitattributes nothing changes; without it the kind of change is named."""
    root = run.parent
    if not marked:
        (root / ".gitattributes").unlink()
    git(root, "init", "-q")
    git(root, "add", ".")
    git(root, "commit", "-qm", "records")
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", "-c", "core.autocrlf=true", str(root), str(clone))
    found = verification.check(clone / run.name)
    if marked:
        assert found.holds
    else:
        assert (len(found.transported), found.altered, found.holds) == (5, (), False)
        assert f"line ends changed by transport: {CHAPTER}" in found.report()


def test_an_attributes_file_of_ones_own_stays(tmp_path: Path) -> None:
    own = tmp_path / ".gitattributes"
    own.write_text("*.json -text\n")
    sample_record.postfix_chapter(tmp_path)
    assert own.read_text() == "*.json -text\n"


def test_a_run_without_its_seal_is_not_called_whole(run: Path) -> None:
    (run / "SHA256SUMS").unlink()
    assert not verification.check(run).holds


def test_what_was_altered_is_not_vouched_for_anew(run: Path) -> None:
    replace(run / CHAPTER, '"verdict": "pass"', '"verdict": "fail"')
    before = (run / "SHA256SUMS").read_bytes()
    with pytest.raises(RecordError, match=f"{CHAPTER}: no longer as it was sealed"):
        publish(run.parent, run.name)
    assert (run / "SHA256SUMS").read_bytes() == before


def test_nor_is_it_with_a_list_made_to_fit(run: Path) -> None:
    was = (run / CHAPTER).read_bytes()
    replace(run / CHAPTER, '"verdict": "pass"', '"verdict": "fail"')
    digests = [hashlib.sha256(content).hexdigest() for content in (was, (run / CHAPTER).read_bytes())]
    replace(run / "SHA256SUMS", *digests)
    assert "SHA256SUMS is not the one of the chain" in verification.check(run).contradicted
    with pytest.raises(RecordError, match="SHA256SUMS: not the one of the chain"):
        publish(run.parent, run.name)


def test_a_run_that_did_not_change_is_not_sealed_again(run: Path) -> None:
    before = {path: path.read_bytes() for path in (run / "SHA256SUMS", *run.parent.glob("*.chain"))}
    publish(run.parent, run.name)
    assert {path: path.read_bytes() for path in before} == before


def test_a_chapter_run_again_is_vouched_for_beside_the_earlier_one(run: Path) -> None:
    sample_record.postfix_chapter(run.parent)
    publish(run.parent, run.name)
    found = verification.check(run)
    assert found.holds
    assert "mail12/20-postfix-debian.1.json" in found.unchanged
    assert "earlier attempt 1" in (run / "index.html").read_text(encoding="utf-8")


def test_a_chapter_still_at_work_may_go_on_after_the_seal(run: Path) -> None:
    fields = sample_record.COMMON | {"facts": {}, "title": "3-2 Thunderbird"}
    record = Record.begin(run.parent, run.name, "mail12", "32-thunderbird", **fields)  # type: ignore[arg-type]
    publish(run.parent, run.name)
    record.finish("passed", "Done.")
    publish(run.parent, run.name)
    assert verification.check(run).holds


def test_a_run_under_the_name_of_another_is_found(run: Path) -> None:
    other = run.rename(run.with_name("20991231T000000Z-abcd"))
    found = verification.check(other)
    assert not found.holds
    assert f"the folder has the name {other.name}, and is of run {run.name}" in found.report()


def test_what_is_no_file_is_no_record_and_nobody_waits_for_it(run: Path) -> None:
    """A pipe without an end, a file of many gigabytes, a link where the note of a rollback stands."""
    (run / CHAPTER).unlink()
    os.mkfifo(run / CHAPTER)
    os.truncate(run / "mail13" / "11-key-and-csr.json", 1 << 40)
    (run / "undone.json").symlink_to("/etc/hostname")
    found = verification.check(run)
    assert (found.altered, found.extra) == ((CHAPTER, "mail13/11-key-and-csr.json"), ("undone.json",))
    (run / "SHA256SUMS").unlink()
    os.mkfifo(run / "SHA256SUMS")
    assert "SHA256SUMS: is no file of this kind" in verification.check(run).contradicted


def test_a_files_name_says_nothing_in_the_report(run: Path) -> None:
    (run / f"x\n{run.name}: 10 files are as they were recorded").touch()
    (run / os.fsdecode(b"\xff.json")).touch()
    lines = verification.check(run).report().splitlines()
    assert [line.partition(":")[0] for line in lines] == [run.name, *["  not in the record's list"] * 2]
    "\n".join(lines).encode()
