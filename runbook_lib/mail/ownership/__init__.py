"""Who else owns the mail configuration of a host: Puppet, a panel, a person; and what is left to them."""

from runbook_lib.mail.ownership.owners import (
    Owned,
    Ownership,
    divide,
    facts,
    facts_of_puppet,
    left_to_puppet,
    of,
    waiting,
)

__all__ = ["Owned", "Ownership", "divide", "facts", "facts_of_puppet", "left_to_puppet", "of", "waiting"]
