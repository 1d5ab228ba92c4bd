"""The note that a run was put back, beside its records: `resume` must not answer that it got through."""

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from runbook_lib.errors import RecordError
from runbook_lib.records import files, origin

NAME = "undone.json"  # it comes after the run, so that the manifest of the run has nothing of it


BY_HAND = "undo.sh on the host"  # typed there, or run by a controller with records of its own


class Undone(BaseModel):
    """One host on which a run was put back, and by whom. `complete`: nothing of it was left alone."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    at: str
    operator: str
    complete: bool

    def __str__(self) -> str:
        return f"put back{'' if self.complete else ' in part'} at {self.at} by {self.operator}"


_BY_HOST = TypeAdapter(dict[str, Undone])


def note(folder: Path, host: str, complete: bool, by: str = "", at: str = "") -> None:
    """Note in a run's folder that it was put back on a host; where the run has no folder here there is no note.

    Args:
        by: who did it; '': the operator, by `runbook rollback`.
        at: when; '': now.
    """
    if not folder.is_dir():
        return
    one = Undone(at=at or origin.now_text(), operator=by or origin.operator(), complete=complete)
    noted = read(folder) | {host: one}
    text = json.dumps({name: one.model_dump() for name, one in noted.items()}, ensure_ascii=False, indent=1)
    files.write_atomically(folder / NAME, f"{text}\n".encode())


def read(folder: Path) -> dict[str, Undone]:
    """Where a run was put back, by host; empty where it was not, as far as is known here.

    Raises: RecordError: the file is not one that `note` wrote.
    """
    path = folder / NAME
    try:
        return _BY_HOST.validate_json(path.read_bytes())
    except FileNotFoundError:
        return {}
    except ValidationError as error:
        raise RecordError(
            f"the note of what was put back cannot be read: {error.errors()[0]['msg']}",
            str(path),
            "move it away: the next rollback writes it anew",
        ) from error
