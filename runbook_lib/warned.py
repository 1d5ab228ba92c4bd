"""The words for verdicts, and that for a row which found nothing wrong and has something to act on all the same."""

from collections.abc import Iterable

from runbook_lib.messages import Message, message

WARNING = "warning: "  # what a row begins with, in English, that says such a thing

_WORDS = {
    str(word): word
    for word in (
        message("pass"),
        message("fail"),
        message("could not test"),
        message("not asked"),
        message("not verified"),
        message("not tested"),
    )
}


def warning(seen: str) -> Message:
    """What a row says that found nothing wrong, and has something for a person to act on."""
    return message("warning: {seen}", seen=seen)


def told(verdict: str, seen: Iterable[str]) -> str:
    """The verdict in a word: a pass with a warning is called 'warning', so that nobody reads over it.

    Args:
        verdict: of a row, or of a claim.
        seen: what its row says, or all of its rows.
    """
    if verdict == "pass" and any(one.startswith(WARNING) for one in seen):
        return message("warning")
    return _WORDS.get(verdict, verdict)


def counted(number: int, verdict: str, warned: int) -> str:
    """'11 pass (1 with a warning)'; without what there is none of."""
    word = _WORDS.get(verdict, verdict)
    if verdict == "pass" and warned:
        return message(
            "{number} {verdict} ({warned} with a warning)", number=number, verdict=word, warned=warned
        )
    return message("{number} {verdict}", number=number, verdict=word)
