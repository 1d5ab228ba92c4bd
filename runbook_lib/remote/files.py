"""Files and directories on a host: what they are, what they would be, written in one step."""

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import PurePosixPath

from runbook_lib import display
from runbook_lib.errors import ApplyRefused, CommandFailed
from runbook_lib.messages import message
from runbook_lib.remote import journal
from runbook_lib.remote.change import Change, TouchedPath, because, here_document, quote
from runbook_lib.remote.facts import Fact
from runbook_lib.visible import one_line

# What `looks` needs on the host.
FUNCTIONS = journal.FUNCTIONS + resources.files(__package__).joinpath("places.sh").read_text()


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
    """What a path is on the host; of a symbolic link, what it leads to.

    Args:
        line: as `state` prints it.
        file: the file's state if it is one.
        link: the link itself, as `state` prints it; "" where the path is none.
        real: where the file is; None: at the path itself.
        bar: why it cannot be replaced in one step (a mount point, an attribute); "" where it can.
    """

    line: str
    file: FileState | None = None
    link: str = ""
    real: PurePosixPath | None = None
    bar: str = ""

    @property
    def is_absent(self) -> bool:
        return self.line == "absent"

    @property
    def told(self) -> str:
        """That it is no plain file, for a person; "" where there is nothing to say."""
        return self.bar or (message("a link to {path}", path=self.real) if self.link else "")


def looks(paths: Iterable[PurePosixPath], secret: Iterable[PurePosixPath] = ()) -> dict[str, str]:
    """Facts that say what paths are, to be gathered as root with `FUNCTIONS`, and read by `seen_in`.

    Args:
        paths: files whose bytes are wanted too; directories and absent paths are fine.
        secret: files of which only state and digest are read.
    """
    look = 'p=$(place {path}); a=${{p#*\t}}; a=${{a%\t*}}; seen "$a"; printf "%s\\n" "$p"'
    told = {str(path): look.format(path=quote(path)) for path in secret}
    for path in paths:
        told[str(path)] = f'{look.format(path=quote(path))}; if [ -f "$a" ]; then base64 -w 0 < "$a"; fi'
    return told


def ahead(paths: Iterable[PurePosixPath]) -> str:
    """Lines for `gather` that spare the host some programs a path, where `looks` asks for these."""
    return f"look_ahead {' '.join(map(quote, paths))}"


def seen_in(
    facts: Mapping[str, Fact], paths: Iterable[PurePosixPath], secret: Iterable[PurePosixPath] = ()
) -> dict[PurePosixPath, Seen]:
    """What each path is, from the facts that `looks` asked for; a symbolic link is what it leads to.

    Raises: CommandFailed: a path could not be looked at.
    """
    bare = set(secret)
    found = {}
    for path in (*paths, *bare):
        fact = facts[str(path)]
        line, _, rest = fact.value.partition("\n")
        place, _, body = rest.partition("\n")
        if fact.status != 0 or place.count("\t") != 2:
            raise CommandFailed(
                message("looking at it ended with status {status}", status=fact.status),
                str(path),
                message("look at it on the host"),
            )
        kind, _, rest = line.partition(" ")
        file = None
        if kind == "file":
            mode, _, rest = rest.partition(" ")
            owner, _, digest = rest.rpartition(" ")  # a group may have a blank in its name: domain users
            file = FileState(None if path in bare else base64.b64decode(body), owner, int(mode, 8), digest)
        link, real, bar = place.split("\t")
        found[path] = Seen(line, file, link, PurePosixPath(real) if link else None, bar)
    return found


def refuse_barred(seen: Mapping[PurePosixPath, Seen], where: str) -> None:
    """Refuse files that are made whole, as keys and certificates, where something else than a plain file is there.

    Args:
        seen: those that would be written.
        where: the host, for the message.
    Raises:
        ApplyRefused: with each path. Nothing was changed.
    """
    barred = [f"{path}: {one.told}" for path, one in seen.items() if one.told]
    if barred:
        told = "\n    ".join(barred)
        raise ApplyRefused(
            message(
                "this has to be written, and cannot be replaced by a file as it is:\n    {told}", told=told
            ),
            where,
            message(
                "put a plain file in its place, or take away what keeps it from being written; or name "
                "another file in the inventory (certificate)"
            ),
        )


