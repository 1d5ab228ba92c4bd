"""Everything that is remarkable about a host's configuration, with what becomes of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from runbook_lib.inventory.place import MAIN_CF, MASTER_CF, Place
from runbook_lib.mail.configuration.bare_newlines import BARE_NEWLINE
from runbook_lib.mail.differences.difference import Difference, Effect
from runbook_lib.mail.findings import (
    characters,
    mail_names,
    networks,
    obsolete,
    overridden,
    paths,
    refused,
    services,
    smuggling,
    tls,
    unknown,
)
from runbook_lib.mail.findings.finding import Finding, Look
from runbook_lib.messages import joined, message

_STAYS = message("stays")
_UNLESS = message("stays, unless you decide: replace")
_RULES = (
    services,
    characters,
    overridden,
    obsolete,
    unknown,
    paths,
    tls,
    refused,
    networks,
    mail_names,
    smuggling,
)


@dataclass(frozen=True)
class Explained:
    """A row for a person.

    Args:
        where: file and line.
        found: what is there.
        meaning: what it means.
        fate: what this runbook does about it, and what a person can.
    """

    where: str
    found: str
    meaning: str
    fate: str


def findings(look: Look) -> tuple[Finding, ...]:
    """What the rules find."""
    return tuple(dict.fromkeys(finding for rule in _RULES for finding in rule.find(look)))


def explain(look: Look, differences: Sequence[Difference]) -> tuple[Explained, ...]:
    """The findings with what chapter 2 does about each; then what it says of other places.

    Args:
        differences: what chapter 2 knows, decisions included.
    """
    by_place = {one.where: one for one in differences}
    lines = _lines(look)
    rows: dict[tuple[Place, str], list[tuple[str, str]]] = {}  # meaning and fate of each
    told = set()
    for finding in findings(look):
        thing = finding.place.thing
        told.add(thing)
        at = finding.place, finding.found
        rows.setdefault(at, []).append((finding.meaning, _fate(finding, by_place.get(thing), look)))
    for one in differences:
        if one.where not in told and one.effect is not Effect.UNTOUCHED:
            text = f"{one.where.name} = {one.found}" if one.where.file == MAIN_CF else one.found
            rows[replace(one.where, line=lines.get(one.where, 0)), text] = [(one.why, _answers(one))]
    ordered = sorted(rows, key=lambda at: (at[0].file, at[0].line or 10**6))
    return tuple(
        Explained(
            _where(place),
            found,
            joined("; ", dict.fromkeys(meaning for meaning, _ in rows[place, found])),
            joined("; ", dict.fromkeys(fate for _, fate in rows[place, found])),
        )
        for place, found in ordered
    )


def _where(place: Place) -> str:
    if place.line:
        return message("{file}, line {line}", file=place.file, line=place.line)
    if place.file in (MAIN_CF, MASTER_CF):
        return message("{file}, not in it", file=place.file)
    return joined(", ", filter(None, (place.file, place.name)))


def untouched(differences: Sequence[Difference]) -> tuple[str, ...]:
    """Places that differ, that nobody has to look at, and that stay."""
    return tuple(str(one.where) for one in differences if one.effect is Effect.UNTOUCHED)


def _fate(finding: Finding, difference: Difference | None, look: Look) -> str:
    hand = message("by hand: {action}", action=finding.by_hand) if finding.by_hand else ""
    if difference is not None:
        return joined("; ", filter(None, (_answers(difference), hand)))
    if finding.place.thing == Place.main(BARE_NEWLINE) and not finding.by_hand:
        decided = look.state.host.decided(finding.place)
        if decided:
            return message("decided: {decision}: {reason}", decision=decided.decide, reason=decided.reason)
        return _UNLESS
    return joined("; ", (_STAYS, hand)) if hand else _STAYS


def _answers(one: Difference) -> str:
    """What happens, and in which words a person decides otherwise."""
    offered = [word for word in ("keep", "replace") if getattr(one.choices, word)]
    if one.decision is not None:
        return one.fate
    if one.kept:
        return _UNLESS if one.choices.replace else _STAYS
    if not offered:
        return message("you decide, on the host")
    if len(offered) == 1:
        return message("you decide: {decision}", decision=offered[0])
    return message("you decide: {one} or {other}", one=offered[0], other=offered[1])


def _lines(look: Look) -> Mapping[Place, int]:
    found = {Place.main(entry.name): entry.number for entry in look.state.main if entry.name}
    return found | {Place.master(one.name): one.number for one in look.state.master}
