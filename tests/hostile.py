"""What holds for every parser: bytes in; a result that may be shown, or one clear refusal out; nothing else ever."""

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

from hypothesis import strategies as st

from runbook_lib import display
from runbook_lib.errors import RunbookError
from runbook_lib.remote.exchange import Deadline
from runbook_lib.remote.script import Result

# Said here once more, so that what is shown is not judged by the very code that shows it.
ACTS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
_TRACE = re.compile(r"Traceback|File \"|object at 0x|\bNoneType\b")
_ELEMENTS = frozenset(
    ("table", "caption", "thead", "tbody", "tr", "th", "td", "span", "pre", "p", "details", "summary")
)
_REFUSAL_CHARACTERS_MAX = 40_000


@dataclass(frozen=True)
class Target:
    """Something that reads what others wrote.

    Args:
        name: for tables and for the folder of its seeds.
        take: reads the bytes: True when they were taken, False when they were refused by a value. It raises
            RunbookError for a refusal; anything else that it raises is a finding.
        inputs: nearly right bytes.
    """

    name: str
    take: Callable[[bytes], bool]
    inputs: st.SearchStrategy[bytes]

    def judge(self, content: bytes) -> str:
        """'accepted', or the refusal with its changing parts taken out.

        Raises:
            Exception: a finding, whatever it is.
        """
        try:
            taken = self.take(content)
        except RunbookError as error:
            check_refusal(error)
            said = error.problem.partition("\n")[2] or error.problem
            return f"refused: {type(error).__name__} " + re.sub(r"['\"`].*|\d+|\(.*|/\S+", "", said)[:60]
        return "accepted" if taken else "refused: by a value"


def check_refusal(error: RunbookError) -> None:
    """All of its parts are there, it is text on a terminal, and no trace of the machinery is in it."""
    assert error.problem.strip(), repr(error)
    assert error.where.strip(), repr(error)
    assert error.remedy.strip(), repr(error)
    told = str(error)
    assert not ACTS.search(told), ascii(told)
    assert not _TRACE.search(told), told
    assert len(told) <= _REFUSAL_CHARACTERS_MAX, f"{len(told)} characters: {told[:200]}"


class _Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.wrong: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _ELEMENTS or {name for name, _ in attrs} - {"style", "scope"}:
            self.wrong.append(f"{tag} {attrs}")


def check_shown(*shown: display.Shown) -> None:
    """As text for a terminal and as HTML for a cell or page it is text, and nothing that acts."""
    for one in shown:
        assert not ACTS.search(one.text()), ascii(one.text())
        page = one.html()
        assert not ACTS.search(page), ascii(page)
        elements = _Elements()
        elements.feed(page)
        assert not elements.wrong, elements.wrong


def check_texts(texts: Iterable[str]) -> None:
    """Texts that reach a person in a table, a paragraph or a diff."""
    listed = list(texts)
    rows = [(text, "pass") for text in listed]
    check_shown(
        display.Table(("seen", "verdict"), rows), *map(display.Text, listed), display.Diff("\n".join(listed))
    )


@dataclass
class SaidHost:
    """A host that answers whatever it is asked with the same bytes. The stand-in for a connection to a hostile one:
    what a real one prints cannot be chosen byte for byte.
    """

    stdout: bytes
    status: int = 0
    name: str = "mail1"
    user: str = "kanri"
    needed_root: dict[str, str] | None = None
    looks_slowly: bool = False
    asked: list[str] = field(default_factory=list)

    def run(self, script: str | bytes, **_: Any) -> Result:
        self.asked.append(script if isinstance(script, str) else script.decode())
        return Result(self.status, self.stdout, b"")

    @contextmanager
    def looking(self, timeout_s: float) -> Iterator[Deadline]:
        yield Deadline(timeout_s)

    def kept_answer(self, _: object) -> None:
        return None

    def keep_answer(self, *_: object) -> None:
        pass

    def forget_answers(self) -> None:
        pass
