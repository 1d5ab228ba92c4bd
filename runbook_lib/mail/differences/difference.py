"""Something on a host that is not as the package leaves it: it stays, or a person decides."""

import enum
from dataclasses import dataclass

from runbook_lib import inventory
from runbook_lib.inventory.place import Place
from runbook_lib.mail.target.decisions import NO_CHOICE, Choices
from runbook_lib.messages import message


class Effect(enum.Enum):
    """What becomes of something that differs, where nobody decided about it."""

    UNTOUCHED = enum.auto()  # neither written nor read, so it stays and nobody has to look at it
    STAYS = enum.auto()
    ASKS = enum.auto()  # a person decides


UNTOUCHED = message("neither written nor read here: it stays")


@dataclass(frozen=True)
class Difference:
    """Something that is not as the package leaves it.

    Args:
        where: an entry, a service, a path, or what stands around them.
        found: what is there.
        effect: what becomes of it, where nobody decided.
        why: what it means for the chapter.
        choices: what a person may decide about it in the inventory, where that is possible.
        decision: what was decided.
    """

    where: Place
    found: str
    effect: Effect
    why: str
    choices: Choices = NO_CHOICE
    decision: inventory.Decision | None = None

    @property
    def kept(self) -> bool:
        """Whether it stays without a person's decision."""
        return self.effect is not Effect.ASKS

    @property
    def is_open(self) -> bool:
        """Whether a person still has to decide."""
        return not self.kept and self.decision is None

    @property
    def fate(self) -> str:
        """What becomes of it, in a few words."""
        if self.decision is not None:
            if self.decision.decide == "keep":
                return message("stays, as decided: {reason}", reason=self.decision.reason)
            return message("is replaced, as decided: {reason}", reason=self.decision.reason)
        return message("stays") if self.kept else message("you decide")


def effect(stays: bool) -> Effect:
    """The effect of what this chapter reads: it stays, or a person decides."""
    return Effect.STAYS if stays else Effect.ASKS
