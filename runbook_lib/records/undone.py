"""That a run was put back: an entry of the chain. `resume` must not answer that the run got through."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from runbook_lib.errors import RecordError
from runbook_lib.messages import message
from runbook_lib.records import chain, files, origin

NAME = "undone.json"  # where version 0.1.0 noted it, in the run's folder


BY_HAND = "undo.sh on the host"  # typed there, or run by a controller with records of its own


class Undone(BaseModel):
    """One host on which a run was put back, and by whom.

    Args:
        complete: nothing of it was left alone.
        rollback: the run that put it back; None: it was none of ours.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    at: str
    operator: str
    complete: bool
    rollback: str | None = None

    def __str__(self) -> str:
        where = f" (run {self.rollback})" if self.rollback else ""
        return f"put back{'' if self.complete else ' in part'} at {self.at} by {self.operator}{where}"


_BY_HOST = TypeAdapter(dict[str, Undone])


def note(
    root: Path,
    run: str,
    host: str,
    *,
    complete: bool,
    rollback: str | None = None,
    by: str = "",
    at: str = "",
) -> None:
    """Note in the chain that a run was put back on a host.

    Args:
        root: the folder of all records.
        rollback: the run that put it back; None: it was none of ours.
        by: who did it; '': the operator.
        at: when; '': now.
    Raises:
        RecordError: the chain is damaged.
        RecordNotWritten: nothing can be written there.
    """
    entry = {
        "kind": "undone", "run": run, "host": host, "complete": complete, "rollback": rollback,
        "at": at or origin.now_text(), "by": by or origin.operator(),
    }  # fmt: skip
    files.prepare_root(root)
    with chain.locked(root):
        chain.append(root, entry)


def read(folder: Path) -> dict[str, Undone]:
    """Where a run was put back, by host; empty where it was not, as far as is known here.

    Raises: RecordError: the note of an earlier version is none.
    """
    return read_all(folder.parent).get(folder.name, {}) | _of_before(folder)


def read_all(root: Path) -> dict[str, dict[str, Undone]]:
    """Where each run was put back, by run and host, as the chain has it."""
    found: dict[str, dict[str, Undone]] = {}
    for entry in chain.undone(root):
        one = Undone(at=entry.at, operator=entry.by, complete=entry.complete, rollback=entry.rollback)
        found.setdefault(entry.run, {})[entry.host] = one
    return found


def _of_before(folder: Path) -> dict[str, Undone]:
    path = folder / NAME
    try:
        return _BY_HOST.validate_json(path.read_bytes())
    except FileNotFoundError:
        return {}
    except ValidationError as error:
        raise RecordError(
            message(
                "the note of what was put back cannot be read: {reason}", reason=error.errors()[0]["msg"]
            ),
            str(path),
            message("move it away: the next rollback writes it anew"),
        ) from error
