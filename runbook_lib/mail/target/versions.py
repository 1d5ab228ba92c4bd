"""Which TLS versions the configuration lets in on each port, and where that stands."""

from collections.abc import Iterable, Mapping

from runbook_lib.inventory.place import Place
from runbook_lib.mail.configuration.state import MailState
from runbook_lib.mail.probes.target import Versions
from runbook_lib.mail.target import decisions
from runbook_lib.messages import message
from runbook_lib.remote.facts import Fact

_ON_OFFER, _DEMANDED = "smtpd_tls_protocols", "smtpd_tls_mandatory_protocols"
FACTS: Mapping[str, str] = {
    name: f"postconf -hx {name} 2>/dev/null || postconf -h {name}" for name in (_ON_OFFER, _DEMANDED)
}


def of_ports(
    state: MailState, ports: Iterable[int], facts: Mapping[str, Fact], beside: str = ""
) -> dict[int, Versions]:
    """For each port with a service: the list that counts there.

    Where TLS is demanded it is smtpd_tls_mandatory_protocols, elsewhere smtpd_tls_protocols; a service's own option
    goes before main.cf (postconf(5), master(5)).

    Args:
        facts: with the answers to `FACTS`.
        beside: what else is to be said of who decides.
    """
    found = {}
    for port in ports:
        name = next(iter(state.service_on_port(port)[-1:]), "")
        own = {
            option.name: option.value
            for service in state.master
            if service.name == name
            for option in service.options
        }
        level = own.get("smtpd_tls_security_level", state.main_cf.get("smtpd_tls_security_level", ""))
        wrapped = own.get("smtpd_tls_wrappermode", state.main_cf.get("smtpd_tls_wrappermode", "")) == "yes"
        entry = _DEMANDED if wrapped or level == "encrypt" else _ON_OFFER
        value = own.get(entry, facts[entry].value)
        if not name or not value or "$" in value:
            continue
        if entry in own:
            says = message("{place}, says {value}", place=Place.master(name), value=value)
        elif entry in state.main_cf:
            says = message("main.cf says {value}", value=value)
        else:
            says = message("Postfix's default is {value}", value=value)
        left = decisions.protocols(value, state.version)
        spelled = None if left is None else frozenset(_spelled(one) for one in left)
        found[port] = Versions(says, spelled, beside)
    return found


def _spelled(version: str) -> str:
    """'TLS 1.0' for Postfix's 'TLSv1'."""
    number = version.removeprefix("TLSv")
    return f"TLS {number if '.' in number else f'{number}.0'}"
