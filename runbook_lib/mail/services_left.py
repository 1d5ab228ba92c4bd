"""Services of master.cf beside those that chapter 2 writes: kept, but for the one that TLS rests on."""

from collections.abc import Iterable

from runbook_lib.mail.difference import Difference
from runbook_lib.mail.postconf import folded
from runbook_lib.mail.state import MailState

# It has the random state and the session cache of every TLS server process (tlsmgr(8)).
_READ = frozenset({"tlsmgr/unix"})


def services_of(master_cf: str) -> dict[str, tuple[str, ...]]:
    """Services by 'name/type', their lines folded as `postconf -M` has them (master(5)).

    A line that begins with white space continues the one before it; comments and blank lines do not end it.
    """
    lines: list[str] = []
    for text in master_cf.splitlines():
        if not text.strip() or text.lstrip().startswith("#"):
            continue
        if text[0].isspace() and lines:
            lines[-1] += f" {text}"
        else:
            lines.append(text)
    services: dict[str, tuple[str, ...]] = {}
    for line in map(folded, lines):
        name = "/".join(line.split(" ")[:2])
        services[name] = (*services.get(name, ()), line)
    return services


def differences(state: MailState, ours: Iterable[str]) -> tuple[Difference, ...]:
    """Services that are not as the package leaves them.

    Args:
        ours: services that are judged elsewhere: those that the chapter writes, and port 25's.
    """
    if not state.installed:
        return ()
    left = services_of(state.facts["services_left"].value)
    found = []
    for name in sorted((left.keys() | state.services.keys()) - set(ours)):
        now = state.services.get(name, ())
        if now == left.get(name, ()):
            continue
        kept = name not in _READ
        why = "neither written nor read here: it stays" if kept else "TLS on every port depends on it"
        found.append(Difference(f"master.cf, {name}", " / ".join(now) or "no such service", kept, why))
    return tuple(found)
