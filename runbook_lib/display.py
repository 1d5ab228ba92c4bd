"""What a cell, a page and a terminal show: the same value as text and as HTML.

A value shown in a notebook has `__repr__` (text/plain, what a terminal prints and a test greps) and
`_repr_html_` (what JupyterLab and the record's page draw). Nothing here knows what it shows; so whatever it is,
it stays text: markup is escaped, and characters that act instead of being seen are spelled out. A message is said in
the language of this process; colours go by the English words.
"""

import difflib
import functools
import html
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, zip_longest

from runbook_lib.hidden import hidden
from runbook_lib.messages import message, speech
from runbook_lib.messages.speech import said
from runbook_lib.visible import visible

# Colours have a contrast of at least 4.5:1 on white (WCAG 2.1, 1.4.3), and never carry the meaning alone.
_STYLE = {
    "pass": "color:#0a6b2d;font-weight:600",
    "fail": "color:#b3261e;font-weight:700",
    "could not test": "color:#7a4b00;font-weight:600",
}
# JupyterLab would break a line anywhere; what is longer than a line gets a bar to scroll.
_WHOLE_WORDS = "white-space:pre-wrap;word-break:normal;overflow-wrap:normal;overflow-x:auto"
_LINES_COMPARED = 5_000  # on either side of a diff
_CONTEXT = 3  # as of diff -u
_OPENING = ("Ps", "Pi")  # categories of characters: a line does not end with one
_NEVER_FIRST = ("Pe", "Pf", "Po", "Lm", "Mn")  # a line does not begin with one
_TEXTS_KEPT = 8192  # while a table is drawn
_NARROWEST = 12  # columns: fewer would break each word apart
_CELL = 'style="text-align:left;vertical-align:top;padding:.2em .8em;white-space:pre-wrap"'


def text_width(text: str) -> int:
    """Columns that a terminal gives to `text`; East Asian wide characters take two (UAX #11)."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text
    )


class Shown:
    """A value with a text and an HTML form."""

    def text(self) -> str:
        """The form for a terminal, without a last newline."""
        raise NotImplementedError

    def fitted(self, width: int) -> str:  # noqa: ARG002  # only tables can be narrower
        """The form for a terminal of so many columns; what is wider than that and cannot be broken stays so."""
        return self.text()

    def pieces(self, width: int) -> Iterator[str]:
        """`fitted`, a line or several each: of a long table the first is there before the last is read."""
        yield self.fitted(width)

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
        like: rows by which the columns are measured, where `rows` are many and come one by one: each text that is the
            widest of its column, or can be broken, stands in one of them. None: `rows` themselves.
    """

    headers: Sequence[str]
    rows: Iterable[Sequence[str]]
    caption: str = ""
    like: Iterable[Sequence[str]] | None = None

    def text(self) -> str:
        return "\n".join(self._drawn(None))

    def fitted(self, width: int) -> str:
        """The widest columns are broken between words, until all of them fit."""
        return "\n".join(self._drawn(width))

    def pieces(self, width: int) -> Iterator[str]:
        """As `fitted`, a line each."""
        return self._drawn(width)

    def _drawn(self, room: int | None) -> Iterator[str]:
        if self.caption:
            yield visible(said(self.caption))
        # Of a long table most texts come again and again.
        in_a_cell = functools.lru_cache(_TEXTS_KEPT)(_in_a_cell)
        head, *measured = (
            [in_a_cell(said(text)) for text in row]
            for row in (self.headers, *(self.rows if self.like is None else self.like))
        )
        widths = _widths([head, *measured])
        breaks: list[int] | None = None  # where cells go on in the next line
        if room is not None and sum(widths) + 2 * (len(widths) - 1) > room:
            breaks = _narrowed(head, widths, room)
            widths = _widths([line for row in (head, *measured) for line in _over_lines(row, breaks)])
        columns = range(len(widths))

        @functools.lru_cache(_TEXTS_KEPT)
        def lines_of(text: str, column: int) -> tuple[str, ...]:
            lines = _broken(text, breaks[column]) if breaks else [text]
            return tuple(line + " " * (widths[column] - text_width(line)) for line in lines)

        def told(row: Sequence[str]) -> Iterator[str]:
            cells = zip_longest(*map(lines_of, row, columns))
            for line in cells:
                yield "  ".join(
                    [" " * widths[column] if text is None else text for column, text in enumerate(line)]
                ).rstrip()

        first, *more = told(head)
        yield first
        yield "  ".join("-" * width for width in widths)
        yield from more
        for row in measured if self.like is None else self.rows:
            yield from told(row if self.like is None else [in_a_cell(said(text)) for text in row])

    def html(self) -> str:
        head = "".join(f'<th scope="col" {_CELL}>{_escaped(title)}</th>' for title in self.headers)
        body = "".join("<tr>" + "".join(map(_cell, row)) + "</tr>" for row in self.rows)
        caption = f"<caption>{_escaped(self.caption)}</caption>" if self.caption else ""
        return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _in_a_cell(text: str) -> str:
    """A text as it is shown in a table, in one line."""
    return visible(text.replace("\n", " / "))


