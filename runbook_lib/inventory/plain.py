"""The values of a file that is as plain as YAML can be, in a thirtieth of the time; of any other, nothing.

ruamel.yaml goes through a file character by character, which takes seconds for a thousand hosts. A plain file has
blocks of `key: value`, lists of `- item`, and in one line a text, a text in quotes without escapes, `{…}` and `[…]`:
each line of it has one meaning in YAML 1.1 and 1.2. A file with anything else (an anchor, a tag, a tab, a text over
several lines, a key given twice, a value that has no one meaning) is not read here, and neither is one that is wrong:
`source.read` reads those, and the places of values.

Source: YAML 1.2.2, 6.1 (indentation), 6.6 (comments), 7.3 and 7.4 (what stands in one line), 8.2 (blocks).
"""

import functools
import re
from typing import Any

from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.resolver import Resolver

from runbook_lib.inventory.source import Unreadable, scalar

# Line ends of other kinds, tabs, controls, and a byte order mark inside: YAML 1.1 and 1.2 differ about some of them.
_ODD = re.compile("[^\n -~\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_MARK = re.compile(r"\A(?:#.*\n|\n)*---\n")  # where the file begins, before anything else
_KEY = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,100}"
_QUOTED = r"""'(?:[^']|'')*'|"[^"\\]*\""""
_FIRST = r"""[^ \-?:,\[\]{}#&*!|>'"%@`]"""  # of a text without quotes
_TEXT = rf"{_FIRST}(?:[^ :]|:(?=[^ ])| +(?=[^ #:]))*"
_LINE = re.compile(
    rf"(?P<indent> *)(?P<dash>- +)?(?:(?P<key>{_KEY}):(?: +|$))?"
    rf"(?:(?P<flow>[\[{{].*)|(?P<value>{_QUOTED}|{_TEXT})?(?: *(?<= )#.*| *))"
)
# Inside of {…} and […] a text has less in it.
_IN_FLOW = re.compile(rf" *(?P<value>{_QUOTED}|[\w./~](?:[\w./~@+=-]|:(?=[\w./~])| +(?=[\w./~@+=-]))*) *")
_KEY_IN_FLOW = re.compile(rf" *(?P<key>{_KEY}): +")
_BEGIN_IN_FLOW = re.compile(r" *(?P<mark>[\[{]) *")
_NEXT_IN_FLOW = re.compile(r" *(?P<mark>[,\]}])")
_BEHIND = re.compile(r" *(?:(?<= )#.*)?")
_DEEPEST = 12  # blocks in blocks, and {…} in […]: an inventory has half as many
_RESOLVER = Resolver()  # of YAML 1.2


class NotPlain(Exception):
    """The file is not as plain as that, or something is wrong with it."""


def read(content: bytes) -> Any:
    """The values of a plain file: what `source.read` says of it, and it has no problem there.

    Raises:
        NotPlain: it is none.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise NotPlain from None
    if _ODD.search(text):
        raise NotPlain
    return _Reading().all_of(text)


class _Reading:
    """The blocks that are open while lines go by, the innermost last, each with its indentation."""

    def __init__(self) -> None:
        self.root: dict[str, Any] = {"": None}
        self.blocks: list[tuple[int, Any]] = []
        self.lists: list[
            tuple[dict[str, Any], str, list[Any]]
        ] = []  # each with the place that it is the value of
        # What the next line may be a block of: its indentation is deeper; of a list that is a key's it may be the same.
        self.empty: tuple[int, Any, str] | None = (-1, self.root, "")

    def all_of(self, text: str) -> Any:
        for line in _MARK.sub("", text, count=1).split("\n"):
            begins = line.lstrip(" ")
            if begins and begins[0] != "#":
                self.take(line)
        for around, key, items in self.lists:
            around[key] = tuple(items)
        return self.root[""]

    def take(self, line: str) -> None:
        found = _LINE.fullmatch(line)
        if found is None:
            raise NotPlain
        indent, key = len(found["indent"]), found["key"]
        if found["dash"]:
            items = self.block_at(indent, list)
            indent += len(found["dash"])
            if key is None:
                items.append(_value_of(found))
                return
            items.append({})
            self.open(indent, items[-1])
        block = self.block_at(indent, dict)
        if key is None or key in block or _plain(key) != key:
            raise NotPlain
        block[key] = None
        if found["value"] is None and found["flow"] is None:
            self.empty = (indent, block, key)
        else:
            block[key] = _value_of(found)

    def block_at(self, indent: int, kind: type[Any]) -> Any:
        """The block that a line of such an indentation belongs to, which it may begin."""
        empty, self.empty = self.empty, None
        if empty and (indent > empty[0] or (indent == empty[0] and kind is list)):
            _, around, key = empty
            made = around[key] = kind()
            if kind is list:
                self.lists.append((around, key, made))
            self.open(indent, made)
            return made
        while self.blocks and self.blocks[-1][0] > indent:
            self.blocks.pop()
        # Behind a list as deep as its key comes the next key.
        if self.blocks and kind is dict and isinstance(self.blocks[-1][1], list):
            self.blocks.pop()
        if not self.blocks or self.blocks[-1][0] != indent or not isinstance(self.blocks[-1][1], kind):
            raise NotPlain
        return self.blocks[-1][1]

    def open(self, indent: int, block: Any) -> None:
        self.blocks.append((indent, block))
        if len(self.blocks) > _DEEPEST:
            raise NotPlain


def _value_of(found: re.Match[str]) -> Any:
    if found["flow"] is None:
        return _scalar(found["value"])
    text = found["flow"]
    value, end = _flow(text, 0, 1)
    if not _BEHIND.fullmatch(text, end):
        raise NotPlain
    return value


def _flow(text: str, at: int, depth: int) -> tuple[Any, int]:
    """The value that begins there, and where it ends."""
    begun = _BEGIN_IN_FLOW.match(text, at)
    if begun is None:
        found = _IN_FLOW.match(text, at)
        if found is None:
            raise NotPlain
        return _scalar(found["value"]), found.end()
    if depth > _DEEPEST:
        raise NotPlain
    close, at = {"[": "]", "{": "}"}[begun["mark"]], begun.end()
    items: list[Any] = []
    pairs: dict[str, Any] = {}
    more = text[at : at + 1] != close
    at += not more
    while more:
        key = None
        if close == "}":
            named = _KEY_IN_FLOW.match(text, at)
            if named is None or named["key"] in pairs or _plain(named["key"]) != named["key"]:
                raise NotPlain
            key, at = named["key"], named.end()
        value, at = _flow(text, at, depth + 1)
        following = _NEXT_IN_FLOW.match(text, at)
        if following is None or following["mark"] not in (",", close):
            raise NotPlain
        more, at = following["mark"] == ",", following.end()
        if key is None:
            items.append(value)
        else:
            pairs[key] = value
    return (pairs if close == "}" else tuple(items)), at


def _scalar(written: str | None) -> Any:
    if written is None:
        raise NotPlain
    if written[0] == "'":
        return written[1:-1].replace("''", "'")
    return written[1:-1] if written[0] == '"' else _plain(written)


@functools.lru_cache(maxsize=4096)
def _plain(written: str) -> Any:
    """What a text without quotes is: a text, a number, true or false, nothing."""
    tag = str(_RESOLVER.resolve(ScalarNode, written, (True, False)))
    _, value = scalar(tag, written)
    if isinstance(value, Unreadable):
        raise NotPlain
    return value
