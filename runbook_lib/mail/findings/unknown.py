"""Names that Postfix does not know: misspelt, too new, used by nobody, or asked for with a `$` and defined nowhere."""

import difflib
import re
from collections.abc import Iterator

from runbook_lib.inventory.place import Place
from runbook_lib.mail.findings import obsolete
from runbook_lib.mail.findings.finding import Finding, Look

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
            yield Finding(place, entry.text, _nothing(look, entry.name, name), _DEFINE.format(name))
    for service in look.state.master:
        for option in service.options:
            for name in _asked_for(option.value, "master", undefined):
                meaning = _nothing(look, option.name, name)
                yield Finding(
                    Place.master(service.name, option.number),
                    f"-o {option.raw}",
                    meaning,
                    _DEFINE.format(name),
                )


def _asked_for(value: str, file: str, undefined: set[tuple[str, str]]) -> list[str]:
    """Names in a value that nobody defines (postconf(5): $name, ${name}, $(name))."""
    names = re.findall(r"\$[{(]?(\w+)", value)
    return [name for name in dict.fromkeys(names) if (file, name) in undefined]


def _nothing(look: Look, parameter: str, name: str) -> str:
    near = difflib.get_close_matches(name, look.parameters, n=1, cutoff=0.8)
    what = "the list is without it" + (
        ", and one that is empty for that refuses nobody" if parameter.endswith("_restrictions") else ""
    )
    meaning = f"${name} is defined nowhere, so nothing stands in its place" + (
        f": {what}" if parameter.endswith(("_restrictions", "mynetworks", "mydestination")) else ""
    )
    return f"{meaning}; was ${near[0]} meant?" if near else meaning


_DEFINE = "define {} in main.cf, or write the value that was meant"
_HAND = "write the name that was meant, or take the line out"


def _meant(look: Look, name: str) -> str:
    if name in obsolete.TABLE:
        return "this Postfix no longer knows it, so it has no effect"
    near = difflib.get_close_matches(name, look.parameters, n=1, cutoff=0.8)
    meant = f"; was {near[0]} meant?" if near else ""
    return f"this Postfix does not know the name and nothing uses it, so it has no effect{meant}"
