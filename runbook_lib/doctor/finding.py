"""One thing that a run needs, and how it stands with it on a host."""

from dataclasses import dataclass
from enum import StrEnum


class Standing(StrEnum):
    """What a finding means for a run."""

    OK = "ok"
    WARNING = "warning"
    STOPS = "stops a run"
    UNTESTED = "could not test"


@dataclass(frozen=True)
class Finding:
    """One row.

    Args:
        what: the thing, in a word or two.
        standing: what it means for a run.
        seen: what was seen, with its values.
        to_do: the next step; '' where there is none.
    """

    what: str
    standing: Standing
    seen: str
    to_do: str = ""


def ok(what: str, seen: str) -> Finding:
    """A thing that is as a run needs it."""
    return Finding(what, Standing.OK, seen)


def warning(what: str, seen: str, to_do: str) -> Finding:
    """A thing that stops no run, and that a person should know of."""
    return Finding(what, Standing.WARNING, seen, to_do)


def stops(what: str, seen: str, to_do: str) -> Finding:
    """A thing that would stop a run."""
    return Finding(what, Standing.STOPS, seen, to_do)


def untested(what: str, why: str, to_do: str = "") -> Finding:
    """A thing that could not be looked at."""
    return Finding(what, Standing.UNTESTED, why, to_do)
