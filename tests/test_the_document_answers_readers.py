"""What the chapters tell those who only read: what the library knows as well is said as the library has it."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from shared_cells import is_shared

from runbook_lib.batch.rollout import LAB_WORKERS
from runbook_lib.errors import (
    CommandFailed,
    HostBusy,
    InventoryError,
    RollbackConflict,
    RunbookError,
    SecretUnavailable,
    UsageError,
    VerificationFailed,
)
from runbook_lib.families.debian import DEBIAN
from runbook_lib.families.enterprise_linux import ENTERPRISE_LINUX
from runbook_lib.inventory.models import CertificateValues, Host, Site
from runbook_lib.mail.findings import obsolete
from runbook_lib.mail.findings.overridden import INSTEAD
from runbook_lib.pki import authority, rollover, storage
from runbook_lib.records.origin import run_id
from runbook_lib.remote import journal, system

CHECKOUT = Path(__file__).resolve().parents[1]
NOTEBOOKS = {path.stem: path for path in sorted((CHECKOUT / "notebooks").glob("[0-9][0-9]-*.ipynb"))}
FIRST, DEBIAN_S, CENTOS_S = "00-preparation", "20-postfix-debian", "21-postfix-centos"
APPLE_DAYS_MAX = 825  # support.apple.com/103769


def all_cells(notebook: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(NOTEBOOKS[notebook].read_bytes())["cells"]
    return found


def cells(notebook: str) -> dict[str, str]:
    """The text of each markdown cell, by its id."""
    return {
        one["id"]: "".join(one["source"]) for one in all_cells(notebook) if one["cell_type"] == "markdown"
    }


def cell(notebook: str, name: str) -> str:
    return cells(notebook)[name]


def first_column(text: str) -> list[str]:
    """Of each row of the tables, but for those of their heads."""
    rows = re.findall(r"^\| (.+?) \|", text, re.MULTILINE)
    return [row for n, row in enumerate(rows) if row != "---" and rows[n + 1 : n + 2] != ["---"]]


def named(rows: list[str]) -> set[str]:
    return {name for row in rows for name in re.findall(r"`([a-z0-9_]+)`", row)}


# --- what is said in several chapters ---


def test_whoever_begins_at_a_later_chapter_meets_its_words_there() -> None:
    """One text in each of them, before the first cell of code; the first chapter has all of it."""
    later = [name for name in NOTEBOOKS if name != FIRST]
    for name in later:
        ids = [one["id"] for one in all_cells(name)]
        assert ids.index("words") + 1 == ids.index("parameters")
    (short,) = {cell(name, "words") for name in later}
    table = first_column(cell(FIRST, "words"))
    for word in ("inventory", "run", "journal", "record", "lab host"):
        assert re.search(rf"\*{word}\*", short), word
        assert any(word in row for row in table), word
    for name in NOTEBOOKS:
        assert "document of 2013" in cell(name, "words")


def test_no_cell_says_again_what_another_chapter_has() -> None:
    """But for what is shared on purpose."""
    seen: dict[str, str] = {}
    for name in NOTEBOOKS:
        for one in filter(lambda one: one["cell_type"] == "markdown" and not is_shared(one), all_cells(name)):
            text = "".join(one["source"])
            if text.startswith("## ") and len(text) > 100:
                assert text not in seen, f"{name} {one['id']}: {seen[text]}"
                seen[text] = name


def test_a_picture_appears_once() -> None:
    """A chapter that needs one of another chapter's leads there."""
    drawn = [
        "".join(output["data"]["image/svg+xml"])
        for name in NOTEBOOKS
        for one in all_cells(name)
        for output in one.get("outputs", ())
        if "image/svg+xml" in output.get("data", ())
    ]
    assert len(drawn) == len(set(drawn)) > 3


def test_each_field_of_the_inventory_that_is_named_is_one() -> None:
    """`block.field`, as `submission.ports`; what is behind a third dot is a field of that."""
    blocks = {
        name: field.annotation
        for model in (Host, Site)
        for name, field in model.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
    }
    seen = set()
    for name in NOTEBOOKS:
        for block, field in re.findall(
            rf"`({'|'.join(blocks)})\.([a-z_0-9]+)", "\n".join(cells(name).values())
        ):
            if f"{block}.{field}" not in (storage.KEY, storage.CERTIFICATE):  # files of the CA
                assert field in blocks[block].model_fields, f"{name}: {block}.{field}"
                seen.add(f"{block}.{field}")
    assert {"names.further", "submission.auth_on_25", "sasl.minimum_uid", "certificate.valid_days"} <= seen


