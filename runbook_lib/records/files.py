"""Files of a record: replaced in one step, and never lost when a chapter runs again."""

import errno
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runbook_lib.errors import RecordNotWritten
from runbook_lib.messages import message

# What belongs to one chapter of one host: data, its page, its plan as a script, the executed notebook, that one's page.
SUFFIXES = (".json", ".html", ".sh", ".ipynb", ".notebook.html")
_SHARED_FOLDER = 0o2750  # what is made in it has its group
_group: int | None = None
_RESERVE_BYTES = 1 << 20
_reserve: Path | None = None
_EARLIER = re.compile(r".+\.(?P<number>[0-9]+)")
GIT_ATTRIBUTES = "# Records are evidence: no transport may touch a byte of them.\n* binary\n"


def share_with(group: int | None) -> None:
    """From now on what this process writes may be read by a group (its id), too; None: by its owner alone."""
    global _group
    _group = group


def reserve(path: Path) -> None:
    """Keep room on the disk in a file of its own, for the end of a run's record and its seal.

    Raises: RecordNotWritten: there is none. Nothing is left of the file.
    Source: posix_fallocate(3).
    """
    with told_where(path), path.open("wb") as file:
        path.chmod(0o600)
        try:
            os.posix_fallocate(file.fileno(), 0, _RESERVE_BYTES)
        except OSError:
            path.unlink()
            raise
    give_up_when_full(path)


def give_up(reserved: Path) -> None:
    """Give back the room that was kept, if it still is.

    Raises: RecordNotWritten: the folder takes no change.
    """
    with told_where(reserved):
        reserved.unlink(missing_ok=True)


def give_up_when_full(path: Path) -> None:
    """From now on the first write of this process that finds the disk full gives up this reserve."""
    global _reserve
    _reserve = path


def write_atomically(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Replace `path` by `content`: a reader, or a crash at any moment, sees the old file or the new one.

    It is for its owner alone, and for the group that records are shared with: a record tells how a server can be
    reached and by whom.

    Raises: RecordNotWritten: the disk is full, or takes nothing.
    """
    with told_where(path):
        _replace(path, content, mode)


@contextmanager
def told_where(path: Path) -> Iterator[None]:
    """Tell what the system says of a file of a record as an error with its path.

    Where the disk is full, the reserve is given up: what is written next finds room.

    Raises: RecordNotWritten.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT) and _reserve is not None:
            _reserve.unlink(missing_ok=True)
        raise RecordNotWritten(
            message("the record cannot be written: {reason}", reason=error.strerror or str(error)),
            str(path),
            message(
                "make room there, or let it be written, or name another folder in RUNBOOK_RECORDS (with "
                "the run's folder copied to it, where the run is to go on)"
            ),
            "",
        ) from None


def _replace(path: Path, content: bytes, mode: int) -> None:
    make_folder(path.parent)
    descriptor, name = tempfile.mkstemp(prefix=".", suffix=".part", dir=path.parent)
    part = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.chmod(mode)
        _share(part, mode | 0o040)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def append(path: Path, line: bytes) -> None:
    """Add a line to a file, whole or not at all; it is on the disk when this returns.

    Raises: OSError: the disk is full, or takes nothing.
    """
    make_folder(path.parent)
    made = not path.exists()
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        size = os.fstat(descriptor).st_size
        if made:
            _share(path, 0o640)
        try:
            if os.write(descriptor, line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(descriptor)
        except OSError:
            os.ftruncate(descriptor, size)
            raise
    finally:
        os.close(descriptor)
    if made:
        _sync_folder(path.parent)


def make_folder(folder: Path) -> None:
    """Each folder that is not there is made for who may read records; one that is there keeps its mode."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
        _share(folder, _SHARED_FOLDER)


def _share(path: Path, mode: int) -> None:
    """Give what was made to the group that may read it, where there is one."""
    if _group is not None:
        os.chown(path, -1, _group)  # first: it takes the bits of set-id away (chown(2))
        path.chmod(mode)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def prepare_root(root: Path) -> None:
    """Make the folder of records and tell git, once, to keep its bytes; a file of one's own there stays.

    One that is there, and is one's own, is opened to the group that records are shared with; runs in it stay as they
    are.
    """
    attributes = root / ".gitattributes"
    if not attributes.exists():
        write_atomically(attributes, GIT_ATTRIBUTES.encode())
    there = root.stat()
    if _group is not None and there.st_uid == os.geteuid():
        with told_where(root):
            _share(root, stat.S_IMODE(there.st_mode) | _SHARED_FOLDER)


def attempt(path: Path) -> int:
    """Which run of its chapter a record is of: 0 for the one that counts, else the number of one that was set aside."""
    earlier = _EARLIER.fullmatch(path.stem)
    return int(earlier["number"]) if earlier else 0


def set_aside(folder: Path, chapter: str) -> None:
    """Rename what an earlier run of `chapter` left to CHAPTER.1.json, CHAPTER.2.json, … with its pages."""
    if not (folder / f"{chapter}.json").exists():
        return
    with told_where(folder / f"{chapter}.json"):
        _set_aside(folder, chapter)


def keep_aside(record: Path) -> None:
    """Keep a record as it is now, CHAPTER.1.json, CHAPTER.2.json, …, since it is written on."""
    number = _next_number(record.parent, record.stem)
    write_atomically(record.with_name(f"{record.stem}.{number}{record.suffix}"), record.read_bytes())


def _next_number(folder: Path, chapter: str) -> int:
    number = 1
    while any((folder / f"{chapter}.{number}{suffix}").exists() for suffix in SUFFIXES):
        number += 1
    return number


def _set_aside(folder: Path, chapter: str) -> None:
    number = _next_number(folder, chapter)
    for suffix in SUFFIXES:
        earlier = folder / f"{chapter}{suffix}"
        if earlier.exists():
            earlier.rename(folder / f"{chapter}.{number}{suffix}")
