"""Settings with which smtpd does not start, or takes no mail on port 25; a main.cf that users may not read."""

from collections.abc import Iterator

from runbook_lib.inventory.place import Place
from runbook_lib.mail.configuration.postconf import MAIN_CF
from runbook_lib.mail.findings.finding import Finding, Look
from runbook_lib.mail.target.decisions import empty_list
from runbook_lib.mail.target.restrictions import strangers
from runbook_lib.messages import message

_HAND = message("where this server is to take mail from others, write reject_unauth_destination in its place")

_READABLE = message(
    "where users send from this host: keep passwords in tables of their own, and chmod o+r what is left"
)


def find(look: Look) -> Iterator[Finding]:
    """Empty lists of ciphers; restriction lists without a guard, and those that refuse everybody."""
    lines = {entry.name: entry for entry in look.state.main if entry.name}
    for name, entry in lines.items():
        if why := empty_list(name, entry.value):
            yield Finding(Place.main(name, entry.number), entry.text, why, message("take the line out"))
    found: list[tuple[str, str, str]] = [
        (name, strangers.NO_START, strangers.GUARD) for name in strangers.without_guard(look.state)
    ]
    found += [
        (name, strangers.told(element, answer), _HAND)
        for name, element, answer in strangers.stopped(look.state)
    ]
    for name, meaning, hand in found:
        if name in lines:
            yield Finding(Place.main(name, lines[name].number), lines[name].text, meaning, hand)
    seen = look.state.seen.get(MAIN_CF)
    if seen and seen.file and not seen.file.mode & 0o004:
        text = f"{seen.file.owner} {seen.file.mode:04o}"
        meaning = message("programs of users cannot send mail: sendmail reads it as the user who calls it")
        yield Finding(Place(str(MAIN_CF)), text, meaning, _READABLE)
