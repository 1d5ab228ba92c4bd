"""What the rules need beside the settings: asked of the host in two round trips."""

import base64
from collections.abc import Iterable
from dataclasses import replace

from runbook_lib import inventory
from runbook_lib.mail.configuration import asked_once
from runbook_lib.mail.configuration.bare_newlines import BARE_NEWLINE
from runbook_lib.mail.configuration.state import MailState
from runbook_lib.mail.findings import paths
from runbook_lib.mail.findings.finding import Look
from runbook_lib.remote.change import quote
from runbook_lib.remote.connection import Host
from runbook_lib.remote.facts import gather

_DEFAULTS = ("default_database_type", BARE_NEWLINE)
_FACTS = {
    "map_types": "postconf -m",
    "parameters": "postconf -d | cut -d' ' -f1",
    "elsewhere": "postconf -hx virtual_alias_domains virtual_mailbox_domains relay_domains",
    **{name: f"postconf -h {name}" for name in _DEFAULTS},
}


def look_at(remote: Host, state: MailState, others: Iterable[inventory.Neighbour] = ()) -> Look:
    """Ask for what this Postfix knows, and for each file that its settings name.

    Args:
        others: what the inventory has beside this host.
    """
    facts = gather(remote, _FACTS, root=True, ahead=asked_once.lines(_FACTS.values()))
    look = Look(
        state,
        base64.b64decode(state.facts["main_cf_file"].value),
        base64.b64decode(state.facts["master_cf_file"].value),
        frozenset(facts["map_types"].value.split()),
        frozenset(facts["parameters"].value.split()),
        others={name: one.name for one in others for name in one.names},
        defaults={name: facts[name].value for name in (*_DEFAULTS, "elsewhere")},
    )
    return replace(look, paths=_states(remote, tuple(paths.named(look))))


def _states(remote: Host, named: tuple[str, ...]) -> dict[str, str]:
    """Mode and owner of each file, links followed; 'absent' where a name leads to nothing."""
    if not named:
        return {}
    words = " ".join(map(quote, named))
    command = f"for p in {words}; do stat -L -c '%a %U:%G' \"$p\" 2>/dev/null || echo absent; done"
    shown = gather(remote, {"paths": command}, root=True)["paths"].value
    return dict(zip(named, shown.splitlines(), strict=True))
