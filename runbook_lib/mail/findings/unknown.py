"""Names that Postfix does not know: misspelt, too new, used by nobody, or asked for with a `$` and defined nowhere."""

import difflib
import re
from collections.abc import Iterator

from runbook_lib.inventory.place import Place
from runbook_lib.mail.findings import obsolete
from runbook_lib.mail.findings.finding import Finding, Look
from runbook_lib.messages import Message, joined, message

# postconf's own words; it knows names that a restriction class, a service or another value makes (postconf(1)).
_UNUSED = re.compile(r"(?P<file>main|master)\.cf: unused parameter: (?P<name>[^=\s]+)=")


_UNDEFINED = re.compile(r"(?P<file>main|master)\.cf: undefined parameter: (?P<name>\S+)")


def find(look: Look) -> Iterator[Finding]:
    """What postconf calls unused, with the line, and the name that was meant where one is near."""
    unused = {(match["file"], match["name"]) for match in map(_UNUSED.search, look.state.warnings) if match}
    for entry in look.state.main:
        if ("main", entry.name) in unused:
            place = Place.main(entry.name, entry.number)
            yield Finding(place, entry.text, _meant(look, entry.name), _HAND)
    for service in look.state.master:
        for option in service.options:
            if ("master", option.name) in unused:
                place = Place.master(service.name, option.number)
                yield Finding(place, f"-o {option.raw}", _meant(look, option.name), _HAND)
    yield from _undefined(look)


def _undefined(look: Look) -> Iterator[Finding]:
    """Values with a `$name` of which postconf says that nobody defines it: nothing stands in its place then."""
    undefined = {
        (match["file"], match["name"]) for match in map(_UNDEFINED.search, look.state.warnings) if match
    }
    for entry in look.state.main:
        for name in _asked_for(entry.value, "main", undefined):
            place = Place.main(entry.name, entry.number)
            yield Finding(place, entry.text, _nothing(look, entry.name, name), _define(name))
    for service in look.state.master:
        for option in service.options:
            for name in _asked_for(option.value, "master", undefined):
                place = Place.master(service.name, option.number)
                yield Finding(place, f"-o {option.raw}", _nothing(look, option.name, name), _define(name))


def _asked_for(value: str, file: str, undefined: set[tuple[str, str]]) -> list[str]:
    """Names in a value that nobody defines (postconf(5): $name, ${name}, $(name))."""
    names = re.findall(r"\$[{(]?(\w+)", value)
    return [name for name in dict.fromkeys(names) if (file, name) in undefined]


def _nothing(look: Look, parameter: str, name: str) -> str:
    if parameter.endswith("_restrictions"):
        meaning = message(
            "${name} is defined nowhere, so nothing stands in its place: the list is without it, and one that is empty "
            "for that refuses nobody",
            name=name,
        )
    elif parameter.endswith(("mynetworks", "mydestination")):
        meaning = message(
            "${name} is defined nowhere, so nothing stands in its place: the list is without it", name=name
        )
    else:
        meaning = message("${name} is defined nowhere, so nothing stands in its place", name=name)
    near = _near(look, name)
    return joined("; ", (meaning, message("was ${name} meant?", name=near))) if near else meaning


def _define(name: str) -> Message:
    return message("define {name} in main.cf, or write the value that was meant", name=name)


_HAND = message("write the name that was meant, or take the line out")


def _meant(look: Look, name: str) -> str:
    if name in obsolete.TABLE:
        return message("this Postfix no longer knows it, so it has no effect")
    meaning = message("this Postfix does not know the name and nothing uses it, so it has no effect")
    near = _near(look, name)
    return joined("; ", (meaning, message("was {name} meant?", name=near))) if near else meaning


def _near(look: Look, name: str) -> str:
    """The name that Postfix knows and that may have been meant; '' where none is near."""
    return next(iter(difflib.get_close_matches(name, look.parameters, n=1, cutoff=0.8)), "")
