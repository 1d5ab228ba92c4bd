"""What a run resolved, and what is a secret by its form, never reaches a record."""

import base64
import json
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
import sample_record
from sample_record import change

from runbook_lib import credentials
from runbook_lib.errors import RecordError
from runbook_lib.records import Record
from runbook_lib.records.redaction import refuse_secrets

PASSWORD = 'Ab€ "q" \\c&d;$e %f!'
ARMOUR = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIFHDBOBgkqhkiG9w0BBQ0w\n"
FORMS = {
    "as it is": PASSWORD,
    "escaped as JSON": json.dumps(PASSWORD),
    "quoted as in a URL": quote(PASSWORD),
    "base64": base64.b64encode(PASSWORD.encode()).decode(),
    "AUTH PLAIN": base64.b64encode(f"\0kensa\0{PASSWORD}".encode()).decode(),
}
EVENTS: dict[str, Callable[[Record, str], None]] = {
    "plan": lambda record, text: record.add_plan(text, "d", [change(text, "file", f"-{text}\n+x")]),
    "commands": lambda record, text: record.add_plan("t", "d", [change("t", "file", "", text)]),
    "apply": lambda record, text: record.add_apply("d", [text], text),
    "verify": lambda record, text: record.add_verify(text, [sample_record.row("c", 25, text)], "fail"),
    "note": lambda record, text: record.add_note(text),
    "finish": lambda record, text: record.finish("failed", text, undo=text, error=ValueError(text)),
}


@pytest.fixture
def record(tmp_path: Path) -> Record:
    return sample_record.postfix_chapter(tmp_path)


@pytest.fixture
def resolved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_PASSWORD", PASSWORD)
    credentials.resolve("env:TEST_PASSWORD", "test")


@pytest.mark.usefixtures("resolved")
@pytest.mark.parametrize("kind", [bytes, bytearray])
@pytest.mark.parametrize("event", [name for name in EVENTS if name != "finish"])
def test_bytes_are_masked_as_the_text_that_they_become(
    event: str, kind: Callable[[bytes], bytes], record: Record
) -> None:
    """A record's fields are text, and its model takes bytes for text."""
    EVENTS[event](record, kind(PASSWORD.encode()))  # type: ignore[arg-type]
    written = record.path.read_text(encoding="utf-8")
    assert "***" in written
    assert json.dumps(PASSWORD, ensure_ascii=False)[1:-1] not in written
    with pytest.raises(RecordError, match="a secret that this run resolved"):
        refuse_secrets({"x": kind(PASSWORD.encode())}, "here", "nothing")


@pytest.mark.usefixtures("resolved")
@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("form", FORMS)
def test_a_resolved_secret_is_masked_in_every_event_and_form(event: str, form: str, record: Record) -> None:
    EVENTS[event](record, f"before {FORMS[form]} after")
    written = record.path.read_text(encoding="utf-8")
    assert re.search(r"before \S*\*\*\*\S* after", written)
    for text in FORMS.values():
        assert text not in written
        assert json.dumps(text, ensure_ascii=False)[1:-1] not in written


@pytest.mark.usefixtures("resolved")
def test_a_secret_in_reason_title_or_fact_is_masked(tmp_path: Path) -> None:
    fields = sample_record.COMMON | {"reason": PASSWORD, "title": PASSWORD, "facts": {"relay": PASSWORD}}
    record = Record.begin(tmp_path, "r", "h", "c", **fields)  # type: ignore[arg-type]
    assert (record.data.reason, record.data.title, record.data.facts) == ("***", "***", {"relay": "***"})


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize(
    ("secret", "kind"),
    [
        (ARMOUR, "a private key"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----", "a private key"),
        (
            "kensa:$6$c2FsdHNhbHQ$0123456789abcdefghijABCDEFGHIJ:19",
            "a password's hash",
        ),
        (
            "kensa:$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fh:1",
            "a password's hash",
        ),
    ],
)
def test_a_secret_by_its_form_is_refused(event: str, secret: str, kind: str, record: Record) -> None:
    before = record.path.read_bytes()
    with pytest.raises(RecordError, match=kind) as refusal:
        EVENTS[event](record, secret)
    assert secret not in str(refusal.value)
    assert record.path.read_bytes() == before
    record.finish("failed", "still usable")  # the refused event is not kept in memory either
    assert secret not in record.path.read_text(encoding="utf-8")


def test_certificates_and_shell_text_are_no_secrets(record: Record) -> None:
    for text in ("-----BEGIN CERTIFICATE-----", "awk '{print $1$2}' /etc/passwd", "price: $5$ and $6"):
        record.add_note(text)
        assert json.loads(record.path.read_text(encoding="utf-8"))["steps"][-1]["text"] == text


def test_a_secret_that_is_known_only_later_is_taken_out_of_what_was_written_before(
    record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    record.add_note("a host said known-only-later of itself")
    assert "known-only-later" in record.path.read_text(encoding="utf-8")
    monkeypatch.setenv("TEST_LATER", "known-only-later")
    credentials.resolve("env:TEST_LATER", "test")
    record.add_note("another")
    assert "known-only-later" not in record.path.read_text(encoding="utf-8")
