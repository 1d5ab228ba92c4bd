"""Forms to stamp and the page over all runs, in a real browser: printed on A4, filtered without a script."""

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import pytest
import sample_record
import tampering
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page
from tampering import CUT_OFF, ELSEWHERE, LAST, PLAN, SAMPLE, Site

from runbook_lib.messages import message
from runbook_lib.messages.speech import said
from runbook_lib.records import Record, forms, index, pages, report, seal, site_page, verification, words
from runbook_lib.records.publish import publish

HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script></style>\x1b[31m\u202eevil"
SPELLED = "<img src=x onerror=alert(1)><script>alert(2)</script></style>\\x1b[31m\\u202eevil"
A4_PT = (595.28, 841.89)
LONG = 60  # changes: more than two sheets of them
Show = Callable[..., Page]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return tampering.make(tmp_path_factory.mktemp("site"))


@pytest.fixture
def show(browser: Browser, tmp_path: Path) -> Iterator[Show]:
    """Open a page of this text; nothing may be asked for, run, or said."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    happened: list[str] = []

    def opened(text: str, media: Literal["print", "screen"] = "screen") -> Page:
        path = tmp_path / "page.html"
        path.write_text(text, encoding="utf-8")
        page = context.new_page()
        page.on("dialog", lambda dialog: happened.append(dialog.message))
        page.on("console", lambda message: happened.append(message.text))
        page.on("request", lambda request: happened.append(request.url))
        page.goto(path.as_uri())
        happened.remove(path.as_uri())
        page.emulate_media(media=media)
        return page

    yield opened
    context.close()
    assert happened == []


def form(site: Site, run: str) -> str:
    return forms.page(site.root / run, verification.check(site.root / run))


def printed(page: Page, folder: Path) -> list[str]:
    """The text of each sheet; each is an A4 sheet."""
    path = folder / "form.pdf"
    page.pdf(path=path, prefer_css_page_size=True)
    told = subprocess.run(["pdfinfo", path], capture_output=True, text=True, check=True).stdout
    size = re.search(r"Page size: +([0-9.]+) x ([0-9.]+) pts", told)
    assert size is not None
    assert sorted(map(float, size.groups())) == pytest.approx(A4_PT, abs=1)
    text = subprocess.run(["pdftotext", path, "-"], capture_output=True, text=True, check=True).stdout
    return text.split("\f")[:-1]


def fits(page: Page) -> bool:
    """Nothing sticks out of its box at the width of a sheet."""
    page.set_viewport_size({"width": 702, "height": 1000})  # A4 without its margins, at 96 dots an inch
    cut_off = "all => all.filter(one => one.clientWidth > 1 && one.scrollWidth > one.clientWidth + 1).length"
    return bool(page.locator("body *").evaluate_all(cut_off) == 0)


@pytest.mark.parametrize(
    ("run", "title", "boxes"),
    [
        (PLAN, "手順書", ("作成", "照査", "承認")),
        (SAMPLE, "作業記録", ("作業者", "立会者", "確認者")),
    ],
)
def test_a_form_is_a_sheet_of_a4_with_boxes_and_its_seal_on_each(
    run: str, title: str, boxes: tuple[str, ...], site: Site, show: Show, tmp_path: Path
) -> None:
    page = show(form(site, run), "print")
    assert page.locator(".boxes th").all_inner_texts() == [
        f"{box} {words.say(key, 'en')}" for box in boxes for key, word in words.catalogue().items() if word["ja"] == box
        and key in ("made", "checked", "approved", "worker", "witness", "confirmed")
    ]  # fmt: skip
    for cell in page.locator(".boxes td").all():
        for word in ("日付", "氏名", "印"):
            assert word in cell.inner_text()
    assert fits(page)
    sheets = printed(page, tmp_path)
    assert title in sheets[0]
    sums = seal.sha256((site.root / run / seal.SUMS).read_bytes())
    for number, sheet in enumerate(sheets, 1):
        assert sums in sheet
        assert run in sheet
        assert re.search(rf"\b{number} ?/ ?{len(sheets)}\b", sheet)


def test_a_signature_that_is_good_stands_in_the_first_box(site: Site, show: Show) -> None:
    boxes = show(form(site, SAMPLE)).locator(".boxes td").all_inner_texts()
    assert "kanri@example.test with ED25519 key SHA256:" in boxes[0]
    assert "kanri@example.test" not in boxes[1] + boxes[2]
    checked = verification.Check(SAMPLE)  # it was not good
    unsigned = show(forms.page(site.root / SAMPLE, checked)).locator(".boxes td").first.inner_text()
    assert "署名なし" in unsigned
    assert "kanri" not in unsigned


def test_a_work_record_has_each_claim_each_change_and_what_went_wrong(site: Site, show: Show) -> None:
    shown = show(form(site, SAMPLE)).locator("main").inner_text()
    for claim, rows in sample_record.CLAIMS.items():
        assert claim in shown
        for row in rows:
            assert str(row["seen"]) in shown
    for told in (
        "/etc/postfix/master.cf: 2 services", "saslauthd is started at boot", "no answer on port 22 within 10 s",
        "AAAA: no route", "port 25: asked 41, refused 1, no answer 0", LAST, "MAIL-1184",
    ):  # fmt: skip
        assert told in shown
    deviations = show(form(site, SAMPLE)).locator("section", has_text="逸脱事項").first.inner_text()
    for told in ("mail13, 11-key-and-csr", "failed", "Not proven", "Put back since"):
        assert told in deviations
    cut_off = show(form(site, CUT_OFF)).locator("main").inner_text()
    assert "実行は途中で中断されました。" in cut_off
    assert "終了の記録なし" in cut_off
    assert "planned and not made" in cut_off


def test_what_was_made_as_planned_has_no_deviation(tmp_path: Path, show: Show) -> None:
    sample_record.postfix_chapter(tmp_path)
    publish(tmp_path, SAMPLE)
    shown = (
        show(forms.page(tmp_path / SAMPLE, verification.check(tmp_path / SAMPLE)))
        .locator("main")
        .inner_text()
    )
    assert "記録された逸脱はありません。" in shown


def test_an_instruction_has_every_command_on_paper(tmp_path: Path, show: Show) -> None:
    fields = sample_record.COMMON | {"mode": "plan", "facts": {}, "title": "2 Postfix · Postfixの設定"}
    record = Record.begin(tmp_path, PLAN, "mail12", "20-postfix-debian", **fields)  # type: ignore[arg-type]
    changes = [
        sample_record.change(f"change {n}", "file", f"+expected{n}", f"command{n}\nsecond{n}")
        for n in range(LONG)
    ]
    record.add_plan("Many", "d1", changes)
    record.add_verify("Port 587 offers AUTH only after STARTTLS", [], "not verified")
    record.finish("planned", "Done.")
    publish(tmp_path, PLAN)
    page = show(forms.page(tmp_path / PLAN, verification.check(tmp_path / PLAN)), "print")
    sheets = printed(page, tmp_path)
    assert len(sheets) > 2
    text = "\n".join(sheets)
    for n in range(LONG):
        for told in (f"change {n}", f"command{n}", f"second{n}", f"expected{n}"):
            assert re.search(rf"{told}\b", text), told
    assert all("期待結果" in sheet for sheet in sheets[:-1]), "the head of the table is not on each sheet"
    assert "Port 587 offers AUTH only after STARTTLS" in text


def test_what_a_server_or_a_person_says_is_text_on_a_form(tmp_path: Path, show: Show) -> None:
    said = {"reason": HOSTILE, "operator": HOSTILE, "facts": {}, "title": HOSTILE, "emergency": HOSTILE}
    for run, mode in ((PLAN, "plan"), (LAST, "apply")):
        fields = sample_record.COMMON | said | {"mode": mode}
        record = Record.begin(tmp_path, run, "mail12", "20-postfix-debian", **fields)  # type: ignore[arg-type]
        record.add_plan(HOSTILE, HOSTILE, [sample_record.change(HOSTILE, HOSTILE, HOSTILE, HOSTILE)])
        record.add_verify(HOSTILE, [sample_record.row(HOSTILE, 25, HOSTILE)], "fail")
        record.finish("planned" if mode == "plan" else "failed", HOSTILE, error=ValueError(HOSTILE))
        publish(tmp_path, run)
    made = report.make(tmp_path, verification.check_all(tmp_path))
    texts = [forms.page(tmp_path / run, verification.check(tmp_path / run)) for run in (PLAN, LAST)]
    for text in (*texts, dict(made.files())["report.html"].decode(), site_page.page(tmp_path, ())):
        page = show(text)
        assert page.locator("main script, main img").count() == 0
        assert SPELLED in page.locator("main").inner_text()
        assert page.locator("style").count() == 1


def test_forms_and_reports_are_accessible(site: Site, show: Show) -> None:
    made = report.make(site.root, site.check())
    for text in (form(site, PLAN), form(site, SAMPLE), dict(made.files())["report.html"].decode(),
                 site_page.page(site.root, {SAMPLE})):  # fmt: skip
        found = Axe().run(show(text))
        assert found.violations_count == 0, found.generate_report()


def test_a_report_fits_its_sheet(site: Site, show: Show, tmp_path: Path) -> None:
    made = report.make(site.root, site.check())
    sheets = printed(show(dict(made.files())["report.html"].decode(), "print"), tmp_path)
    text = "".join("".join(sheets).split())
    for run in (SAMPLE, PLAN, CUT_OFF, ELSEWHERE, LAST):
        assert run in text
    for row in report.controls():
        assert row["control"].replace(" ", "") in text


def rows(page: Page) -> set[str]:
    """The runs that are in sight."""
    return {row.inner_text() for row in page.locator("tbody th").all() if row.is_visible()}


def test_the_page_over_all_runs_is_filtered_without_a_script(site: Site, show: Show) -> None:
    page = show(site_page.page(site.root, ()))
    assert page.locator("script, form").count() == 0
    everything = rows(page)
    assert len(everything) == 6
    host, month, outcome = page.locator("select").all()
    host.select_option("mail13")
    assert rows(page) == {SAMPLE}
    outcome.select_option("interrupted")
    assert rows(page) == set()
    host.select_option(index=0)
    assert rows(page) == {CUT_OFF}
    outcome.select_option(index=0)
    month.select_option(index=1)
    assert rows(page) == everything


def test_the_page_over_all_runs_is_made_when_it_is_asked_for(site: Site, tmp_path: Path) -> None:
    copy = site.copy(tmp_path / "records")
    assert not (copy.root / index.PAGE).exists()
    page = site_page.write(copy.root)
    assert page == copy.root / index.PAGE
    assert page.stat().st_mode & 0o777 == 0o600
    assert copy.check().holds, "it is no part of what is sealed"
    for link in re.findall(r'href="([^"]+)"', page.read_text(encoding="utf-8")):
        assert (copy.root / link).is_file()


def test_every_word_is_there_in_both_languages() -> None:
    for key, word in words.catalogue().items():
        assert word.keys() == set(words.LANGUAGES), key
        assert re.search(r"[\u3040-\u30ff\u4e00-\u9fff]", word["ja"]), key
        assert word["en"].isascii(), key


def test_every_word_is_said_somewhere_and_no_other_is_asked_for() -> None:
    folder = Path(forms.__file__).parent
    text = "\n".join(
        path.read_text(encoding="utf-8") for path in [*folder.glob("templates/*.j2"), *folder.glob("*.py")]
    )
    outcomes = {*pages.OUTCOMES, *pages.VERDICTS, seal.NOT_BEGUN}
    made = {outcome.replace(" ", "_") for outcome in outcomes} | {
        "every_host",
        "every_month",
        "every_outcome",
    }
    assert made <= words.catalogue().keys()
    for key in words.catalogue().keys() - made:
        assert re.search(rf'["\']{key}["\']', text), key


def test_what_was_made_of_a_message_is_on_a_form_in_both_languages(tmp_path: Path) -> None:
    title = message("Private key")
    fields = sample_record.COMMON | {"facts": {}, "title": "1-1 Key", "mode": "plan"}
    record = Record.begin(tmp_path, PLAN, "mail12", "11-key-and-csr", **fields)  # type: ignore[arg-type]
    record.add_plan("The key", "aa11", [sample_record.change(title, "key", "+RSA 3072")])
    record.finish("planned", "Done.")
    publish(tmp_path, PLAN)
    page = forms.page(tmp_path / PLAN, verification.check(tmp_path / PLAN))
    assert f'<span lang="ja">{said(title, "ja")}</span> <span lang="en">Private key</span>' in page
    assert said(title, "ja") != title
