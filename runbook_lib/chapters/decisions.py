"""What a person decides about a host: shown with what each answer does, and asked for before anything is changed."""

from collections.abc import Sequence

from runbook_lib import display, inventory
from runbook_lib.errors import ApplyRefused
from runbook_lib.mail import judged
from runbook_lib.mail.difference import Difference
from runbook_lib.mail.findings.explained import Explained, untouched


def shown(found: Sequence[Difference], host: inventory.Host) -> display.Shown:
    """A table of what differs; below it what to write into the inventory where something is open."""
    rows = [(one.where, one.found, one.fate, one.why) for one in found]
    rows += [
        (where, "a decision of the inventory", "no effect", why)
        for where, why in judged.without_effect(tuple(found), host)
    ]
    table = display.Table(("where", "found", "", "why"), rows)
    asked = [one for one in found if one.is_open and (one.choices.keep or one.choices.replace)]
    if not asked:
        return table
    return display.Parts([table, display.Folded("to write into the inventory", block(asked, host))])


def explained(rows: Sequence[Explained], found: Sequence[Difference], host: inventory.Host) -> display.Shown:
    """What is remarkable, line by line; how much else differs; what to write into the inventory.

    Args:
        rows: each with file and line.
        found: what chapter 2 knows of the host; () where it could not be read.
    """
    if not rows:
        return display.Text(
            "Nothing in main.cf and master.cf is overridden, obsolete, misspelt, or bound to fail."
        )
    body = [(one.where, one.found, one.meaning, one.fate) for one in rows]
    parts: list[display.Shown] = [
        display.Table(("where", "what is there", "what it means", "what happens"), body)
    ]
    others = untouched(found)
    if others:
        parts.append(
            display.Folded(f"not this runbook's concern, and untouched: {len(others)}", "\n".join(others))
        )
    asked = [one for one in found if one.is_open and (one.choices.keep or one.choices.replace)]
    if asked:
        parts.append(
            display.Folded(f"to write into the inventory: {len(asked)} decisions", block(asked, host))
        )
    return display.Parts(parts)


def block(asked: Sequence[Difference], host: inventory.Host) -> str:
    """Lines for the inventory: a decision for each place, its answers to choose from and what each does."""
    lines = [f"# hosts.{host.name}: keep one answer of each, and say why", "decisions:"]
    for one in asked:
        answers = [word for word in ("keep", "replace") if getattr(one.choices, word)]
        lines.append(f"  - about: {one.where}")
        lines += [f"    decide: {word}  # {getattr(one.choices, word)}" for word in answers]
        lines.append('    reason: ""')
    return "\n".join(lines)


def refuse_open(found: Sequence[Difference], host: inventory.Host) -> None:
    """Raise where a person still has to decide, or decided what cannot be had.

    Raises:
        ApplyRefused: with each place, and the lines for the inventory. Nothing was changed.
    """
    wrong = [
        f"{where}: {why}"
        for where, why in judged.without_effect(tuple(found), host)
        if any(one.where == where for one in found)
    ]
    if wrong:
        told = "\n    ".join(wrong)
        raise ApplyRefused(
            f"the inventory decides what this chapter cannot do:\n    {told}",
            host.name,
            f"change it under hosts.{host.name}.decisions",
        )
    to_decide = [one for one in found if one.is_open]
    if not to_decide:
        return
    told = "\n    ".join(f"{one.where}: {one.found} ({one.why})" for one in to_decide)
    asked = [one for one in to_decide if one.choices.keep or one.choices.replace]
    by_hand = [one.where for one in to_decide if one not in asked]
    ways = []
    if asked:
        indented = block(asked, host).replace("\n", "\n    ")
        ways.append(f"say in the inventory what becomes of them, with a reason:\n    {indented}")
    if by_hand:
        ways.append(f"put right on the host what only you can: {'; '.join(by_hand)}")
    raise ApplyRefused(
        f"this differs from what the package leaves, and a person has to decide about it:\n    {told}",
        host.name,
        f"{'; '.join(ways)}\n  Plan and verification work all the same",
    )
