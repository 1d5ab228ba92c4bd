"""A change is a value: what is now, what would be, the commands that make it so, and its undo.

The commands that `as_shell` prints for a person to type are the commands that apply runs: there is no
second description. Around them apply puts a guard (the host is still as the plan saw it) and the
journal (what was there before, kept on the host before the first byte moves).
"""

import hashlib
import json
import shlex
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from runbook_lib import display
from runbook_lib.credentials import Secret
from runbook_lib.messages import joined, message
from runbook_lib.visible import one_line

_LINES_MAX = 40  # about a screen; of a longer plan each change is folded in a browser, below the plan's title


@dataclass(frozen=True)
class TouchedPath:
    """A path that a change touches.

    Args:
        path: absolute path on the host.
        was: its state as `state` in journal.sh prints it ('absent', 'file 644 root:root SHA256', …);
            None when the plan could not know it (the package that brings the file is not there yet).
        will: its state after the change where that is known before; else None.
        secret: its bytes are neither shown nor copied beyond the image of before.
    """

    path: PurePosixPath
    was: str | None
    will: str | None = None
    secret: bool = False


@dataclass(frozen=True)
class Guard:
    """A read-only command whose output must be what the plan saw, and words for when it is not."""

    command: str
    expected: str
    label: str


class Change(ABC):
    """One change to a host. Subclasses are frozen dataclasses."""

    @property
    @abstractmethod
    def title(self) -> str:
        """One line: what will be so afterwards."""

    @abstractmethod
    def diff(self) -> str:
        """What changes, as lines that begin with + and -. Never a secret."""

    @abstractmethod
    def commands(self) -> str:
        """The shell lines (POSIX sh, as root) that make the change: a person types them, apply runs them."""

    @property
    @abstractmethod
    def thing(self) -> str:
        """What is changed: a path, a unit, a group. With `kind` it says which change this is, whatever its words."""

    def state_before(self) -> str:
        """What an approval binds of what is there; '' where a package of the same run decides it."""
        return _signed_lines(self.diff(), "-")

    def state_after(self) -> str:
        """What an approval binds of what will be there."""
        return _signed_lines(self.diff(), "+")

    @property
    def kind(self) -> str:
        """The kind of change, for the record: the class's name."""
        return type(self).__name__

    @property
    def touches(self) -> Sequence[TouchedPath]:
        """The paths whose state and bytes the journal keeps."""
        return ()

    @property
    def guards(self) -> Sequence[Guard]:
        """Further reads that must still be as the plan saw them."""
        return ()

    @property
    def secrets(self) -> Mapping[str, Secret]:
        """Environment variables that the commands need; a person sets them with `read -rs NAME`."""
        return {}

    @property
    def functions(self) -> Mapping[str, str]:
        """Shell functions, by name of their file, that the undo fragment needs."""
        return {}

    @property
    def timeout_s(self) -> float:
        """Deadline of the whole change on the host, in seconds."""
        return 60.0

    def before_commands(self) -> str:
        """Shell lines that put further before-values into the journal (`$J/$N.…`)."""
        return ""

    def after_commands(self) -> str:
        """Shell lines that put further after-values into the journal."""
        return ""

    def undo(self) -> str:
        """The fragment of undo.sh; `$N` is written as the change's number when it is kept."""
        return "paths_back $N"

    def as_lines(self) -> str:
        """What a file shall have, as text for somebody who writes it in our place."""
        return self.diff()


@dataclass(frozen=True)
class Withheld:
    """A change that apply does not make.

    Args:
        change: what would be made.
        owner: who looks after the file, and makes it in our place; '': nobody, it only waits.
        why: how that is known, or what it waits for.
    """

    change: Change
    owner: str
    why: str

    @property
    def title(self) -> str:
        """One line: what is left to whom."""
        if self.owner:
            return message("{change} (left to {owner})", change=self.change.title, owner=self.owner)
        return message("{change} (waits)", change=self.change.title)

    def shown(self) -> display.Shown:
        """What differs, and the lines for the owner."""
        diff = _titled(because(self.title, self.why), self.change.diff())
        if not self.owner:
            return diff
        lines = message(
            "Lines for {owner}:\n\n{lines}", owner=self.owner, lines=self.change.as_lines().rstrip()
        )
        return display.Parts([diff, display.Text(lines)])

    def as_data(self) -> dict[str, str]:
        """As the record keeps it."""
        return {
            "title": self.change.title,
            "kind": self.change.kind,
            "diff": self.change.diff(),
            "owner": self.owner,
            "why": self.why,
            "lines": self.change.as_lines() if self.owner else "",
        }


