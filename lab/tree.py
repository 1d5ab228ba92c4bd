"""A host's files as data: to show that a plan touched nothing, or that a rollback gave everything back.

Read from this machine through the container's mounted root: no program on the host takes part, and the host
sees nothing of it.
"""

import hashlib
import json
import os
import stat
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from lab.podman import podman

# Not files, or written by a host that nobody touches.
OUTSIDE = frozenset({"/proc", "/sys", "/dev", "/run", "/tmp", "/var/log", "/var/lib/sudo/lectured"})  # noqa: S108
_KINDS = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "link",
    stat.S_IFIFO: "pipe",
    stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "character device",
    stat.S_IFBLK: "block device",
}
# Most files come from the image and never change: what was hashed once is known by inode and change time.
_hashed: dict[tuple[int, int, int, str], str] = {}


class Entry(NamedTuple):
    """One path: no times, and no size of a directory, which is the file system's affair."""

    kind: str
    mode: int
    uid: int
    gid: int
    size_bytes: int
    content: str  # SHA-256 of a file, target of a link, else empty


def read_tree(container: str, under: str = "/", outside: Collection[str] = OUTSIDE) -> dict[str, Entry]:
    """Every path of a host.

    Args:
        container: podman's name of the host.
        under: only this folder and what is in it.
        outside: folders that are left out, whole.
    Returns: path → entry, in order of path.
    """
    root = podman("mount", container).stdout.decode().strip()
    try:
        return dict(sorted(_walk(root, under.rstrip("/"), outside)))
    finally:
        podman("umount", container)


def digest(tree: Mapping[str, Entry]) -> str:
    """One SHA-256 for a whole tree."""
    return hashlib.sha256(json.dumps(list(tree.items())).encode("utf-8", "surrogatepass")).hexdigest()


def compare(
    before: Mapping[str, Entry], after: Mapping[str, Entry]
) -> dict[str, tuple[Entry | None, Entry | None]]:
    """The paths that differ: before and after, None where the path is not there."""
    return {
        path: (before.get(path), after.get(path))
        for path in sorted(before.keys() | after.keys())
        if before.get(path) != after.get(path)
    }


def _walk(root: str, folder: str, outside: Collection[str]) -> Iterator[tuple[str, Entry]]:
    folders = [folder]
    while folders:
        here = folders.pop()
        with os.scandir(root + here) as found:
            for item in found:
                path = f"{here}/{item.name}"
                if path in outside:
                    continue
                seen = item.stat(follow_symlinks=False)
                if stat.S_ISDIR(seen.st_mode):
                    folders.append(path)
                yield path, _entry(item.path, seen)


def _entry(path: str, seen: os.stat_result) -> Entry:
    kind = stat.S_IFMT(seen.st_mode)
    size_bytes, content = 0, ""
    if kind == stat.S_IFREG:
        size_bytes, content = seen.st_size, _sha256(path, seen)
    elif kind == stat.S_IFLNK:
        content = str(Path(path).readlink())
    return Entry(_KINDS[kind], stat.S_IMODE(seen.st_mode), seen.st_uid, seen.st_gid, size_bytes, content)


def _sha256(path: str, seen: os.stat_result) -> str:
    key = (seen.st_ino, seen.st_size, seen.st_ctime_ns, path.partition("/merged/")[2])
    if key not in _hashed:
        with Path(path).open("rb") as file:
            _hashed[key] = hashlib.file_digest(file, "sha256").hexdigest()
    return _hashed[key]
