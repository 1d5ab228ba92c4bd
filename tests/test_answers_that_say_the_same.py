"""What several addresses or versions answered alike is one row for the reader; whatever differs has its own."""

import json
import re
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from runbook_lib import display
from runbook_lib.chapters.answers import over, table_of
from runbook_lib.mail.probes import Row, Verdict
from runbook_lib.messages import joined, message
from runbook_lib.messages.speech import speaking
from runbook_lib.warned import warning

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
OLD, NEW = "TLS 1.0", "TLS 1.1"
V4, V6 = "192.0.2.25", "2001:db8::25"


def row(
    seen: str,
    address: str = V4,
    port: int | None = 465,
    verdict: Verdict = Verdict.PASS,
    claim: str = "It holds",
) -> Row:
    return Row(claim, port, address, "-", verdict, seen, f"ask {port} {address}: {seen}")


def refused(version: str) -> str:
    """A sentence about a version, as the probes make it."""
    return message("{version}: {answer}", version=version, answer=message("accepted"))


def lines(*rows: Row) -> list[list[str]]:
    """The cells of the table that a reader sees, without heads and caption."""
    text = table_of(rows).text().partition("\n\n")[0]
    return [re.split(r" {2,}", line.strip()) for line in re.split(r"\n[- ]+\n", text)[1].splitlines()]


def caption(*rows: Row) -> str:
    first = table_of(rows).text().splitlines()[0]
    return first if "answers" in first else ""


def test_what_both_families_answer_alike_is_one_row_and_their_number_is_told() -> None:
    rows = [row("reached", address, port) for port in (25, 465) for address in (V4, V6)]
    assert lines(*rows) == [
        ["25", "IPv4 and IPv6", "reached", "pass"],
        ["465", "IPv4 and IPv6", "reached", "pass"],
    ]
    assert caption(*rows) == "4 answers in 2 rows"
    assert caption(*rows[:2]) == "2 answers in 1 row"
    assert caption(*rows[::2]) == ""


@pytest.mark.parametrize(
    "other",
    [
        row("reached, after a wait", V6),
        row("reached", V6, verdict=Verdict.UNTESTED),
        row(warning("reached"), V6),
        row("reached", V6, port=587),
        row("reached", V6, port=None),
        row("reached", V6, claim="It holds as well"),
        row("reached", V4),
        row("reached", ""),
    ],
    ids=["words", "verdict", "warning", "port", "no port", "claim", "the same address", "no address"],
)
def test_a_row_that_differs_in_anything_stays_a_row(other: Row) -> None:
    """So does one that differs in nothing: it was asked twice, and that is not one answer."""
    assert len(lines(row("reached"), other)) == 2
    assert caption(row("reached"), other) == ""


def test_several_addresses_of_a_family_are_counted() -> None:
    rows = [row("reached", address) for address in ("192.0.2.1", "192.0.2.2", V6)]
    assert lines(*rows) == [["465", "IPv4 (2 addresses) and IPv6", "reached", "pass"]]
    assert over(()) == ""


def test_the_versions_that_are_answered_alike_share_the_row_of_a_port() -> None:
    """Twelve answers, three rows."""
    rows = [row(refused(v), address, p) for p, address, v in product((25, 465, 587), (V4, V6), (OLD, NEW))]
    assert lines(*rows) == [
        [str(port), "IPv4 and IPv6", "TLS 1.0 and TLS 1.1 each: accepted", "pass"] for port in (25, 465, 587)
    ]
    assert caption(*rows) == "12 answers in 3 rows"


def test_a_version_within_a_longer_sentence_is_found() -> None:
    rows = [row(joined("; ", (refused(version), "by main.cf"))) for version in (OLD, NEW)]
    assert lines(*rows) == [["465", "IPv4", "TLS 1.0 and TLS 1.1 each: accepted; by main.cf", "pass"]]
    assert len(lines(rows[0], row(joined("; ", (refused(NEW), "by master.cf"))))) == 2


