"""Everything on a host that is not as the package leaves it, with what its owner and the inventory decide about it."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from runbook_lib import inventory
from runbook_lib.inventory.place import DNS, Place
from runbook_lib.mail.configuration.bare_newlines import BARE_NEWLINE
from runbook_lib.mail.configuration.postconf import MAIN_CF, MASTER_CF
from runbook_lib.mail.configuration.state import MailState
from runbook_lib.mail.differences import sasl, services_found, settings, surroundings
from runbook_lib.mail.differences.difference import Difference, Effect, effect
from runbook_lib.mail.target import chapter_plans, postfix, services
from runbook_lib.mail.target.decisions import of_setting
from runbook_lib.messages import message


def found(state: MailState) -> tuple[Difference, ...]:
    """What a host differs in, each place once, in the order in which the chapter comes to it."""
    differing = (
        *settings.differences(state),
        *services_found.differences(state),
        *sasl.differences(state),
        *services_found.other_differences(state, chapter_plans.services_judged(state)),
        *surroundings.differences(state),
        *_asked_for(state),
        *_no_plain_files(state),
    )
    one_a_place: dict[Place, Difference] = {}
    for one in differing:
        # What stands around says more of a place than the package's file; what can be decided stays with it.
        before = one_a_place.get(one.where)
        one_a_place[one.where] = replace(one, choices=before.choices) if before else one
    taken = (_decided(one, state.host) for one in one_a_place.values())
    return _left_to_owners(taken, state)


def without_effect(differences: tuple[Difference, ...], host: inventory.Host) -> Iterator[tuple[Place, str]]:
    """Decisions that decide nothing now: the place, and why.

    That is no error: what was to be replaced is no longer there once it was.
    """
    by_place = {one.where: one for one in differences}
    for decision in host.decisions:
        if decision.place.file == DNS:
            continue  # chapter 0 asks the DNS, and says there whether it has an effect
        one = by_place.get(decision.place)
        if one is None:
            yield (
                decision.place,
                message("there is nothing to decide (any more): it is not there, or as this runbook left it"),
            )
        elif one.decision is None:
            offered = [word for word in ("keep", "replace") if getattr(one.choices, word)]
            instead = (
                message("it can be decided as: {answers}", answers=", ".join(offered))
                if offered
                else message("put it right on the host")
            )
            if decision.decide == "keep" and one.choices.not_kept:
                told = message(
                    "'{decision}' cannot be had here ({reason}): {instead}",
                    decision=decision.decide,
                    reason=one.choices.not_kept,
                    instead=instead,
                )
            else:
                told = message(
                    "'{decision}' cannot be had here: {instead}", decision=decision.decide, instead=instead
                )
            yield decision.place, told


def _asked_for(state: MailState) -> Iterator[Difference]:
    """A default that nobody shaped, and that a person decided about all the same."""
    place, value = Place.main(BARE_NEWLINE), state.main_cf.get(BARE_NEWLINE)
    if state.host.decided(place) and BARE_NEWLINE in state.guards:
        choices = of_setting(BARE_NEWLINE, value or "", state.version, written=False)
        why = message("it decides what ends a message")
        yield Difference(place, value or message("not set"), Effect.STAYS, why, choices)


def _no_plain_files(state: MailState) -> Iterator[Difference]:
    """Files that would be written, and that are links, or cannot be replaced in one step."""
    plans = chapter_plans.all_of(state)
    written = {touched.path for plan in plans for change in plan.changes for touched in change.touches}
    for path, seen in state.seen.items():
        if path not in written or not seen.told:
            continue
        through = not seen.bar and path != state.files.joined
        why = (
            message("what it leads to is written, and the link stays")
            if through
            else message("this chapter would have to replace it")
        )
        yield Difference(Place(str(path)), seen.told, effect(through), why)


def _decided(one: Difference, host: inventory.Host) -> Difference:
    """With what the inventory decides; a decision that the place does not offer is none."""
    decision = host.decided(one.where)
    return replace(one, decision=decision) if decision and one.choices.allow(decision) else one


def _left_to_owners(found: Iterable[Difference], state: MailState) -> tuple[Difference, ...]:
    """The differences, those of them kept whose place the chapter only gives its owner lines for.

    Where Postfix is not there yet, the package would write what somebody else owns: that is one more.
    """
    owners = chapter_plans.owned(state)
    written = {
        MAIN_CF: {Place.main(setting.name) for setting in postfix.settings(state)},
        MASTER_CF: {Place.master(service.name) for service in services.services(state)},
    }

    def owner_of(where: Place) -> str:
        for path, one in owners.files.items():
            if where in written.get(path, ()) or where.file == str(path):
                return one.owner
        return ""

    settled = [
        replace(
            one,
            effect=Effect.STAYS,
            why=message("{owner} decides, and gets the lines for it", owner=owner),
        )
        if (owner := owner_of(one.where))
        else one
        for one in found
    ]
    if not state.installed:
        settled += [
            Difference(
                Place(str(path)),
                message("not there"),
                Effect.ASKS,
                message(
                    "Postfix's package would write it, and it is {owner}'s ({reason})",
                    owner=owners.files[path].owner,
                    reason=owners.files[path].told,
                ),
            )
            for path in (MAIN_CF, MASTER_CF)
            if path in owners.files
        ]
    return tuple(settled)
