"""SMTP smuggling: whether a line that ends in a newline alone can end a message (case P12)."""

from collections.abc import Iterator

from runbook_lib.mail import decisions
from runbook_lib.mail.findings.finding import Finding, Look

_ADVISORY = "CVE-2023-51764, https://www.postfix.org/smtp-smuggling.html"


def find(look: Look) -> Iterator[Finding]:
    """Where the version can refuse bare newlines and does not, and where it cannot."""
    place, name = f"main.cf, {decisions.BARE_NEWLINE}", decisions.BARE_NEWLINE
    version = look.state.version_text
    if not look.parameters:
        return  # Postfix could not be asked
    if name not in look.parameters:
        meaning = f"Postfix {version} has no protection from smuggled messages ({_ADVISORY})"
        hand = f"update Postfix from your distribution: {decisions.guarded_from(look.version)}"
        yield Finding(place, 0, f"{name} is not known", meaning, hand)
        return
    value = (look.defaults or {}).get(name, "")
    line = next((entry.number for entry in look.state.main if entry.name == name), 0)
    if value == "no":
        meaning = (
            f"a newline alone can end a message, so others can have a forged one in theirs ({_ADVISORY})"
        )
        yield Finding(place, line, f"{name} = no{'' if line else ', the default of ' + version}", meaning)
    elif value == "yes" and not decisions.normalizes(look.parameters):
        meaning = f"the first form of the protection in {version}: it also cuts off what writes bare newlines honestly"
        hand = f"update Postfix from your distribution: {decisions.guarded_from(look.version)}"
        yield Finding(place, line, f"{name} = yes", meaning, hand)
