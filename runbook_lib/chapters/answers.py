"""The answers to a claim as a table: those that say the same share a row, and the table says how many they are.

An answer joins another one where claim, port, verdict and words are the same, but for one thing: the address that was
asked, with the kind of DNS record that leads to it, or the version of TLS that was offered. Whatever else differs has a
row of its own. This is what is shown; record, counts and commands have each answer.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from runbook_lib import display
from runbook_lib.mail.probes.row import Row
from runbook_lib.messages import Message, message
from runbook_lib.messages.words import listed, worded

# Fields of messages whose values a row may list.
_RECORD = "record"
_VERSION = "version"


def table_of(rows: Sequence[Row]) -> display.Shown:
    """Rows of one claim as a table, with the commands that repeat them folded below."""
    lines = _folded(_folded(list(map(_Line.of, rows)), _over_both), _of_both_versions)
    body = [
        (str(line.row.port or ""), over(line.addresses), line.seen, worded(line.row.told)) for line in lines
    ]
    commands = "\n".join(dict.fromkeys(row.command for row in rows if row.command))
    heads = (message("port"), message("over"), message("seen"), message("verdict"))
    caption = told(len(rows), len(lines))
    table = display.Table(heads, body, caption)
    if not any(port or addresses for port, addresses, _, _ in body):
        table = display.Table(heads[2:], [(seen, verdict) for _, _, seen, verdict in body], caption)
    return (
        display.Parts([table, display.Folded(message("the same by hand"), commands)]) if commands else table
    )


def told(answers: int, rows: int) -> str:
    """How many answers a table has, where it has fewer rows; else ''."""
    if answers == rows:
        return ""
    if rows == 1:
        return message("{answers} answers in 1 row", answers=answers)
    return message("{answers} answers in {rows} rows", answers=answers, rows=rows)


def over(addresses: Iterable[str]) -> str:
    """By which families addresses were asked; '' without any.

    The family, not the address: what a reader sees is the same in every lab.
    """
    counts: dict[str, int] = {}
    for address in dict.fromkeys(addresses):
        family = "IPv6" if ":" in address else "IPv4"
        counts[family] = counts.get(family, 0) + 1
    families = [
        family if number == 1 else message("{family} ({number} addresses)", family=family, number=number)
        for family, number in counts.items()
    ]
    return listed(families) if families else ""


@dataclass(frozen=True)
class _Line:
    """A row of the table.

    Args:
        row: the first of its answers.
        addresses, records, versions: what differs between them, in their order.
    """

    row: Row
    addresses: tuple[str, ...]
    records: tuple[str, ...]
    versions: tuple[str, ...]

    @classmethod
    def of(cls, row: Row) -> "_Line":
        addresses = (row.address,) if row.address else ()
        return cls(row, addresses, _values(row.seen, _RECORD), _values(row.seen, _VERSION))

    @property
    def same(self) -> tuple[object, ...]:
        """What all of its answers have in common."""
        words = _with(_with(self.row.seen, _RECORD, ""), _VERSION, "")
        return self.row.claim, self.row.port, self.row.told, words

    @property
    def seen(self) -> str:
        words = self.row.seen
        if len(self.records) > 1:
            words = _with(words, _RECORD, listed(self.records))
        if len(self.versions) > 1:
            words = _with(words, _VERSION, message("{versions} each", versions=listed(self.versions)))
        return words


def _folded(lines: Sequence[_Line], merged: Callable[[_Line, _Line], _Line | None]) -> list[_Line]:
    """Each line in the first one that it can be merged with."""
    found: list[_Line] = []
    for line in lines:
        for place, earlier in enumerate(found):
            if (both := merged(earlier, line)) is not None:
                found[place] = both
                break
        else:
            found.append(line)
    return found


def _over_both(first: _Line, second: _Line) -> _Line | None:
    """Both as one, where they differ in the address alone."""
    differ = first.addresses and second.addresses and not set(first.addresses) & set(second.addresses)
    if not differ or (first.same, first.versions) != (second.same, second.versions):
        return None
    records = tuple(dict.fromkeys(first.records + second.records))
    return replace(first, addresses=first.addresses + second.addresses, records=records)


def _of_both_versions(first: _Line, second: _Line) -> _Line | None:
    """Both as one, where they differ in the version alone: then each was asked over the same addresses."""
    differ = len(second.versions) == 1 and first.versions and second.versions[0] not in first.versions
    alike = (first.same, first.addresses, first.records) == (second.same, second.addresses, second.records)
    return replace(first, versions=first.versions + second.versions) if differ and alike else None


def _values(words: str, field: str) -> tuple[str, ...]:
    """What stands in the fields of a name, in a message and in those within it; each once."""
    if not isinstance(words, Message):
        return ()
    found = [
        value
        for name, one in words.fields.items()
        for value in ((str(one),) if name == field else _values(one, field) if isinstance(one, str) else ())
    ]
    return tuple(dict.fromkeys(found))


def _with(words: str, field: str, value: str) -> str:
    """The same message with another value in the fields of a name."""
    if not isinstance(words, Message):
        return words
    fields = {
        name: value if name == field else _with(one, field, value) if isinstance(one, str) else one
        for name, one in words.fields.items()
    }
    return Message(words.template, fields)
