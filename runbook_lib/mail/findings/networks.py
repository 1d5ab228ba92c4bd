"""Who sends without a login on port 25, where that is more than this host itself, or cannot be read."""

from collections.abc import Iterator

from runbook_lib.inventory.place import Place
from runbook_lib.mail.configuration.networks import faults, passed_over, told
from runbook_lib.mail.findings.finding import Finding, Look
from runbook_lib.messages import message


def find(look: Look) -> Iterator[Finding]:
    """The entry that counts, where it lets in more than this host itself, or Postfix cannot read it."""
    entry = next((one for one in reversed(look.state.main) if one.name == "mynetworks"), None)
    if entry is None:
        return
    for fault in faults(entry.value):
        yield Finding(Place.main("mynetworks", entry.number), entry.text, fault.meaning, fault.right)
    for word in passed_over(entry.value):
        meaning = message(
            "{word} is a name: Postfix compares addresses alone, and passes over it without a word", word=word
        )
        place = Place.main("mynetworks", entry.number)
        yield Finding(place, entry.text, meaning, message("write its addresses"))
    if told(entry.value):
        yield Finding(Place.main("mynetworks", entry.number), entry.text, told(entry.value))
