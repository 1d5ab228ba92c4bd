"""Words of values that logic compares, as they are shown: what is written and compared stays the value."""

import functools
from collections.abc import Iterable

from runbook_lib.messages.template import message

_WORDS = {
    str(word): word
    for word in (
        # how a row, or a claim, came out
        message("pass"),
        message("warning"),
        message("fail"),
        message("could not test"),
        message("not asked"),
        message("not verified"),
        message("not tested"),
        # how a chapter ended, and what it was to do
        message("passed"),
        message("planned"),
        message("not proven"),
        message("failed"),
        message("interrupted"),
        message("running"),
        message("plan"),
        message("apply"),
    )
}


def worded(value: str) -> str:
    """A value as the message that people read; what is none of these is shown as it is."""
    return _WORDS.get(value, value)


def either(parts: Iterable[str]) -> str:
    """One or more texts of which one is meant: 'a or b or c'."""
    return functools.reduce(
        lambda first, second: message("{first} or {second}", first=first, second=second), parts
    )


def listed(parts: Iterable[str]) -> str:
    """One or more texts in a sentence: 'a and b and c'."""
    return functools.reduce(
        lambda first, second: message("{first} and {second}", first=first, second=second), parts
    )
