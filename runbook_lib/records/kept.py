"""What became of a run after it was made, as the chain has it: put back, on hold, redacted, expired."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from runbook_lib.records import chain


@dataclass(frozen=True)
class Notes:
    """All that is noted of one run, the oldest first.

    Args:
        hold: why nothing of it may be deleted; None: it may.
        redacted: of each file the last entry.
        expired: its files were deleted, since their time is over.
        was_on_hold: they were deleted while it was on hold.
    """

    undone: tuple[chain.Undone, ...] = ()
    hold: chain.Hold | None = None
    redacted: dict[str, chain.Redacted] = field(default_factory=dict)
    expired: chain.Expired | None = None
    was_on_hold: bool = False


NOTHING = Notes()


def read_all(root: Path) -> dict[str, Notes]:
    """What is noted of each run, by run; nothing of those of which nothing is."""
    return gathered(chain.afterwards(root))


def read(root: Path, run: str) -> Notes:
    """What is noted of a run."""
    return read_all(root).get(run, NOTHING)


def gathered(entries: Iterable[chain.Entry]) -> dict[str, Notes]:
    """What entries of the chain, the oldest first, note of each run."""
    found: dict[str, Notes] = {}
    for entry in entries:
        if isinstance(entry, chain.Afterwards):
            found[entry.run] = _with(found.get(entry.run, NOTHING), entry)
    return found


def _with(notes: Notes, entry: chain.Afterwards) -> Notes:
    match entry:
        case chain.Undone():
            return replace(notes, undone=(*notes.undone, entry))
        case chain.Hold():
            return replace(notes, hold=entry)
        case chain.Release():
            return replace(notes, hold=None)
        case chain.Redacted():
            return replace(notes, redacted=notes.redacted | {entry.path: entry})
        case chain.Expired():
            return replace(notes, expired=entry, was_on_hold=notes.hold is not None)
