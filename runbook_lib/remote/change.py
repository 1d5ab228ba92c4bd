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
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from runbook_lib import display
from runbook_lib.credentials import Secret


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


@dataclass(frozen=True, repr=False)
class Plan(display.Shown):
    """An ordered list of changes under a title. An empty plan is 'nothing to do'."""

    title: str
    changes: tuple[Change, ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def is_empty(self) -> bool:
        """True when the host is as wanted."""
        return not self.changes

    @property
    def digest(self) -> str:
        """SHA-256 over what decides the plan: kinds, titles, diffs and commands, in order."""
        told = [[c.kind, c.title, c.diff(), c.commands()] for c in self.changes]
        return hashlib.sha256(json.dumps([self.title, told], sort_keys=True).encode()).hexdigest()

    def as_shell(self) -> str:
        """The plan as commands for a person at a root shell, in order, with comments."""
        parts = []
        for change in self.changes:
            asked = "".join(
                f"printf '%s: ' {name}; read -r {name}; export {name}  # a secret: it is asked, never written here\n"
                for name in change.secrets
            )
            parts.append(f"# {change.title}\n{asked}{change.commands().rstrip()}\n")
        return "\n".join(parts)

    def as_data(self) -> list[dict[str, str]]:
        """The changes as the record keeps them."""
        return [
            {"title": c.title, "kind": c.kind, "diff": c.diff(), "commands": c.commands()}
            for c in self.changes
        ]

    def _shown(self) -> display.Parts:
        if self.is_empty:
            return display.Parts(
                [display.Text(f"{self.title}: nothing to do."), *map(display.Text, self.notes)]
            )
        parts: list[display.Shown] = [display.Text(note) for note in self.notes]
        for change in self.changes:
            parts.append(display.Diff(f"@ {change.title}\n{change.diff()}"))
        parts.append(display.Folded("the same as commands to type as root", self.as_shell()))
        return display.Parts(parts)

    def text(self) -> str:
        return self._shown().text()

    def html(self) -> str:
        return self._shown().html()


def quote(word: str | PurePosixPath) -> str:
    """One word for POSIX sh."""
    return shlex.quote(str(word))


def here_document(content: str) -> str:
    """`<<'MARK'` with `content`, which must end with a newline; the mark is one that does not occur in it."""
    mark = "EOF"
    while mark in content.split("\n"):
        mark += "_"
    return f"<<'{mark}'\n{content}{mark}"
