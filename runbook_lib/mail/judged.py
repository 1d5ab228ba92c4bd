"""Everything on a host that is not as the package leaves it, with what its owner and the inventory decide about it."""

from collections.abc import Iterator
from dataclasses import replace

from runbook_lib import inventory
from runbook_lib.families import Family, Release
from runbook_lib.mail import chapter_plans, difference, sasl, services_found, services_left, surroundings
from runbook_lib.mail.decisions import BARE_NEWLINE, of_setting
from runbook_lib.mail.difference import Difference
from runbook_lib.mail.postfix import MailFiles
from runbook_lib.mail.state import MailState


def found(
    state: MailState, family: Family, release: Release, host: inventory.Host, files: MailFiles
) -> tuple[Difference, ...]:
    """What a host differs in, each place once, in the order in which the chapter comes to it."""
    differing = (
        *difference.differences(state, family, release, host, files),
        *services_found.differences(state, family, host, files.joined),
        *sasl.differences(state, family, release, host),
        *services_left.differences(state, chapter_plans.services_judged(state, family, host, files)),
        *surroundings.differences(state),
        *_asked_for(state, host),
    )
    one_a_place: dict[str, Difference] = {}
    for one in differing:
        # What stands around says more of a place than the package's file; what can be decided stays with it.
        before = one_a_place.get(one.where)
        one_a_place[one.where] = replace(one, choices=before.choices) if before else one
    taken = (_decided(one, host) for one in one_a_place.values())
    return chapter_plans.left_to_owners(taken, state, family, host, files)


def without_effect(differences: tuple[Difference, ...], host: inventory.Host) -> Iterator[tuple[str, str]]:
    """Decisions that decide nothing now: the place, and why.

    That is no error: what was to be replaced is no longer there once it was.
    """
    by_place = {one.where: one for one in differences}
    for decision in host.decisions:
        one = by_place.get(decision.about)
        if one is None:
            yield (
                decision.about,
                "there is nothing to decide (any more): it is not there, or as this runbook left it",
            )
        elif one.decision is None:
            offered = [word for word in ("keep", "replace") if getattr(one.choices, word)]
            told = f"it can be decided as: {', '.join(offered)}" if offered else "put it right on the host"
            yield decision.about, f"'{decision.decide}' cannot be had here: {told}"


def _asked_for(state: MailState, host: inventory.Host) -> Iterator[Difference]:
    """A default that nobody shaped, and that a person decided about all the same."""
    place, value = f"main.cf, {BARE_NEWLINE}", state.main_cf.get(BARE_NEWLINE)
    if host.decided(place) and BARE_NEWLINE in state.guards:
        choices = of_setting(BARE_NEWLINE, value or "", state.version, written=False)
        yield Difference(place, value or "not set", True, "it decides what ends a message", choices)


def _decided(one: Difference, host: inventory.Host) -> Difference:
    """With what the inventory decides; a decision that the place does not offer is none."""
    decision = host.decided(one.where)
    return replace(one, decision=decision) if decision and one.choices.allow(decision) else one
