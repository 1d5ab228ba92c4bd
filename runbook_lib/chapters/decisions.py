"""What a person decides about a host: shown with what each answer does, and asked for before anything is changed."""

from collections.abc import Sequence

from runbook_lib import display, inventory
from runbook_lib.errors import ApplyRefused
from runbook_lib.hidden import hidden_value
from runbook_lib.inventory.place import DNS, Place
from runbook_lib.mail.differences import judged
from runbook_lib.mail.differences.difference import Difference
from runbook_lib.mail.findings.explained import Explained, untouched
from runbook_lib.messages import joined, message

EMPTY = '""'


def shown(found: Sequence[Difference], host: inventory.Host) -> display.Shown:
    """A table of what differs; below it what to write into the inventory where something is open."""
    rows: list[tuple[str, ...]] = [(str(one.where), _found(one), one.fate, one.why) for one in found]
    rows += [
        (str(where), message("a decision of the inventory"), message("no effect"), why)
        for where, why in judged.without_effect(tuple(found), host)
    ]
    table = display.Table((message("where"), message("found"), "", message("why")), rows)
    asked = [one for one in found if one.is_open and (one.choices.keep or one.choices.replace)]
    if not asked:
        return table
    return display.Parts([table, display.Folded(message("to write into the inventory"), block(asked, host))])


def explained(rows: Sequence[Explained], found: Sequence[Difference], host: inventory.Host) -> display.Shown:
    """What is remarkable, line by line; how much else differs; what to write into the inventory.

    Args:
        rows: each with file and line.
        found: what chapter 2 knows of the host; () where it could not be read.
    """
    if not rows:
        return display.Text(
            message("Nothing in main.cf and master.cf is overridden, obsolete, misspelt, or bound to fail.")
        )
    body = [(one.where, one.found, one.meaning, one.fate) for one in rows]
    parts: list[display.Shown] = [
        display.Table(
            (
                message("where"),
                message("what is there"),
                message("what it means"),
                message("what happens"),
            ),
            body,
        )
    ]
    others = untouched(found)
    if others:
        parts.append(
            display.Folded(
                message("not this runbook's concern, and untouched: {n}", n=len(others)), joined("\n", others)
            )
        )
    asked = [one for one in found if one.is_open and (one.choices.keep or one.choices.replace)]
    if asked:
        parts.append(
            display.Folded(
                message("to write into the inventory: {n} decisions", n=len(asked)), block(asked, host)
            )
        )
    return display.Parts(parts)


def block(asked: Sequence[Difference], host: inventory.Host) -> str:
    """Lines for the inventory: a decision for each place, its answers to choose from and what each does.

    They can be pasted as they are; what is not filled in is refused with its line. Where there is one answer alone, it
    stands there.
    """
    lines: list[str] = [
        message(
            "# under hosts.{host}: write one of its answers behind each decide, and say why", host=host.name
        ),
        "decisions:",
    ]
    for one in asked:
        answers = [word for word in ("keep", "replace") if getattr(one.choices, word)]
        lines.append(f"  - about: {one.where}")
        lines += [joined("", (f"    # {word}: ", getattr(one.choices, word))) for word in answers]
        lines += [f"    decide: {answers[0] if len(answers) == 1 else EMPTY}", f"    reason: {EMPTY}"]
    return joined("\n", lines)


def to_decide(found: Sequence[Difference], host: inventory.Host) -> dict[str, str]:
    """What a person still has to decide, or decided so that it cannot be had: each place with what is found there."""
    wrong = {str(where): why for where, why in _cannot_be_had(found, host)}
    return wrong | {
        str(one.where): message("{found} ({why})", found=_found(one), why=one.why)
        for one in found
        if one.is_open and str(one.where) not in wrong
    }


def refuse_open(found: Sequence[Difference], host: inventory.Host) -> None:
    """Raise where a person still has to decide, or decided what cannot be had.

    Raises:
        ApplyRefused: with each place, and the lines for the inventory. Nothing was changed.
    """
    if error := refusal(found, host):
        raise error


def refusal(found: Sequence[Difference], host: inventory.Host) -> ApplyRefused | None:
    """What apply says of what is open; None where nothing is."""
    if wrong := [
        message("{where}: {why}", where=str(where), why=why) for where, why in _cannot_be_had(found, host)
    ]:
        told = joined("\n    ", wrong)
        return ApplyRefused(
            message("the inventory decides what this chapter cannot do:\n    {told}", told=told),
            host.name,
            message("change it under hosts.{host}.decisions in the inventory", host=host.name),
        )
    open_ones = [one for one in found if one.is_open]
    if not open_ones:
        return None
    told = joined(
        "\n    ",
        (message("{where}: {why}", where=where, why=what) for where, what in to_decide(found, host).items()),
    )
    asked = [one for one in open_ones if one.choices.keep or one.choices.replace]
    by_hand = [str(one.where) for one in open_ones if one not in asked]
    ways = []
    if asked:
        indented = block(asked, host).replace("\n", "\n    ")
        ways.append(
            message("say in the inventory what becomes of them, with a reason:\n    {lines}", lines=indented)
        )
    if by_hand:
        ways.append(message("put right on the host what only you can: {places}", places="; ".join(by_hand)))
    of_names = any(one.where.file == DNS for one in open_ones)
    normal = (
        message("what the package leaves, or from where a name should lead")
        if of_names
        else message("what the package leaves")
    )
    return ApplyRefused(
        message(
            "this differs from {normal}, and a person has to decide about it:\n    {told}",
            normal=normal,
            told=told,
        ),
        host.name,
        message("{ways}\n  Plan and verification work all the same", ways=joined("; ", ways)),
    )


def _found(one: Difference) -> str:
    """What is there, without a secret's value."""
    shown = hidden_value(str(one.where), one.found)
    return one.found if shown == one.found else shown


def _cannot_be_had(found: Sequence[Difference], host: inventory.Host) -> list[tuple[Place, str]]:
    there = {one.where for one in found}
    return [(where, why) for where, why in judged.without_effect(tuple(found), host) if where in there]
