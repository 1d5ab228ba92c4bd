"""The means of our pictures: boxes, words and arrows as SVG, with a plain-text form of the same thing.

Words are `<text>`, so that they can be searched, copied and read aloud; there is no script, no style
sheet and nothing from outside. A picture brings its own white ground, so that it reads the same in a
dark theme.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from runbook_lib.display import Shown
from runbook_lib.messages.speech import said

_SANS = "system-ui,'Noto Sans','DejaVu Sans',sans-serif"
MONO = "'DejaVu Sans Mono',ui-monospace,monospace"


@dataclass(frozen=True)
class Colours:
    """Colours of one kind of thing; words have a contrast of at least 4.5:1 on the fill (WCAG 2.1, 1.4.3)."""

    fill: str
    line: str
    words: str


PLAIN = Colours("#ffffff", "#5f6b7a", "#1a1a1a")
PART = Colours("#eef2f6", "#44546a", "#1a1a1a")
CLEAR = Colours("#fde7e4", "#b3261e", "#7a1712")
SECRET = Colours("#e3f1e6", "#0a6b2d", "#0a4d22")
JAIL = Colours("#ffffff", "#5b3fa0", "#4a3285")
MARKED = Colours("#ffd84d", "#7a4b00", "#1a1a1a")
PALETTE = (PLAIN, PART, CLEAR, SECRET, JAIL, MARKED)


@dataclass(frozen=True, repr=False)
class Picture(Shown):
    """A drawing and the same as plain text.

    Args:
        title: what it shows, one line.
        alt: what a person who does not see it should know, in sentences.
        width, height: size in CSS pixels; it shrinks with its column.
        body: the SVG inside.
        plain: the diagram in characters, for a terminal and a text search.
    """

    title: str
    alt: str
    width: int
    height: int
    body: str
    plain: str

    def text(self) -> str:
        """The diagram in characters, under its title."""
        return f"{said(self.title)}\n\n{said(self.plain)}"

    def svg(self) -> str:
        """The drawing as one SVG element, which also stands alone as a file."""
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{escape(said(self.alt))}" '
            f'width="{self.width}" height="{self.height}" viewBox="0 0 {self.width} {self.height}" '
            f'style="max-width:100%;height:auto" font-family="{_SANS}" font-size="14">'
            f"<title>{escape(said(self.title))}</title>"
            f'<rect width="{self.width}" height="{self.height}" fill="{PLAIN.fill}"/>{self.body}</svg>'
        )

    def html(self) -> str:
        """The drawing inline, for a page of ours."""
        return f'<figure style="margin:1em 0">{self.svg()}</figure>'

    # In a notebook the drawing goes out as image/svg+xml beside the plain text, not as HTML: JupyterLab,
    # GitHub and nbconvert all take SVG elements out of HTML that they do not trust, and leave the words
    # of the picture behind in a heap.
    def _repr_html_(self) -> str | None:  # type: ignore[override]
        return None

    def _repr_svg_(self) -> str:
        return self.svg()


def words(
    x: float,
    y: float,
    content: str,
    colours: Colours = PLAIN,
    *,
    anchor: str = "start",
    size: int = 14,
    weight: int = 400,
    mono: bool = False,
) -> str:
    """One line of words, in the language that is spoken when it is drawn; `y` is the base line."""
    family = f' font-family="{MONO}"' if mono else ""
    return (
        f'<text x="{x:g}" y="{y:g}" fill="{colours.words}" text-anchor="{anchor}" font-size="{size}" '
        f'font-weight="{weight}"{family} xml:space="preserve">{escape(said(content))}</text>'
    )


def box(
    x: float,
    y: float,
    width: float,
    height: float,
    colours: Colours = PART,
    lines: Sequence[str] = (),
    *,
    dashed: bool = False,
    size: int = 14,
) -> str:
    """A box with lines centred in it; the first is bold."""
    dash = ' stroke-dasharray="6 4"' if dashed else ""
    drawn = [
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="5" fill="{colours.fill}" '
        f'stroke="{colours.line}" stroke-width="1.5"{dash}/>'
    ]
    step = size + 5
    first = y + height / 2 - step * (len(lines) - 1) / 2 + size * 0.36
    for number, line in enumerate(lines):
        weight = 600 if number == 0 else 400
        drawn.append(
            words(
                x + width / 2, first + number * step, line, colours, anchor="middle", size=size, weight=weight
            )
        )
    return "".join(drawn)


def arrow(x1: float, y1: float, x2: float, y2: float, colours: Colours = PART, *, both: bool = False) -> str:
    """A straight arrow, level or upright, with its head at the second point (`both`: at each)."""
    head = _head(x1, y1, x2, y2, colours)
    tail = _head(x2, y2, x1, y1, colours) if both else ""
    return (
        f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" stroke="{colours.line}" '
        f'stroke-width="2"/>{head}{tail}'
    )


def _head(x1: float, y1: float, x2: float, y2: float, colours: Colours) -> str:
    length = max(abs(x2 - x1), abs(y2 - y1))
    dx, dy = (x2 - x1) / length, (y2 - y1) / length
    points = (
        (x2, y2),
        (x2 - 9 * dx + 5 * dy, y2 - 9 * dy + 5 * dx),
        (x2 - 9 * dx - 5 * dy, y2 - 9 * dy - 5 * dx),
    )
    return f'<polygon points="{" ".join(f"{x:g},{y:g}" for x, y in points)}" fill="{colours.line}"/>'
