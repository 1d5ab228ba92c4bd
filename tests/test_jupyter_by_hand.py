"""`make jupyter`, as a person uses it: a real JupyterLab in a real browser, one chapter on a lab host."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Error, Page, sync_playwright
from started_jupyterlab import BROWSER, PATIENCE, started

from lab import Lab
from runbook_lib.records import Record, verification

CHECKOUT = Path(__file__).resolve().parents[1]
CHAPTER = "11-key-and-csr"


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """JupyterLab's address with its token."""
    environment = os.environ | {"RUNBOOK_RECORDS": str(tmp_path / "records")}
    environment.pop("RUNBOOK_RUN", None)
    words = ["make", "jupyter", "HOST=debian12", "JUPYTER_OPTIONS=--no-browser --port=0"]
    with started(words, tmp_path / "jupyter.log", CHECKOUT, environment) as found:
        yield found


def test_stepping_through_a_chapter_leaves_the_record_with_its_notebook(
    lab: Lab, address: str, tmp_path: Path
) -> None:
    lab.reset("debian12", "bare")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1300, "height": 1000})
        page.goto(address.replace("/lab?", f"/lab/tree/{CHAPTER}.ipynb?"))
        # The status bar says when there is a kernel. The circle above the notebook will not do: it says 'idle' before
        # there is one, and cells run without a kernel bring up a question which kernel is meant.
        page.locator("#jp-main-statusbar", has_text="| Idle").wait_for(timeout=PATIENCE)
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_text("Run All Cells", exact=True).click()
        wait_for_output(page, "2 changes made")
        page.keyboard.press("Control+s")
        (run,) = wait_for_runs(tmp_path / "records")
        wait_for_output(page, f"runbook rollback {run.name} --host debian12")
        assert page.get_by_text("Jupyter news").count() == 0
        page.screenshot(path=tmp_path / "lab.png")
        told = saved_with_a_secret(page, lab.folder / "secrets" / "kensa")
        browser.close()
    assert f"{CHAPTER}.ipynb is saved. It was not attached to its record" in told
    assert "Unexpected error" not in told
    assert lab.secret("kensa") not in told
    record = Record.open(run / "debian12" / f"{CHAPTER}.json").data
    assert (record.outcome, record.mode, record.changes_made) == ("passed", "apply", 2)
    assert (
        "a private key (RSA 2048) is made on the host" in (run / "debian12" / f"{CHAPTER}.ipynb").read_text()
    )
    assert verification.check(run).holds
    assert lab.exec("debian12", "stat -c %a /etc/ssl/private/nopass_mail-server.key") == b"600\n"


def saved_with_a_secret(page: Page, file: Path) -> str:
    """What JupyterLab says when a notebook is saved in which a cell, new below the last one, shows a secret."""
    click_last_cell(page)
    page.keyboard.press("Escape")
    page.keyboard.press("b")
    page.keyboard.press("Enter")
    page.keyboard.insert_text(f"print('shown:', open({str(file)!r}).read())")
    page.keyboard.press("Control+Enter")
    wait_for_output(page, "shown: ")
    page.keyboard.press("Control+s")
    dialog = page.locator(".jp-Dialog")
    dialog.wait_for(timeout=PATIENCE)
    return dialog.inner_text()


def click_last_cell(page: Page) -> None:
    """JupyterLab hides the cells that are out of sight, and moves what it shows for each output that comes."""
    for _ in range(PATIENCE // 1000):
        page.locator(".jp-WindowedPanel-outer").evaluate("panel => panel.scrollTo(0, panel.scrollHeight)")
        try:
            page.locator(".jp-Notebook-cell").last.click(timeout=1000)
        except Error:
            continue
        return
    pytest.fail("the last cell does not come into sight")


def wait_for_output(page: Page, text: str) -> None:
    """A cell's output with this text; without it, what the page shows instead."""
    try:
        page.locator(".jp-OutputArea-output", has_text=text).wait_for(timeout=PATIENCE)
    except Error:
        shown = page.locator(".jp-Dialog, .jp-OutputArea-output").all_inner_texts()
        pytest.fail(f"no output has {text!r}; dialogs and outputs: {shown}")


def wait_for_runs(records: Path) -> list[Path]:
    """The runs whose chapter has its notebook: saving attaches it, and makes the run's page anew at last."""
    deadline = time.monotonic() + 30
    while True:
        found = list(records.glob(f"*/debian12/{CHAPTER}.notebook.html"))
        pages = [path.parents[1] / "index.html" for path in found]
        anew = [
            page.exists() and page.stat().st_mtime_ns >= path.stat().st_mtime_ns
            for page, path in zip(pages, found, strict=True)
        ]
        if found and all(anew):
            return [page.parent for page in pages]
        assert time.monotonic() < deadline, list(records.rglob("*"))
        time.sleep(0.2)
