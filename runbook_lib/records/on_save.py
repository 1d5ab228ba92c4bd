"""JupyterLab's side of a record: a chapter that was stepped through is attached to its record when it is saved.

`make jupyter` names `attach` as the server's post-save hook, so nothing has to be typed.
"""

from pathlib import Path
from typing import Any

from runbook_lib.errors import RecordMissing
from runbook_lib.records.attachment import add_notebook, read_notebook
from runbook_lib.records.origin import root


def attach(model: dict[str, Any], os_path: str, contents_manager: Any, **_: object) -> None:
    """Attach a saved notebook, once a cell of it has run.

    Args:
        model: what Jupyter saved; only its `type` is read.
        os_path: where it was saved.
        contents_manager: for its log.
    Raises:
        RecordError: the notebook shows a secret; JupyterLab tells the person, and the record is without it.
    Source: jupyter_server, FileContentsManager.post_save_hook.
    """
    if model["type"] != "notebook":
        return
    path = Path(os_path)
    if not any(cell.get("execution_count") for cell in read_notebook(path).cells):
        return
    try:
        add_notebook(path, root())
    except RecordMissing as error:  # its first cells ran, and the chapter is not open yet
        contents_manager.log.info(str(error))
