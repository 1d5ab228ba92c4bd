"""What can happen to a run: each kind makes its fault while the run is stopped, and takes it away again.

A kind yields what is refused while the fault lasts, as a pattern of what `runbook resume` then says; '' where nothing
stands in its way. A new kind is a function here and its name in KINDS; a new fault is a line in faults.py.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from fault_scene import Scene


@contextmanager
def controller_killed(scene: Scene) -> Iterator[str]:
    """SIGKILL to the command and its workers."""
    scene.kill()
    scene.host_is_idle()
    yield ""


KINDS: dict[str, Callable[[Scene], AbstractContextManager[str]]] = {
    "controller killed": controller_killed,
}
