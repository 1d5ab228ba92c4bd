"""What a rule says about an entry of main.cf that this runbook reads and does not write."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Ruling:
    """A rule's answer for one entry.

    Args:
        kept: True: it stays, and the rule knows what that means for 465 and 587; False: a person decides.
        why: what it means, for the person.
    """

    kept: bool
    why: str
