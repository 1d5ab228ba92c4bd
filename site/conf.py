"""The site of `make site`: Sphinx, MyST-NB and furo, without anything that a network would have to bring.

A language is a folder beside this file, with its front page and the line that stands above each page, and a line in
`PAGES`; it is built beside the others, with a search in its own words. What it has no page of is linked in English.
"""

import os
import re
import subprocess
from itertools import pairwise
from pathlib import Path

import papermill
from docutils import nodes
from lxml import etree
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.search import SearchLanguage
from sphinx.util.matching import Matcher, get_matching_files

ENGLISH = "en"
PAGES = {
    ENGLISH: ["*.md", "docs/*.md", "notebooks/*.ipynb", "handbook/*.ipynb", "tests/README.md"],
    "ja": ["README.ja.md", "notebooks/ja/*.ipynb"],
}
CHECKOUT = Path(__file__).resolve().parents[1]


def git(*words: str) -> str:
    """What git says of the checkout."""
    return subprocess.run(
        ["git", *words], cwd=CHECKOUT, check=True, capture_output=True, text=True
    ).stdout.strip()


def host_of(notebook: Path) -> str:
    """Whose outputs a notebook holds: `make notebooks` runs each with the parameters that it has."""
    return str(papermill.inspect_notebook(notebook)["host"]["default"]).strip('"')


def language_of(page: str) -> str:
    """The language of a document of the checkout, by its path without the suffix."""
    named = [name for name in PAGES if name != ENGLISH]
    found = (
        name for name in named for suffix in (".md", ".ipynb") if Matcher(PAGES[name])(f"{page}{suffix}")
    )
    return next(found, ENGLISH)


def in_english(page: str) -> str:
    """The English page that says the same; 'notebooks/ja/NAME' is 'notebooks/NAME', 'README.ja' is 'README'."""
    return re.sub(r"(?<=notebooks/)[a-z]+/|(?<=README)\.[a-z]+$", "", page)


def in_other_languages(language: str) -> dict[str, dict[str, str]]:
    """By page of a language: the same in each other one, as an address from the top of this one's pages."""
    same: dict[str, dict[str, str]] = {"index": dict.fromkeys(PAGES, "index")}
    for path in get_matching_files(CHECKOUT, [one for those in PAGES.values() for one in those]):
        page = path.rpartition(".")[0]
        same.setdefault(in_english(page), {})[language_of(page)] = page
    return {
        pages[language]: {
            name: f"../{name}/{page}.html" for name, page in sorted(pages.items()) if name != language
        }
        for pages in same.values()
        if language in pages
    }


class InPairs(SearchLanguage):
    """Japanese, where no blank parts one word from the next: each letter is found, and each two side by side.

    Sphinx's own parts the pages into words, but not what somebody looks for: 署名要求書 would not be found.
    """

    lang = "ja"
    language_name = "Japanese"
    _LETTER = r"[\u3005\u3040-\u30ff\u3400-\u9fff]"
    _WORDS = re.compile(rf"{_LETTER}+|(?:(?!{_LETTER})\w)+")
    js_splitter_code = f"""
function splitQuery(query) {{
  const pairs = (word) => Array.from(word.slice(1), (letter, before) => word[before] + letter);
  const words = query.match(/{_LETTER}+|(?:(?!{_LETTER})[\\p{{Letter}}\\p{{Number}}_])+/gu) ?? [];
  return words.flatMap((word) => (/^{_LETTER}{{2}}/.test(word) ? pairs(word) : [word]));
}}
"""

    def split(self, text: str) -> list[str]:
        """The terms under which a text is found."""
        found: list[str] = []
        for word in self._WORDS.findall(text):
            if re.match(self._LETTER, word):
                found += [*word, *map("".join, pairwise(word))]
            else:
                found.append(word)
        return found


project = "TLS for mail submission"
language = os.environ["SITE_LANGUAGE"]
include_patterns = ["index.md", *PAGES[language]]
exclude_patterns = [
    one for name, those in PAGES.items() if ENGLISH == language != name for one in those
]  # README.ja.md ends as *.md does
templates_path = [language]
extensions = ["myst_nb"]
nitpicky = True

myst_heading_anchors = 4  # those that a forge gives, so that a link is right in both
nb_execution_mode = "off"  # the outputs are those that are stored
nb_ipywidgets_js = {}  # they would come from a CDN

html_theme = "furo"
html_title = project
html_static_path = ["static"]
html_css_files = ["site.css"]
html_js_files = [("site.js", {"defer": ""})]
html_copy_source = False
html_show_copyright = False
html_use_index = False
html_context = {
    "commit": git("show", "--no-patch", "--format=%h"),
    "day": git("show", "--no-patch", "--format=%cs"),
    "changed": git("status", "--porcelain"),
    "hosts": {
        path.relative_to(CHECKOUT).with_suffix("").as_posix(): host_of(path)
        for folder in ("notebooks", "handbook")
        for path in sorted(CHECKOUT.glob(f"{folder}/**/[0-9]*.ipynb"))
    },
    "elsewhere": in_other_languages(language),
}


def describe(app: Sphinx, page: nodes.document, _name: str) -> None:
    """Give each drawing of an output the words that it says of itself: MyST-NB makes a file of it."""
    for image in page.findall(nodes.image):
        if "alt" not in image:
            image["alt"] = etree.parse(app.srcdir / image["uri"]).getroot().get("aria-label")


def lead_across(app: Sphinx, page: nodes.document) -> None:
    """Let links to documents that are not of this language lead to the pages of theirs."""
    above = "../" * (app.env.docname.count("/") + 1)
    for link in list(page.findall(addnodes.pending_xref)):
        target = link["reftarget"]
        if link["refdomain"] == "doc" and target not in app.env.found_docs:
            place = f"#{link['reftargetid']}" if link.get("reftargetid") else ""
            address = f"{above}{language_of(target)}/{target}.html{place}"
            link.replace_self(nodes.reference("", "", *link.children, refuri=address))


def setup(app: Sphinx) -> None:
    """As Sphinx calls it."""
    app.add_search_language(InPairs)
    app.connect("doctree-read", lead_across)
    app.connect("doctree-resolved", describe)
