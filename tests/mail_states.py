"""What was read from a host, made up: for rules that need no host."""

from types import MappingProxyType

from runbook_lib import inventory, places
from runbook_lib.families.debian import DEBIAN
from runbook_lib.mail.configuration import parse
from runbook_lib.mail.configuration.bare_newlines import GUARDS
from runbook_lib.mail.configuration.state import MailState
from runbook_lib.remote.facts import Fact


def mail_state(
    main_cf: dict[str, str],
    services: dict[str, tuple[str, ...]] | None = None,
    listeners: str = "",
    expanded: dict[str, str] | None = None,
    main: str = "",
    master: str = "",
    more: dict[str, str] | None = None,
) -> MailState:
    """A Postfix 3.7 with these entries of main.cf and nothing else.

    Args:
        services: lines of master.cf by 'name/type'.
        listeners: the fact of this name.
        expanded: values with `$name` expanded, where they differ.
        main, master: what stands in the files.
        more: further facts.
    """
    rows = main_cf | (expanded or {})
    facts = {
        "expanded": Fact("\n".join(f"{name} = {value}" for name, value in rows.items()), 0),
        "listeners": Fact(listeners, 0),
        "port_25_listens": Fact("", 0),
        "port_25_held_by": Fact("", 0),
        "guards": Fact("\n".join(GUARDS), 0),
        **{name: Fact(value, 0) for name, value in (more or {}).items()},
    }
    return MailState(
        installed=True,
        version=(3, 7),
        version_text="3.7.11",
        main_cf=main_cf,
        services=services or {},
        missing_packages=(),
        facts=facts,
        seen=MappingProxyType({}),
        left={},
        left_files=frozenset(),
        found={},
        release=DEBIAN.releases["12"],
        main=tuple(parse.entries(main.encode())),
        master=tuple(parse.services(master.encode())),
    )


def a_host() -> inventory.Host:
    """A host as the example of an inventory has it, where no lab is needed to judge a state."""
    return next(iter(inventory.load(places.EXAMPLE).hosts.values()))
