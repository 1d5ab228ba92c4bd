"""The values of a plain file, by ruamel.yaml's parser in C, in a fifth of the time; of any other, nothing.

`source.read` goes through a file character by character, which takes over a second for a thousand hosts. The parser in
C is of YAML 1.1, so it reads here what has one meaning in both versions: blocks, lists, `{…}`, `[…]`, and texts that
end in their line. A file with anything else (an anchor, a tag, a tab, a backslash, a text over several lines, a key
given twice, a value that has no one meaning) is not read here. Neither is one that is wrong, one with a colon inside of
a text without quotes in `{…}` or `[…]` (`{password: env:A}`), which this parser refuses, or any at all where
ruamel.yaml has no parser in C. `source.read` reads those, and the places of values.

Source: YAML 1.2.2, 5.1 (characters), 6.8 (directives), 6.9 (tags and anchors), 7.3 and 8.1 (styles of a text).
"""

import re
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.parser import Parser
from ruamel.yaml.resolver import VersionedResolver

from runbook_lib.inventory.source import Unreadable, scalar

# Line ends of other kinds, tabs, controls, escapes, and a byte order mark inside: the versions differ about them.
_ODD = re.compile("[^\n -\\[\\]-~\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
# A directive, the end of a document, a mark with something behind it; where a word begins, a tag or an anchor; a colon
# right behind a quote.
_NOT_PLAIN = re.compile(r"""^(?:%|\.\.\.|---.)|(?<![^\s\[{,:?-])(?:!|&\S)|["']:(?! |$)""", re.MULTILINE)
_DEEPEST = 24  # values in values: an inventory has under ten


class NotPlain(Exception):
    """The file is not as plain as that, or something is wrong with it."""


def read(content: bytes) -> Any:
    """The values of a plain file: what `source.read` says of it, and it has no problem there.

    Raises:
        NotPlain: it is none.
    """
    yaml = YAML(typ="safe")
    if yaml.Parser is Parser:
        raise NotPlain
    yaml.Resolver = _Shallow
    try:
        text = content.decode("utf-8-sig")
        if _ODD.search(text) or _NOT_PLAIN.search(text):
            raise NotPlain
        node = yaml.compose(text)
    except (UnicodeDecodeError, YAMLError):
        raise NotPlain from None
    return None if node is None else _value(node)


class _Shallow(VersionedResolver):
    """Ends at a depth: the parser in C calls itself for what is inside of a value, and nobody counts."""

    depth = 0

    def descend_resolver(self, current_node: Any, current_index: Any) -> None:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise NotPlain
        super().descend_resolver(current_node, current_index)

    def ascend_resolver(self) -> None:
        self.depth -= 1
        super().ascend_resolver()


def _value(node: Node) -> Any:
    if isinstance(node, MappingNode):
        values: dict[str, Any] = {}
        for key, item in node.value:
            name = _value(key)
            if not isinstance(name, str) or name in values:
                raise NotPlain
            values[name] = _value(item)
        return values
    if isinstance(node, SequenceNode):
        return tuple(_value(item) for item in node.value)
    if (
        not isinstance(node, ScalarNode)
        or node.style in ("|", ">")
        or node.start_mark.line != node.end_mark.line
    ):
        raise NotPlain
    _, value = scalar(str(node.tag), node.value)
    if isinstance(value, Unreadable):
        raise NotPlain
    return value
