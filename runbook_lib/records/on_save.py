"""JupyterLab's side of a record: a chapter that was stepped through is attached to its record when it is saved.

`runbook jupyter` names `Notebooks` as the server's contents manager, so nothing has to be typed. (A post-save hook of
the server's own would do, if it did not call whatever stops one an 'unexpected error'.) A person who only saves has not
asked for a command to be run: secrets that one prints, or that a keyring asks a person for, are not fetched here, and
the run is signed only where a key does so without asking.
"""

import sys
from pathlib import Path
from typing import Any

from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager
from tornado.web import HTTPError

from runbook_lib.errors import RecordMissing, RunbookError, SecretNotFollowed
from runbook_lib.places import shown_path
from runbook_lib.records import saved
from runbook_lib.records.attachment import Attached, add_notebook, read_notebook
from runbook_lib.records.origin import root

_FOLLOWED = ("env", "file")


class Notebooks(AsyncLargeFileManager):
    """The files that JupyterLab opens and saves."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        saved.register(self.event_logger)

    def run_post_save_hooks(self, model: dict[str, Any], os_path: str) -> None:
        """As the server's own; then attach the notebook, and say where: in JupyterLab, and in the terminal.

        Raises:
            HTTPError: it was not attached. JupyterLab shows the sentence; the file is saved by then.
        """
        super().run_post_save_hooks(model, os_path)  # type: ignore[no-untyped-call]  # the server's
        name = Path(os_path).name
        try:
            done = attach(model, os_path)
        except RecordMissing as error:
            self.log.warning(str(error))  # its first cells ran, and the chapter is not open yet
        except SecretNotFollowed as error:
            self.log.warning(str(error))  # nobody can look for a secret in it here
            saved.tell_not_attached(self.event_logger, name, error, "waits")
        except RunbookError as error:
            saved.tell_not_attached(self.event_logger, name, error, "refused")
            # Of a client's kind, since the server did what it should; JupyterLab gives 409 a meaning of its own.
            raise HTTPError(422, f"{name} is saved. It was not attached to its record: {error}") from error
        else:
            if done:
                saved.tell_attached(self.event_logger, name, done, root())
                attached = root() / done.entry.record.run / done.entry.notebook
                told = f"Saved, and attached to its record: {shown_path(attached)}\nSeal: {done.kept.told}"
                print(told, file=sys.stderr)  # noqa: T201


def attach(model: dict[str, Any], os_path: str) -> Attached | None:
    """Attach a saved notebook, once a cell of it has run.

    Args:
        model: what Jupyter saved; only its `type` is read.
        os_path: where it was saved.
    Returns: the record that it was attached to, and its seal; or None.
    Raises:
        RecordMissing: it has no record yet.
        SecretNotFollowed: a person has to ask for it, since a command would be run.
        RecordError: the notebook shows a secret; the record is without it.
    """
    if model["type"] != "notebook":
        return None
    path = Path(os_path)
    if not any(cell.get("execution_count") for cell in read_notebook(path).cells):
        return None
    return add_notebook(path, root(), schemes=_FOLLOWED, asking=False)
