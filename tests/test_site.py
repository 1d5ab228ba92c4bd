"""The site of `make site`: no link is broken, nothing comes from elsewhere, everybody can read it."""

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from lxml import html  # type: ignore[import-untyped]
from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.programs
CHECKOUT = Path(__file__).resolve().parents[1]
NOTEBOOKS = [
    path for folder in ("notebooks", "handbook") for path in sorted(CHECKOUT.glob(f"{folder}/[0-9]*.ipynb"))
]
JAPANESE = sorted(CHECKOUT.glob("notebooks/ja/[0-9]*.ipynb"))
CHAPTER = "en/notebooks/20-postfix-debian.html"
CHAPTER_JA = "ja/notebooks/ja/20-postfix-debian.html"
# One of each kind: lists, tables and commands, a chapter with a drawing, diffs and folded parts, what was searched for.
KINDS = (
    "en/index.html", "en/docs/faults-survived.html", "en/CONTRIBUTING.html", CHAPTER, "en/search.html?q=saslauthd",
    "ja/index.html", "ja/README.ja.html", CHAPTER_JA, "ja/search.html?q=署名要求書",
)  # fmt: skip
WIDTHS = (360, 800, 1400)
Open = Callable[..., Page]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made as a person makes it; a warning of Sphinx ends it."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        ["make", "site", f"SITE={folder}"], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, html.HtmlElement]:
    return {path: html.fromstring(path.read_bytes()) for path in sorted(site.rglob("*.html"))}


@pytest.fixture
def visit(site: Path, browser: Browser) -> Iterator[Open]:
    """Opens a page; at the end all that was asked for lay in the site, and nothing went wrong in a script.

    A search reads an excerpt from each page that it found, which browsers allow of a server alone: from files it lists
    the pages without.
    """
    contexts = []
    asked: list[str] = []
    wrong: list[str] = []

    def open_page(name: str, width: int = 1400, scheme: str = "light") -> Page:
        contexts.append(
            browser.new_context(
                color_scheme="dark" if scheme == "dark" else "light",
                viewport={"width": width, "height": 900},
            )
        )
        page = contexts[-1].new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(f"{site.as_uri()}/{name}")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert [url for url in asked if not url.startswith((f"{site.as_uri()}/", "data:"))] == []
    assert [error for error in wrong if error != "Failed to fetch"] == []


def test_every_document_and_chapter_has_a_page(site: Path) -> None:
    written = [
        *(path for path in CHECKOUT.glob("*.md") if path.name != "README.ja.md"),
        *CHECKOUT.glob("docs/*.md"),
        *NOTEBOOKS,
        CHECKOUT / "tests" / "README.md",
    ]
    pages = [site / "en" / path.relative_to(CHECKOUT) for path in written]
    pages += [site / "ja" / path.relative_to(CHECKOUT) for path in (CHECKOUT / "README.ja.md", *JAPANESE)]
    assert [page.name for page in pages if not page.with_suffix(".html").exists()] == []


def test_each_page_is_in_one_language_alone(site: Path) -> None:
    assert not (site / "en" / "README.ja.html").exists()
    assert not (site / "en" / "notebooks" / "ja").exists()
    assert sorted(path.name for path in (site / "ja").glob("*.html")) == [
        "README.ja.html", "index.html", "search.html",
    ]  # fmt: skip


def test_a_chapter_leads_to_the_same_one_in_the_other_language(site: Path, visit: Open) -> None:
    """There and back again; so does a front page."""
    for english, japanese in ((CHAPTER, CHAPTER_JA), ("en/index.html", "ja/index.html")):
        page = visit(english)
        page.get_by_role("link", name="日本語").first.click()
        assert page.url == f"{site.as_uri()}/{japanese}"
        assert page.locator("html").get_attribute("lang") == "ja"
        page.locator(".as-of").get_by_role("link", name="English").click()
        assert page.url == f"{site.as_uri()}/{english}"


def test_every_link_leads_to_a_file_and_a_place_in_it(
    site: Path, pages: dict[Path, html.HtmlElement]
) -> None:
    places = {path: {*page.xpath("//@id"), *page.xpath("//a/@name"), ""} for path, page in pages.items()}
    followed, broken = 0, []
    for path, page in pages.items():
        for link in page.xpath("//@href | //@src"):
            if urlsplit(link).scheme:
                continue
            address, place = urldefrag(link)
            target = (path.parent / unquote(urlsplit(address).path)).resolve() if address else path
            followed += 1
            there = target.is_relative_to(site) and target.is_file()
            if not there or unquote(place) not in places.get(target, {unquote(place)}):
                broken.append(f"{path.name}: {link}")
    assert followed > 1000
    assert broken == []


