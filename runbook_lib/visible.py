r"""Text from outside, shown: characters that act on a terminal or reorder a line are spelled out (\x1b, \u202e).

A banner, a subject or a comment may hold any of them. What is kept, compared or written stays as it came; this is for
what a person reads: errors, cells, pages and the command's output. Secrets of a host's configuration are hidden in it.
"""

import functools
import json
import re
import unicodedata
from collections.abc import Mapping

from runbook_lib.hidden import hidden

# Everything else is plain ASCII, and most of what is shown has nothing else.
_SUSPECT = re.compile(r"[^\n\t\x20-\x7e]")


def visible(text: str) -> str:
    """`text` with every character spelled out that acts instead of being seen; line ends and tabs stay.

    What stands there as a secret of a host's configuration is hidden (`hidden`).

    Source: UAX #9 (bidirectional controls), UTS #39 (characters without a width), ECMA-48 (C0, C1 and ESC).
    """
    return _SUSPECT.sub(lambda found: _seen(found[0]), hidden(text))


def one_line(text: str) -> str:
    """`text` as `visible` shows it, on one line: behind a `#` in a script nothing of it becomes a command."""
    return visible(text).replace("\n", "\\x0a").replace("\t", "\\x09")


def visible_json(document: object, indent: int | None = 1) -> str:
    """A JSON document to read and to parse: the same characters are escaped, as JSON escapes them."""
    text = json.dumps(_hidden_in(document), ensure_ascii=False, indent=indent)
    return _SUSPECT.sub(lambda found: _in_json(found[0]) if _acts(found[0]) else found[0], text)


def _hidden_in(document: object) -> object:
    if isinstance(document, str):
        return hidden(document)
    if isinstance(document, Mapping):
        return {key: _hidden_in(value) for key, value in document.items()}
    return [_hidden_in(value) for value in document] if isinstance(document, list | tuple) else document


def _acts(character: str) -> bool:
    # Controls, formats, lone surrogates, line and paragraph separators; the blanks and letters of a script stay.
    return not character.isprintable() and unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")


@functools.lru_cache(maxsize=4096)  # bytes that are no text are as many characters, of a few kinds
def _seen(character: str) -> str:
    return _spelled(character) if _acts(character) else character


def _in_json(character: str) -> str:
    return "\\u007f" if character == "\x7f" else json.dumps(character)[1:-1]


def _spelled(character: str) -> str:
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