def test_each_page_that_is_named_is_there() -> None:
    named_pages = {
        page
        for name in NOTEBOOKS
        for page in re.findall(r"`(docs/[a-z-]+\.md)`", "\n".join(cells(name).values()))
    }
    assert len(named_pages) > 5
    assert [page for page in sorted(named_pages) if not (CHECKOUT / page).exists()] == []


# --- the runbook itself ---


def test_the_id_of_a_run_looks_as_the_example_does() -> None:
    (example,) = re.findall(r"`(\d{8}T\d{6}Z-[0-9a-f]{4})`", cell(FIRST, "words"))
    pattern = re.sub(r"[0-9a-f]", "x", example)
    assert re.sub(r"[0-9a-f]", "x", run_id(datetime.now(UTC))) == pattern


def test_places_and_lines_of_a_night_are_those_of_the_journal() -> None:
    text = cell(FIRST, "from-plan-to-change")
    assert f"`{journal.LOCK}`" in text
    assert f"sh {journal.ROOT}/RUN/undo.sh" in text
    for word in re.findall(r"^\| `([A-Z ]+) …` \|", text, re.MULTILINE):
        scripts = [path.read_text() for path in (CHECKOUT / "runbook_lib").rglob("*.sh")]
        assert any(f'say "{word} ' in script for script in scripts), word
    (twice,) = re.findall(r"says \*(nothing to put back: .+?)\*", text)
    assert f'say "{twice}"; exit 0' in journal.FUNCTIONS
    assert "--from NUMBER" in text
    assert "sh undo.sh [--from NUMBER]" in journal.FUNCTIONS
    assert "logger -t runbook" in journal.FUNCTIONS
    assert "journalctl -t runbook" in text


def test_the_exit_status_is_what_each_error_has() -> None:
    rows = dict(re.findall(r"^\| ([012]) \| (.+) \|$", cell(FIRST, "from-plan-to-change"), re.MULTILINE))
    assert set(rows) == {"0", "1", "2"}
    ends_with: dict[type[RunbookError], int] = {
        **dict.fromkeys((UsageError, InventoryError, SecretUnavailable), 2),
        **dict.fromkeys((RunbookError, CommandFailed, HostBusy, RollbackConflict, VerificationFailed), 1),
    }
    assert {error: error.exit_code for error in ends_with} == ends_with
    assert {"option", "inventory", "secret"} <= set(re.findall(r"\w+", rows["2"]))


def test_so_many_hosts_are_at_work_and_so_long_a_lock_is_waited_for() -> None:
    text = cell(FIRST, "from-plan-to-change")
    assert ("Four hosts are at work" in text, LAB_WORKERS) == (True, 4)
    assert ("waits two minutes" in text, system.LOCK_PATIENCE_S) == (True, 120)


# --- certificates ---


def test_lifetimes_are_those_of_the_ca_and_apple_takes_them() -> None:
    life = cell("12-signing", "life-of-a-certificate")
    phones = cell("32-thunderbird", "phones")
    fields = CertificateValues.model_fields
    most = authority.VALID_DAYS_MAX
    assert f"for {most} days at most" in life
    assert (
        f"| {APPLE_DAYS_MAX} days at most | {fields['valid_days'].default}; never more than {most} |"
        in phones
    )
    assert fields["valid_days"].default <= most <= APPLE_DAYS_MAX
    assert f"({fields['renew_days'].default} in the inventory's default)" in life
    assert f"the CA's has {authority.KEY_BITS}" in phones
    assert f"first {rollover.HANDED_OUT_DAYS} days" in life


def test_the_dates_to_come_are_those_of_the_ballot() -> None:
    """SC-081v3 of the CA/Browser Forum: lifetime and reuse of a domain's validation, in days."""
    rows = re.findall(
        r"^\| (?:from|before) (\d+ \w+ \d{4}) \| (\d+) days \| (\d+) days \|$",
        cell("12-signing", "life-of-a-certificate"),
        re.MULTILINE,
    )
    assert rows == [
        ("15 March 2026", "398", "398"),
        ("15 March 2026", "200", "200"),
        ("15 March 2027", "100", "100"),
        ("15 March 2029", "47", "10"),
    ]


