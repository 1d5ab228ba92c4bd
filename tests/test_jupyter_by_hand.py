"""`make jupyter`, as a person uses it: a real JupyterLab in a real browser, one chapter on a lab host."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Error, Page, sync_playwright

from lab import Lab
from runbook_lib.records import Record, manifest

CHECKOUT = Path(__file__).resolve().parents[1]
CHAPTER = "11-key-and-csr"
PATIENCE = 150_000  # milliseconds; a first start compiles all of JupyterLab's Python beside a busy machine


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """JupyterLab's address with its token."""
    environment = os.environ | {"RUNBOOK_RECORDS": str(tmp_path / "records")}
    environment.pop("RUNBOOK_RUN", None)
    said = tmp_path / "jupyter.log"
    with said.open("wb") as log:
        process = subprocess.Popen(
            ["make", "jupyter", "HOST=debian12", "JUPYTER_OPTIONS=--no-browser --port=0"],
            cwd=CHECKOUT, env=environment, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + 150
        while not (found := re.search(r"http://127\.0\.0\.1:\d+/lab\?token=\w+", said.read_text())):
            assert process.poll() is None, said.read_text()
            assert time.monotonic() < deadline, said.read_text()
            time.sleep(0.2)
        yield found[0]
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=30)


def test_stepping_through_a_chapter_leaves_the_record_with_its_notebook(
    lab: Lab, address: str, tmp_path: Path
) -> None:
    lab.reset("debian12", "bare")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
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
        page.screenshot(path=tmp_path / "lab.png")
        browser.close()
    record = Record.open(run / "debian12" / f"{CHAPTER}.json").data
    assert (record.outcome, record.mode, record.changes_made) == ("passed", "apply", 2)
    assert (
        "a private key (RSA 2048) is made on the host" in (run / "debian12" / f"{CHAPTER}.ipynb").read_text()
    )
    assert manifest.check(run).holds
    assert lab.exec("debian12", "stat -c %a /etc/ssl/private/nopass_mail-server.key") == b"600\n"


def wait_for_output(page: Page, text: str) -> None:
    """A cell's output with this text; without it, what the page shows instead."""
    try:
        page.locator(".jp-OutputArea-output", has_text=text).wait_for(timeout=PATIENCE)
    except Error:
        shown = page.locator(".jp-Dialog, .jp-OutputArea-output").all_inner_texts()
        pytest.fail(f"no output has {text!r}; dialogs and outputs: {shown}")


def wait_for_runs(records: Path) -> list[Path]:
    """The runs whose chapter has its notebook: saving attaches it."""
    deadline = time.monotonic() + 30
    while not (found := list(records.glob(f"*/debian12/{CHAPTER}.notebook.html"))):
        assert time.monotonic() < deadline, list(records.rglob("*"))
        time.sleep(0.2)
    time.sleep(1)  # the pages are made anew last
    return [path.parents[1] for path in found]