def _widths(grid: Sequence[Sequence[str]]) -> list[int]:
    """How wide each column has to be."""
    return [max(map(text_width, column)) for column in zip(*grid, strict=True)]


def _narrowed(head: Sequence[str], widths: Sequence[int], room: int) -> list[int]:
    """The widest columns narrower, until all of them fit."""
    floors = [max(_NARROWEST, text_width(title)) for title in head]
    widths = list(widths)
    while sum(widths) + 2 * (len(widths) - 1) > room:
        wider = [i for i, width in enumerate(widths) if width > floors[i]]
        if not wider:
            break
        widths[max(wider, key=widths.__getitem__)] -= 1
    return widths


def _over_lines(row: Sequence[str], widths: Sequence[int]) -> Iterator[Sequence[str]]:
    """A row's cells over as many lines as it takes to have each within its width."""
    return zip_longest(*(_broken(text, width) for text, width in zip(row, widths, strict=True)), fillvalue="")


def _broken(text: str, width: int) -> list[str]:
    """Words in lines of a width; a longer word has a line of its own."""
    lines = [""]
    for word in text.split(" "):
        between = " "
        for part in _parts(word):
            longer = f"{lines[-1]}{between}{part}" if lines[-1] else part
            if lines[-1] and text_width(longer) > width:
                lines.append(part)
            else:
                lines[-1] = longer
            between = ""
    return lines


def _parts(word: str) -> list[str]:
    """What is not broken of a word: all of it, but beside an East Asian wide character a line may end (UAX #14).

    No line begins with a mark that closes or a sign that lengthens, and none ends with a mark that opens.
    """
    if word.isascii():
        return [word]
    parts = [word[:1]]
    for before, here in pairwise(word):
        is_beside = text_width(before) == 2 or text_width(here) == 2
        last, first = unicodedata.category(before), unicodedata.category(here)
        if is_beside and last not in _OPENING and first not in _NEVER_FIRST:
            parts.append(here)
        else:
            parts[-1] += here
    return parts


def _cell(text: str) -> str:
    style = _STYLE.get(text)
    shown = _escaped(text)
    return f"<td {_CELL}>" + (f'<span style="{style}">{shown}</span>' if style else shown) + "</td>"


@dataclass(frozen=True, repr=False)
class Diff(Shown):
    """A unified diff, or anything else that reads like one (lines that begin with + and -)."""

    body: str

    def text(self) -> str:
        return visible(said(self.body).rstrip("\n"))

    def html(self) -> str:
        colours = {"+": "#0a6b2d", "-": "#b3261e", "@": "#5b3fa0"}
        lines = []
        for line in hidden(said(self.body).rstrip("\n")).split(
            "\n"
        ):  # whole: a value may go on in the next line
            name = line.startswith(("--- ", "+++ "))  # of the file, on both sides
            colour = "#57606a" if name else colours.get(line[:1])
            shown = _escaped(line)
            lines.append(f'<span style="color:{colour}">{shown}</span>' if colour else shown)
        return (
            f'<pre style="font-family:monospace;line-height:1.35;{_WHOLE_WORDS}">'
            + "\n".join(lines)
            + "</pre>"
        )


@dataclass(frozen=True, repr=False)
class Text(Shown):
    """A sentence, or a few lines, as they are."""

    body: str

    def text(self) -> str:
        return visible(said(self.body))

    def html(self) -> str:
        return f'<p style="white-space:pre-wrap">{_escaped(self.body)}</p>'


