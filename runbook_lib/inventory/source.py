"""A YAML file as plain values, with the place of each: what a message about a value needs.

ruamel.yaml composes the nodes (YAML 1.2); the values are taken from them here, because only the nodes still
know what was written: `0587` is the number 587 by the time it is a value, and a key given twice is one.
"""

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, ReusedAnchorWarning, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from runbook_lib.messages import message

_YAML = "tag:yaml.org,2002:"
_DIGITS_MAX = 18
# An alias repeats what it names, and one that repeats others may make billions of a few lines. What is written out is
# no more values than bytes: an inventory of thousands of hosts is as long as that.
_VALUES_MAX = 50_000
_TOO_MANY = "too much"

Location = tuple[str | int, ...]


@dataclass(frozen=True)
class Place:
    """Where a value stands, counted from 1; `written` is its text in the file, None for a block or a list."""

    line: int
    column: int
    kind: str
    written: str | None = None


class Unreadable:
    """A value that has no one meaning (0587, 1e2, a date): it fits no field, and the place knows its text."""


@dataclass
class Source:
    """A file's plain values, the place of each, and what is wrong with the file as YAML; of `most` values at most."""

    data: Any = None
    places: dict[Location, Place] = field(default_factory=dict)
    problems: list[tuple[Place, Location, str]] = field(default_factory=list)
    most: int = _VALUES_MAX

    def place(self, location: Sequence[str | int]) -> Place:
        """The place of a value, or of the nearest block around it that is in the file."""
        path = tuple(location)
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path, Place(1, 1, message("a block")))


def read(content: bytes) -> Source:
    """The values of a YAML file's bytes; what is wrong with them is in `problems`."""
    source = Source(most=max(_VALUES_MAX, len(content)))
    try:
        node = _composed(content)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        source.problems.append(
            (Place(line, 1, message("text")), (), message("the file is not UTF-8; save it as UTF-8"))
        )
    except MarkedYAMLError as error:
        # The problem only, never ruamel's snippet of the line: a secret may stand there.
        mark = error.problem_mark or error.context_mark
        place = (
            Place(mark.line + 1, mark.column + 1, message("text")) if mark else Place(1, 1, message("text"))
        )
        source.problems.append(
            (
                place,
                (),
                message(
                    "this is not YAML: {problem}; a text with ':' or '#' needs quotes", problem=error.problem
                ),
            )
        )
    except ReusedAnchorWarning as error:
        line = int(re.findall(r"\(line: ([0-9]+)\)", str(error))[-1])
        source.problems.append(
            (
                Place(line, 1, message("text")),
                (),
                message("this anchor (&NAME) is there twice; give each a name of its own"),
            )
        )
    except RecursionError:
        source.problems.append(
            (
                Place(1, 1, message("text")),
                (),
                message("it is nested too deeply; an inventory has few levels"),
            )
        )
    except YAMLError:
        source.problems.append(
            (Place(1, 1, message("text")), (), message("this is not YAML: it has a control character"))
        )
    else:
        source.data = _value(source, node, (), frozenset()) if node is not None else None
    return source


def _composed(content: bytes) -> Node | None:
    with warnings.catch_warnings():
        # As a warning it would show the line, and a secret may stand there.
        warnings.simplefilter("error", ReusedAnchorWarning)
        # utf-8-sig: some editors write a byte order mark.
        node: Node | None = YAML(typ="rt", pure=True).compose(content.decode("utf-8-sig"))
        return node


def _value(source: Source, node: Node, path: Location, around: frozenset[int]) -> Any:
    if id(node) in around:
        source.places[path] = _place(node, message("an alias"))
        source.problems.append(
            (source.places[path], path, message("this alias contains itself; write it out"))
        )
        return None
    if len(source.places) > source.most:
        if not any(place.kind == _TOO_MANY for place, *_ in source.problems):
            text = message(
                "aliases make more than {most} values of this file; write out what is meant", most=source.most
            )
            source.problems.append((_place(node, _TOO_MANY), (), text))
        source.places[path] = _place(node, _TOO_MANY)
        return None
    around |= {id(node)}
    if isinstance(node, MappingNode):
        source.places.setdefault(path, _place(node, message("a block")))
        return _mapping(source, node, path, around)
    if isinstance(node, SequenceNode):
        source.places.setdefault(path, _place(node, message("a list")))
        # A tuple, since the models are frozen and strict.
        return tuple(_value(source, item, (*path, index), around) for index, item in enumerate(node.value))
    kind, value = scalar(str(node.tag), node.value)
    source.places[path] = _place(node, kind, node.value)
    return value


def _mapping(source: Source, node: MappingNode, path: Location, around: frozenset[int]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    first: dict[str, Place] = {}
    for key, item in node.value:
        at = _place(key, message("a key"))
        if not isinstance(key, ScalarNode) or key.tag != f"{_YAML}str":
            written = key.value if isinstance(key, ScalarNode) else message("a list or block")
            hint = (
                message("write the values out or use defaults")
                if written == "<<"
                else message('write "{written}" in quotes', written=written)
            )
            source.problems.append(
                (at, path, message("the key {written} is not a text; {hint}", written=written, hint=hint))
            )
            continue
        name = str(key.value)
        if name in values:
            source.problems.append(
                (
                    at,
                    (*path, name),
                    message("is there twice (first in line {line}); keep one", line=first[name].line),
                )
            )
            continue
        first[name] = at
        value = _value(source, item, (*path, name), around)
        if isinstance(item, MappingNode | SequenceNode) or not item.value:
            # The key's place: a block begins below it, and an empty value is at the next key.
            source.places[(*path, name)] = Place(at.line, at.column, source.places[(*path, name)].kind)
        values[name] = value
    return values


def scalar(tag: str, text: str) -> tuple[str, Any]:
    """What a text with a tag of YAML is: its kind in words, and its value; `Unreadable` where it has no one meaning."""
    if tag == f"{_YAML}str":
        return message("text"), text
    if tag == f"{_YAML}null":
        return message("empty"), None
    if tag == f"{_YAML}bool":
        return message("a yes/no value"), text.lower() == "true"
    if tag == f"{_YAML}int":
        if re.fullmatch(r"-?(0|[1-9][0-9]*)", text):
            # Python itself refuses to read very many digits (CVE-2020-10735), with a trace; no field has such a number.
            return (
                (message("a number"), int(text))
                if len(text) <= _DIGITS_MAX
                else (message("a number"), Unreadable())
            )
        return message("a number in a form that can be read in two ways"), Unreadable()
    if tag == f"{_YAML}float":
        return message("a number with a fraction or an exponent"), Unreadable()
    if tag == f"{_YAML}timestamp":
        return message("a date"), Unreadable()
    return message("a value with the tag {tag}", tag=tag), Unreadable()


def _place(node: Node, kind: str, written: str | None = None) -> Place:
    return Place(node.start_mark.line + 1, node.start_mark.column + 1, kind, written)
