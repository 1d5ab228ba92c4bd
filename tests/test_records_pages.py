"""Pages of a record in a real browser: nothing is fetched, nothing runs, everybody can read them."""

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import nbformat
import pytest
import sample_record
from axe_playwright_python.sync_playwright import Axe
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from playwright.sync_api import Browser, Page

from runbook_lib.records import Record, index
from runbook_lib.records.attachment import keep_notebook
from runbook_lib.records.publish import publish

HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script><b>&amp;\x1b[31m\u202eevil"
SPELLED = "<img src=x onerror=alert(1)><script>alert(2)</script><b>&amp;\\x1b[31m\\u202eevil"
DOT = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
CHAPTER_PAGE = "mail12/20-postfix-debian.html"
NOTEBOOK_PAGE = "mail12/20-postfix-debian.notebook.html"
SHORT_PAGES = ("index.html", "mail13/11-key-and-csr.html", "mail12/90-verification.html")
PAGES = (*SHORT_PAGES, CHAPTER_PAGE, NOTEBOOK_PAGE)
Open = Callable[..., Page]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = sample_record.whole_run(tmp_path_factory.mktemp("records"))
    attach(folder, notebook("plain text"))
    publish(folder.parent, folder.name)
    return folder


@pytest.fixture(scope="module")
def hostile_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A server that says markup, in every field that a server, or a person, can fill."""
    root, run = tmp_path_factory.mktemp("hostile"), sample_record.RUN
    said = {"reason": HOSTILE, "operator": HOSTILE, "facts": {HOSTILE: HOSTILE}, "title": HOSTILE}
    fields = sample_record.COMMON | said
    record = Record.begin(root, run, "mail12", "20-postfix-debian", **fields)  # type: ignore[arg-type]
    record.add_note(HOSTILE)
    change = sample_record.change(HOSTILE, HOSTILE, f"-{HOSTILE}\n+{HOSTILE}", HOSTILE)
    record.add_plan(HOSTILE, HOSTILE, [change])
    record.add_apply(HOSTILE, [HOSTILE, HOSTILE], HOSTILE)
    elsewhere = {"address": HOSTILE, "client": HOSTILE, "command": HOSTILE}
    record.add_verify(HOSTILE, [sample_record.row(HOSTILE, 25, HOSTILE) | elsewhere], "pass")
    record.finish("failed", HOSTILE, undo=HOSTILE, error=ValueError(HOSTILE))
    attach(root / run, notebook(HOSTILE))
    publish(root, run)
    return root / run


def notebook(said: str) -> nbformat.NotebookNode:
    """An executed notebook whose outputs, of every kind, hold what a server said."""
    prose = f"# 2 Postfix\n\n## Port 587\n\n| a | b |\n|-|-|\n| 1 | {said} |\n\n[link](javascript:alert(4))"
    picture = f"<svg xmlns='http://www.w3.org/2000/svg'><title>ports</title><script>{said}</script></svg>"
    head = "<caption>ports</caption><thead><tr><th scope='col'>port</th></tr></thead>"
    table = f"<table>{head}<tbody><tr><td>{said}</td></tr></tbody></table>"
    frame = f"<div onclick='{said}'>x</div><iframe src='http://192.0.2.1/'></iframe>"
    outputs = [
        new_output("stream", name="stdout", text=said),
        new_output("execute_result", data={"text/plain": said, "text/html": table}, execution_count=2),
        new_output("display_data", data={"text/html": frame}),
        new_output("display_data", data={"image/svg+xml": picture}),
        new_output(
            "display_data", data={"text/markdown": f"{said} ![x](http://192.0.2.1/x.png) ![dot]({DOT})"}
        ),
        new_output("display_data", data={"application/javascript": "alert(3)", "text/plain": said}),
        new_output("error", ename="ValueError", evalue=said, traceback=[said]),
    ]
    executed: nbformat.NotebookNode = new_notebook(
        cells=[
            new_markdown_cell(prose),
            new_code_cell("host: str = 'mail12'", execution_count=1, metadata={"tags": ["parameters"]}),
            new_code_cell("chapter.verify(ports)", execution_count=2, outputs=outputs),
        ]
    )
    return executed


def attach(folder: Path, executed: nbformat.NotebookNode) -> None:
    entry = next(e for e in index.read_run(folder).entries if e.record.chapter == "20-postfix-debian")
    keep_notebook(executed, folder, entry, folder)


@pytest.fixture(scope="module")
def watched() -> set[Path]:
    return set()


@pytest.fixture
def visit(browser: Browser, watched: set[Path]) -> Iterator[Open]:
    """Open a page; at the end nothing may have been asked for, run, or said to the person."""
    contexts = []
    happened: list[str] = []

    def until(path: Path) -> Literal["load", "networkidle"]:
        """Each page is watched once until it has asked for nothing for half a second."""
        seen = path in watched
        watched.add(path)
        return "load" if seen else "networkidle"

    def open_page(path: Path, scheme: Literal["light", "dark"] = "light", width: int = 1280) -> Page:
        context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: happened.append(f"request {request.url}"))
        page.on("dialog", lambda dialog: happened.append(f"dialog {dialog.message}"))
        page.on("console", lambda message: happened.append(f"console {message.text}"))
        page.on("pageerror", lambda error: happened.append(f"error {error}"))
        page.goto(path.as_uri(), wait_until=until(path))
        expected = f"request {path.as_uri()}"
        assert expected in happened
        happened.remove(expected)
        happened[:] = [event for event in happened if not event.startswith("request data:image/")]
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert happened == []


@pytest.mark.parametrize("name", PAGES)
def test_a_page_needs_no_network_and_no_script(name: str, run: Path, visit: Open) -> None:
    page = visit(run / name)
    assert page.locator("script, link, iframe, object, embed, form").count() == 0
    policy = page.locator("meta[http-equiv=Content-Security-Policy]").get_attribute("content")
    assert policy is not None
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:")


@pytest.mark.parametrize("name", ["index.html", CHAPTER_PAGE])
def test_what_a_server_says_is_text(name: str, hostile_run: Path, visit: Open) -> None:
    page = visit(hostile_run / name)
    assert page.locator("script, img, b").count() == 0
    shown = page.locator("body").inner_text()
    assert SPELLED in shown
    assert "\x1b" not in shown
    assert "\u202e" not in shown


def test_what_a_server_says_in_a_notebook_neither_runs_nor_loads(hostile_run: Path, visit: Open) -> None:
    page = visit(hostile_run / NOTEBOOK_PAGE)
    assert page.locator("script, iframe, [onclick], [onerror], a[href^='javascript']").count() == 0
    sources = page.locator("img").evaluate_all("all => all.map(one => one.getAttribute('src') || '')")
    assert DOT in sources
    assert all(source == "" or source.startswith("data:image/") for source in sources)
    assert "<script>alert(2)</script>" in page.locator("body").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_accessible(name: str, scheme: Literal["light", "dark"], run: Path, visit: Open) -> None:
    page = visit(run / name, scheme)
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_a_telephone(name: str, run: Path, visit: Open) -> None:
    page = visit(run / name, width=360)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    cut_off = "all => all.filter(one => one.clientWidth > 1 && one.scrollWidth > one.clientWidth + 1).length"
    assert page.locator("body *:not(thead):not(thead *)").evaluate_all(cut_off) == 0


def test_a_chapter_shows_what_changed_what_was_proved_and_how_to_undo_it(run: Path, visit: Open) -> None:
    page = visit(run / CHAPTER_PAGE)
    assert page.locator(".added", has_text="smtpd_tls_auth_only = yes").count() == 1
    assert page.locator(".removed", has_text="ssl-cert-snakeoil.key").count() == 1
    shown = page.locator("body").inner_text()
    for told in (
        "MAIL-1184: TLS for submission", "kanri", "3.7.11", "9 of 9", "2 changes made", "nothing to do",
        "Port 587 offers AUTH only after STARTTLS", "530 5.7.0 Must issue a STARTTLS command first",
        f"runbook rollback {sample_record.RUN} --host mail12",
    ):  # fmt: skip
        assert told in shown
    commands = page.get_by_text("postconf -X smtpd_tls_cert_file").first
    assert not commands.is_visible()
    page.get_by_text("As commands to type").first.click()
    assert commands.is_visible()


def test_printing_unfolds_the_commands(run: Path, visit: Open) -> None:
    page = visit(run / CHAPTER_PAGE)
    page.emulate_media(media="print")
    box = page.get_by_text("postconf -X smtpd_tls_cert_file").first.bounding_box()
    assert box is not None
    assert box["height"] > 20


def test_the_index_says_what_ran_where_it_stopped_and_what_to_type(run: Path, visit: Open) -> None:
    page = visit(run / "index.html")
    shown = page.locator("body").inner_text()
    for told in (
        "mail13 failed at 1-1 Private key and CSR", "no answer on port 22 within 10 s", "applied, not proven",
        "runbook apply --host mail13 --from 11-key-and-csr", f"runbook rollback {sample_record.RUN}",
    ):  # fmt: skip
        assert told in shown
    for link in page.locator("a").all():
        target = link.get_attribute("href")
        assert target is not None
        assert (run / target).exists()


def test_local_time_stands_beside_utc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, visit: Open) -> None:
    folder = sample_record.whole_run(tmp_path)
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        publish(tmp_path, folder.name)
    finally:
        monkeypatch.undo()
        time.tzset()
    shown = visit(folder / CHAPTER_PAGE).locator("time").first.locator("..").inner_text()
    assert "UTC" in shown
    assert "(UTC+0900)" in shown


def test_a_page_shows_how_mail_fared_meanwhile(run: Path) -> None:
    page = (run / CHAPTER_PAGE).read_text(encoding="utf-8")
    shown = page[page.index("Mail while this was made") :].partition("</section>")[0]
    cells = dict(re.findall(r'data-name="([^"]+)">([^<]+)', shown))
    assert cells == {
        "Asked": "41", "Refused": "1", "No answer": "0", "Longest gap": "1.4 s", "As far as": "RCPT",
    }  # fmt: skip
    assert "451 &lt;b&gt;later&lt;/b&gt;" in shown


def test_what_was_made_stands_with_its_plan_though_a_note_was_written_between(tmp_path: Path) -> None:
    fields = sample_record.COMMON | {"title": "Postfix", "facts": {}}
    record = Record.begin(tmp_path, sample_record.RUN, "mail12", "20-postfix-debian", **fields)  # type: ignore[arg-type]
    record.add_plan(
        "Packages", "d1", [sample_record.change("sasl2-bin is installed", "packages", "+a", "apt")]
    )
    record.add_note("Tried by a second Postfix.")
    record.add_apply("d1", ["sasl2-bin is installed"], "/var/lib/runbook/x")
    record.finish("passed", "changed  1")
    publish(tmp_path, sample_record.RUN)
    page = (tmp_path / sample_record.RUN / CHAPTER_PAGE).read_text(encoding="utf-8")
    plan = page[page.index("Packages</h2>") : page.index("Tried by a second Postfix.")]
    assert "1 change made" in plan
    assert page.count("1 change made") == 1
