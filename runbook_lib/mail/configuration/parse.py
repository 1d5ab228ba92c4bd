"""main.cf and master.cf as an administrator sees them: entries and services with the lines that they stand on.

`postconf` says what counts; it does not say where a value stands, what stands there twice, or what is commented out.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from runbook_lib import display
from runbook_lib.mail.configuration.postconf import BLANK
from runbook_lib.messages import message

_COLUMNS = 8  # service, type, private, unpriv, chroot, wakeup, maxproc, command (master(5))
_TYPES = ("inet", "unix", "fifo", "pass", "unix-dgram")
_COMMENTED = re.compile(rf"#\s*(\S+)\s+({'|'.join(_TYPES)})\s+[-yn]\s+[-yn]\s+[-yn]\s")


@dataclass(frozen=True)
class Line:
    """A logical line: one that begins a thing, and those that continue it.

    Args:
        number: where it begins, from 1.
        parts: each physical line of it with its number; comments and blank lines in between are left out.
        passed: commented lines in between, with their numbers.
    """

    number: int
    parts: tuple[tuple[int, str], ...]
    passed: tuple[tuple[int, str], ...] = ()

    @property
    def text(self) -> str:
        return " ".join(part.strip(BLANK) for _, part in self.parts)


def logical_lines(content: bytes) -> list[Line]:
    """Put continued lines together.

    A line that begins with white space continues the one before it; comments and blank lines do not end it
    (postconf(5), master(5)). A continuation that has nothing before it begins a line of its own, which Postfix refuses.
    """
    begun: list[tuple[list[tuple[int, str]], list[tuple[int, str]]]] = []  # parts, and comments between them
    waiting: list[tuple[int, str]] = []
    for number, raw in enumerate(content.split(b"\n"), start=1):
        text = display.escape_bytes(raw)
        if not text.strip(BLANK):
            continue
        if text.lstrip(BLANK).startswith("#"):
            waiting.append((number, text))
            continue
        if text[0] in BLANK and begun:
            parts, passed = begun[-1]
            parts.append((number, text))
            passed += waiting
        else:
            begun.append(([(number, text)], []))
        waiting = []
    return [Line(parts[0][0], tuple(parts), tuple(passed)) for parts, passed in begun]


@dataclass(frozen=True)
class Entry:
    """An entry of main.cf.

    Args:
        name: the parameter; "" where the line has no `=`.
        value: white space at its ends cut.
        number: the line that it begins on.
        text: the whole line, for a person.
    """

    name: str
    value: str
    number: int
    text: str


# A chapter's plans ask for the same lines dozens of times. What they are follows from the bytes alone.
@lru_cache(maxsize=64)
def entries(content: bytes) -> tuple[Entry, ...]:
    """The entries of main.cf in their order, those that a later one overrides included."""
    found = []
    for line in logical_lines(content):
        name, equals, value = line.text.partition("=")
        words = name.split()
        known = bool(equals) and len(words) == 1 and line.parts[0][1][0] not in BLANK
        found.append(Entry(name.strip(BLANK) if known else "", value.strip(BLANK), line.number, line.text))
    return tuple(found)


@dataclass(frozen=True)
class Option:
    """An `-o` option of a service.

    Args:
        name, value: as Postfix takes them.
        raw: as it is written behind the `-o`, white space folded.
        number: the line that it stands on.
        under: the commented-out service line that stands between this option and its service; "" where there is none.
    """

    name: str
    value: str
    raw: str
    number: int
    under: str = ""


@dataclass(frozen=True)
class Service:
    """A service of master.cf.

    Args:
        name: 'submission/inet'.
        columns: the eight, in their order.
        number: the line that it begins on.
        options: its `-o` options.
        words: everything else behind the command.
        broken: why Postfix cannot read the line; "" where it can.
        text: the whole line, for a person.
    """

    name: str
    columns: tuple[str, ...]
    number: int
    options: tuple[Option, ...]
    words: tuple[str, ...]
    broken: str
    text: str

    @property
    def command(self) -> str:
        return self.columns[7] if len(self.columns) == _COLUMNS else ""

    @property
    def fallen(self) -> tuple[Option, ...]:
        """Options that belong to a service whose line is commented out: Postfix gives them to this one."""
        return tuple(option for option in self.options if option.under)


@lru_cache(maxsize=64)
def services(content: bytes) -> tuple[Service, ...]:
    """The services of master.cf in their order, those that a later one overrides included."""
    return tuple(_service(line) for line in logical_lines(content))


def _service(line: Line) -> Service:
    words = list(_words(line))
    columns = tuple(word for _, word in words[:_COLUMNS])
    broken = ""
    if line.parts[0][1][0] in BLANK:
        broken = message("it begins with white space, and there is no service before it")
    elif len(columns) < _COLUMNS:
        broken = message(
            "it has {count} columns, and a service has {columns} (master(5))",
            count=len(columns),
            columns=_COLUMNS,
        )
    elif columns[1] not in _TYPES:
        broken = message(
            "its second column is {found}; expected one of {types}", found=columns[1], types=", ".join(_TYPES)
        )
    options, others = [], []
    rest = iter(words[_COLUMNS:])
    for _, word in rest:
        following = next(rest, None) if word == "-o" else None
        if following is None:
            others.append(word)
            continue
        number, text = following
        name, _, value = (text[1:-1] if text.startswith("{") else text).partition("=")
        under = _commented_between(line, number)
        raw = " ".join(text.split())
        options.append(Option(name.strip(BLANK), " ".join(value.split()), raw, number, under))
    name = "/".join(columns[:2])
    return Service(name, columns, line.number, tuple(options), tuple(others), broken, line.text)


def _words(line: Line) -> Iterator[tuple[int, str]]:
    """Words with the line that each stands on; what is in braces is one word (master(5), since Postfix 3.0)."""
    depth, word, begun = 0, "", line.number
    for number, part in line.parts:
        for character in f"{part}\n":
            if character in BLANK and depth == 0:
                if word:
                    yield begun, word
                word = ""
                continue
            if not word:
                begun = number
            word += " " if character in BLANK else character
            depth = max(0, depth + {"{": 1, "}": -1}.get(character, 0))
    if word.strip():
        yield begun, word.strip()


def _commented_between(line: Line, number: int) -> str:
    """The last commented-out service line before an option, below the service's own line."""
    found = ""
    for at, text in line.passed:
        match = _COMMENTED.match(text.strip(BLANK))
        if at < number and match:
            found = f"{match[1]} {match[2]}"
    return found


_PORTS = {"smtp": 25, "submission": 587, "submissions": 465, "smtps": 465, "ssmtp": 465, "urd": 465}


def port_of(service: str) -> int | None:
    """The port of a service of master.cf ('submission/inet'), however it is spelled; None: of a name not known here.

    Source: master(5); /etc/services gives 465 four names.
    """
    word = service.removesuffix("/inet").rpartition(":")[2]
    return _PORTS.get(word, int(word) if word.isdecimal() else None)