def test_what_is_never_handed_out_has_the_name_of_the_file() -> None:
    text = cell("32-thunderbird", "handed-out")
    handed, _, never = text.partition("| never |")
    assert f"`{storage.KEY}`" in never
    assert storage.KEY not in handed


# --- Postfix ---


def test_what_is_deprecated_is_what_the_findings_know() -> None:
    """The parameter in the first column; the version that warns in the last one."""
    text = cell(DEBIAN_S, "both-what-beats-what").partition("### What is deprecated")[2]
    warned = set()
    for row in re.findall(r"^\| (`.+) \|$", text, re.MULTILINE):
        if "warns" in row:
            (version,) = re.findall(r"(\d)\.(\d+) warns", row)
            for name in named([row.split(" | ")[0]]):
                assert obsolete.TABLE[name].warns == tuple(map(int, version)), name
                warned.add(name)
    of_smtpd = {name for name, one in obsolete.TABLE.items() if one.warns and name.startswith("smtpd_")}
    assert warned == of_smtpd - {"smtpd_tls_cipherlist"}  # of the patch before Postfix 2.2; nobody has it
    assert "smtpd_tls_session_cache_database" in named(first_column(text))


def test_what_beats_what_is_what_the_findings_know() -> None:
    text = cell(DEBIAN_S, "both-what-beats-what").partition("### What is deprecated")[0]
    rows = dict(re.findall(r"^\| `(\w+)`[^|]* \| ([^|]+) \|", text, re.MULTILINE))
    for winner in ("smtpd_tls_chain_files", "smtpd_tls_security_level"):
        losers = named([rows[winner]])
        assert losers
        assert losers <= set(INSTEAD[winner])


def test_the_drop_in_is_explained_line_by_line() -> None:
    text = cell(DEBIAN_S, "socket-group-reload").partition("### Debian 13's drop-in")[2]
    written = [line for line in DEBIAN.releases["13"].saslauthd_drop_in if not line.startswith("#")]
    assert re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE) == written
    assert f"`{DEBIAN.saslauthd_drop_in}`" in text
    assert f"-f {DEBIAN.saslauthd_socket_directory}/mux" in cell(DEBIAN_S, "socket-group-reload")


def test_priorities_are_those_of_the_releases() -> None:
    rows = re.findall(
        r"^\| postfix on ([\d, and]+) \| (\d+) \|", cell(CENTOS_S, "alternatives-priorities"), re.MULTILINE
    )
    told = {number: int(priority) for numbers, priority in rows for number in re.findall(r"\d+", numbers)}
    assert told == {name: one.mta_priority for name, one in ENTERPRISE_LINUX.releases.items()}
    text = cell(CENTOS_S, "alternatives-priorities")
    assert f"alternatives --set mta {ENTERPRISE_LINUX.mta_program}" in text
    assert str(ENTERPRISE_LINUX.pam_service) in text


def test_packages_that_are_named_are_those_that_are_installed() -> None:
    text = cell(DEBIAN_S, "both-logins")
    assert "libsasl2-modules" in DEBIAN.packages
    assert "cyrus-sasl-plain" in ENTERPRISE_LINUX.packages
    assert {"`libsasl2-modules`", "`cyrus-sasl-plain`"} <= set(re.findall(r"`[a-z0-9-]+`", text))


@pytest.mark.parametrize(
    "answer",
    [
        "503 5.5.1 Error: authentication not enabled",
        "530 5.7.0 Must issue a STARTTLS command first",
        "454 4.7.1 … Relay access denied",
        "554 5.7.1 … Access denied",
    ],
)
def test_an_answer_that_is_quoted_is_one_that_was_given(answer: str) -> None:
    """By the server whose verification is stored."""
    assert f"`{answer}`" in cell(DEBIAN_S, "both-logins")
    stored = NOTEBOOKS["90-verification"].read_text(encoding="utf-8")
    code, _, words = answer.partition(" … ")
    assert re.search(rf"{re.escape(code)}.{{0,40}}{re.escape(words)}", stored)
