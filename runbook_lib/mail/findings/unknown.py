"""Names that Postfix does not know: misspelt, too new, or used by nobody."""

import difflib
import re
from collections.abc import Iterator

from runbook_lib.mail.findings import obsolete
from runbook_lib.mail.findings.finding import Finding, Look

# postconf's own words; it knows names that a restriction class, a service or another value makes (postconf(1)).
_UNUSED = re.compile(r"(?P<file>main|master)\.cf: unused parameter: (?P<name>[^=\s]+)=")


def find(look: Look) -> Iterator[Finding]:
    """What postconf calls unused, with the line, and the name that was meant where one is near."""
    unused = {(match["file"], match["name"]) for match in map(_UNUSED.search, look.state.warnings) if match}
    for entry in look.state.main:
        if ("main", entry.name) in unused:
            place = f"main.cf, {entry.name}"
            yield Finding(place, entry.number, entry.text, _meant(look, entry.name), _HAND)
    for service in look.state.master:
        for option in service.options:
            if ("master", option.name) in unused:
                place = f"master.cf, {service.name}"
                yield Finding(place, option.number, f"-o {option.raw}", _meant(look, option.name), _HAND)


_HAND = "write the name that was meant, or take the line out"


def _meant(look: Look, name: str) -> str:
    if name in obsolete.TABLE:
        return "this Postfix no longer knows it, so it has no effect"
    near = difflib.get_close_matches(name, look.parameters, n=1, cutoff=0.8)
    meant = f"; was {near[0]} meant?" if near else ""
    return f"this Postfix does not know the name and nothing uses it, so it has no effect{meant}"
