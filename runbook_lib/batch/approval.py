"""What a run in plan mode has planned, as one document."""

from pathlib import Path

from runbook_lib.batch.written_order import WrittenOrder
from runbook_lib.records import index, model
from runbook_lib.records.planned import Document, OfHost


def decided(folder: Path) -> Document:
    """What a run in plan mode has planned so far.

    Args:
        folder: the run's folder.
    """
    order, found = WrittenOrder.read(folder), index.read_run(folder, model.told_of)
    records = [entry.record for entry in found.current]
    # An installed package has no commit: what it is, the digest of its files says.
    more = {record.commit: " and more" for record in records if record.commit and not record.clean_tree}
    commits = {f"{record.commit or ''}{more.get(record.commit or '', '')}" for record in records}
    return Document.of(
        {
            host: OfHost.of(
                model.read(folder / entry.path) for entry in found.of_host(host) if entry.attempt == 0
            )
            for host in order.hosts
        },
        inventory=order.inventory_sha256,
        commit=" ".join(sorted(commits)),
        library=order.library,
        chapters=order.chapters,
        parameters=order.parameters,
    )
