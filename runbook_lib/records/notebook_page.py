"""The page of an executed notebook: prose, code and outputs as a person saw them, with nothing in it that acts."""

import base64
import functools
import mimetypes
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import nh3
from jinja2 import Environment, PackageLoader, StrictUndefined
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup, escape
from nbformat import NotebookNode
from pygments import highlight  # type: ignore[import-untyped]
from pygments.formatters import HtmlFormatter  # type: ignore[import-untyped]
from pygments.lexer import Lexer  # type: ignore[import-untyped]
from pygments.lexers import get_lexer_by_name  # type: ignore[import-untyped]
from pygments.util import ClassNotFound  # type: ignore[import-untyped]

from runbook_lib.errors import RecordError
from runbook_lib.messages import message, speech
from runbook_lib.records.pages import POLICY
from runbook_lib.visible import visible

_TAGS = {
    "a", "abbr", "b", "blockquote", "br", "caption", "code", "col", "colgroup", "dd", "del", "details",
    "div", "dl", "dt", "em", "figcaption", "figure", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "img",
    "ins", "kbd", "li", "ol", "p", "pre", "s", "samp", "small", "span", "strong", "sub", "summary", "sup",
    "table", "tbody", "td", "tfoot", "th", "thead", "tr", "tt", "u", "ul",
}  # fmt: skip
_STYLES = {
    "background", "background-color", "border", "border-collapse", "color", "display", "font-family", "font-size",
    "font-style", "font-weight", "line-height", "margin", "max-width", "overflow-wrap",
    "padding", "text-align", "text-decoration", "vertical-align", "white-space", "width",
}  # fmt: skip
_ATTRIBUTES = {
    "*": {
        "class", "id", "style", "title", "lang", "scope", "colspan", "rowspan", "open", "role", "alt", "start",
    },
    "img": {"src"},
    "a": {"href"},
}  # fmt: skip
# Of an output's forms the richest that a page without scripts can show.
_RICHEST = ("text/html", "text/markdown", "image/svg+xml", "image/png", "image/jpeg", "text/plain")


def notebook_page(notebook: NotebookNode, title: str, record: str, pictures: Path) -> str:
    """The page of an executed notebook: no script, no request, server text as text.

    Args:
        title: the chapter's title.
        record: the name of the record's page, beside this one.
        pictures: the folder that the notebook's pictures are relative to.
    Raises: RecordError when a picture that its text names is there and cannot be read.
    """
    markdown = _Markdown(pictures)
    try:
        page = (
            _environment()
            .get_template("notebook.html.j2")
            .render(
                cells=notebook.cells, markdown=markdown, policy=POLICY, record=record, title=visible(title)
            )
        )
    except OSError as error:
        raise RecordError(
            message(
                "a picture that the notebook's text names cannot be read: {reason}", reason=error.strerror
            ),
            str(error.filename or pictures),
            message("name a file that is a picture, or leave it out"),
        ) from None
    # Outputs keep a server's control characters; a lone carriage return would be a line end to git.
    return visible(page) + "\n"


