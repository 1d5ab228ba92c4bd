"""What stands around this Postfix: further instances of it, a proxy in front, another mail server in its place.

A person decides about each.
"""

import re

from runbook_lib.inventory.place import Place
from runbook_lib.mail.configuration.state import MailState
from runbook_lib.mail.differences.difference import Difference, Effect
from runbook_lib.messages import message

FACTS = {
    # master(8), one an instance; it is root's, and a user's program of that name is none. Those of containers are
    # processes here too: they have one more number of their own (NSpid in proc(5)).
    "masters": """_depth() {
  while read -r _k _v; do [ "$_k" != NSpid: ] || break; done < "/proc/$1/status" && echo $_v
}
_own() { set -- $(_depth "$1"); echo $#; }
_here=$(_own self)
for _p in /proc/[0-9]*; do
  read -r _name < "$_p/comm" || continue
  [ "$_name" = master ] && [ "$(stat -c %u "$_p")" = 0 ] || continue
  if [ "$(_own "${_p#/proc/}")" = "$_here" ]; then printf '%s\\n' "${_p#/proc/}"; fi
done""",
    # Whom master(8) starts has its sockets, too: an smtpd that talks to somebody may stand before it in a line.
    "port_25_held_by": "ss -Hltnp 'sport = :25' | "
    'sed -n \'s/.*"master",.*/master/p; t; s/.*users:(("\\([^"]*\\)".*/\\1/p\' | sort -u',
}
# As an option of a service, `-o NAME=VALUE` or `-o { NAME = VALUE }` (master(5)).
_OPTION = re.compile(r"-o \{? ?((?:smtpd|postscreen)_upstream_proxy_protocol) ?= ?([^\s}]+)")
_INSTANCES = message(
    "several Postfix instances: this chapter knows /etc/postfix alone, and which one users hand mail to "
    "is a person's decision"
)
_ANOTHER_MTA = message(
    "another mail server takes the mail here: whether Postfix comes in its place is a person's decision; "
    "stop and disable it first, and see what becomes of its queue"
)
_GIVES_WAY = message(
    "Postfix's package takes its place: it would be removed, and a rollback does not bring it back; whether it goes "
    "is a person's decision: remove it first, and see what becomes of its queue"
)
_BESIDE = message(
    "connections come through a proxy that speaks the PROXY protocol: what this chapter opens on 465 and 587 would "
    "stand beside it, and the name that users type leads to the proxy"
)
_INHERIT = message(
    "connections come through a proxy that speaks the PROXY protocol: what this chapter opens on 465 and 587 would "
    "expect it too and take nobody who comes directly, and the name that users type leads to the proxy"
)


def differences(state: MailState) -> tuple[Difference, ...]:
    """Instances, proxies and other mail servers, where there are any.

    Source: MULTI_INSTANCE_README; postconf(5), multi_instance_directories, alternate_config_directories,
    smtpd_upstream_proxy_protocol, postscreen_upstream_proxy_protocol.
    """
    names = set(state.facts["port_25_held_by"].value.splitlines())
    if not names and state.facts["port_25_listens"].value and not state.is_running:
        # Another user's, where root may not trace it, as in containers.
        names = {message("a program whose name nobody can see")}
    others = sorted(names - {"master"})
    where = Place(message("running on port 25"))
    found = [Difference(where, name, Effect.ASKS, _ANOTHER_MTA) for name in others]
    if not state.installed:
        queued = state.facts["rivals_queue"].value
        there = (
            message("installed, 1 message in its queue")
            if queued == "1"
            else message("installed, {count} messages in its queue", count=queued)
        )
        return (
            *found,
            *(
                Difference(Place(message("packages"), name), there, Effect.ASKS, _GIVES_WAY)
                for name in state.facts["rivals"].value.split()
            ),
        )
    found += [
        Difference(Place.main(name), state.main_cf[name], Effect.ASKS, _INSTANCES)
        for name in ("multi_instance_directories", "alternate_config_directories")
        if state.main_cf.get(name)
    ]
    masters = state.facts["masters"].value.split()
    if len(found) == len(others) and len(masters) > 1:
        processes = message("{count} processes of master(8)", count=len(masters))
        found.append(Difference(Place(message("running")), processes, Effect.ASKS, _INSTANCES))
    for name, why in (
        ("smtpd_upstream_proxy_protocol", _INHERIT),
        ("postscreen_upstream_proxy_protocol", _BESIDE),
    ):
        if state.main_cf.get(name):
            found.append(Difference(Place.main(name), state.main_cf[name], Effect.ASKS, why))
    for service, lines in state.services.items():
        for name, value in _OPTION.findall(" ".join(lines)):
            found.append(Difference(Place.master(f"{service}, {name}"), value, Effect.ASKS, _BESIDE))
    return tuple(found)
