"""A table on a terminal or in a pipe is no wider than a page; the text of notebooks and records stays as it is."""

from runbook_lib.display import Parts, Table, text_width

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
