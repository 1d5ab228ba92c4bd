"""The record of a chapter that did not end it itself: killed, interrupted, or failed before it began one."""

from pathlib import Path

from nbformat import NotebookNode

from runbook_lib.batch.job import Job
from runbook_lib.batch.notebooks import Notebook
from runbook_lib.errors import RecordError, SecretUnavailable
from runbook_lib.records import Record, files, model, operator
from runbook_lib.records.attachment import keep_notebook
from runbook_lib.records.index import Entry
from runbook_lib.records.model import Failure, RecordData
from runbook_lib.records.origin import Moment
from runbook_lib.records.record import Finish
from runbook_lib.records.redaction import resolve_references


def record_path(job: Job, notebook: Notebook) -> Path:
    """Where a chapter's record lies."""
    return job.root / job.run / job.host / f"{notebook.chapter}.json"


def family_of(job: Job) -> str | None:
    """The family of the host's system, as its chapters of this run found it."""
    folder = job.root / job.run / job.host
    found = (model.read(path).facts.get("family") for path in sorted(folder.glob("*.json")))
    return next((family for family in found if family), None)


def set_earlier_aside(job: Job, notebook: Notebook) -> None:
    """Before a chapter runs: what it left in this run before is no record of what it does now."""
    files.set_aside(record_path(job, notebook).parent, notebook.chapter)


def record_of(job: Job, notebook: Notebook) -> RecordData | None:
    """The record that a chapter began in this execution; None when it began none."""
    path = record_path(job, notebook)
    return model.read(path) if path.exists() else None


def close_record(
    job: Job, notebook: Notebook, outcome: Finish, failure: Failure, began: Moment | None = None
) -> RecordData:
    """Give a chapter that did not pass a record that says so, and return it.

    A record that says itself why it failed is left as it is.

    Args:
        began: when its execution began; None: it did not.
    """
    begun = record_of(job, notebook)
    if begun is not None and begun.outcome in ("failed", "interrupted"):
        return begun
    if begun is not None:
        record = Record.open(record_path(job, notebook), began)
    else:
        record = Record.begin(
            job.root,
            job.run,
            job.host,
            notebook.chapter,
            title=notebook.title,
            mode=job.mode,
            reason=job.reason,
            operator=operator(),
            lab=False,  # nobody has proven that it is one
            facts={},
            inventory_sha256=job.book.digest,
        )
    undo = f"runbook rollback {job.run} --host {job.host}" if record.data.changes_made else None
    record.finish(outcome, record.data.summary, undo=record.data.undo or undo, error=failure)
    return record.data


def keep_what_ran(
    job: Job, notebook: Notebook, executed: NotebookNode, record: RecordData, failure: Failure
) -> Failure:
    """Attach the cells that a killed worker had run; returns the failure, which says it where that cannot be.

    The worker's secrets are resolved here, to look for them: a cell may show one.
    """
    unavailable = resolve_references(job.book, job.host)
    folder = job.root / job.run
    entry = Entry(record_path(job, notebook).relative_to(folder), 0, record)
    try:
        if unavailable:
            raise unavailable[0]
        keep_notebook(executed, folder, entry, notebook.path.parent)
    except (RecordError, SecretUnavailable) as error:  # also where the disk takes nothing
        told = f"{failure.message}\nIts notebook was not kept: {error}"
        return Failure(type=failure.type, message=told)
    return failure
