"""Chapter 3-2: Thunderbird. Its claims are those of every client."""

from runbook_lib.chapters.client import ClientChapter, open_client

NOTEBOOK = "32-thunderbird"
TITLE = "3-2 Thunderbird"


def open(inventory: str, host: str, mode: str = "", reason: str = "") -> ClientChapter:  # noqa: A001 - a cell reads `thunderbird.open(…)`
    """Open the chapter on a host: connect and begin the record. Nothing is changed, in any mode."""
    return open_client(ClientChapter, NOTEBOOK, TITLE, "thunderbird", inventory, host, mode, reason)
