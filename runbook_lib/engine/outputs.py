"""Where what cells put out ends up: nbformat outputs of the right cell, in the order in which it came."""

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from weakref import WeakKeyDictionary

from nbformat import NotebookNode

StreamName = Literal["stdout", "stderr"]
LIMIT_BYTES = 20_000_000


@dataclass(eq=False)
class _Page:
    """One cell's outputs while it runs, and afterwards for what comes late from its threads."""

    cell: NotebookNode
    text: list[str] = field(default_factory=list)  # of the stream at the end of the outputs, not joined yet
    clear_first: bool = False
    size: int = 0
    is_full: bool = False

    @property
    def outputs(self) -> list[NotebookNode]:
        outputs: list[NotebookNode] = self.cell.outputs
        return outputs

    def join(self) -> None:
        """Put the pieces of the last stream together."""
        if self.text:
            self.outputs[-1].text += "".join(self.text)
            self.text.clear()


class Outputs:
    """The outputs of one notebook.

    Args:
        limit_bytes: room for the outputs of one cell; what comes beyond is left out, which is said once.
        listen: told of each output or piece of a stream as it comes.
    """

    def __init__(
        self, limit_bytes: int = LIMIT_BYTES, listen: Callable[[NotebookNode], None] | None = None
    ) -> None:
        self.lock = threading.RLock()  # also held by whoever reads the notebook while a cell runs
        self.changed = False  # since somebody last wrote the notebook
        self._limit, self._listen = limit_bytes, listen
        self._page: _Page | None = None
        self._displays: dict[str, list[NotebookNode]] = {}
        self._threads: WeakKeyDictionary[threading.Thread, _Page] = WeakKeyDictionary()

    def begin(self, cell: NotebookNode) -> None:
        """What comes from now on is this cell's."""
        with self.lock:
            cell.outputs = []
            self._page = _Page(cell)

    def end(self) -> None:
        """The cell has ended; what its threads still say stays its own."""
        with self.lock:
            if self._page is None:
                return
            self._page.join()
            for thread in threading.enumerate():
                if thread is not threading.main_thread():
                    self._threads.setdefault(thread, self._page)

    def join(self) -> None:
        """Make the outputs whole, for somebody who reads them while the cell runs."""
        with self.lock:
            if self._page is not None:
                self._page.join()

    def stream(self, name: StreamName, text: str) -> None:
        """Text on standard output or standard error."""
        with self.lock:
            page = self._page_of_this_thread()
            if not text or page is None or not self._has_room(page, len(text.encode("utf-8", "replace"))):
                return
            self._clear_if_asked(page)
            last = page.outputs[-1] if page.outputs else None
            if last is None or last.output_type != "stream" or last.name != name:
                page.join()
                page.outputs.append(NotebookNode(output_type="stream", name=name, text=""))
            page.text.append(text)
            if page is not self._page:
                page.join()
            self._tell(NotebookNode(output_type="stream", name=name, text=text))

    def display(
        self,
        data: Mapping[str, Any],
        metadata: Mapping[str, Any],
        display_id: str | None = None,
        execution_count: int | None = None,
    ) -> None:
        """Something displayed, or, with an execution count, a cell's result."""
        output = NotebookNode(data=_as_json(data), metadata=_as_json(metadata), output_type="display_data")
        if execution_count is not None:
            output.output_type = "execute_result"
            output.execution_count = execution_count
        if display_id:
            self._update(display_id, output)
        added = self._add(output)
        if display_id and added:
            self._displays.setdefault(display_id, []).append(output)

    def update_display(self, data: Mapping[str, Any], metadata: Mapping[str, Any], display_id: str) -> None:
        """Replace what was displayed under an id, in whichever cell."""
        self._update(display_id, NotebookNode(data=_as_json(data), metadata=_as_json(metadata)))

    def _update(self, display_id: str, new: NotebookNode) -> None:
        with self.lock:
            self.changed = True
            for output in self._displays.get(display_id, ()):
                output.data, output.metadata = new.data, new.metadata

    def error(self, name: str, value: str, traceback: Sequence[str]) -> None:
        """An exception that ended the cell."""
        self._add(
            NotebookNode(output_type="error", ename=name, evalue=value, traceback=list(traceback)),
            always=True,
        )

    def clear(self, wait: bool) -> None:
        """Take the cell's outputs away, now or when the next one comes."""
        with self.lock:
            page = self._page_of_this_thread()
            if page is None:
                return
            self.changed = page.clear_first = True
            if not wait:
                self._clear_if_asked(page)

    def _clear_if_asked(self, page: _Page) -> None:
        if page.clear_first:
            page.text.clear()
            page.outputs.clear()
            page.clear_first = False
            page.size, page.is_full = 0, False

    def _add(self, output: NotebookNode, *, always: bool = False) -> bool:
        with self.lock:
            page = self._page_of_this_thread()
            if page is None:
                return False
            if not always and not self._has_room(page, len(json.dumps(output))):
                return False
            self._clear_if_asked(page)
            page.join()
            page.outputs.append(output)
            self._tell(output)
            return True

    def _has_room(self, page: _Page, size: int) -> bool:
        if page.is_full:
            return False
        page.size += size
        if page.size <= self._limit:
            return True
        page.is_full = True
        page.join()
        told = f"\n[What this cell put out beyond {self._limit} bytes is left out.]\n"
        page.outputs.append(NotebookNode(output_type="stream", name="stderr", text=told))
        return False

    def _page_of_this_thread(self) -> _Page | None:
        return self._threads.get(threading.current_thread(), self._page)

    def _tell(self, output: NotebookNode) -> None:
        self.changed = True
        if self._listen is not None:
            self._listen(output)


def _as_json(bundle: Mapping[str, Any]) -> Any:
    """Values as a kernel's messages would have them: bytes as base64, tuples as lists, dates as text."""
    if all(isinstance(value, str) for value in bundle.values()):
        return NotebookNode(bundle)
    from jupyter_client.jsonutil import json_default
    from nbformat import from_dict

    return from_dict(json.loads(json.dumps(dict(bundle), default=json_default)))
