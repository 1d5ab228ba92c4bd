"""Shell variables in a settings file (`/etc/default/NAME`, `/etc/sysconfig/NAME`), as a change."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from runbook_lib.messages import joined, message
from runbook_lib.remote.change import Change, Guard, TouchedPath, quote
from runbook_lib.remote.files import Seen, real, rewritten, touched


@dataclass(frozen=True)
class Variable:
    """One assignment.

    Args:
        name: the variable.
        before: its line now, None when there is none.
        after: its line as it should be.
        why: the reason.
    """

    name: str
    before: str | None
    after: str
    why: str


def lines_of(content: str, name: str) -> list[str]:
    """The lines that assign `name`, as they stand."""
    return [line for line in content.splitlines() if line.startswith(f"{name}=")]


@dataclass(frozen=True)
class VariablesChange(Change):
    """Some assignments of a settings file; everything else in it stays as it is.

    A line that is there is replaced where it stands, a missing one is appended.
    """

    path: PurePosixPath
    variables: tuple[Variable, ...]
    seen: Seen | None = None  # what the path is; None where the plan could not know it

    @property
    def thing(self) -> str:
        return str(self.path)

    @property
    def title(self) -> str:
        names = ", ".join(variable.name for variable in self.variables)
        return message("{path} sets {names}", path=self.path, names=names)

    @property
    def touches(self) -> Sequence[TouchedPath]:
        return touched(self.path, self.seen, None)

    @property
    def guards(self) -> Sequence[Guard]:
        return [
            Guard(f"grep '^{v.name}=' {quote(self.path)} || :", v.before or "", f"{self.path}, {v.name}")
            for v in self.variables
        ]

    def diff(self) -> str:
        lines = [f"--- {self.path}", f"+++ {self.path}"]
        for variable in self.variables:
            if variable.before is not None:
                lines.append(f"-{variable.before}")
            lines.append(f"+{variable.after}")
            lines.append(joined("", ("   ", variable.why)))
        return joined("\n", (*lines, ""))

    def as_lines(self) -> str:
        return "".join(f"{variable.after}\n" for variable in self.variables)

    def commands(self) -> str:
        edits = []
        for variable in self.variables:
            if variable.before is None:
                edits.append(f"-e {quote('$a' + chr(92) + variable.after)}")
            else:
                after = variable.after.replace("\\", "\\\\").replace("&", "\\&").replace("|", "\\|")
                edits.append(f"-e {quote(f's|^{variable.name}=.*|{after}|')}")
        path = real(self.path, self.seen)
        return rewritten(path, f"sed {' '.join(edits)} {quote(path)}")


def plan_variables(
    path: PurePosixPath, content: str, wanted: Sequence[tuple[str, str, str]], seen: Seen | None = None
) -> tuple[VariablesChange, ...]:
    """The change that sets (name, line, why) in a settings file; none when all are set."""
    differing = []
    for name, line, why in wanted:
        found = lines_of(content, name)
        if found != [line]:
            differing.append(Variable(name, "\n".join(found) or None, line, why))
    return (VariablesChange(path, tuple(differing), seen),) if differing else ()
