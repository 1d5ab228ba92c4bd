"""SMTP smuggling: whether a line that ends in a newline alone can end a message."""

from collections.abc import Iterator

from runbook_lib.inventory.place import Place
from runbook_lib.mail.configuration.bare_newlines import BARE_NEWLINE, guarded_from, normalizes
from runbook_lib.mail.findings.finding import Finding, Look
from runbook_lib.messages import Message, message

_ADVISORY = "CVE-2023-51764, https://www.postfix.org/smtp-smuggling.html"


def find(look: Look) -> Iterator[Finding]:
    """Where the version can refuse bare newlines and does not, and where it cannot."""
    name = BARE_NEWLINE
    version = look.state.version_text
    if not look.parameters:
        return  # Postfix could not be asked
    if name not in look.parameters:
        meaning = message(
            "Postfix {version} has no protection from smuggled messages ({advisory})",
            version=version,
            advisory=_ADVISORY,
        )
        unknown = message("{name} is not known", name=name)
        yield Finding(Place.main(name), unknown, meaning, _update(look))
        return
    value = (look.defaults or {}).get(name, "")
    line = next((entry.number for entry in look.state.main if entry.name == name), 0)
    place = Place.main(name, line)
    if value == "no":
        meaning = message(
            "a newline alone can end a message, so others can have a forged one in theirs ({advisory})",
            advisory=_ADVISORY,
        )
        entry = f"{name} = no"
        found = entry if line else message("{entry}, the default of {version}", entry=entry, version=version)
        yield Finding(place, found, meaning)
    elif value == "reject":
        meaning = message(
            "a line that ends in a newline alone is answered with 550 5.5.2 on 465 and 587, too: scanners, scripts and "
            "devices that send so can hand in no mail; normalize takes it and is as safe"
        )
        yield Finding(place, f"{name} = reject", meaning)
    elif value == "yes" and not normalizes(look.parameters):
        meaning = message(
            "the first form of the protection in {version}: it also cuts off what writes bare newlines honestly",
            version=version,
        )
        yield Finding(place, f"{name} = yes", meaning, _update(look))


def _update(look: Look) -> Message:
    versions = guarded_from(look.version)
    return message("update Postfix from your distribution: {versions}", versions=versions)
