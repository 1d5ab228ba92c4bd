"""All records in one archive, with what an auditor needs to check them: no runbook, no network, no host.

The same records give the same bytes. What was sealed goes in as it is; pages are made anew from the data, beside it.
"""

import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from runbook_lib import places
from runbook_lib.errors import RunbookError, UsageError
from runbook_lib.messages import message
from runbook_lib.records import (
    comparison,
    files,
    forms,
    index,
    origin,
    pages,
    report,
    seal,
    site_page,
    verification,
)
from runbook_lib.visible import visible

_AUDIT = Path(__file__).parent / "audit"
_ROOT = "records-for-audit"
_NOBODY = "nobody was named when this archive was written (記載なし)"


@dataclass(frozen=True)
class Written:
    """An archive that was written.

    Args:
        heads: the last line of each stream, which the auditor gets on another way.
        wrong: what does not hold; it is in the archive all the same.
    """

    runs: int
    sha256: str
    heads: tuple[str, ...]
    wrong: tuple[str, ...]


def write(root: Path, file: Path) -> Written:
    """Write all records under a folder into a new tar file, for its owner alone.

    Raises:
        UsageError: the file is there already, or there are no records.
        RecordNotWritten: nothing can be written there.
    """
    if file.exists():
        raise UsageError(message("is there already"), str(file), message("name a new file"))
    if not index.runs(root):
        raise UsageError(
            message("there are no records under {root}", root=root),
            "--output",
            message("see runbook records list"),
        )
    found = verification.check_all(root)
    wrong = list(found.told_wrong)
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, one in _contents(root, found, wrong):
            member = tarfile.TarInfo(f"{_ROOT}/{name}")
            member.size, member.mode = len(one), 0o600
            archive.addfile(member, io.BytesIO(one))
    files.write_atomically(file, content.getvalue())
    return Written(len(found.runs), comparison.sha256_of(file), found.heads, tuple(wrong))


def _contents(root: Path, found: verification.Site, wrong: list[str]) -> Iterator[tuple[str, bytes]]:
    yield from report.make(root, found).files()
    yield "check.sh", (_AUDIT / "check.sh").read_bytes()
    readme = (_AUDIT / "README").read_text(encoding="utf-8")
    yield "README", readme.replace("@LOG_SERVER@", visible(origin.log_server() or _NOBODY)).encode()
    for path in sorted(root.iterdir()):
        is_derived = path.name.startswith(".") or path.name == index.PAGE
        if path.is_file() and not path.is_symlink() and not is_derived:
            yield f"records/{path.name}", path.read_bytes()
    checks = {check.run: check for check in found.runs}
    linked = set[str]()
    for run in sorted(index.runs(root)):
        folder = root / run
        there = set(seal.paths(folder))
        is_sealed = (folder / seal.SUMS).is_file()
        for name in sorted(there | set(seal.BESIDE)):
            is_regular = (folder / name).is_file() and not (folder / name).is_symlink()
            if is_regular and not (is_sealed and seal.is_page(name, there)):
                yield f"records/{run}/{name}", (folder / name).read_bytes()
        try:
            yield from _pages(folder, checks.get(run, verification.Check(run)))
            linked.add(run)
        except (RunbookError, OSError) as error:
            wrong.append(f"{run}: no pages can be made of it: {error}")
    yield f"pages/{index.PAGE}", site_page.page(root, linked).encode()


def _pages(folder: Path, checked: verification.Check) -> Iterator[tuple[str, bytes]]:
    """The pages of a run, made from its data."""
    from runbook_lib.records.attachment import read_notebook
    from runbook_lib.records.notebook_page import notebook_page

    found = index.read_run(folder)
    yield f"pages/{found.run}/{index.PAGE}", pages.index_page(found).encode()
    yield f"forms/{found.run}.html", forms.page(folder, checked).encode()
    for entry in found.entries:
        yield f"pages/{found.run}/{entry.page}", pages.chapter_page(entry, found).encode()
        if (folder / entry.notebook).is_file():
            notebook = read_notebook(folder / entry.notebook)
            page = notebook_page(notebook, entry.record.title, entry.page.name, places.NOTEBOOKS)
            yield f"pages/{found.run}/{entry.notebook_page}", page.encode()
