"""SMTP smuggling: whether a line that ends in a newline alone can end a message."""

from collections.abc import Iterator

from runbook_lib.inventory.place import Place
from runbook_lib.mail.configuration.bare_newlines import BARE_NEWLINE, guarded_from, normalizes
from runbook_lib.mail.findings.finding import Finding, Look

_ADVISORY = "CVE-2023-51764, https://www.postfix.org/smtp-smuggling.html"


def find(look: Look) -> Iterator[Finding]:
    """Where the version can refuse bare newlines and does not, and where it cannot."""
    name = BARE_NEWLINE
    version = look.state.version_text
    if not look.parameters:
        return  # Postfix could not be asked
    if name not in look.parameters:
        meaning = f"Postfix {version} has no protection from smuggled messages ({_ADVISORY})"
        hand = f"update Postfix from your distribution: {guarded_from(look.version)}"
        yield Finding(Place.main(name), f"{name} is not known", meaning, hand)
        return
    value = (look.defaults or {}).get(name, "")
    line = next((entry.number for entry in look.state.main if entry.name == name), 0)
    place = Place.main(name, line)
    if value == "no":
        meaning = (
            f"a newline alone can end a message, so others can have a forged one in theirs ({_ADVISORY})"
        )
        yield Finding(place, f"{name} = no{'' if line else ', the default of ' + version}", meaning)
    elif value == "reject":
        meaning = (
            "a line that ends in a newline alone is answered with 550 5.5.2 on 465 and 587, too: scanners, scripts and "
            "devices that send so can hand in no mail; normalize takes it and is as safe"
        )
        yield Finding(place, f"{name} = reject", meaning)
    elif value == "yes" and not normalizes(look.parameters):
        meaning = f"the first form of the protection in {version}: it also cuts off what writes bare newlines honestly"
        hand = f"update Postfix from your distribution: {guarded_from(look.version)}"
        yield Finding(place, f"{name} = yes", meaning, hand)
