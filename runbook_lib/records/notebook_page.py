"""The page of an executed notebook: nbconvert's, with a template and a sanitizer of our own."""

import functools
import re
from collections.abc import Mapping
from pathlib import Path

import bleach  # type: ignore[import-untyped]
from bleach.css_sanitizer import CSSSanitizer  # type: ignore[import-untyped]
from nbconvert import HTMLExporter
from nbformat import NotebookNode
from pygments.formatters import HtmlFormatter  # type: ignore[import-untyped]

from runbook_lib.records.pages import POLICY, TEMPLATES
from runbook_lib.visible import visible

# nbconvert's own list (7.17) has neither headings nor table heads: they would stand there as text.
_TAGS = [
    "a",
    "abbr",
    "b",
    "blockquote",
    "br",
    "caption",
    "code",
    "col",
    "colgroup",
    "dd",
    "del",
    "details",
    "div",
    "dl",
    "dt",
    "em",
    "figcaption",
    "figure",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "i",
    "img",
    "ins",
    "kbd",
    "li",
    "ol",
    "p",
    "pre",
    "s",
    "samp",
    "small",
    "span",
    "strong",
    "sub",
    "summary",
    "sup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "tr",
    "tt",
    "u",
    "ul",
]
_STYLES = [
    "background",
    "background-color",
    "border",
    "border-collapse",
    "color",
    "display",
    "font-family",
    "font-size",
    "font-style",
    "font-weight",
    "line-height",
    "margin",
    "max-width",
    "overflow-wrap",
    "padding",
    "text-align",
    "text-decoration",
    "vertical-align",
    "white-space",
    "width",
]
_PLAIN_ATTRIBUTES = {
    "class",
    "id",
    "style",
    "title",
    "lang",
    "scope",
    "colspan",
    "rowspan",
    "open",
    "role",
    "alt",
    "start",
}


def notebook_page(notebook: NotebookNode, title: str, record: str, pictures: Path) -> str:
    """The page of an executed notebook: no script, no request, server text as text.

    Args:
        title: the chapter's title.
        record: the name of the record's page, beside this one.
        pictures: the folder that the notebook's pictures are relative to.
    """
    resources = {
        "metadata": {"path": str(pictures)},
        "policy": POLICY,
        "record": record,
        "style": _style(),
        "title": visible(title),
    }
    page, _ = _exporter().from_notebook_node(notebook, resources=resources)
    # Outputs keep a server's control characters; a lone carriage return would be a line end to git.
    return visible(page) + "\n"


@functools.cache
def _exporter() -> HTMLExporter:
    exporter = HTMLExporter(  # type: ignore[no-untyped-call]  # traitlets has no types
        template_name="notebook",
        extra_template_basedirs=[str(TEMPLATES)],
        sanitize_html=True,
        exclude_anchor_links=True,
        embed_images=True,
    )
    exporter.register_filter("clean_html", clean_html)  # type: ignore[no-untyped-call]
    exporter.register_filter("svg_title", svg_title)  # type: ignore[no-untyped-call]
    return exporter


@functools.cache
def _style() -> str:
    sheets = [(TEMPLATES / name).read_text(encoding="utf-8") for name in ("style.css", "notebook.css")]
    return "\n".join([*sheets, HtmlFormatter(style="default").get_style_defs(".highlight")])


def clean_html(markup: object) -> str:
    """Keep what shows text, tables and embedded pictures; everything else is left as text or dropped."""
    text = markup.decode("utf-8", "backslashreplace") if isinstance(markup, bytes) else str(markup)
    clean: str = bleach.clean(
        text,
        tags=_TAGS,
        attributes=_allowed_attribute,
        protocols={"http", "https", "mailto", "data"},
        css_sanitizer=CSSSanitizer(allowed_css_properties=_STYLES),
    )
    return clean


def _allowed_attribute(tag: str, name: str, value: str) -> bool:
    if (tag, name) == ("img", "src"):
        return value.startswith("data:image/")
    if (tag, name) == ("a", "href"):
        return not value.lower().lstrip().startswith("data:")
    return name in _PLAIN_ATTRIBUTES


def svg_title(output: Mapping[str, Mapping[str, str]]) -> str:
    """What a picture says of itself, for those who cannot see it: its <title>."""
    found = re.search(r"<title[^>]*>([^<]*)</title>", output["data"]["image/svg+xml"])
    return found[1].strip() if found else "picture without a title"
