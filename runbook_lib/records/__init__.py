"""Records: what a chapter did on a host, written while it works, kept so that an auditor can check it."""

from runbook_lib.records.origin import current_run, folder_of, operator, root, run_id, use
from runbook_lib.records.record import Record

__all__ = ["Record", "current_run", "folder_of", "operator", "root", "run_id", "use"]
