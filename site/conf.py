"""The site of `make site`: Sphinx, MyST-NB and furo, without anything that a network would have to bring.

A language is a folder beside this file, with its front page and the line that stands above each page, and a line in
`PAGES`; `make site LANGUAGES="en ja"` builds it beside the others, with a search in its own words.
"""

import os
import subprocess
from pathlib import Path

import papermill
from docutils import nodes
from lxml import etree
from sphinx.application import Sphinx

PAGES = {"en": ["*.md", "docs/*.md", "notebooks/*.ipynb", "handbook/*.ipynb", "tests/README.md"]}
CHECKOUT = Path(__file__).resolve().parents[1]


def git(*words: str) -> str:
    """What git says of the checkout."""
    return subprocess.run(
        ["git", *words], cwd=CHECKOUT, check=True, capture_output=True, text=True
    ).stdout.strip()


def host_of(notebook: Path) -> str:
    """Whose outputs a notebook holds: `make notebooks` runs each with the parameters that it has."""
    return str(papermill.inspect_notebook(notebook)["host"]["default"]).strip('"')


project = "TLS for mail submission"
language = os.environ["SITE_LANGUAGE"]
include_patterns = PAGES[language]
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
    "commit": git("show", "--no-patch", "--format=%h of %cs"),
    "changed": git("status", "--porcelain"),
    "hosts": {
        path.relative_to(CHECKOUT).with_suffix("").as_posix(): host_of(path)
        for folder in ("notebooks", "handbook")
        for path in sorted(CHECKOUT.glob(f"{folder}/**/[0-9]*.ipynb"))
    },
}


def describe(app: Sphinx, page: nodes.document, _name: str) -> None:
    """Give each drawing of an output the words that it says of itself: MyST-NB makes a file of it."""
    for image in page.findall(nodes.image):
        if "alt" not in image:
            image["alt"] = etree.parse(app.srcdir / image["uri"]).getroot().get("aria-label")


def setup(app: Sphinx) -> None:
    """As Sphinx calls it."""
    app.connect("doctree-resolved", describe)
