"""Which chapters only the hosts of one family get; every other chapter is for all."""

from runbook_lib.families.known import FAMILIES

FAMILY_OF_CHAPTER = {family.postfix_chapter: family.name for family in FAMILIES}


def chapters_of_others(family: str | None) -> frozenset[str]:
    """The chapters that hosts of a family do not get, as they are another family's; none while it is not known."""
    return frozenset(
        chapter for chapter, of in FAMILY_OF_CHAPTER.items() if family is not None and family != of
    )
