"""What a cell, a page and a terminal show: the same value as text and as HTML.

A value shown in a notebook has `__repr__` (text/plain, what a terminal prints and a test greps) and
`_repr_html_` (what JupyterLab and the record's page draw). Nothing here knows what it shows; so whatever it is,
it stays text: markup is escaped, and characters that act instead of being seen are spelled out.
"""

import difflib
import html
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from runbook_lib.visible import visible

# Colours have a contrast of at least 4.5:1 on white (WCAG 2.1, 1.4.3), and never carry the meaning alone.
_STYLE = {
    "pass": "color:#0a6b2d;font-weight:600",
    "fail": "color:#b3261e;font-weight:700",
    "could not test": "color:#7a4b00;font-weight:600",
}
_CELL = 'style="text-align:left;vertical-align:top;padding:.2em .8em;white-space:pre-wrap"'


def text_width(text: str) -> int:
    """Columns that a terminal gives to `text`; East Asian wide characters take two (UAX #11)."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text
    )


class Shown:
    """A value with a text and an HTML form."""

    def text(self) -> str:
        """The form for a terminal, without a last newline."""
        raise NotImplementedError

    def html(self) -> str:
        """The form for a browser: escaped, no script, no outside resource."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        return self.html()


@dataclass(frozen=True, repr=False)
class Table(Shown):
    """A table of texts.

    Args:
        headers: column titles.
        rows: one text a column; verdict words (pass, fail, could not test) are coloured in HTML.
        caption: one line above it, or empty.
    """

    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""

    def text(self) -> str:
        grid = [[visible(cell.replace("\n", " / ")) for cell in row] for row in (self.headers, *self.rows)]
        widths = [max(text_width(row[i]) for row in grid) for i in range(len(self.headers))]

        def line(cells: Sequence[str]) -> str:
            padded = (
                cell + " " * (width - text_width(cell)) for cell, width in zip(cells, widths, strict=True)
            )
            return "  ".join(padded).rstrip()

        lines = [line(grid[0]), "  ".join("-" * width for width in widths), *map(line, grid[1:])]
        return "\n".join(([visible(self.caption)] if self.caption else []) + lines)

    def html(self) -> str:
        head = "".join(f'<th scope="col" {_CELL}>{_escaped(title)}</th>' for title in self.headers)
        body = "".join("<tr>" + "".join(map(_cell, row)) + "</tr>" for row in self.rows)
        caption = f"<caption>{_escaped(self.caption)}</caption>" if self.caption else ""
        return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(text: str) -> str:
    style = _STYLE.get(text)
    shown = _escaped(text)
    return f"<td {_CELL}>" + (f'<span style="{style}">{shown}</span>' if style else shown) + "</td>"


@dataclass(frozen=True, repr=False)
class Diff(Shown):
    """A unified diff, or anything else that reads like one (lines that begin with + and -)."""

    body: str

    def text(self) -> str:
        return visible(self.body.rstrip("\n"))

    def html(self) -> str:
        colours = {"+": "#0a6b2d", "-": "#b3261e", "@": "#5b3fa0"}
        lines = []
        for line in self.body.rstrip("\n").split("\n"):
            name = line.startswith(("--- ", "+++ "))  # of the file, on both sides
            colour = "#57606a" if name else colours.get(line[:1])
            shown = _escaped(line)
            lines.append(f'<span style="color:{colour}">{shown}</span>' if colour else shown)
        return '<pre style="font-family:monospace;line-height:1.35">' + "\n".join(lines) + "</pre>"


@dataclass(frozen=True, repr=False)
class Text(Shown):
    """A sentence, or a few lines, as they are."""

    body: str

    def text(self) -> str:
        return visible(self.body)

    def html(self) -> str:
        return f'<p style="white-space:pre-wrap">{_escaped(self.body)}</p>'


@dataclass(frozen=True, repr=False)
class Folded(Shown):
    """A part that a reader opens: commands to type, details. The text form has only the title."""

    title: str
    body: str

    def text(self) -> str:
        lines = len(self.body.splitlines())
        return f"[{visible(self.title)}: {lines} line{'s' * (lines != 1)}, in the notebook and in the record]"

    def html(self) -> str:
        return f"<details><summary>{_escaped(self.title)}</summary><pre>{_escaped(self.body)}</pre></details>"


@dataclass(frozen=True, repr=False)
class Parts(Shown):
    """Several values one below the other."""

    parts: Sequence[Shown]

    def text(self) -> str:
        return "\n\n".join(part.text() for part in self.parts)

    def html(self) -> str:
        return "".join(part.html() for part in self.parts)


def _escaped(text: str) -> str:
    return html.escape(visible(text))


def escape_bytes(content: bytes) -> str:
    r"""UTF-8 text of `content`; every byte that is not UTF-8 is shown as \xNN (EUC-JP comments, Latin-1 names)."""
    return content.decode("utf-8", errors="backslashreplace")


def unified_diff(path: str, before: bytes | None, after: bytes | None) -> str:
    """Unified diff of two contents of `path`; None is 'no such file'. A missing last newline is said."""
    old, new = _lines(before), _lines(after)
    names = ("/dev/null" if before is None else path, "/dev/null" if after is None else path)
    return "".join(difflib.unified_diff(old, new, *names))


def _lines(content: bytes | None) -> list[str]:
    if not content:
        return []
    lines = escape_bytes(content).split("\n")
    if lines[-1] == "":
        return [line + "\n" for line in lines[:-1]]
    return [line + "\n" for line in lines[:-1]] + [lines[-1] + "\n\\ No newline at end of file\n"]
