"""Pictures can be read: enough contrast, no words outside, a text form; a capture marks the login and nothing else."""

import re
from collections.abc import Iterator
from typing import Any, cast

import pytest
from IPython.core.formatters import DisplayFormatter
from lxml import etree  # type: ignore[import-untyped]
from playwright.sync_api import Browser, Page

from runbook_lib import pictures
from runbook_lib.pictures import CaptureLine
from runbook_lib.pictures.drawing import PALETTE, Colours, Picture

BEFORE = (
    CaptureLine("server", "220 ms12.example.test ESMTP Postfix", readable=True),
    CaptureLine("client", "EHLO client.example.test", readable=True),
    CaptureLine("client", "AUTH PLAIN AHRocm93YXdheQBvcGVuLXNlc2FtZQ==", readable=True),
    CaptureLine(
        "server", "250-AUTH PLAIN LOGIN and more words than a column has room for, as servers do", True
    ),
    CaptureLine("server", "235 2.7.0 Authentication successful", readable=True),
    CaptureLine("client", "DATA", readable=True),
)
AFTER = (
    CaptureLine("client", "17 03 03 00 45 c1 9f 20 3c", readable=False),
    CaptureLine("server", "17 03 03 00 3a 4e 8b 77 e1", readable=False),
)
PICTURES = {
    "ports": pictures.ports(),
    "ports, login on 25": pictures.ports(auth_on_25=True),
    "authentication": pictures.authentication(),
    "authentication, no chroot": pictures.authentication("", "/run/saslauthd/mux", ""),
    "certificate": pictures.certificate(),
    "capture": pictures.capture(BEFORE, AFTER),
}
each_picture = pytest.mark.parametrize("picture", PICTURES.values(), ids=PICTURES)


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    opened = browser.new_page()
    yield opened
    opened.close()


def luminance(colour: str) -> float:
    """WCAG 2.1, relative luminance."""
    channels = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("colours", PALETTE)
def test_words_have_contrast_on_their_own_ground_and_on_white(colours: Colours) -> None:
    assert contrast(colours.words, colours.fill) >= 4.5
    assert contrast(colours.words, "#ffffff") >= 4.5


@pytest.mark.parametrize("colours", PALETTE)
def test_lines_can_be_seen(colours: Colours) -> None:
    """WCAG 2.1, 1.4.11: 3:1 for what is not text."""
    assert contrast(colours.line, "#ffffff") >= 3


@each_picture
def test_it_is_one_image_with_a_title_and_a_description(picture: Picture) -> None:
    root = etree.fromstring(picture.svg())
    assert root.get("role") == "img"
    assert root.get("aria-label") == picture.alt
    assert root[0].tag.endswith("title")
    assert root[0].text == picture.title


@each_picture
def test_it_has_no_script_no_link_and_nothing_from_outside(picture: Picture) -> None:
    for element in etree.fromstring(picture.svg()).iter():
        assert element.tag.rpartition("}")[2] in {"svg", "title", "rect", "text", "line", "polygon"}
        assert not [name for name in element.attrib if name.startswith("on") or name.endswith("href")]


@each_picture
def test_no_word_leaves_the_picture_or_its_box(picture: Picture, page: Page) -> None:
    """As Chromium draws it: each word inside the image, and inside the smallest box that its middle is in."""
    page.set_content(picture.html())
    outside = page.evaluate("""() => {
      const svg = document.querySelector('svg').getBoundingClientRect();
      const boxes = [...document.querySelectorAll('rect')].map(r => r.getBoundingClientRect());
      return [...document.querySelectorAll('text')].filter(text => {
        const word = text.getBoundingClientRect();
        const x = word.left + word.width / 2, y = word.top + word.height / 2;
        const around = boxes.filter(b => b.left <= x && x <= b.right && b.top <= y && y <= b.bottom);
        const box = around.reduce((a, b) => a.width * a.height <= b.width * b.height ? a : b, svg);
        return word.left < box.left || word.right > box.right;
      }).map(text => text.textContent);
    }""")
    assert outside == []


@each_picture
def test_a_notebook_gets_the_drawing_and_the_text_form(picture: Picture) -> None:
    """Not HTML: untrusted, its SVG would be taken out, and the words left in a heap."""
    bundle, _ = cast(Any, DisplayFormatter()).format(picture)
    assert set(bundle) == {"image/svg+xml", "text/plain"}
    assert bundle["text/plain"] == picture.text()


@each_picture
def test_the_text_form_fits_a_terminal(picture: Picture) -> None:
    assert max(map(len, picture.text().splitlines())) <= 110


def marked(picture: Picture) -> list[str]:
    root = etree.fromstring(picture.svg())
    return [
        t.text or "" for t in root.iter("{http://www.w3.org/2000/svg}text") if (t.text or "").startswith("= ")
    ]


def test_the_password_that_can_be_read_is_decoded_and_marked() -> None:
    picture = pictures.capture(BEFORE, AFTER)
    assert marked(picture) == ["= throwaway  open-sesame"]
    assert "open-sesame   <== anybody can read this" in picture.text()


def test_a_password_after_a_question_of_the_server_is_marked_too() -> None:
    """AUTH LOGIN sends name and password in lines of their own."""
    lines = (CaptureLine("server", "334 UGFzc3dvcmQ6", True), CaptureLine("client", "b3Blbi1zZXNhbWU=", True))
    assert marked(pictures.capture(lines, AFTER)) == ["= open-sesame"]


def test_what_cannot_be_read_is_never_decoded() -> None:
    """A TLS record may look like base64."""
    line = CaptureLine("client", "AUTH PLAIN AHRocm93YXdheQBvcGVuLXNlc2FtZQ==", readable=False)
    assert marked(pictures.capture((), (line,))) == []


def test_markup_in_a_capture_is_shown_as_text() -> None:
    """A server's banner is what the server says."""
    banner = "220 <script>alert(1)</script> & co"
    root = etree.fromstring(pictures.capture((CaptureLine("server", banner, True),), AFTER).svg())
    assert banner in [element.text for element in root.iter()]


def test_port_25_shows_a_login_only_where_the_inventory_has_it() -> None:
    shown = PICTURES["ports"].svg()
    assert "no AUTH" in shown
    assert not re.search(r"no AUTH", PICTURES["ports, login on 25"].svg())
