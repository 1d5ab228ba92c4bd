"""A run as version 0.1.0 left it: pages and data with a manifest of all, and no seal."""

import hashlib
import json
from pathlib import Path

from runbook_lib.records import index, manifest, pages, seal


def made_of_before(folder: Path) -> Path:
    """Give a run its pages and its manifest; the chain, which that version did not have, goes. Returns the folder."""
    found = index.read_run(folder)
    for entry in found.entries:
        (folder / entry.page).write_text(pages.chapter_page(entry, found), encoding="utf-8")
    (folder / index.PAGE).write_text(pages.index_page(found), encoding="utf-8")
    for path in (
        *folder.parent.glob("*.chain"),
        seal.reserve_of(folder.parent, folder.name),
        folder / ".lock",
        folder / seal.SUMS,
        folder / seal.STATEMENT,
    ):
        path.unlink(missing_ok=True)
    told = seal.told_by_records(found)
    first = min((entry.record for entry in found.entries), key=lambda record: record.started_at)
    fields = ("started_at", "ended_at", "reason", "library", "commit", "clean_tree", "inventory_sha256")
    said = {
        "format": 1, "run": found.run, "made_at": first.started_at, "operator": first.operator, "lock_sha256": None,
        **{name: told[name] for name in fields},
        "files": [
            {
                "path": path, "sha256": hashlib.sha256((folder / path).read_bytes()).hexdigest(),
                "size_bytes": (folder / path).stat().st_size, "open": False,
            }
            for path in seal.paths(folder)
        ],
    }  # fmt: skip
    (folder / manifest.NAME).write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")
    return folder
