"""A chapter that is saved in JupyterLab: its window says where it was attached, or why it was not, and what to do."""

import os
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import nbformat
import pytest
import sample_record
from nbformat.v4 import new_markdown_cell
from playwright.sync_api import Browser, Locator, Page, sync_playwright
from started_jupyterlab import BROWSER, PATIENCE, started

from lab.state import CHECKOUT

PASSWORD = "a \"b' \\c&d;$e !f"
CHAPTER = "20-postfix-debian"
# A file may be named so; where it is shown, nothing is loaded, and nothing runs.
HOSTILE = "<img src=x onerror=alert(1)>.ipynb"
INVENTORY = """
site: {name: Test, domain: example.test, ca: {passphrase: "file:kensa"}}
hosts:
  mail12:
    address: 192.0.2.12
    user: kanri
    names: {smtp: mail12.example.test}
    certificate: {key_passphrase: "file:kensa"}
    check_account: {user: kensa, password: "file:kensa"}
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Somebody's home, with an inventory, its secret, and a record of each chapter."""
    (tmp_path / "kensa").write_text(PASSWORD)
    (tmp_path / "site.yaml").write_text(INVENTORY)
    for path in tmp_path.iterdir():
        path.chmod(0o600)
    sample_record.run_with(tmp_path / "records", INVENTORY)
    return tmp_path


@pytest.fixture
def apart() -> Iterator[list[str]]:
    """The words that put a program into a network of its own: a browser drops what it asked for when one changes.

    Labs beside this test make and remove networks all the time (ERR_NETWORK_CHANGED).
    """
    name = f"runbook-test-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        into = ["ip", "netns", "exec", name]
        subprocess.run([*into, "ip", "link", "set", "lo", "up"], check=True)
        yield into
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)


@pytest.fixture
def browser(home: Path, apart: list[str]) -> Iterator[Browser]:
    """Chromium in that network."""
    program = home / "chromium"
    program.write_text(f'#!/bin/sh\nexec {shlex.join(apart)} {BROWSER} "$@"\n')
    program.chmod(0o700)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture
def address(home: Path, apart: list[str]) -> Iterator[str]:
    """JupyterLab's address with its token; the copy of the chapter was stepped through."""
    environment = os.environ | {
        "HOME": str(home), "RUNBOOK_RECORDS": str(home / "records"), "RUNBOOK_RUN": sample_record.RUN,
    }  # fmt: skip
    words = [*apart, CHECKOUT / ".venv" / "bin" / "runbook", "jupyter", "mail12", "--inventory", home / "site.yaml",
             "--folder", home / "work", "--no-browser", "--port=0"]  # fmt: skip
    with started(words, home / "jupyter.log", home, environment) as found:
        path = home / "work" / f"{CHAPTER}.ipynb"
        notebook = nbformat.read(path, 4)
        next(cell for cell in notebook.cells if cell.cell_type == "code").execution_count = 1
        nbformat.write(notebook, path)
        notebook.cells.append(new_markdown_cell(PASSWORD))
        notebook.metadata["papermill"] = {"input_path": path.name}
        nbformat.write(notebook, path.with_name(HOSTILE))
        yield found


def saved(page: Page, address: str, name: str) -> None:
    page.goto(address.replace("/lab?", f"/lab/tree/{quote(name)}?"))
    page.locator("#jp-main-statusbar", has_text="| Idle").wait_for(timeout=PATIENCE)
    page.locator(".lm-DockPanel-tabBar .lm-TabBar-tab.lm-mod-current", has_text=name).wait_for()
    page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Notebook-cell").first.click()
    page.keyboard.press("Control+s")


def appeared(page: Page, selector: str) -> Locator:
    found = page.locator(selector)
    found.wait_for(timeout=PATIENCE)
    found.hover()  # it has moved to its place, and a notification stays there
    return found


def test_the_window_says_where_a_chapter_was_attached_and_why_one_was_not(
    address: str, home: Path, browser: Browser
) -> None:
    page = browser.new_page(viewport={"width": 1300, "height": 1000})
    page.set_default_timeout(PATIENCE)
    loaded: list[str] = []
    page.on("request", lambda request: loaded.append(request.url))
    page.on("dialog", lambda dialog: pytest.fail(dialog.message))

    saved(page, address, f"{CHAPTER}.ipynb")
    toast = appeared(page, ".jp-Notification-Toast-success")
    page.screenshot(path=home / "attached.png")
    assert toast.locator(".jp-toast-message").inner_text().split("\n") == [
        f"Attached to its record: {CHAPTER} on mail12",
        f"Run {sample_record.RUN}, in ~/records",
    ]
    toast.get_by_role("button", name="Where it is").click()
    told = appeared(page, ".jp-Dialog")
    page.screenshot(path=home / "where.png")
    where = f"Page: ~/records/{sample_record.RUN}/mail12/{CHAPTER}.html"
    assert where in told.inner_text().split("\n")
    assert Path(where.removeprefix("Page: ").replace("~", str(home))).exists()
    told.get_by_role("button", name="Ok").click()

    saved(page, address, HOSTILE)
    refusal = appeared(page, ".jp-Dialog")  # the server's own: the request to save was answered so
    page.screenshot(path=home / "refused.png")
    refusal.get_by_role("button", name="Close").click()
    toast = appeared(page, ".jp-Notification-Toast-error")
    page.screenshot(path=home / "not-attached.png")
    message = toast.locator(".jp-toast-message").inner_text()
    assert message.startswith(f"{HOSTILE} is saved, and not attached to its record.\n")
    toast.get_by_role("button", name="What to do").click()
    told = appeared(page, ".jp-Dialog")
    page.screenshot(path=home / "what-to-do.png")
    text = told.inner_text()
    assert "a secret that this run resolved" in text
    assert f"To do: destroy ~/work/{HOSTILE}; see that no cell shows it" in text
    assert PASSWORD not in text
    assert [url for url in loaded if url.endswith("/x")] == []  # nothing was taken for markup
