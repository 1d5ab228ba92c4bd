"""Files and directories on a host: what they are, what they would be, written in one step."""

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from runbook_lib import display
from runbook_lib.errors import CommandFailed
from runbook_lib.remote.change import Change, TouchedPath, here_document, quote
from runbook_lib.remote.facts import Fact


@dataclass(frozen=True)
class FileState:
    """A file: its bytes, owner ('root:root') and mode.

    `content` is None for a file whose bytes do not leave the host (a private key); then only `digest` is known.
    """

    content: bytes | None
    owner: str
    mode: int
    digest: str

    @classmethod
    def wanted(cls, content: bytes, owner: str = "root:root", mode: int = 0o644) -> "FileState":
        """A file as it should be."""
        return cls(content, owner, mode, hashlib.sha256(content).hexdigest())

    @property
    def line(self) -> str:
        """As `state` in journal.sh prints it."""
        return f"file {self.mode:o} {self.owner} {self.digest}"

    def __repr__(self) -> str:
        return f"FileState({self.line})"


@dataclass(frozen=True)
class Seen:
    """What a path is on the host: the line that `state` prints, and the file's state if it is one."""

    line: str
    file: FileState | None = None

    @property
    def is_absent(self) -> bool:
        return self.line == "absent"


def looks(paths: Iterable[PurePosixPath], secret: Iterable[PurePosixPath] = ()) -> dict[str, str]:
    """Facts that say what paths are, to be gathered as root with the journal's functions, and read by `seen_in`.

    Args:
        paths: files whose bytes are wanted too; directories and absent paths are fine.
        secret: files of which only state and digest are read.
    """
    told = {str(path): f"state {quote(path)}" for path in secret}
    for path in paths:
        word = quote(path)
        told[str(path)] = (
            f"state {word}; if [ -f {word} ] && [ ! -L {word} ]; then base64 < {word} | tr -d '\\n'; fi"
        )
    return told


def seen_in(
    facts: Mapping[str, Fact], paths: Iterable[PurePosixPath], secret: Iterable[PurePosixPath] = ()
) -> dict[PurePosixPath, Seen]:
    """What each path is, from the facts that `looks` asked for; a symbolic link is seen as a link.

    Raises: CommandFailed: a path could not be looked at.
    """
    bare = set(secret)
    found = {}
    for path in (*paths, *bare):
        fact = facts[str(path)]
        line, _, body = fact.value.partition("\n")
        if fact.status != 0:
            raise CommandFailed(
                f"looking at it ended with status {fact.status}", str(path), "look at it on the host"
            )
        kind, _, rest = line.partition(" ")
        file = None
        if kind == "file":
            mode, owner, digest = rest.rsplit(" ", 2)
            file = FileState(None if path in bare else base64.b64decode(body), owner, int(mode, 8), digest)
        found[path] = Seen(line, file)
    return found


@dataclass(frozen=True)
class FileChange(Change):
    """A file from one state to another; read backwards it is its own undo.

    Args:
        path: the file.
        before: what is there now; None when the plan could not know it.
        after: what will be there.
        why: the reason, shown with the diff.
    """

    path: PurePosixPath
    before: Seen | None
    after: FileState
    why: str = ""

    @property
    def title(self) -> str:
        made = "made" if self.before is None or self.before.is_absent else "changed"
        return f"{self.path} is {made}" + (f": {self.why}" if self.why else "")

    @property
    def touches(self) -> Sequence[TouchedPath]:
        return (TouchedPath(self.path, self.before.line if self.before else None, self.after.line),)

    def diff(self) -> str:
        old = self.before.file if self.before else None
        text = display.unified_diff(str(self.path), old.content if old else None, self.after.content)
        if old is not None and (old.mode, old.owner) != (self.after.mode, self.after.owner):
            text += f"-{old.owner} {old.mode:04o}\n+{self.after.owner} {self.after.mode:04o}\n"
        elif old is None:
            text += f"+{self.after.owner} {self.after.mode:04o}\n"
        return text

    def as_lines(self) -> str:
        head = f"# {self.path}, {self.after.owner} {self.after.mode:04o}"
        return f"{head}\n{display.escape_bytes(self.after.content or b'')}"

    def commands(self) -> str:
        assert self.after.content is not None, "a file whose bytes stay on the host is not written from here"
        text = self.after.content.decode("utf-8", errors="surrogateescape")
        new = self.path.with_name(f".{self.path.name}.new")
        owner, group = self.after.owner.split(":")
        return (
            f"install -o {quote(owner)} -g {quote(group)} -m {self.after.mode:04o} /dev/stdin {quote(new)} "
            f"{here_document(text)}\n"
            f"sync {quote(new)}\nmv {quote(new)} {quote(self.path)}"
        )


@dataclass(frozen=True)
class DirectoryChange(Change):
    """A directory that is there with this owner and mode."""

    path: PurePosixPath
    before: Seen | None
    owner: str
    mode: int
    why: str = ""

    @property
    def title(self) -> str:
        return f"{self.path}/ is {self.owner} {self.mode:04o}" + (f": {self.why}" if self.why else "")

    @property
    def touches(self) -> Sequence[TouchedPath]:
        was = self.before.line if self.before else None
        return (TouchedPath(self.path, was, f"dir {self.mode:o} {self.owner}"),)

    def diff(self) -> str:
        old = f"-{self.before.line}\n" if self.before and not self.before.is_absent else ""
        return f"{old}+dir {self.mode:o} {self.owner}\n"

    def commands(self) -> str:
        owner, group = self.owner.split(":")
        return f"install -d -o {quote(owner)} -g {quote(group)} -m {self.mode:04o} {quote(self.path)}"


def plan_file(
    path: PurePosixPath, seen: Seen | None, wanted: FileState, why: str = ""
) -> tuple[FileChange, ...]:
    """The change that makes `path` as wanted; none when it is. Touches nothing."""
    if seen is not None and seen.line == wanted.line:
        return ()
    return (FileChange(path, seen, wanted, why),)


def plan_directory(
    path: PurePosixPath, seen: Seen | None, owner: str = "root:root", mode: int = 0o755, why: str = ""
) -> tuple[DirectoryChange, ...]:
    """The change that makes `path` a directory as wanted; none when it is. Touches nothing."""
    if seen is not None and seen.line == f"dir {mode:o} {owner}":
        return ()
    return (DirectoryChange(path, seen, owner, mode, why),)


@dataclass(frozen=True)
class MadeOnHost(Change):
    """Files that the host itself makes from what it has: keys, a CSR, a joined file.

    Args:
        what: the title.
        paths: the files touched, with their state of before.
        lines: the commands that make them; each writes beside the file and renames.
        shown: the diff; for secret files digests and descriptions only.
        needs: environment variables for the commands.
    """

    what: str
    paths: tuple[TouchedPath, ...]
    lines: str
    shown: str
    needs: tuple[tuple[str, "object"], ...] = ()

    @property
    def title(self) -> str:
        return self.what

    @property
    def touches(self) -> Sequence[TouchedPath]:
        return self.paths

    def diff(self) -> str:
        return self.shown

    def commands(self) -> str:
        return self.lines
