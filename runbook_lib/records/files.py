"""Files of a record: replaced in one step, and never lost when a chapter runs again."""

import os
import tempfile
from pathlib import Path

# What belongs to one chapter of one host: data, its page, its plan as a script, the executed notebook, that one's page.
SUFFIXES = (".json", ".html", ".sh", ".ipynb", ".notebook.html")
GIT_ATTRIBUTES = "# Records are evidence: no transport may touch a byte of them.\n* binary\n"


def write_atomically(path: Path, content: bytes) -> None:
    """Replace `path` by `content`: a reader, or a crash at any moment, sees the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=".", suffix=".part", dir=path.parent)
    part = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.chmod(0o644)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def prepare_root(root: Path) -> None:
    """Make the folder of records and tell git, once, to keep its bytes; a file of one's own there stays."""
    attributes = root / ".gitattributes"
    if not attributes.exists():
        write_atomically(attributes, GIT_ATTRIBUTES.encode())


def set_aside(folder: Path, chapter: str) -> None:
    """Rename what an earlier run of `chapter` left to CHAPTER.1.json, CHAPTER.2.json, … with its pages."""
    if not (folder / f"{chapter}.json").exists():
        return
    number = 1
    while any((folder / f"{chapter}.{number}{suffix}").exists() for suffix in SUFFIXES):
        number += 1
    for suffix in SUFFIXES:
        earlier = folder / f"{chapter}{suffix}"
        if earlier.exists():
            earlier.rename(folder / f"{chapter}.{number}{suffix}")
