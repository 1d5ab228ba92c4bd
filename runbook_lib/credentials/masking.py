"""The secrets that this process has resolved, and how they are kept out of what it shows."""

import base64
import contextlib
import functools
import html
import json
import quopri
import re
import string
import threading
import unicodedata
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import NoReturn
from urllib.parse import quote, quote_plus

import ahocorasick

MASK = "***"
# A shorter secret cannot be told from other text: its letters stand in every line, and within AUTH PLAIN it determines
# fewer than four characters of the base64.
MIN_BYTES = 4
_BASE64 = frozenset(string.ascii_letters + string.digits + "+/_-")
_LETTERS = frozenset(string.ascii_letters + string.digits)
_SHOWN = frozenset(range(0x20, 0x7F))
_CHARSETS = ("utf-8", "latin-1", "utf-16-le")
# Without blanks, line ends and case a shorter text would be found in sentences.
_LOOSE_MIN = 8
# Texts that were searched a moment ago: a record is searched whole with each step, and most of it was there before.
_REMEMBERED, _REMEMBERED_MAX = 4096, 1000  # how many, and characters of each
_CASE_MIN = 6
# What may stand within a secret and leave it readable: terminal codes (ECMA-48), as they are or spelled out; soft line
# breaks (RFC 2045, 6.7); blanks, line ends, characters without a width, and backslashes of any escaping.
_BETWEEN = (
    r"(?:\x1b|\\x1b|\\u001b|\\033|\\e|\^\[)\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-Z\\-_]"
    r"|=\r?\n|\\[nrt]|[\s\\\x00-\x1f\x7f\xad\u200b-\u200f\u2060\ufeff]"
)
# What all of it begins with: at every other character one look is enough.
_BEGINS = r"(?=[\^=\s\\\x00-\x1f\x7f\xad\u200b-\u200f\u2060\ufeff])"
_LOOSE = re.compile(f"{_BEGINS}(?:{_BETWEEN})+")
_MARKED = re.compile(r"\n[+>|-]")
_LOOSE_IN_DIFFS = re.compile(rf"{_BEGINS}(?:\n[+>|-]|{_BETWEEN})+")  # each line with its mark before it


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

    Forms: as it is; escaped as in JSON (once and twice), Python, HTML, sh, regular expressions; bytes beyond ASCII
    as programs spell them (`\xc3`, `\303`, sudo's `#303`, `M-C` of cat -v), also where all are; quoted as in URLs and
    mail; in hexadecimal, octal, decimal, base32; base64 at any offset, so that `\0user\0password` of AUTH PLAIN
    (RFC 4616) is found whoever the user is; all of these of UTF-8, Latin-1 and UTF-16. Of 8 characters and more also in
    other case, and with blanks, line ends or a terminal's codes inside.
    """
    with _lock:
        secrets = tuple(_resolved)
    if not secrets:
        return text
    return _masked_before(secrets, text) if len(text) <= _REMEMBERED_MAX else _masked(secrets, text)


def _masked(secrets: tuple[str, ...], text: str) -> str:
    exact, loose = _automata(secrets)
    places = _places(exact, text)
    for between in [_LOOSE, _LOOSE_IN_DIFFS] if _MARKED.search(text) else [_LOOSE]:
        # Where a place is in the text is worked out for the few texts that have one.
        if _places(loose, _lower(between.sub("", text))):
            view = _View.of(text, between)
            places += [view.place(*found) for found in _places(loose, view.text, view.apart)]
    parts, shown_to = [], 0
    for start, end in _united(places):
        parts += [text[shown_to:start], MASK]
        shown_to = end
    return "".join([*parts, text[shown_to:]]) if parts else text


@functools.lru_cache(maxsize=_REMEMBERED)
def _masked_before(secrets: tuple[str, ...], text: str) -> str:
    """As `_masked`: what it says is decided by the two alone."""
    return _masked(secrets, text)


@dataclass(frozen=True)
class _View:
    """A text without what may stand within a secret, in one case.

    Args:
        starts: where each run of kept characters begins in this text.
        offsets: what to add there for the place in the text that was given.
        given: that text.
    """

    text: str
    starts: "array[int]"
    offsets: "array[int]"
    given: str

    @classmethod
    def of(cls, text: str, between: re.Pattern[str]) -> "_View":
        # Numbers side by side, and no list of pieces: a host may send megabytes of single letters.
        starts, offsets, length, at = array("Q"), array("Q"), 0, 0
        ends = (len(text), len(text))
        for start, end in chain((found.span() for found in between.finditer(text)), (ends,)):
            if start > at:
                starts.append(length)
                offsets.append(at - length)
                length += start - at
            at = end
        return cls(_lower(between.sub("", text)), starts, offsets, text)

    def place(self, start: int, end: int) -> tuple[int, int]:
        """The place in the text that was given, of a place in this one."""
        return self._before(start), self._before(end - 1) + 1

    def apart(self, at: int) -> bool:
        """Whether a blank was left out before this place."""
        return bool(re.search(r"[ \t]", self.given[self._before(at - 1) + 1 : self._before(at)]))

    def _before(self, at: int) -> int:
        return at + self.offsets[bisect_right(self.starts, at) - 1]


def _lower(text: str) -> str:
    lower = text.lower()
    if len(lower) == len(text):
        return lower
    return "".join(c.lower() if len(c.lower()) == 1 else c for c in text)  # places stay what they are


# One automaton for all of them, so that a text takes no longer where a batch has resolved a thousand.
@functools.lru_cache(maxsize=1)  # secrets come seldom, and texts by the thousand
def _automata(secrets: tuple[str, ...]) -> tuple[ahocorasick.Automaton, ahocorasick.Automaton]:
    """What is searched in a text as it is, and what in its view."""
    forms = [form for value in secrets for form in _forms(value)]
    cores = [core for value in secrets for core in _base64_cores(value)]
    return _automaton(forms, cores), _automaton(_loosened(forms), _loosened(cores))


def _loosened(forms: Iterable[str]) -> list[str]:
    return [view for form in forms if len(view := _View.of(form, _LOOSE).text) >= _LOOSE_MIN]


def _automaton(forms: Iterable[str], cores: Iterable[str]) -> ahocorasick.Automaton:
    automaton = ahocorasick.Automaton()
    for form in forms:
        automaton.add_word(form, (len(form), False))
    for core in cores:
        automaton.add_word(core, (len(core), True))
    automaton.make_automaton()
    return automaton


def _places(
    automaton: ahocorasick.Automaton, text: str, apart: Callable[[int], bool] = lambda _: False
) -> list[tuple[int, int]]:
    """Where secrets stand in a text: start and end.

    Args:
        apart: whether a blank stood between the character at this place and the one before.
    """
    if not len(automaton):  # it has no words, and then cannot be asked
        return []
    places = []
    for last, (length, is_core) in automaton.iter(text):
        start, end = last + 1 - length, last + 1
        if is_core:  # the characters beside a core hold some bits of the secret too
            start -= text[max(start - 1, 0) : start] in _BASE64 and not apart(start)
            end += text[end : end + 1] in _BASE64 and not apart(end)
            while text[end : end + 1] == "=":
                end += 1
        places.append((start, end))
    return places


def _united(places: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Places in their order, those that overlap as one."""
    united: list[tuple[int, int]] = []
    for start, end in sorted(places):
        if united and start < united[-1][1]:
            united[-1] = (united[-1][0], max(end, united[-1][1]))
        else:
            united.append((start, end))
    return united


def _forms(value: str) -> Iterator[str]:
    for text in dict.fromkeys(
        (value, unicodedata.normalize("NFC", value), unicodedata.normalize("NFD", value))
    ):
        yield from _written(text)
    for charset in _CHARSETS:
        with contextlib.suppress(UnicodeEncodeError):
            yield from _spelled(value.encode(charset))


def _spelled(content: bytes) -> Iterator[str]:
    """Bytes as text, the way programs write those that they cannot or will not show."""
    yield quopri.encodestring(content).decode("ascii")
    yield repr(content)[2:-1]  # Python
    yield content.decode("ascii", "backslashreplace")  # ours (`escape_bytes`)
    yield "".join(map(_as_cat_v, content))
    yield base64.b32encode(content).decode()
    for between in ("", " ", ":", "-", "%", "=", "\\x", ",0x", ", 0x", ","):
        pairs = between.join(f"{byte:02x}" for byte in content)
        yield pairs
        yield pairs.upper() if "x" not in between else pairs
    for mark in ("%", "=", "+"):  # of URLs, mail, and xtext (RFC 3461, 4), letters and digits as they are
        coded = "".join(chr(byte) if chr(byte) in _LETTERS else f"{mark}{byte:02x}" for byte in content)
        yield coded
        yield re.sub(f"{re.escape(mark)}..", lambda found: found[0].upper(), coded)
    for mark in ("\\", "#"):  # printf and systemd, sudo
        yield "".join(chr(byte) if byte in _SHOWN else f"{mark}{byte:03o}" for byte in content)
    yield "".join(f"\\{byte:03o}" for byte in content)
    for between in (",", ", "):
        yield between.join(map(str, content))


def _as_cat_v(byte: int) -> str:
    """A byte as `cat -v` and bash's `M-` show it (GNU coreutils, cat.c)."""
    meta, seven = "M-" if byte >= 0x80 else "", byte & 0x7F
    return meta + (chr(seven) if seven in _SHOWN else f"^{chr(seven ^ 0x40)}")


def _written(value: str) -> Iterator[str]:
    yield value
    if len(value) >= _CASE_MIN:
        yield from (value.upper(), value.lower(), value.swapcase())
    for ascii_only in (True, False):
        once = json.dumps(value, ensure_ascii=ascii_only)[1:-1]
        yield once
        yield json.dumps(once, ensure_ascii=ascii_only)[1:-1]
    yield repr(value)[1:-1]
    yield html.escape(value)
    yield html.escape(value, quote=False)
    yield html.escape(value).replace("&quot;", "&#34;").replace("&#x27;", "&#39;")  # as Jinja writes it
    yield value.replace("'", "'\"'\"'")  # as shlex.quote writes it
    yield "".join(f"&#{ord(character)};" for character in value)
    yield "".join(f"&#x{ord(character):x};" for character in value)
    yield "".join(f"\\u{ord(character):04x}" for character in value)
    yield re.escape(value)
    yield quote(value, safe="")
    yield quote(value)
    yield quote_plus(value)


def _base64_cores(value: str) -> Iterator[str]:
    """Base64 of a secret, and the characters that it alone determines behind 0, 1 or 2 other bytes."""
    for charset in _CHARSETS:
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
