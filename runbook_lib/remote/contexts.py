"""SELinux contexts: each file that a change makes gets the label that the policy gives its place.

A file that was made elsewhere and renamed into place keeps the label of where it was made; a service may then not read
it (restorecon(8)).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from runbook_lib.credentials import Secret
from runbook_lib.remote.change import Change, Guard, Plan, TouchedPath, quote


@dataclass(frozen=True)
class Labelled(Change):
    """A change whose paths get their labels right behind it."""

    change: Change

    @property
    def thing(self) -> str:
        return self.change.thing

    def state_before(self) -> str:
        return self.change.state_before()

    def state_after(self) -> str:
        return self.change.state_after()

    @property
    def title(self) -> str:
        return self.change.title

    @property
    def kind(self) -> str:
        return self.change.kind

    @property
    def touches(self) -> Sequence[TouchedPath]:
        return self.change.touches

    @property
    def guards(self) -> Sequence[Guard]:
        return self.change.guards

    @property
    def secrets(self) -> Mapping[str, Secret]:
        return self.change.secrets

    @property
    def functions(self) -> Mapping[str, str]:
        return self.change.functions

    @property
    def timeout_s(self) -> float:
        return self.change.timeout_s

    def diff(self) -> str:
        return self.change.diff()

    def commands(self) -> str:
        paths = " ".join(quote(path.path) for path in self.change.touches)
        return f"{self.change.commands().rstrip()}\nrestorecon -i {paths}"

    def before_commands(self) -> str:
        return self.change.before_commands()

    def after_commands(self) -> str:
        return self.change.after_commands()

    def undo(self) -> str:
        return self.change.undo()

    def as_lines(self) -> str:
        return self.change.as_lines()


def labelled(plan: Plan) -> Plan:
    """The plan with contexts restored behind each change that touches a path."""
    return replace(
        plan, changes=tuple(Labelled(change) if change.touches else change for change in plan.changes)
    )


def plain(plan: Plan) -> Plan:
    """The plan as it was before `labelled`."""
    changes = (change.change if isinstance(change, Labelled) else change for change in plan.changes)
    return replace(plan, changes=tuple(changes))
