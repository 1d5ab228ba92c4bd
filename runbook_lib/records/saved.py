"""What JupyterLab's window is told of a notebook that was saved: an event of the server.

`jupyter/labextensions` shows it there. Where nobody listens it goes nowhere.
"""

import re
from pathlib import Path
from typing import Any, Literal

from runbook_lib.errors import RunbookError
from runbook_lib.places import shown_path
from runbook_lib.records.attachment import Attached
from runbook_lib.visible import visible

Logger = Any  # jupyter_events.EventLogger, which the extra brings by way of the server

SCHEMA_ID = "urn:runbook-lib:saved:v1"
_TEXTS = {
    "notebook": "The name of the file that was saved.",
    "run": "The run whose record it was attached to.",
    "host": "The record's host.",
    "chapter": "The record's chapter.",
    "records": "The folder of all records.",
    "page": "The record's page.",
    "seal": "The chain's head with its seal, and who signed it, or why nobody did.",
    "reason": "Why it was not attached.",
    "to_do": "What to do then.",
}
_SCHEMA: dict[str, Any] = {
    "$id": SCHEMA_ID,
    "version": "1",
    "title": "A notebook was saved, and attached to its record or not",
    "type": "object",
    "properties": {
        "outcome": {
            "enum": ["attached", "refused", "waits"],
            "description": "'waits': a person has to ask for it, since a command would be run.",
        },
        **{name: {"type": "string", "description": said} for name, said in _TEXTS.items()},
    },
    "required": ["outcome", "notebook"],
    "additionalProperties": False,
}


def register(logger: Logger) -> None:
    """Make the event known: who listens to a server's events is asked for those that it knows by then."""
    if SCHEMA_ID not in logger.schemas:
        logger.register_event_schema(_SCHEMA)


def tell_attached(logger: Logger, notebook: str, attached: Attached, root: Path) -> None:
    """Say where it was attached.

    Args:
        notebook: the name of the file that was saved.
        root: the folder of all records.
    """
    entry, record = attached.entry, attached.entry.record
    _tell(
        logger, outcome="attached", notebook=notebook, run=record.run, host=record.host, chapter=record.chapter,
        records=shown_path(root), page=shown_path(root / record.run / entry.page), seal=attached.kept.told,
    )  # fmt: skip


def tell_not_attached(
    logger: Logger, notebook: str, error: RunbookError, outcome: Literal["refused", "waits"]
) -> None:
    """Say why it was not attached, and what to do."""
    reason = f"{error.where}: {error.problem}"
    _tell(logger, outcome=outcome, notebook=notebook, reason=reason, to_do=error.remedy)


def _tell(logger: Logger, **said: str) -> None:
    logger.emit(schema_id=SCHEMA_ID, data={name: visible(_from_home(text)) for name, text in said.items()})


def _from_home(text: str) -> str:
    """A text with the user's home folder as `~`, where a shell would read it so: a screen is seen by others."""
    return re.sub(rf"(?<!\S){re.escape(str(Path.home()))}/", "~/", text)