@dataclass(frozen=True, repr=False)
class Folded(Shown):
    """A part that a reader opens: commands to type, details. The text form has only the title."""

    title: str
    body: str

    def text(self) -> str:
        title, lines = visible(said(self.title)), len(said(self.body).splitlines())
        return said(
            message("[{title}: 1 line, in the notebook and in the record]", title=title)
            if lines == 1
            else message(
                "[{title}: {lines} lines, in the notebook and in the record]", title=title, lines=lines
            )
        )

    def html(self) -> str:
        body = f'<pre style="{_WHOLE_WORDS}">{_escaped(self.body)}</pre>'
        return f"<details><summary>{_escaped(self.title)}</summary>{body}</details>"


@dataclass(frozen=True, repr=False)
class Foldable(Shown):
    """A part that is folded in a browser, since it is long there, and whole in a text."""

    title: str
    part: Shown

    def text(self) -> str:
        return self.part.text()

    def fitted(self, width: int) -> str:
        return self.part.fitted(width)

    def html(self) -> str:
        return f"<details><summary>{_escaped(self.title)}</summary>{self.part.html()}</details>"


@dataclass(frozen=True, repr=False)
class Parts(Shown):
    """Several values one below the other."""

    parts: Sequence[Shown]

    def text(self) -> str:
        return "\n\n".join(part.text() for part in self.parts)

    def fitted(self, width: int) -> str:
        return "\n\n".join(part.fitted(width) for part in self.parts)

    def pieces(self, width: int) -> Iterator[str]:
        for number, part in enumerate(self.parts):
            if number:
                yield ""
            yield from part.pieces(width)

    def html(self) -> str:
        return "".join(part.html() for part in self.parts)


def in_english(shown: Shown) -> str:
    """The text of a value as records have it, whatever language this process speaks."""
    with speech.speaking(speech.ENGLISH):
        return shown.text()


def _escaped(text: str) -> str:
    return html.escape(visible(said(text)))


def escape_bytes(content: bytes) -> str:
    r"""UTF-8 text of `content`; every byte that is not UTF-8 is shown as \xNN (EUC-JP comments, Latin-1 names)."""
    return content.decode("utf-8", errors="backslashreplace")


def unified_diff(path: str, before: bytes | None, after: bytes | None) -> str:
    """Unified diff of two contents of `path`; None is 'no such file'. A missing last newline is said.

    Of long files everything between the first line that differs and the last is told as taken out and put in: to find
    the fewest lines takes the square of their number, and who writes the file would decide how long.
    """
    old, new = _lines(before), _lines(after)
    names = ("/dev/null" if before is None else path, "/dev/null" if after is None else path)
    if max(len(old), len(new)) > _LINES_COMPARED:
        return "".join(_between_the_ends(old, new, *names))
    return "".join(difflib.unified_diff(old, new, *names))


def _between_the_ends(old: list[str], new: list[str], old_name: str, new_name: str) -> Iterator[str]:
    if old == new:
        return
    shorter = min(len(old), len(new))
    head = next((i for i in range(shorter) if old[i] != new[i]), shorter)
    tail = next((i for i in range(shorter - head) if old[-1 - i] != new[-1 - i]), shorter - head)
    around = old[max(0, head - _CONTEXT) : head], old[len(old) - tail :][:_CONTEXT]
    context, first = sum(map(len, around)), head - len(around[0]) + 1
    out, into = old[head : len(old) - tail], new[head : len(new) - tail]
    yield f"--- {old_name}\n+++ {new_name}\n"
    yield f"@@ -{first if old else 0},{len(out) + context} +{first if new else 0},{len(into) + context} @@\n"
    for sign, lines in ((" ", around[0]), ("-", out), ("+", into), (" ", around[1])):
        yield from (sign + line for line in lines)


def _lines(content: bytes | None) -> list[str]:
    if not content:
        return []
    lines = escape_bytes(content).split("\n")
    if lines[-1] == "":
        return [line + "\n" for line in lines[:-1]]
    return [line + "\n" for line in lines[:-1]] + [lines[-1] + "\n\\ No newline at end of file\n"]
