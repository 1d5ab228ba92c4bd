"""What version 0.1.0 recorded is read for ever: its manifest tells what was altered; that no seal holds it is said."""

import json
import os
import shutil
import tarfile
from pathlib import Path

import pytest
import sample_record
from format_one import made_of_before

from runbook_lib.errors import RecordError
from runbook_lib.records import Record, verification
from runbook_lib.records.publish import publish

UPGRADE = Path(__file__).parent / "upgrade"
CHAPTER = "mail12/20-postfix-debian.json"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    root = tmp_path / "records"
    return made_of_before(sample_record.whole_run(root))


def replace(path: Path, before: str, after: str) -> None:
    content = path.read_bytes()
    assert before.encode() in content
    path.write_bytes(content.replace(before.encode(), after.encode()))


def test_a_whole_record_holds(run: Path) -> None:
    found = verification.check(run)
    assert found.holds
    assert len(found.unchanged) == 9
    assert found.report() == f"{run.name}: 9 files are as they were recorded (not sealed)"


@pytest.mark.parametrize(
    "name", [CHAPTER, "mail12/20-postfix-debian.html", "index.html", "mail13/11-key-and-csr.json"]
)
def test_one_altered_character_is_found(name: str, run: Path) -> None:
    replace(run / name, "20261125", "20261126")
    found = verification.check(run)
    assert (found.altered, found.holds) == ((name,), False)
    assert f"altered: {name}" in found.report()


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


def test_a_run_without_a_manifest_is_not_called_whole(run: Path) -> None:
    (run / "manifest.json").unlink()
    with pytest.raises(RecordError, match="no manifest"):
        verification.check(run)


def test_what_was_altered_is_not_vouched_for_anew(run: Path) -> None:
    replace(run / CHAPTER, '"verdict": "pass"', '"verdict": "fail"')
    before = (run / "manifest.json").read_bytes()
    with pytest.raises(RecordError, match=f"{CHAPTER}: no longer as the manifest says"):
        publish(run.parent, run.name)
    assert (run / "manifest.json").read_bytes() == before


def test_what_goes_on_is_sealed_and_keeps_its_manifest(run: Path) -> None:
    before = (run / "manifest.json").read_bytes()
    sample_record.postfix_chapter(run.parent)
    publish(run.parent, run.name)
    found = verification.check(run)
    assert (found.holds, found.sealed) == (True, True)
    assert "mail12/20-postfix-debian.1.json" in found.unchanged
    assert (run / "manifest.json").read_bytes() == before


def test_a_chain_that_begins_later_holds_what_was_there(run: Path) -> None:
    """With another manifest, it is no longer the run that was found; nor is there another of before."""
    other = "20261126T000000Z-0000"
    fields = sample_record.COMMON | {"facts": {}, "title": ""}
    later = Record.begin(run.parent, other, "mail12", "x", **fields)  # type: ignore[arg-type]
    later.finish("passed", None)
    publish(run.parent, other)
    assert verification.check(run).holds
    shutil.copytree(run, invented := run.with_name("20200101T000000Z-0000"))
    replace(invented / "manifest.json", run.name, invented.name)
    for path in invented.glob("*/*.json"):
        replace(path, run.name, invented.name)
    made_of = verification.check(invented)
    assert "the chain does not have this run" in made_of.contradicted
    (run / CHAPTER).unlink()
    told = json.loads((run / "manifest.json").read_bytes())
    told["files"] = [file for file in told["files"] if file["path"] != CHAPTER]
    (run / "manifest.json").write_text(json.dumps(told), encoding="utf-8")
    assert "the chain does not have this run" in verification.check(run).contradicted


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
    found = verification.check(run)
    assert (found.contradicted, found.holds) == ((field,), False)
    assert f"said otherwise: {field}" in found.report()


def test_a_run_under_the_name_of_another_is_found(run: Path) -> None:
    other = run.rename(run.with_name("20991231T000000Z-abcd"))
    found = verification.check(other)
    assert not found.holds
    assert f"the folder has the name {other.name}, and is of run {run.name}" in found.report()


def test_what_is_no_file_is_no_record_and_nobody_waits_for_it(run: Path) -> None:
    """A pipe without an end, a file of many gigabytes, a link where the note of a rollback stands."""
    (run / CHAPTER).unlink()
    os.mkfifo(run / CHAPTER)
    os.truncate(run / "index.html", 1 << 40)
    (run / "undone.json").symlink_to("/etc/hostname")
    found = verification.check(run)
    assert (found.altered, found.extra) == (("index.html", CHAPTER), ("undone.json",))
    (run / "manifest.json").unlink()
    os.mkfifo(run / "manifest.json")
    with pytest.raises(RecordError, match="no file of a manifest"):
        verification.check(run)


def test_a_files_name_says_nothing_in_the_report(run: Path) -> None:
    (run / f"x\n{run.name}: 10 files are as they were recorded").touch()
    (run / os.fsdecode(b"\xff.html")).touch()
    lines = verification.check(run).report().splitlines()
    assert [line.partition(":")[0] for line in lines] == [run.name, *["  not in the record's list"] * 2]
    "\n".join(lines).encode()


@pytest.mark.parametrize("archive", sorted(UPGRADE.glob("*.tar.xz")), ids=lambda path: path.name)
def test_what_version_0_1_0_left_holds_and_is_said_to_be_not_sealed(archive: Path, tmp_path: Path) -> None:
    with tarfile.open(archive) as tar:
        wanted = [member for member in tar.getmembers() if member.name.startswith("records/2")]
        tar.extractall(tmp_path, wanted, filter="data")
    (folder,) = (tmp_path / "records").glob("2*")
    found = verification.check(folder)
    assert (found.holds, found.sealed) == (True, False), found.report()
    assert found.report().endswith("(not sealed)")
    assert verification.check_all(tmp_path / "records").holds