def touched(
    path: PurePosixPath, seen: Seen | None, was: str | None, will: str | None = None
) -> Sequence[TouchedPath]:
    """What a change touches that writes a file: the file itself, and the link that leads to it, which stays."""
    if seen is None or not seen.link:
        return (TouchedPath(path, was, will),)
    return (TouchedPath(seen.real or path, was, will), TouchedPath(path, seen.link, seen.link))


def real(path: PurePosixPath, seen: Seen | None) -> PurePosixPath:
    """Where a file is that a path leads to."""
    return (seen and seen.real) or path


def rewritten(path: PurePosixPath, making: str, first: Sequence[str] = ()) -> str:
    """Lines that write a file anew in one step; what it has beside its bytes stays: owner, mode, ACL, attributes.

    Args:
        path: the file itself, no link to it.
        making: the command that prints the new bytes; below it, the here-document that it reads.
        first: commands that alter what the copy has beside its bytes.
    """
    new = quote(beside(path))
    command, _, document = making.partition("\n")
    rest = [document] if document else []
    lines = [f"cp -a {quote(path)} {new}", *first, f"{command} > {new}", *rest, f"sync {new}"]
    return "\n".join([*lines, f"mv {new} {quote(path)}"])


def beside(path: PurePosixPath) -> PurePosixPath:
    """Where a file is written before it is renamed."""
    return path.with_name(f".{path.name}.new")


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
    def thing(self) -> str:
        return str(self.path)

    def state_before(self) -> str:
        there = "" if self.before is None or self.before.is_absent else self.before.line
        return "\n".join(filter(None, (there, super().state_before())))

    def state_after(self) -> str:
        return f"{self.after.line}\n{super().state_after()}"

    @property
    def title(self) -> str:
        is_new = self.before is None or self.before.is_absent
        what = (
            message("{path} is made", path=self.path)
            if is_new
            else message("{path} is changed", path=self.path)
        )
        return because(what, self.why)

    @property
    def touches(self) -> Sequence[TouchedPath]:
        return touched(self.path, self.before, self.before.line if self.before else None, self.after.line)

    def diff(self) -> str:
        old = self.before.file if self.before else None
        text = display.unified_diff(str(self.path), old.content if old else None, self.after.content)
        if old is not None and (old.mode, old.owner) != (self.after.mode, self.after.owner):
            text += f"-{old.owner} {old.mode:04o}\n+{self.after.owner} {self.after.mode:04o}\n"
        elif old is None:
            text += f"+{self.after.owner} {self.after.mode:04o}\n"
        return text

    def as_lines(self) -> str:
        head = f"# {one_line(str(self.path))}, {self.after.owner} {self.after.mode:04o}"
        return f"{head}\n{display.escape_bytes(self.after.content or b'')}"

    def commands(self) -> str:
        assert self.after.content is not None, "a file whose bytes stay on the host is not written from here"
        text = self.after.content.decode("utf-8", errors="surrogateescape")
        path = real(self.path, self.before)
        owner, mode, new = self.after.owner, f"{self.after.mode:04o}", quote(beside(path))
        if self.before and self.before.file:
            first = (f"chown {quote(owner)} {new}", f"chmod {mode} {new}")
            return rewritten(path, f"cat {here_document(text)}", first)
        user, group = owner.split(":")
        return (
            f"install -o {quote(user)} -g {quote(group)} -m {mode} /dev/stdin {new} {here_document(text)}\n"
            f"sync {new}\nmv {new} {quote(path)}"
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
    def thing(self) -> str:
        return str(self.path)

    @property
    def title(self) -> str:
        what = message("{path}/ is {owner} {mode}", path=self.path, owner=self.owner, mode=f"{self.mode:04o}")
        return because(what, self.why)

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
    def thing(self) -> str:
        return " ".join(str(touched.path) for touched in self.paths)

    def state_before(self) -> str:
        return "\n".join(path.was or "" for path in self.touches)

    def state_after(self) -> str:
        return ""  # what the commands make of what is there then

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
