"""What a command wrote is kept short: head, tail, length and digest of the whole, never a secret."""

import hashlib
from pathlib import Path

import pytest

from runbook_lib import credentials
from runbook_lib.excerpt import excerpt
from runbook_lib.records import Record

MIB = 1024 * 1024


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("content", [b"", b"one", b"one\n\ntwo\n", b"x\n" * 10, b"x" * 300, b"caf\xe9\x85\n"])
def test_short_output_is_kept_as_it_is(content: bytes) -> None:
    assert excerpt(content) == content.decode("utf-8", "backslashreplace").rstrip("\n")


def test_long_output_has_its_ends_its_length_and_its_digest() -> None:
    content = b"".join(b"line %d\n" % number for number in range(8 * MIB // 9))
    kept = excerpt(content).split("\n")
    assert kept[:3] == ["line 0", "line 1", "line 2"]
    assert kept[4:] == [f"line {8 * MIB // 9 - number}" for number in range(7, 0, -1)]
    said = f"[{8 * MIB // 9 - 10:,} lines left out; all of it: {len(content):,} bytes, SHA-256 {digest(content)}]"
    assert kept[3] == said


def test_one_line_without_end_has_its_ends_too() -> None:
    content = b"begin" + b"-" * 8 * MIB + b"end"
    line, said = excerpt(content).split("\n")
    assert len(line) < 400
    assert (line[:6], line[-4:]) == ("begin-", "-end")
    assert said == f"[long lines cut; all of it: {len(content):,} bytes, SHA-256 {digest(content)}]"


def test_output_with_a_secret_has_no_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LONG_OUTPUT_SECRET", "correct horse battery")
    credentials.resolve("env:LONG_OUTPUT_SECRET", "here")
    content = b"x\n" * 20 + b"correct horse battery\n"
    kept = excerpt(content)
    assert "[11 lines left out; all of it: 62 bytes, a secret among them]" in kept
    assert "horse" not in kept
    assert digest(content) not in kept


def test_record_keeps_the_ends_of_a_fact_of_eight_mebibytes(tmp_path: Path) -> None:
    content = "first\n" + "Debian\n" * (8 * MIB // 7) + "last"
    record = Record.begin(
        tmp_path, "20261126T000000Z-0000", "mail1", "00-preparation",
        title="x", mode="plan", reason="", operator="kanri", lab=True, inventory_sha256="",
        facts={"os_release": content, "short": "x"},
    )  # fmt: skip
    kept = record.data.facts["os_release"].split("\n")
    assert (kept[0], kept[-1]) == ("first", "last")
    assert f"all of it: {len(content):,} bytes, SHA-256 {digest(content.encode())}]" in kept[3]
    assert record.data.facts["short"] == "x"
    assert record.path.stat().st_size < 4000
