"""What a kind of fault is: how it is made while the run is stopped, and taken away again.

While the controller is stopped its connection lives, and so do its locks. A new kind is a function and a line in the
KINDS of fault_of_the_run.py or fault_of_the_host.py; a new fault is a line in faults.py.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from fault_scene import Scene


@dataclass(frozen=True)
class Lasting:
    """What is so while the fault lasts.

    Args:
        refused: a pattern of what `runbook resume` says then; '' where it is not asked.
        mail: whether mail can flow at all.
    """

    refused: str = ""
    mail: bool = True


@dataclass(frozen=True)
class Kind:
    """A kind of fault.

    Args:
        make: given the stopped run; makes the fault, and at its end takes it away.
        ready: what must be so before the run begins.
    """

    make: Callable[[Scene], AbstractContextManager[Lasting]]
    ready: Callable[[Scene], AbstractContextManager[None]] = lambda _: nullcontext()
