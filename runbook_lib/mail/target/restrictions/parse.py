"""A restriction list as Postfix reads it."""

from collections.abc import Sequence
from dataclasses import dataclass

from runbook_lib.mail.target.restrictions.table import SHORT_HAND, TABLE
from runbook_lib.messages import message

_SEPARATORS = ", \t\r\n"
_WARN = "warn_if_reject"


@dataclass(frozen=True)
class Element:
    """One element of a list.

    Args:
        name: the restriction's name in lower case; for a bare `TYPE:TABLE` the one that it stands for.
        words: as they stand in the list, the arguments and a `warn_if_reject` in front included.
        whole: False where an argument is missing.
    """

    name: str
    words: tuple[str, ...]
    whole: bool = True

    @property
    def only_warns(self) -> bool:
        """True behind `warn_if_reject`: it refuses nobody, it writes to the log (postconf(5))."""
        return self.words[0].lower() == _WARN

    @property
    def argument(self) -> str:
        """Its last word."""
        return self.words[-1]

    @property
    def text(self) -> str:
        """For a person."""
        return " ".join(self.words)


def words(value: str) -> tuple[str, ...]:
    """Split at commas and white space, but not inside braces (Postfix 3.0 and later).

    Raises:
        ValueError: a brace is not closed.
    Source: mystrtokq(3) in Postfix's util library, as smtpd_check.c calls it.
    """
    found, word, depth = [], "", 0
    for character in value:
        if character in _SEPARATORS and depth == 0:
            if word:
                found.append(word)
            word = ""
            continue
        depth += {"{": 1, "}": -1 if depth else 0}.get(character, 0)
        word += character
    if depth:
        raise ValueError(message("a brace is not closed: {word}", word=word))
    return (*found, word) if word else tuple(found)


def parse(parameter: str, value: str) -> tuple[Element, ...]:
    """The elements of a list, each with its arguments.

    What the table does not know counts as one word, since nobody can tell how many arguments it takes.

    Args:
        parameter: the list's name, which decides what a bare `TYPE:TABLE` means.
        value: the list with every `$name` expanded.
    Raises:
        ValueError: a brace is not closed.
    """
    left = list(words(value))
    found = []
    while left:
        taken: list[str] = []
        while left and left[0].lower() == _WARN:
            taken.append(left.pop(0))
        if not left:
            break  # nothing that could be rejected follows
        found.append(_element(parameter, taken, left))
    return tuple(found)


def _element(parameter: str, before: Sequence[str], left: list[str]) -> Element:
    word = left.pop(0)
    if ":" in word:
        return Element(SHORT_HAND.get(parameter, word), (*before, word))
    name = word.lower()
    count = TABLE[name].arguments if name in TABLE else 0
    arguments, left[:] = left[:count], left[count:]
    return Element(name, (*before, word, *arguments), len(arguments) == count)
