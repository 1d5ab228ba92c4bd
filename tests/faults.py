"""The table of faults: what happens to a run, on which host, where in the run, and what is asked for afterwards.

A new fault is a line. `make faults` tries all of them and writes docs/faults-survived.md; `make test` tries those that
are marked as a sample.
"""

from dataclasses import dataclass
from typing import Literal

from fault_scene import At


@dataclass(frozen=True)
class Fault:
    """A line of the table.

    Args:
        kind: a name in fault_kinds.KINDS.
        host, state: a lab host, and what the run meets there.
        at: where in the run.
        then: what is asked for afterwards.
        sample: tried by `make test` too.
    """

    kind: str
    host: str
    state: str
    at: At
    then: Literal["resume", "rollback"]
    sample: bool = False

    def __str__(self) -> str:
        return f"{self.kind}, {self.host} {self.state}, {self.at}, {self.then}"


FAULTS = (
    Fault("controller killed", "el9", "fresh", At("main.cf"), "resume", sample=True),
    Fault("controller killed", "el9", "fresh", At("main.cf"), "rollback"),
)
