"""Files compared with what is known of them: as they were, altered, changed by transport, missing, or one more."""

import hashlib
import stat
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

_TRANSPORTED_BYTES_MAX = 256 << 20  # more is not looked through for line ends


def sha256_of(path: Path) -> str:
    """The digest of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True)
class Compared:
    """Paths in a folder, sorted, by what became of the files.

    Args:
        transported: only the line ends differ: a checkout or a mail changed them.
    """

    unchanged: tuple[str, ...] = ()
    altered: tuple[str, ...] = ()
    transported: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """True when every file is as it was, and there is no other."""
        return not (self.altered or self.transported or self.missing or self.extra)


def compare(
    folder: Path, known: Mapping[str, str], there: Collection[str], sizes: Mapping[str, int]
) -> Compared:
    """Compare the files of a folder.

    Args:
        known: path to SHA-256.
        sizes: path to size in bytes, where it is known: a file of another size is not read to its end.
        there: what is in the folder, of what should be known.
    """
    sorted_out: dict[str, list[str]] = {"unchanged": [], "altered": [], "transported": []}
    for path in sorted(known.keys() & there):
        sorted_out[_compared(folder / path, known[path], sizes.get(path))].append(path)
    return Compared(
        **{word: tuple(found) for word, found in sorted_out.items()},
        missing=tuple(sorted(known.keys() - there)),
        extra=tuple(sorted(set(there) - known.keys())),
    )


def _compared(path: Path, sha256: str, size: int | None) -> str:
    status = path.lstat()
    if not stat.S_ISREG(status.st_mode):  # what a link leads to can change without a trace; a pipe never ends
        return "altered"
    most = _TRANSPORTED_BYTES_MAX if size is None else size
    if status.st_size <= most and sha256_of(path) == sha256:
        return "unchanged"
    # Other line ends double a file at most.
    if status.st_size > min(2 * most, _TRANSPORTED_BYTES_MAX):
        return "altered"
    unix = path.read_bytes().replace(b"\r\n", b"\n")
    digests = (hashlib.sha256(text).hexdigest() for text in (unix, unix.replace(b"\n", b"\r\n")))
    return "transported" if sha256 in digests else "altered"
