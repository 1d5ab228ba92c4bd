"""Whoever gets a record can tell whether it is whole and unaltered."""

import json
import os
import subprocess
from pathlib import Path

import pytest
import sample_record

from runbook_lib.errors import RecordError
from runbook_lib.records import Record, manifest
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
    found = manifest.check(run)
    assert found.holds
    assert len(found.unchanged) == 9
    assert found.report() == f"{run.name}: 9 files are as they were recorded"


def test_the_manifest_says_who_when_why_and_from_which_state(run: Path) -> None:
    told = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    records = [json.loads(path.read_text(encoding="utf-8")) for path in run.glob("*/*.json")]
    assert told["operator"] == "kanri"
    assert told["reason"] == "MAIL-1184: TLS for submission"
    assert told["started_at"] == min(record["started_at"] for record in records)
    assert told["ended_at"] == max(record["ended_at"] for record in records)
    assert told["commit"] == records[0]["commit"]
    assert told["inventory_sha256"] == sample_record.COMMON["inventory_sha256"]
    lock = Path(__file__).parents[1] / "requirements.lock"
    assert told["lock_sha256"] == subprocess.check_output(["sha256sum", lock], text=True).split()[0]
    sums = "".join(f"{file['sha256']}  {file['path']}\n" for file in told["files"])
    subprocess.run(["sha256sum", "-c", "--strict", "--quiet"], input=sums, text=True, cwd=run, check=True)
    assert {file["size_bytes"] for file in told["files"]} == {
        path.stat().st_size for path in run.rglob("*") if path.is_file() and path.name != "manifest.json"
    }


@pytest.mark.parametrize(
    "name", [CHAPTER, "mail12/20-postfix-debian.html", "index.html", "mail13/11-key-and-csr.json"]
)
def test_one_altered_character_is_found(name: str, run: Path) -> None:
    replace(run / name, "20261125", "20261126")
    found = manifest.check(run)
    assert (found.altered, found.holds) == ((name,), False)
    assert f"altered: {name}" in found.report()


def test_a_missing_and_a_further_file_are_found(run: Path) -> None:
    (run / CHAPTER).unlink()
    (run / "mail12" / ".hidden").touch()
    found = manifest.check(run)
    assert (found.missing, found.extra, found.holds) == ((CHAPTER,), ("mail12/.hidden",), False)


def test_a_link_in_place_of_a_file_is_no_record(run: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (run / CHAPTER).rename(elsewhere)
    (run / CHAPTER).symlink_to(elsewhere)
    assert manifest.check(run).altered == (CHAPTER,)


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
    found = manifest.check(clone / run.name)
    if marked:
        assert found.holds
    else:
        assert (len(found.transported), found.altered, found.holds) == (9, (), False)
        assert "line ends changed by transport: index.html" in found.report()


def test_an_attributes_file_of_ones_own_stays(tmp_path: Path) -> None:
    own = tmp_path / ".gitattributes"
    own.write_text("*.json -text\n")
    sample_record.postfix_chapter(tmp_path)
    assert own.read_text() == "*.json -text\n"


def test_a_run_without_a_manifest_is_not_called_whole(run: Path) -> None:
    (run / "manifest.json").unlink()
    with pytest.raises(RecordError, match="no manifest"):
        manifest.check(run)


def test_what_was_altered_is_not_vouched_for_anew(run: Path) -> None:
    replace(run / CHAPTER, '"verdict": "pass"', '"verdict": "fail"')
    before = (run / "manifest.json").read_bytes()
    with pytest.raises(RecordError, match=f"{CHAPTER}: no longer as the manifest says"):
        publish(run.parent, run.name)
    assert (run / "manifest.json").read_bytes() == before


def test_a_chapter_run_again_is_vouched_for_beside_the_earlier_one(run: Path) -> None:
    sample_record.postfix_chapter(run.parent)
    publish(run.parent, run.name)
    found = manifest.check(run)
    assert found.holds
    assert "mail12/20-postfix-debian.1.json" in found.unchanged
    assert "earlier attempt 1" in (run / "index.html").read_text(encoding="utf-8")


def test_a_chapter_still_at_work_may_go_on_after_the_manifest(run: Path) -> None:
    fields = sample_record.COMMON | {"facts": {}, "title": "3-2 Thunderbird"}
    record = Record.begin(run.parent, run.name, "mail12", "32-thunderbird", **fields)  # type: ignore[arg-type]
    publish(run.parent, run.name)
    record.finish("passed", "Done.")
    publish(run.parent, run.name)
    assert manifest.check(run).holds


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("operator", "somebody"),
        ("reason", "MAIL-1: approved"),
        ("commit", "0" * 40),
        ("clean_tree", None),  # the other than the checkout has here
        ("library", "9"),
        ("inventory_sha256", "0" * 64),
        ("started_at", "2020-01-01T00:00:00.000+00:00"),
        ("ended_at", "2020-01-01T00:00:00.000+00:00"),
    ],
)
def test_a_manifest_that_says_otherwise_than_its_records_is_found(
    field: str, said: object, run: Path
) -> None:
    path = run / "manifest.json"
    told = json.loads(path.read_bytes())
    path.write_text(json.dumps(told | {field: not told[field] if said is None else said}), encoding="utf-8")
    found = manifest.check(run)
    assert (found.contradicted, found.holds) == ((field,), False)
    assert f"the manifest says otherwise than the records: {field}" in found.report()


def test_a_run_under_the_name_of_another_is_found(run: Path) -> None:
    other = run.rename(run.with_name("20991231T000000Z-abcd"))
    found = manifest.check(other)
    assert not found.holds
    assert f"the folder has the name {other.name}, and is of run {run.name}" in found.report()


def test_what_is_no_file_is_no_record_and_nobody_waits_for_it(run: Path) -> None:
    """A pipe without an end, a file of many gigabytes, a link where the note of a rollback stands."""
    (run / CHAPTER).unlink()
    os.mkfifo(run / CHAPTER)
    os.truncate(run / "index.html", 1 << 40)
    (run / "undone.json").symlink_to("/etc/hostname")
    found = manifest.check(run)
    assert (found.altered, found.extra) == (("index.html", CHAPTER), ("undone.json",))
    (run / "manifest.json").unlink()
    os.mkfifo(run / "manifest.json")
    with pytest.raises(RecordError, match="no file of a manifest"):
        manifest.check(run)


def test_a_files_name_says_nothing_in_the_report(run: Path) -> None:
    (run / f"x\n{run.name}: 10 files are as they were recorded").touch()
    (run / os.fsdecode(b"\xff.html")).touch()
    lines = manifest.check(run).report().splitlines()
    assert [line.partition(":")[0] for line in lines] == [run.name, *["  not in the manifest"] * 2]
    "\n".join(lines).encode()