def know(cells: Iterable[tuple[str, str]]) -> None:
    """Make what pages show of some cells now, for all processes that are forked from this one.

    Args:
        cells: type and source of each, as a notebook has them.
    """
    for kind, source in cells:
        if kind == "code":
            highlighted(source)
        elif kind == "markdown" and not _may_have_pictures(source):
            _prose(source)


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("runbook_lib.records"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters.update(
        clean_html=clean_html,
        coloured=coloured,
        highlighted=highlighted,
        richest=richest,
        svg_title=svg_title,
    )
    environment.filters["base64"] = lambda text: base64.b64encode(text.encode()).decode()
    environment.globals.update(
        page_language=speech.ENGLISH,
        light=HtmlFormatter(style="default").get_style_defs(".highlight"),
        dark=HtmlFormatter(style="github-dark").get_style_defs(".highlight"),
    )
    return environment


class _Markdown:
    """Turns a cell's prose into HTML; pictures that lie in the notebooks' folder become part of the page."""

    def __init__(self, pictures: Path) -> None:
        self._pictures = pictures.resolve()

    def __call__(self, source: str) -> Markup:
        # A picture may be another one the next time; text alone is the same on every host.
        return self._rendered(source) if _may_have_pictures(source) else _prose(source)

    def _rendered(self, source: str) -> Markup:
        parser = _parser()
        tokens = parser.parse(source)
        for token in tokens:
            for inner in token.children or ():
                self._embed(inner)
        return clean_html(parser.renderer.render(tokens, parser.options, {}))

    def _embed(self, token: Token) -> None:
        source = str(token.attrGet("src") or "")
        if token.type != "image" or re.match(r"[a-z]+:", source):
            return
        path = (self._pictures / source).resolve()
        if path.is_relative_to(self._pictures) and path.exists():
            kind = mimetypes.guess_type(path)[0]
            token.attrSet("src", f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}")


def _may_have_pictures(source: str) -> bool:
    """Every picture begins so (CommonMark, 6.4); HTML's own are not read."""
    return "![" in source


@functools.cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    parser.options["highlight"] = lambda code, language, _: highlighted(code, language)
    return parser


@functools.lru_cache(maxsize=512)  # the chapters have some 250 cells
def _prose(source: str) -> Markup:
    """Markdown without pictures as HTML."""
    return clean_html(_parser().render(source))


@functools.lru_cache(maxsize=512)
def highlighted(code: str, language: str = "python") -> Markup:
    """A program with its words marked; as it stands where nobody knows the language."""
    try:
        lexer = _lexer(language)
    except ClassNotFound:
        return Markup("<pre>{}</pre>").format(code)
    # The formatter escapes what it is given.
    return Markup(highlight(code, lexer, _formatter()))  # noqa: S704


# Each is made once: a page has a cell for every few lines, and making them takes longer than marking the words.
@functools.lru_cache(maxsize=32)  # a notebook's prose names the language
def _lexer(language: str) -> Lexer:
    return get_lexer_by_name(language)


@functools.cache
def _formatter() -> HtmlFormatter:
    return HtmlFormatter()


def clean_html(markup: str) -> Markup:
    """Keep what shows text, tables and embedded pictures; everything else is dropped, its text stays."""
    return Markup(  # noqa: S704 - this is what makes it safe
        nh3.clean(
            markup,
            tags=_TAGS,
            attributes=_ATTRIBUTES,
            attribute_filter=_harmless,
            filter_style_properties=_STYLES,
            url_schemes={"http", "https", "mailto", "data"},
            link_rel=None,
        )
    )


def _harmless(tag: str, name: str, value: str) -> str | None:
    if (tag, name) == ("img", "src"):
        return value if value.startswith("data:image/") else None
    if (tag, name) == ("a", "href"):
        return None if value.lower().lstrip().startswith("data:") else value
    return None if name == "style" and re.search(r"url|[\\@]", value, re.IGNORECASE) else value


def richest(output: Mapping[str, Mapping[str, str]]) -> str:
    """The form in which an output is shown; '' where none of its forms can be."""
    return next((form for form in _RICHEST if form in output["data"]), "")


# SGR, ECMA-48 8.3.117: bold, and the eight colours in both strengths. Every other sequence is spelled out on the page.
_SGR = re.compile(r"\x1b\[([0-9;]*)m")
_COLOURS = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")


def coloured(text: str) -> Markup:
    """What a program wrote for a terminal: its colours as the terminal would have them."""
    parts = _SGR.split(text)
    shown, bold, colour = [escape(parts[0])], "", ""
    for codes, piece in zip(parts[1::2], parts[2::2], strict=True):
        for code in map(int, filter(None, (codes or "0").split(";"))):
            if code in (0, 22):
                bold = ""
            if code in (0, 39):
                colour = ""
            if code == 1:
                bold = "ansi-bold"
            if code in range(30, 38) or code in range(90, 98):
                colour = f"ansi-{_COLOURS[code % 10]}{'-intense' if code >= 90 else ''}-fg"
        classes = " ".join(filter(None, (bold, colour)))
        shown.append(
            Markup('<span class="{}">{}</span>').format(classes, piece) if classes else escape(piece)
        )
    return Markup("").join(shown)


def svg_title(picture: str) -> str:
    """What a picture says of itself, for those who cannot see it: its <title>."""
    found = re.search(r"<title[^>]*>([^<]*)</title>", picture)
    return found[1].strip() if found else "picture without a title"