def test_versions_that_were_not_answered_over_the_same_addresses_stay_apart() -> None:
    """A row that lists both says of each that it was answered so wherever the row says."""
    rows = [row(refused(OLD), V4), row(refused(OLD), V6), row(refused(NEW), V4)]
    wrong = row(refused(NEW), V6, verdict=Verdict.FAIL)
    assert lines(*rows, wrong) == [
        ["465", "IPv4 and IPv6", "TLS 1.0: accepted", "pass"],
        ["465", "IPv4", "TLS 1.1: accepted", "pass"],
        ["465", "IPv6", "TLS 1.1: accepted", "fail"],
    ]


def test_text_that_only_looks_like_a_version_s_is_not_folded() -> None:
    assert len(lines(row("TLS 1.0: accepted"), row("TLS 1.1: accepted"))) == 2


def test_a_name_that_leads_here_by_both_kinds_of_record_is_one_row() -> None:
    rows = [
        row(message("{name}, {record}: {seen}", name=name, record=record, seen="here"), address, None)
        for name in ("mail.example.test", "pop.example.test")
        for record, address in (("A", V4), ("AAAA", V6))
    ]
    assert lines(*rows) == [
        ["IPv4 and IPv6", f"{name}, A and AAAA: here", "pass"]
        for name in ("mail.example.test", "pop.example.test")
    ]


def test_each_command_stays_below_the_table() -> None:
    rows = [row(refused(v), address, p) for p, address, v in product((25, 465), (V4, V6), (OLD, NEW))]
    shown = table_of(rows)
    assert isinstance(shown, display.Parts)
    assert isinstance(shown.parts[1], display.Folded)
    assert shown.parts[1].body.splitlines() == [one.command for one in rows]


def test_a_row_that_was_folded_is_as_it_was() -> None:
    """What is shown is made of the rows; those that the record keeps are not touched."""
    rows = [row(refused(v), address) for address, v in product((V4, V6), (OLD, NEW))]
    before = [replace(one) for one in rows]
    table_of(rows)
    assert rows == before


def test_in_japanese_it_is_the_same_table() -> None:
    rows = [row(refused(v), address) for address, v in product((V4, V6), (OLD, NEW))]
    with speaking("ja"):
        text = table_of(rows).text()
    assert text.startswith("4件の回答を1行に表示\n")
    assert "IPv4とIPv6" in text
    assert "TLS 1.0とTLS 1.1のそれぞれ" in text


# --- the chapters as they are stored ---


def tables(notebook: Path) -> list[str]:
    """The tables of claims, each with its caption."""
    cells = json.loads(notebook.read_bytes())["cells"]
    texts = [
        "".join(one.get("data", {}).get("text/plain", ()))
        for cell in cells
        if cell["cell_type"] == "code"
        for one in cell["outputs"]
    ]
    return [
        part
        for text in texts
        for part in text.split("\n\n")
        if re.search(r"seen +verdict$", part, re.MULTILINE)
    ]


@pytest.mark.parametrize("name", sorted(path.name for path in NOTEBOOKS.glob("[0-9]*.ipynb")))
def test_the_answers_of_the_tables_are_those_that_the_summary_counts(name: str) -> None:
    """A table with fewer rows says of how many answers it is, and together they are what 'verified' counts."""
    answers = 0
    for table in tables(NOTEBOOKS / name):
        told = re.match(r"(\d+) answers in (\d+) rows?\n", table)
        rows = len(re.split(r"\n[- ]+\n", table)[1].splitlines())
        assert told is None or int(told[2]) == rows
        answers += int(told[1]) if told else rows
    summary = "".join(
        json.loads((NOTEBOOKS / name).read_bytes())["cells"][-1]["outputs"][0]["data"]["text/plain"]
    )
    assert sum(map(int, re.findall(r"(\d+) (?:pass|fail|could not test|not asked)", summary))) == answers > 0


@pytest.mark.parametrize("name", sorted(path.name for path in NOTEBOOKS.glob("[0-9]*.ipynb")))
def test_no_two_rows_of_a_stored_table_differ_by_family_or_version_alone(name: str) -> None:
    for table in tables(NOTEBOOKS / name):
        rows = [re.sub(r"\bIPv[46]\b|\bTLS 1\.\d\b", "", line) for line in table.splitlines()]
        assert len(rows) == len(set(rows)), table
