"""What a plan looks like in JupyterLab: its title and counts first, long ones folded, words whole."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Page

from runbook_lib import display
from runbook_lib.remote.change import Change, Plan, Withheld

# What JupyterLab 4 says of an output's text (packages/outputarea/style/base.css).
JUPYTER = (
    "<style>body{width:300px;font:13px monospace} "
    "pre{word-break:break-all;word-wrap:break-word;white-space:pre-wrap}</style>"
)
WORDS = (
    "+START=yes OPTIONS=-c -m /var/spool/postfix/var/run/saslauthd MECHANISMS=pam DESCRIPTION=authentication"
)
WHOLE = """() => {
  const pre = document.querySelector('pre'), broken = []
  const walk = document.createTreeWalker(pre, NodeFilter.SHOW_TEXT)
  for (let node; node = walk.nextNode();)
    for (const word of node.data.matchAll(/[A-Za-z]+/g)) {
      const range = document.createRange()
      range.setStart(node, word.index); range.setEnd(node, word.index + word[0].length)
      if (new Set([...range.getClientRects()].map(r => Math.round(r.top))).size > 1) broken.push(word[0])
    }
  return broken
}"""


@dataclass(frozen=True)
class Written(Change):
    """A file of so many lines."""

    path: str
    lines: int

    @property
    def thing(self) -> str:
        return self.title

    @property
    def title(self) -> str:
        return f"{self.path} is written"

    def diff(self) -> str:
        return "".join(f"+line {number}\n" for number in range(self.lines))

    def commands(self) -> str:
        return "true\n"


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    opened = browser.new_page(viewport={"width": 320, "height": 700})
    yield opened
    opened.close()


def test_title_and_counts_come_first() -> None:
    left = Withheld(Written("/etc/b", 1), "Puppet", "it says so")
    plan = Plan("SMTP AUTH", (Written("/etc/a", 2),), ("A note.",), (left,))
    assert plan.text().startswith(
        "SMTP AUTH: 1 change, 1 change left to Puppet.\n\nA note.\n\n@ /etc/a is written\n+line 0"
    )
    assert Plan("SMTP AUTH").text() == "SMTP AUTH: nothing to do."


def test_a_long_plan_is_folded_in_a_browser_and_whole_in_a_text(page: Page) -> None:
    plan = Plan("SMTP AUTH", (Written("/etc/a", 30), Written("/etc/b", 30)))
    assert plan.text().count("+line 29") == 2
    page.set_content(plan.html())
    assert page.get_by_text("SMTP AUTH: 2 changes.").is_visible()
    assert page.get_by_text("/etc/b is written (31 lines)").is_visible()
    assert not page.get_by_text("+line 29").first.is_visible()
    page.get_by_text("/etc/b is written (31 lines)").click()
    assert page.get_by_text("+line 29").last.is_visible()
    page.set_content(Plan("SMTP AUTH", (Written("/etc/a", 30),)).html())
    assert page.get_by_text("+line 29").is_visible()


def test_lines_of_a_diff_do_not_break_inside_words(page: Page) -> None:
    page.set_content(JUPYTER + f"<pre>{WORDS}</pre>")
    assert page.evaluate(WHOLE), "the style that is tried breaks no word"
    page.set_content(JUPYTER + display.Diff(WORDS).html())
    assert page.evaluate(WHOLE) == []
    page.set_content(JUPYTER + display.Diff("+" + "x" * 200).html())
    assert page.evaluate("document.documentElement.scrollWidth <= 320"), "the page itself became wider"
