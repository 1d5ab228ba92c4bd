"""A kernel as JupyterLab starts it for a notebook, and cells that a person runs in it one after the other."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

CHECKOUT = Path(__file__).resolve().parents[1]


class Stepped:
    """A notebook's kernel. `shown` has what a cell shows while it runs, `run` what is left in the notebook."""

    def __init__(self, manager: KernelManager, client: BlockingKernelClient) -> None:
        self.manager, self.client = manager, client
        self.shown: list[str] = []

    def run(self, cell: str, timeout_s: float = 300, seen: Callable[[str], object] = lambda _: None) -> str:
        """Run a cell.

        Args:
            seen: told of each text as it is shown.
        Returns: the cell's outputs as the notebook keeps them, as text.
        """
        self.shown = []
        outputs: list[str] = []
        asked = self.client.execute(cell)
        while True:
            message = self.client.get_iopub_msg(timeout=timeout_s)
            if message["parent_header"].get("msg_id") != asked:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "status" and content["execution_state"] == "idle":
                return "\n".join(outputs)
            if kind == "clear_output":
                outputs.clear()
            elif (text := _text(kind, content)) is not None:
                self.shown.append(text)
                if kind != "update_display_data":
                    outputs.append(text)
                seen(text)

    def interrupt(self) -> None:
        """As the button with the square does."""
        self.manager.interrupt_kernel()


def _text(kind: str, content: dict[str, Any]) -> str | None:
    if kind == "stream":
        return str(content["text"])
    if kind == "error":
        return "\n".join(content["traceback"])
    data = content.get("data")
    return None if not isinstance(data, dict) else str(data.get("text/html") or data["text/plain"])


@contextmanager
def kernel(**environment: str) -> Iterator[Stepped]:
    """A kernel of this checkout's environment, with these variables of the environment."""
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(env=os.environ | environment, cwd=str(CHECKOUT))
    client = manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=120)
        yield Stepped(manager, client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
