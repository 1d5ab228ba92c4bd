"""The secrets that this process has resolved, and how they are kept out of what it shows."""

import base64
import contextlib
import functools
import html
import json
import string
import threading
from collections.abc import Iterator
from typing import NoReturn
from urllib.parse import quote, quote_plus

import ahocorasick

MASK = "***"
# A shorter secret cannot be told from other text: its letters stand in every line, and within AUTH PLAIN it determines
# fewer than four characters of the base64.
MIN_BYTES = 4
_BASE64 = frozenset(string.ascii_letters + string.digits + "+/_-")


class Secret:
    """A secret that this process has resolved. Only `reveal` shows it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The secret itself, for the one call that needs it."""
        return self._value

    def __repr__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return MASK

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret does not leave the process that resolved it; pass its reference instead")


_resolved: dict[str, Secret] = {}  # by value; what `mask` takes out of every text of this process
_lock = threading.Lock()


def remember(value: str) -> Secret:
    """The secret of a value that was just resolved; `mask` knows it from now on."""
    with _lock:
        return _resolved.setdefault(value, Secret(value))


def resolved() -> tuple[Secret, ...]:
    """Every secret that this process has resolved so far."""
    with _lock:
        return tuple(_resolved.values())


def mask(text: str) -> str:
    r"""`text` with every secret of this process replaced by ***, in each form a secret takes on its way.

    Forms: as it is; escaped as in JSON (once and twice), Python, HTML, sh; quoted as in URLs; base64 at any
    offset, so that `\0user\0password` of AUTH PLAIN (RFC 4616) is found whoever the user is.
    """
    with _lock:
        secrets = tuple(_resolved)
    if not secrets:
        return text
    parts, shown_to = [], 0
    for start, end in _places(_automaton(secrets), text):
        parts += [text[shown_to:start], MASK]
        shown_to = end
    return "".join([*parts, text[shown_to:]])


# One automaton for all of them, so that a text takes no longer where a batch has resolved a thousand.
@functools.lru_cache(maxsize=1)  # secrets come seldom, and texts by the thousand
def _automaton(secrets: tuple[str, ...]) -> ahocorasick.Automaton:
    automaton = ahocorasick.Automaton()
    for value in secrets:
        for form in _forms(value):
            automaton.add_word(form, (len(form), False))
    for value in secrets:
        for core in _base64_cores(value):
            automaton.add_word(core, (len(core), True))
    automaton.make_automaton()
    return automaton


def _places(automaton: ahocorasick.Automaton, text: str) -> list[tuple[int, int]]:
    """Where secrets stand in a text, in its order: start and end; those that overlap as one."""
    merged: list[tuple[int, int]] = []
    for last, (length, is_core) in automaton.iter(text):  # in the order of their ends
        start, end = last + 1 - length, last + 1
        if is_core:  # the characters beside a core hold some bits of the secret too
            start -= text[max(start - 1, 0) : start] in _BASE64
            end += text[end : end + 1] in _BASE64
            while text[end : end + 1] == "=":
                end += 1
        while merged and start < merged[-1][1]:
            before = merged.pop()
            start, end = min(start, before[0]), max(end, before[1])
        merged.append((start, end))
    return merged


def _forms(value: str) -> Iterator[str]:
    yield value
    for ascii_only in (True, False):
        once = json.dumps(value, ensure_ascii=ascii_only)[1:-1]
        yield once
        yield json.dumps(once, ensure_ascii=ascii_only)[1:-1]
    yield repr(value)[1:-1]
    yield html.escape(value)
    yield html.escape(value, quote=False)
    yield html.escape(value).replace("&quot;", "&#34;").replace("&#x27;", "&#39;")  # as Jinja writes it
    yield value.replace("'", "'\"'\"'")  # as shlex.quote writes it
    yield quote(value, safe="")
    yield quote(value)
    yield quote_plus(value)


def _base64_cores(value: str) -> Iterator[str]:
    """Base64 of a secret, and the characters that it alone determines behind 0, 1 or 2 other bytes."""
    for charset in ("utf-8", "latin-1"):
        with contextlib.suppress(UnicodeEncodeError):
            content = value.encode(charset)
            yield base64.b64encode(content).decode()
            for before in range(3):
                first = -(-before * 8 // 6)
                last = (before + len(content)) * 8 // 6
                core = base64.b64encode(b"\0" * before + content + b"\0\0")[first:last].decode()
                if len(core) >= 4:  # fewer characters would be found in any text
                    yield core
                    yield core.replace("+", "-").replace("/", "_")