@dataclass(frozen=True, repr=False)
class Plan(display.Shown):
    """An ordered list of changes under a title. An empty plan is 'nothing to do'.

    Args:
        withheld: differences that apply leaves as they are, since somebody else owns the file, or since they rest on
            such a file.
    """

    title: str
    changes: tuple[Change, ...] = ()
    notes: tuple[str, ...] = field(default=())
    withheld: tuple[Withheld, ...] = ()

    @property
    def is_empty(self) -> bool:
        """True when the host is as wanted."""
        return not self.changes and not self.withheld

    @property
    def owners(self) -> tuple[str, ...]:
        """Who has something of this plan to make in our place, each once."""
        return tuple(dict.fromkeys(one.owner for one in self.withheld if one.owner))

    @property
    def told(self) -> str:
        """How many changes are ours, left to others, and waiting."""
        left = sum(bool(one.owner) for one in self.withheld)
        waits = len(self.withheld) - left
        parts = [counted(len(self.changes))] if self.changes else []
        if left:
            owners = self.owners[0]
            for further in self.owners[1:]:
                owners = message("{owners} and {further}", owners=owners, further=further)
            parts.append(message("{changes} left to {owners}", changes=counted(left), owners=owners))
        parts += [message("{changes} waiting", changes=counted(waits))] if waits else []
        return joined(", ", parts)

    def with_more(self, other: "Plan") -> "Plan":
        """This plan and what another has, under this one's title; a note that both have is told once."""
        return replace(
            self,
            changes=(*self.changes, *other.changes),
            notes=tuple(dict.fromkeys((*self.notes, *other.notes))),
            withheld=(*self.withheld, *other.withheld),
        )

    @property
    def digest(self) -> str:
        """SHA-256 over what decides the plan: kinds, titles, diffs and commands, in order, and what is withheld."""
        told = [[c.kind, c.title, c.diff(), c.commands()] for c in self.changes]
        told += [list(one.as_data().values()) for one in self.withheld]
        return hashlib.sha256(json.dumps([self.title, told], sort_keys=True).encode()).hexdigest()

    def as_shell(self) -> str:
        """The plan as commands for a person at a root shell, in order, with comments."""
        parts = []
        for change in self.changes:
            asked = "".join(
                f"printf '%s: ' {name}; read -r {name}; export {name}  # a secret: it is asked, never written here\n"
                for name in change.secrets
            )
            parts.append(f"# {one_line(change.title)}\n{asked}{change.commands().rstrip()}\n")
        return "\n".join(parts)

    def as_data(self) -> list[dict[str, str]]:
        """The changes as the record keeps them."""
        return [
            {
                "title": c.title,
                "kind": c.kind,
                "thing": c.thing,
                "before": c.state_before(),
                "after": c.state_after(),
                "diff": c.diff(),
                "commands": c.commands(),
            }
            for c in self.changes
        ]

    def _shown(self) -> display.Parts:
        if self.is_empty:
            nothing = message("{plan}: nothing to do.", plan=self.title)
            return display.Parts([display.Text(nothing), *map(display.Text, self.notes)])
        told = message("{plan}: {changes}.", plan=self.title, changes=self.told)
        parts: list[display.Shown] = [display.Text(told)]
        parts += map(display.Text, self.notes)
        diffs = [_titled(change.title, change.diff()) for change in self.changes]
        lengths = [len(diff.body.splitlines()) for diff in diffs]
        for change, diff, lines in zip(self.changes, diffs, lengths, strict=True):
            title = message("{change} ({lines} lines)", change=change.title, lines=lines)
            is_long = sum(lengths) > _LINES_MAX and lines > 1
            parts.append(display.Foldable(title, diff) if is_long else diff)
        if self.changes:
            by_hand = message("the same as commands to type as root")
            parts.append(display.Folded(by_hand, self.as_shell()))
        parts += [one.shown() for one in self.withheld]
        return display.Parts(parts)

    def text(self) -> str:
        return self._shown().text()

    def html(self) -> str:
        return self._shown().html()


def _signed_lines(diff: str, sign: str) -> str:
    """The lines of a diff with this sign, without it; the two that name the file are none."""
    lines = (line for line in diff.split("\n") if not line.startswith(("--- ", "+++ ")))
    return "\n".join(line[1:] for line in lines if line.startswith(sign))


def _titled(title: str, diff: str) -> display.Diff:
    return display.Diff(joined("", ("@ ", title, "\n", diff)))


def because(what: str, why: str) -> str:
    """What is so or will be, with the reason where there is one."""
    return message("{what}: {why}", what=what, why=why) if why else what


def counted(number: int) -> str:
    """So many changes, in words."""
    return message("1 change") if number == 1 else message("{number} changes", number=number)


def quote(word: str | PurePosixPath) -> str:
    """One word for POSIX sh."""
    return shlex.quote(str(word))


def here_document(content: str) -> str:
    """`<<'MARK'` with `content`, which must end with a newline; the mark is one that does not occur in it."""
    mark = "EOF"
    while mark in content.split("\n"):
        mark += "_"
    return f"<<'{mark}'\n{content}{mark}"
