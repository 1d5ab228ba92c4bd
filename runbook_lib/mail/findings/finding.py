"""What is remarkable about a line of main.cf or master.cf."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from runbook_lib.inventory.place import Place
from runbook_lib.mail.configuration.state import MailState


@dataclass(frozen=True)
class Finding:
    """A line, and what it means.

    Args:
        place: what it is about, with its line; a line of 0: nowhere, a default counts.
        found: what is there.
        meaning: what it means for mail, in a sentence.
        by_hand: what a person does about it on the host; "" where nothing has to be done there.
    """

    place: Place
    found: str
    meaning: str
    by_hand: str = ""


@dataclass(frozen=True)
class Look:
    """A host's configuration as the rules look at it.

    Args:
        state: as it was read.
        main, master: the files' bytes.
        map_types: those that this Postfix was built with, or has a plug-in for (`postconf -m`).
        parameters: every name that this Postfix knows (`postconf -d`).
        paths: files that the configuration names, each with its state, 'absent' where there is none.
        others: names of the inventory's other hosts, each with its host.
        defaults: effective values of parameters that a rule asks for, whether main.cf sets them or not.
    """

    state: MailState
    main: bytes = b""
    master: bytes = b""
    map_types: frozenset[str] = frozenset()
    parameters: frozenset[str] = frozenset()
    paths: Mapping[str, str] | None = None
    defaults: Mapping[str, str] | None = None
    others: Mapping[str, str] = field(default_factory=dict)

    @property
    def version(self) -> tuple[int, int]:
        return self.state.version
