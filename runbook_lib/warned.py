"""The word for a row that found nothing wrong, and has something for a person to act on all the same."""

from collections.abc import Iterable

WARNING = "warning: "  # what a row begins with that says such a thing


def told(verdict: str, seen: Iterable[str]) -> str:
    """The verdict in a word: a pass with a warning is called 'warning', so that nobody reads over it.

    Args:
        verdict: of a row, or of a claim.
        seen: what its row says, or all of its rows.
    """
    return "warning" if verdict == "pass" and any(one.startswith(WARNING) for one in seen) else verdict


def counted(number: int, verdict: str, warned: int) -> str:
    """'11 pass (1 with a warning)'; without what there is none of."""
    with_a_warning = f" ({warned} with a warning)" if verdict == "pass" and warned else ""
    return f"{number} {verdict}{with_a_warning}"
