"""Everything that is remarkable about a host's configuration, with what becomes of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from runbook_lib.mail import decisions
from runbook_lib.mail.difference import Difference
from runbook_lib.mail.findings import (
    characters,
    mail_names,
    networks,
    obsolete,
    overridden,
    paths,
    services,
    smuggling,
    tls,
    unknown,
)
from runbook_lib.mail.findings.finding import Finding, Look

_RULES = (services, characters, overridden, obsolete, unknown, paths, tls, networks, mail_names, smuggling)
_UNTOUCHED = "neither written nor read here: it stays"


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
    rows: dict[tuple[str, int, str], list[tuple[str, str]]] = {}  # meaning and fate of each
    told = set()
    for finding in findings(look):
        at = (finding.place, finding.line, finding.found)
        told.add(finding.place)
        rows.setdefault(at, []).append((finding.meaning, _fate(finding, by_place.get(finding.place), look)))
    for one in differences:
        if one.where not in told and one.why != _UNTOUCHED:
            name = one.where.removeprefix("main.cf, ")
            text = f"{name} = {one.found}" if one.where.startswith("main.cf, ") else one.found
            rows[one.where, lines.get(one.where, 0), text] = [(one.why, _answers(one))]
    ordered = sorted(rows, key=lambda at: (at[0].split(", ")[0], at[1] or 10**6))
    return tuple(
        Explained(
            _where(place, line),
            found,
            "; ".join(dict.fromkeys(meaning for meaning, _ in rows[place, line, found])),
            "; ".join(dict.fromkeys(fate for _, fate in rows[place, line, found])),
        )
        for place, line, found in ordered
    )


def _where(place: str, line: int) -> str:
    file = place.split(", ")[0]
    if line:
        return f"{file}, line {line}"
    return f"{file}, not in it" if file in ("main.cf", "master.cf") else place


def untouched(differences: Sequence[Difference]) -> tuple[str, ...]:
    """Places that differ, that nobody has to look at, and that stay."""
    return tuple(one.where for one in differences if one.why == _UNTOUCHED)


def _fate(finding: Finding, difference: Difference | None, look: Look) -> str:
    hand = f"by hand: {finding.by_hand}" if finding.by_hand else ""
    if difference is not None:
        return "; ".join(filter(None, (_answers(difference), hand)))
    if finding.place.startswith(f"main.cf, {decisions.BARE_NEWLINE}") and not finding.by_hand:
        decided = look.host.decided(finding.place)
        if decided:
            return f"decided: {decided.decide}: {decided.reason}"
        return "stays, unless you decide: replace"
    return f"stays; {hand}" if hand else "stays"


def _answers(one: Difference) -> str:
    """What happens, and in which words a person decides otherwise."""
    offered = [word for word in ("keep", "replace") if getattr(one.choices, word)]
    if one.decision is not None:
        return one.fate
    if one.kept:
        return "stays, unless you decide: replace" if one.choices.replace else "stays"
    if not offered:
        return "you decide, on the host"
    return f"you decide: {' or '.join(offered)}"


def _lines(look: Look) -> Mapping[str, int]:
    found = {f"main.cf, {entry.name}": entry.number for entry in look.state.main if entry.name}
    return found | {f"master.cf, {one.name}": one.number for one in look.state.master}
