"""papermill's manager of an execution, which saves by another rule than before and after each cell.

papermill writes the whole notebook twice a cell: its cost grows with the square of the notebook, and at 200 cells it
is nearly all the time there is. Here a thread writes it once a second as long as something changes, and less often
where writing takes longer than that is worth; papermill itself writes it at the end.
"""

import datetime
import threading
import time
from typing import Any

from papermill.engines import NotebookExecutionManager
from papermill.iorw import write_ipynb

from runbook_lib.engine.outputs import Outputs
from runbook_lib.records.origin import Moment

EVERY_S = 1.0
COST_SHARE = 0.05  # of the time, at most, goes into writing


class SavingManager(NotebookExecutionManager):
    """Metadata and progress as papermill has them; the file by the rule above."""

    def __init__(self, nb: Any, outputs: Outputs, **options: Any) -> None:
        self.outputs = outputs
        self._began = Moment.now()
        self._ended = threading.Event()
        self._saver = threading.Thread(target=self._save_now_and_then, name="notebook saver", daemon=True)
        super().__init__(nb, **options)

    def now(self) -> datetime.datetime:
        """The time, as papermill asks for it: when this began, and how long it is ago by a clock that nobody sets.

        Else a clock that is set meanwhile makes durations of hours, and negative ones.
        """
        seconds = self._began.wall + self._began.took_s()
        return datetime.datetime.fromtimestamp(seconds, datetime.UTC)

    def cell_complete(self, cell: Any, cell_index: int | None = None, **words: Any) -> None:
        """As papermill's, which reads the time that it wrote by a parser for all forms of dates there are."""
        times = cell.metadata.papermill
        start = times.pop("start_time", None)
        super().cell_complete(cell, cell_index, **words)
        if start:
            end = datetime.datetime.fromisoformat(times["end_time"])
            times["start_time"] = start
            times["duration"] = (end - datetime.datetime.fromisoformat(start)).total_seconds()

    def save(self, **_: Any) -> None:
        """Have it saved soon."""
        self.outputs.changed = True

    def write(self) -> None:
        """Save it as it stands, also in the middle of a cell."""
        with self.outputs.lock:
            self.outputs.join()
            self.outputs.changed = False
            write_ipynb(self.nb, self.output_path)

    def begin(self) -> None:
        """Save now and then from here on."""
        if self.output_path:
            self._saver.start()

    def end(self, *, write: bool) -> None:
        """Save no more; a last time where nobody else will."""
        self._ended.set()
        if self.output_path:
            self._saver.join()
            if write:
                self.write()

    def _save_now_and_then(self) -> None:
        wait = EVERY_S
        while not self._ended.wait(wait):
            if self.outputs.changed:
                begun = time.monotonic()
                self.write()
                wait = max(EVERY_S, (time.monotonic() - begun) / COST_SHARE)
