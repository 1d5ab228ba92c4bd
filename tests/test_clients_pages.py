"""A settings page opens in a browser without a network, says everything, runs nothing, and is accessible."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from clients_samples import ca_pem, settings
from playwright.sync_api import Browser, Page

from runbook_lib.clients import CLIENTS, CaFile, files_for_users, render_page

EVIL = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    opened = browser.new_page()
    opened.context.set_offline(True)
    yield opened
    opened.close()


def show(page: Page, content: str, folder: Path) -> list[str]:
    """Open the page from a file; returns what it asked the network for, itself left out."""
    file = folder / "page.html"
    file.write_text(content)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(file.as_uri())
    return [url for url in asked if url != file.as_uri()]


@pytest.mark.parametrize("client", CLIENTS)
def test_axe_finds_nothing(client: str, page: Page, tmp_path: Path) -> None:
    show(page, render_page(CLIENTS[client](settings()), settings()), tmp_path)
    violations = Axe().run(page).response["violations"]
    assert [(fault["id"], fault["nodes"][0]["html"]) for fault in violations] == []


@pytest.mark.parametrize("client", CLIENTS)
def test_both_languages_have_every_value(client: str, page: Page, tmp_path: Path) -> None:
    used = settings()
    guide = CLIENTS[client](used)
    show(page, render_page(guide, used), tmp_path)
    for language in ("en", "ja"):
        text = page.locator(f"section[lang={language}]").inner_text()
        for value in guide.values:
            assert getattr(value.label, language) in text
            assert getattr(value.entry, language) in text
        assert used.ca is not None
        assert used.ca.sha256 in text


@pytest.mark.parametrize("client", CLIENTS)
def test_with_a_public_certificate_nobody_is_told_to_import_anything(
    client: str, page: Page, tmp_path: Path
) -> None:
    """Who imports a CA for nothing learns to import any that is offered."""
    public = settings(cas=())
    guide = CLIENTS[client](public)
    show(page, render_page(guide, public), tmp_path)
    violations = Axe().run(page).response["violations"]
    assert [(fault["id"], fault["nodes"][0]["html"]) for fault in violations] == []
    text = page.locator("body").inner_text()
    for words in ("Nothing to import", "登録は不要です", "confirm no exception"):
        assert words in text
    for words in (
        "the house's CA",
        "-ca.cer",
        "Import the CA",
        "認証局を登録します",
        "fingerprint",
        "社内認証局の登録",
    ):
        assert words not in text
    assert set(files_for_users(public, (client,))) <= {f"{client}.html", "config-v1.1.xml"}
    own = settings()
    assert own.ca is not None
    assert own.ca.name in files_for_users(own, (client,))


@pytest.mark.parametrize("client", CLIENTS)
def test_names_with_markup_are_shown_as_text_and_nothing_is_asked_for(
    client: str, page: Page, tmp_path: Path
) -> None:
    """Neither the inventory nor a certificate's subject runs in a user's browser."""
    evil = settings(site=EVIL, cas=(CaFile.from_pem(ca_pem(EVIL[:60]), EVIL),))
    asked = show(page, render_page(CLIENTS[client](evil), evil), tmp_path)
    page.wait_for_timeout(200)
    assert asked == []
    assert page.title().endswith(EVIL)
    assert EVIL in page.locator("h1").inner_text()


@pytest.mark.parametrize("client", CLIENTS)
def test_it_prints_with_each_language_on_a_sheet_of_its_own(client: str, page: Page, tmp_path: Path) -> None:
    show(page, render_page(CLIENTS[client](settings()), settings()), tmp_path)
    pdf = page.pdf(format="A4")
    assert 2 <= pdf.count(b"/Type /Page\n") <= 8
    assert page.evaluate("getComputedStyle(document.querySelector('#ja')).breakBefore") == "auto"
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.querySelector('#ja')).breakBefore") == "page"
    assert page.evaluate("getComputedStyle(document.querySelector('nav')).display") == "none"


@pytest.mark.parametrize("width", [360, 820, 1280])
@pytest.mark.parametrize("client", CLIENTS)
def test_no_screen_needs_sideways_scrolling(client: str, width: int, page: Page, tmp_path: Path) -> None:
    page.set_viewport_size({"width": width, "height": 740})
    show(page, render_page(CLIENTS[client](settings()), settings()), tmp_path)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_live_mail_s_page_says_that_it_ended_and_what_took_its_place() -> None:
    shown = render_page(CLIENTS["windows-live-mail"](settings()), settings())
    assert "10 January 2017" in shown
    assert "What took its place" in shown
    assert "Not tried here: Windows Live Mail cannot be had any more." in shown


def test_live_mail_s_page_warns_of_passwords_outside_ascii() -> None:
    """Old clients send Latin-1, and the right password fails."""
    assert "Latin-1" in render_page(CLIENTS["windows-live-mail"](settings()), settings())


def test_the_page_warns_where_the_server_shuts_the_client_out() -> None:
    """With 'strict' ciphers Windows 8.1 finds none in common."""
    strict = settings(ciphers="strict")
    assert "submission.ciphers: base" in render_page(CLIENTS["windows-live-mail"](strict), strict)


def test_a_name_in_japanese_is_shown_beside_the_one_to_type() -> None:
    """The A-label works everywhere, the U-label is what people know."""
    name = "xn--zckzah.example.test"
    shown = render_page(
        CLIENTS["thunderbird"](settings(smtp_name=name, certificate_names=(name,), pop_name=None)), settings()
    )
    assert "xn--zckzah.example.test (テスト.example.test)" in shown
