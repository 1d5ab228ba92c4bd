"""What was read from a host, made up: for rules that need no host."""

import base64
from types import MappingProxyType

from runbook_lib import inventory, places
from runbook_lib.families.debian import DEBIAN
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
    host: inventory.Host | None = None,
) -> MailState:
    """A Postfix 3.7 with these entries of main.cf and nothing else.

    Args:
        services: lines of master.cf by 'name/type'.
        listeners: the fact of this name.
        expanded: values with `$name` expanded, where they differ.
        main, master: what stands in the files.
        more: further facts.
        host: of the inventory; none: that of the example.
    """
    rows = main_cf | (expanded or {})
    lines = [line for own in (services or {}).values() for line in own]
    facts = {
        "mail_version": Fact("3.7.11", 0),
        "main_cf": Fact("\n".join(f"{name} = {value}" for name, value in main_cf.items()), 0),
        "services": Fact("\n".join(lines), 0),
        "main_cf_file": Fact(base64.b64encode(main.encode()).decode(), 0),
        "master_cf_file": Fact(base64.b64encode(master.encode()).decode(), 0),
        **dict.fromkeys(("unfinished", "packages", "left", "left_files"), Fact("", 0)),
        "expanded": Fact("\n".join(f"{name} = {value}" for name, value in rows.items()), 0),
        "listeners": Fact(listeners, 0),
        "port_25_listens": Fact("", 0),
        "port_25_held_by": Fact("", 0),
        "guards": Fact("\n".join(GUARDS), 0),
        **{name: Fact(value, 0) for name, value in (more or {}).items()},
    }
    return MailState(
        host=host or a_host(),
        family=DEBIAN,
        release=DEBIAN.releases["12"],
        facts=facts,
        seen=MappingProxyType({}),
        missing_packages=(),
    )


def a_host() -> inventory.Host:
    """A host as the example of an inventory has it, where no lab is needed to judge a state."""
    return next(iter(inventory.load(places.EXAMPLE).hosts.values()))
