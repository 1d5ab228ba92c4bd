"""Which policy services are for strangers: greylisters, SPF and DNSBL scorers; by what answers, then by its name."""

import re
from collections.abc import Mapping

from runbook_lib.messages import message

_GREYLISTING = message("greylisting")
_SCORE = message("a score of DNS lists")
# Accounts and programs, as Debian's packages and the projects' own documents name them.
FOR_STRANGERS = {
    "postgrey": _GREYLISTING,
    "sqlgrey": _GREYLISTING,
    "gld": _GREYLISTING,
    "greylite": _GREYLISTING,
    "greyfix": _GREYLISTING,
    "gross": _GREYLISTING,
    "grossd": _GREYLISTING,
    "tumgreyspf": message("greylisting and SPF"),
    "policyd-spf": "SPF",
    "postfix-policyd-spf-perl": "SPF",
    "postfix-policyd-spf-python": "SPF",
    "policy-spf": "SPF",
    "spf-policy": "SPF",
    "policyd-weight": _SCORE,
    "polw": _SCORE,
}
# Where they listen by default; counts only where this host cannot say who answers.
PORTS = {
    10023: "postgrey",
    2501: "sqlgrey",
    2525: "gld",
    5525: "grossd",
    12525: "policyd-weight",
}

# `inet PORT ACCOUNT` and `unix PATH ACCOUNT` for what listens (proc(5), unix(7)); no process has to be looked into. A
# relative path says nothing: whose folder it is in is not known, and anybody may choose it.
FACTS: Mapping[str, str] = {
    "listeners": (
        'awk \'$4 == "0A" && $8 != 0 { n = split($2, a, ":"); print a[n], $8 }\' /proc/net/tcp /proc/net/tcp6 '
        '| sort -u | while read -r port uid; do echo "inet $((0x$port)) $(id -un "$uid")"; done; '
        "awk '$4 == \"00010000\" && $8 ~ /^[/]/ { print $8 }' /proc/net/unix "
        "| xargs -r -d '\\n' stat -c 'unix %n %U' -- 2>/dev/null || :"
    )
}


def for_strangers(argument: str, services: Mapping[str, tuple[str, ...]], listeners: str) -> str | None:
    """Why a policy service is for strangers; None: nothing says so, so it is for users too.

    Args:
        argument: of check_policy_service: `inet:HOST:PORT`, `unix:PATH`, either in braces with options.
        services: lines of master.cf by 'name/type'; Postfix may start the service itself (spawn(8)).
        listeners: the fact of this name.
    Source: SMTPD_POLICY_README; spawn(8).
    """
    endpoint = re.split(r"[,\s}]", argument.lstrip("{ \t"), maxsplit=1)[0]
    kind, _, place = endpoint.partition(":")
    found = _spawned(kind, place, services) or _listening(kind, place, listeners)
    if not found:
        names = re.split(r"[/:]", place)
        port = int(names[-1]) if kind == "inet" and names[-1].isdigit() else 0
        found = [*names, PORTS.get(port, "")]
    for name in found:
        if name in FOR_STRANGERS:
            return message(
                "{kind} ({name}): it makes strangers prove themselves, a user has a login",
                kind=FOR_STRANGERS[name],
                name=name,
            )
    return None


def _spawned(kind: str, place: str, services: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Programs and account of a service that Postfix starts itself."""
    names = {"unix": [place.removeprefix("private/")], "inet": [place, place.rpartition(":")[2]]}.get(
        kind, []
    )
    for name in names:
        for line in services.get(f"{name}/{kind}", ()):
            _, _, argv = line.partition(" argv=")
            account = re.search(r" user=([^ :]+)", line)
            programs = [re.sub(r"\.(pl|py)$", "", word.rpartition("/")[2]) for word in argv.split()]
            return [*programs, account[1] if account else ""]
    return []


def _listening(kind: str, place: str, listeners: str) -> list[str]:
    """The account of what listens there."""
    if kind == "inet":
        host, _, wanted = place.rpartition(":")
        if host not in ("", "127.0.0.1", "localhost", "::1", "[::1]"):
            return []
    else:
        wanted = place
    rows = [row.split() for row in listeners.splitlines()]
    absolute = f"/var/spool/postfix/{wanted}"
    accounts = [row[2] for row in rows if len(row) == 3 and row[0] == kind and row[1] in (wanted, absolute)]
    # As root or as Postfix anything may run: the name says nothing then.
    return [account for account in accounts if account not in ("root", "postfix", "nobody")]
