"""The system's choice among programs of the same kind, `alternatives` of Enterprise Linux, as a change."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import PurePosixPath

from runbook_lib.messages import message
from runbook_lib.remote.change import Change, Guard, because, quote

_SH = resources.files(__package__).joinpath("alternative.sh").read_text()


@dataclass(frozen=True)
class Choice:
    """What `alternatives --display NAME` says.

    Args:
        automatic: whether the highest priority decides.
        program: where the link leads; '' where there is no such choice.
        priorities: of each program.
    Source: alternatives(8).
    """

    automatic: bool
    program: str
    priorities: Mapping[str, int]

    @classmethod
    def of(cls, displayed: str) -> "Choice":
        """Read what was displayed, in the C locale; an empty text: there is no such choice."""
        program = re.search(r"^ link currently points to (.+)$", displayed, flags=re.MULTILINE)
        found = re.findall(r"^(/\S+) - .*priority ([0-9]{1,9})$", displayed, flags=re.MULTILINE)
        return cls(
            "status is auto" in displayed,
            program[1] if program else "",
            {path: int(priority) for path, priority in found},
        )


def look(name: str) -> str:
    """The read-only command whose output `Choice.of` reads."""
    return f"LC_ALL=C alternatives --display {quote(name)} 2>/dev/null"


@dataclass(frozen=True)
class AlternativeChange(Change):
    """Another program takes a generic name, with all the links that go along with it.

    Args:
        name: of the choice, such as 'editor'.
        before: what is chosen now.
        program: what shall be.
        why: the reason.
    """

    name: str
    before: Choice
    program: PurePosixPath
    why: str = ""

    @property
    def thing(self) -> str:
        return self.name

    @property
    def title(self) -> str:
        what = message("alternative {name} is {program}", name=self.name, program=self.program)
        return because(what, self.why)

    @property
    def guards(self) -> Sequence[Guard]:
        now = f"{look(self.name)} | sed -n 's/^ link currently points to //p'"
        return (Guard(now, self.before.program, f"alternative {self.name}"),)

    @property
    def functions(self) -> Mapping[str, str]:
        return {"alternative": _SH}

    def diff(self) -> str:
        how = "automatic" if self.before.automatic else "chosen by hand"
        return f"-{self.name}: {self.before.program} ({how})\n+{self.name}: {self.program} (chosen by hand)\n"

    def commands(self) -> str:
        return f"alternatives --set {quote(self.name)} {quote(self.program)}"

    def before_commands(self) -> str:
        return f'{look(self.name)} > "$J/$N.alternative"'

    def undo(self) -> str:
        return f"alternative_back $N {quote(self.name)} {quote(self.program)}"
