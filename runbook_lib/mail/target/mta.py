"""Which mail server the system's generic names lead to, and what its firewall lets in: Enterprise Linux, as plans."""

from collections.abc import Mapping

from runbook_lib import inventory
from runbook_lib.families import Family
from runbook_lib.mail.configuration.state import MailState
from runbook_lib.messages import message
from runbook_lib.remote import firewalld
from runbook_lib.remote.alternative import AlternativeChange, Choice
from runbook_lib.remote.change import Plan
from runbook_lib.remote.facts import Fact
from runbook_lib.remote.firewalld import FirewalldChange

_NAME = "mta"
_TITLE = message("The system's mail server")
_FIREWALL = message("Firewall")


def plan_alternative(state: MailState) -> Plan | None:
    """Postfix as the system's mail server, with all the links that follow, among them PAM's service smtp.

    Without it logins meet the PAM file of another mail server, or none, and /etc/pam.d/other denies them.

    Returns: None where the system has no such choice.
    """
    program_of_ours = state.family.mta_program
    if program_of_ours is None:
        return None
    choice = Choice.of(state.facts["alternative"].value)
    wanted = str(program_of_ours)
    program = choice.program
    if "postfix" in state.missing_packages and choice.automatic:
        highest = max(choice.priorities.values(), default=0)
        program = wanted if highest < state.release.mta_priority else program  # as the package will leave it
    if program in ("", wanted):
        return Plan(_TITLE)
    why = message("sendmail, mailq and /etc/pam.d/smtp lead to Postfix's")
    return Plan(_TITLE, (AlternativeChange(_NAME, choice, program_of_ours, why),))


def plan_firewall(facts: Mapping[str, Fact], family: Family, host: inventory.Host) -> Plan | None:
    """Port 25 and the submission ports let in, where firewalld runs.

    Args:
        facts: of `firewalld.FACTS`.
    Returns: None where this runbook leaves firewalls to others.
    """
    if not family.firewall_services:
        return None
    if facts["firewalld"].value != "active":
        return Plan(_FIREWALL, (), (message("firewalld does not run here, so nothing of it is changed."),))
    zone, *openings = firewalld.read(facts["firewall"].value)
    missing = []
    for lets_in in openings:
        missing.append(
            tuple(
                family.firewall_services[port]
                for port in (25, *sorted(host.submission.ports))
                if not lets_in.lets_in(family.firewall_services[port], port)
            )
        )
    running, permanent = missing
    if not running and not permanent:
        return Plan(_FIREWALL)
    why = (
        message("now and after a restart")
        if running and permanent
        else message("which it did in one of the two so far")
    )
    return Plan(_FIREWALL, (FirewalldChange(zone, running, permanent, why),))
