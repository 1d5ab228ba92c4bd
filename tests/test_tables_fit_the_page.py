"""A table on a terminal or in a pipe is no wider than a page; the text of notebooks and records stays as it is."""

import pytest

from runbook_lib.display import Parts, Table, Text, text_width

ROWS = [
    ("mail1", "この行は長い " * 30, "yes"),
    ("mail2", "a sentence of words " * 20, "no"),
    ("mail3", "x" * 90, ""),
]
TABLE = Table(("host", "what was seen", "it"), ROWS, "Hosts")


def test_the_widest_column_is_broken_between_words() -> None:
    for shown in (TABLE, Parts([TABLE])):
        lines = shown.fitted(120).split("\n")
        assert max(map(text_width, lines)) <= 120
        assert lines[:2] == ["Hosts", lines[1]]
        assert lines[1].split() == ["host", "what", "was", "seen", "it"]
        assert " ".join(lines).count("sentence") == 20
    assert max(map(text_width, TABLE.text().split("\n"))) > 350


def test_what_fits_stays_and_what_cannot_be_broken_too() -> None:
    narrow = Table(("a", "b"), [("1", "two words")])
    assert narrow.fitted(120) == narrow.text()
    assert "x" * 90 in TABLE.fitted(40)


@pytest.mark.parametrize("width", [40, 60, 120, 1000])
def test_a_table_that_is_measured_by_some_of_its_rows_is_the_same(width: int) -> None:
    rows = [("mail4", "two words", "yes"), *ROWS, *ROWS, ("", " a blank before", "no")]
    some = [("mail4", "", "no"), ("", ROWS[0][1], ""), ("mail1", "x" * 90, "yes"), rows[2], rows[-1]]
    measured = Table(TABLE.headers, iter(rows), "Hosts", like=iter(some))
    assert "\n".join(measured.pieces(width)) == Table(TABLE.headers, rows, "Hosts").fitted(width)


def test_piece_by_piece_it_is_the_whole() -> None:
    shown = Parts([TABLE, Text("a sentence"), Parts([Table(("a",), [], ""), TABLE])])
    for width in (40, 120):
        assert "\n".join(shown.pieces(width)) == shown.fitted(width)


def test_what_goes_on_in_the_next_line_stays_in_its_column() -> None:
    rows = [("one", "aaaa bbbb cccc dddd eeee", "yes"), ("two", "ffff", "g " * 12 + "h")]
    assert Table(("a", "b", "c"), rows).fitted(32).split("\n") == [
        "a    b          c",
        "---  ---------  -------------",
        "one  aaaa bbbb  yes",
        "     cccc dddd",
        "     eeee",
        "two  ffff       g g g g g g g",
        "                g g g g g h",
    ]