def test_no_page_loads_anything_from_elsewhere(site: Path, pages: dict[Path, html.HtmlElement]) -> None:
    """Links that a person follows are no loads; nor are names of XML's namespaces, and comments."""
    loads = [
        f"{path.name}: {address}"
        for path, page in pages.items()
        for address in page.xpath(
            "//@src | //@srcset | //link/@href | //object/@data | //form/@action | //@style"
        )
        if "//" in address
    ]
    for path in [*site.rglob("*.css"), *site.rglob("*.js"), *site.rglob("*.svg")]:
        left_out = r"/\*.*?\*/|(^|\s)//[^\n]*|<a href=[^>]*>"
        text = re.sub(left_out, "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        found = re.findall(
            r"""(?:url\(\s*|@import\s+|["'`]\s*|=\s*)["']?((?:https?:)?//[\w.-]+[^\s"')]*)""", text
        )
        loads += [
            f"{path.name}: {address}" for address in found if not address.startswith("http://www.w3.org/")
        ]
    assert loads == []


def test_each_page_says_of_which_commit_it_is_and_a_chapter_where_it_was_run(
    site: Path, pages: dict[Path, html.HtmlElement]
) -> None:
    shown = ["git", "show", "--no-patch", "--format=%h %cs"]
    done = subprocess.run(shown, cwd=CHECKOUT, check=True, capture_output=True, text=True)
    commit, day = done.stdout.split()
    said = {
        path.relative_to(site).as_posix(): " ".join(page.xpath("string(//p[@class='as-of'])").split())
        for path, page in pages.items()
        if path.name != "search.html"
    }
    assert [name for name, text in said.items() if commit not in text or day not in text] == []
    asked = {name: re.search(r"Run on (\w+) of|のホスト(\w+)で実行", text) for name, text in said.items()}
    run_on = {name: found[1] or found[2] for name, found in asked.items() if found}
    assert run_on == {
        f"{language}/{path.relative_to(CHECKOUT).with_suffix('.html')}": "el9"
        if path.stem == "21-postfix-centos"
        else "debian12"
        for language, those in (("en", NOTEBOOKS), ("ja", JAPANESE))
        for path in those
    }


@pytest.mark.parametrize("name", KINDS)
def test_axe_finds_nothing(name: str, visit: Open) -> None:
    """At the ends: small and light, large and dark."""
    for width, scheme in ((360, "light"), (1400, "dark")):
        found = Axe().run(visit(name, width, scheme)).response["violations"]
        assert [(one["id"], [node["html"] for node in one["nodes"]][:3]) for one in found] == []


def test_no_page_is_wider_than_the_window(pages: dict[Path, html.HtmlElement], visit: Open) -> None:
    """Nor is its column, which furo lets scroll on a phone."""
    page = visit("en/index.html")
    content, wide = "document.querySelector('.content')", []
    for path in pages:
        page.goto(path.as_uri())
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            if page.evaluate(
                f"[document.documentElement, {content}].some(e => e.scrollWidth > e.clientWidth)"
            ):
                wide.append(f"{path.name} at {width}")
    assert wide == []


def test_what_is_searched_for_is_found_without_a_server(visit: Open) -> None:
    page = visit("en/search.html?q=saslauthd")
    page.locator("#search-results li a", has_text="2 Postfix with TLS and SMTP AUTH: Debian").first.click()
    assert page.url.split("?")[0].endswith(CHAPTER)


@pytest.mark.parametrize(
    ("word", "chapter"),
    [
        ("署名要求書", "1-1 サーバの秘密鍵"),  # three words of the language, without a blank
        ("鍵", "1-1 サーバの秘密鍵"),  # a single letter
        ("ソケット saslauthd", "2 Postfix をTLSでの暗号化ができるように設定（Debianの場合）"),
        ("前方秘匿性", "3-1 Windows Live Mail の場合"),
    ],
)
def test_a_japanese_word_is_found_though_no_blank_parts_it(word: str, chapter: str, visit: Open) -> None:
    page = visit(f"ja/search.html?q={word}")
    page.locator("#search-results li a", has_text=chapter).first.wait_for()


def test_a_japanese_word_that_stands_nowhere_is_not_found(visit: Open) -> None:
    page = visit("ja/search.html?q=冷蔵庫")
    page.get_by_text("見つかりませんでした").wait_for()
    assert page.locator("#search-results li").count() == 0


def test_a_drawing_says_what_it_shows(pages: dict[Path, html.HtmlElement]) -> None:
    alts = [
        alt
        for page in pages.values()
        for alt in page.xpath("//div[@class='cell_output docutils container']//img/@alt")
    ]
    assert len(alts) > 3
    assert [alt for alt in alts if len(alt) < 50] == []


def test_paper_has_what_is_folded_and_no_menu(visit: Open) -> None:
    page = visit(CHAPTER, scheme="dark")
    folded = page.get_by_text("debconf-set-selections").first
    assert not folded.is_visible()
    page.emulate_media(media="print", color_scheme="dark")
    assert folded.is_visible()
    assert not page.locator(".sidebar-drawer").is_visible()
    assert not page.get_by_text("Skip to content").is_visible()
    colour = page.locator(".cell_output span", has_text="+ package postfix").first
    assert colour.evaluate("e => getComputedStyle(e).color") == "rgb(10, 107, 45)", (
        "the dark colour, on white"
    )
