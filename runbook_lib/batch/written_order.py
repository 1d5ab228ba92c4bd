"""What was ordered, as it lies beside a run's records: enough to go on with the run."""

import json
import os
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from runbook_lib.credentials import another_writer
from runbook_lib.errors import RecordError, RecordNotWritten, UsageError
from runbook_lib.records import files, index

NAME = index.ORDER


class WrittenOrder(BaseModel):
    """An order that was given. It holds no secret: parameters and reason were looked at before.

    Args:
        chapters: name to SHA-256 of the code that its cells are.
        library: digest of the library's files; '' where a run of before does not say it.
        plan: the digest of the plan that was approved; None: nobody asked for one.
        refused: hosts of that plan which changed since and were left as they are, each with what is another.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    format: Literal[1] = 1
    mode: Literal["plan", "apply"]
    inventory: str
    inventory_sha256: str
    hosts: tuple[str, ...]
    chapters: dict[str, str]
    library: str = ""
    workers: int | None
    reason: str
    next_options: str
    parameters: tuple[tuple[str, str], ...]
    plan: str | None = None
    refused: dict[str, tuple[str, ...]] = Field(default_factory=dict)

    def refuse_anothers(self, folder: Path) -> None:
        """Refuse to go on with a run that is somebody else's.

        Raises: RecordNotWritten.
        """
        if (folder / NAME).exists() and not os.access(folder, os.W_OK):
            raise RecordNotWritten(
                "the record of this run is another's: you may read it, and not go on with it",
                str(folder),
                "have its owner resume it, or begin a run of your own: runbook plan",
            )

    def write(self, folder: Path) -> None:
        """Write it into a run's folder, once: what was ordered first is what the run is.

        Raises: RecordNotWritten: nothing can be written there.
        """
        path = folder / NAME
        if not path.exists():
            files.prepare_root(folder.parent)
            text = json.dumps(self.model_dump(), ensure_ascii=False, indent=1) + "\n"
            files.write_atomically(path, text.encode())

    def selection(self, first: str) -> tuple[str | None, str | None]:
        """How an order names these chapters from `first` on: `only` and `start`, one of them None."""
        return (first, None) if len(self.chapters) == 1 else (None, first)

    @classmethod
    def read(cls, folder: Path) -> "WrittenOrder":
        """Read it from a run's folder.

        Raises:
            UsageError: there is no such run, or it was not ordered by `runbook plan` or `runbook apply`.
            RecordError: the file is not one of this format, or somebody else may write it.
        """
        path = folder / NAME
        try:
            content = path.read_bytes()
            if writer := another_writer(path):
                raise RecordError(
                    f"somebody else may write it, and it says which inventory is read: {writer}",
                    str(path),
                    "keep records in a folder of your own that only you can write (chmod -R go-w)",
                )
            return cls.model_validate_json(content)
        except FileNotFoundError:
            raise UsageError(
                "there is no order of such a run, so nobody knows what to go on with",
                str(path),
                "runbook records list shows the runs; one that was done by hand goes on in its notebook",
            ) from None
        except ValidationError as error:
            raise RecordError(
                f"the order cannot be read: {error.errors()[0]['msg']}",
                str(path),
                "take the record again from where it was kept, or begin a new run",
            ) from error
