"""Whether a chapter passed: papermill's own status is not believed (nteract/papermill#501, #337)."""

from dataclasses import dataclass

from nbformat import NotebookNode

from runbook_lib.records.model import Failure, Outcome, RecordData

LINES_SHOWN = 20


@dataclass(frozen=True)
class Stopped:
    """What ended an execution from outside, and the cell that did not get to its end (None: no cell began)."""

    failure: Failure
    cell: int | None


@dataclass(frozen=True)
class Judgement:
    """How a chapter came out; `cell` counts the notebook's own code cells from 1."""

    outcome: Outcome
    failure: Failure | None = None
    cell: int | None = None


def judge(
    notebook: NotebookNode | None, record: RecordData | None, stopped: Stopped | None = None
) -> Judgement:
    """Passed only when every code cell has run, none shows an error, and the record says how it came out.

    Args:
        notebook: as it was executed; None when not even its first cell could be.
        record: what the chapter recorded in this execution; None when it did not begin a record.
        stopped: a kernel that died, a deadline, a person's wish; None when the execution came to its own end.
    """
    if stopped:
        return Judgement("failed", stopped.failure, stopped.cell)
    number = 0
    for cell in notebook.cells if notebook else ():
        if cell.cell_type != "code" or not cell.source.strip():
            continue
        # What papermill put in is told as the cell before it: a person looks for it in the notebook.
        number += "injected-parameters" not in cell.metadata.get("tags", [])
        error = next((output for output in cell.outputs if output.output_type == "error"), None)
        if error is not None:
            message = _told(error.ename, error.evalue)
            return Judgement("failed", Failure(type=error.ename, message=message), number)
        if cell.metadata.get("papermill", {}).get("exception") is True:
            return _failed(f"the cell failed; it shows:\n{_shown(cell)}", number)
        if cell.execution_count is None:
            return _failed("the cell was not run", number)
    return _by_record(record)


def _by_record(record: RecordData | None) -> Judgement:
    if record is None:
        return _failed("every cell ran, but the chapter left no record")
    if record.outcome not in ("passed", "planned", "not proven"):
        return _failed(f"every cell ran, but the record says {record.outcome!r}")
    if not record.summary:
        return _failed("every cell ran, but the record has no summary")
    return Judgement(record.outcome)


def _failed(message: str, cell: int | None = None) -> Judgement:
    return Judgement("failed", Failure(type="NotPassed", message=message), cell)


def _told(name: str, value: str) -> str:
    """An error as a person reads it: ours say all themselves, another needs its name."""
    return value if "\n  To do: " in value else f"{name}: {value}".removesuffix(": ")


def _shown(cell: NotebookNode) -> str:
    """The end of what a cell shows as text: where no error output is, the error is told there (magics, rich)."""
    texts = [
        output.text if output.output_type == "stream" else output.get("data", {}).get("text/plain", "")
        for output in cell.outputs
    ]
    return "\n".join("\n".join(texts).strip().splitlines()[-LINES_SHOWN:])
