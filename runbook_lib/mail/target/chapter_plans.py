"""Chapter 2 as a whole: each of its plans from one look at the host, divided between us and those who own its files.

main.cf and master.cf are one configuration, made together or not at all: services that demand a certificate which
main.cf does not name would open ports that fail, and settings of main.cf change services that somebody else wrote. So
where anything is left to an owner, both files wait, and so does the reload. What neither of them uses yet is made
all the same: packages, logins through saslauthd, the file with key and chain. It has no effect until the owner's lines
are there, and those lines need it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import PurePosixPath

from runbook_lib.families import Family
from runbook_lib.mail import ownership
from runbook_lib.mail.configuration.postconf import MAIN_CF, MASTER_CF
from runbook_lib.mail.configuration.state import MailState
from runbook_lib.mail.ownership import Ownership
from runbook_lib.mail.target import logins, mta, postfix
from runbook_lib.mail.target import sasl as saslauthd
from runbook_lib.mail.target import services as submission
from runbook_lib.mail.target.decisions import both
from runbook_lib.messages import message
from runbook_lib.remote.change import Plan
from runbook_lib.remote.facts import Fact


def paths(family: Family) -> tuple[PurePosixPath, ...]:
    """The files of the mail configuration that the chapter writes."""
    return (
        MAIN_CF,
        MASTER_CF,
        family.smtpd_sasl_conf,
        family.pam_service,
        family.saslauthd_defaults,
        family.saslauthd_drop_in,
    )


def owned(state: MailState) -> Ownership:
    """Who owns which of them."""
    return ownership.of(state.facts, paths(state.family), state.joined_files, state.host.leave_mail_alone)


def packages(state: MailState) -> Plan:
    """Packages that are missing."""
    return _divided(postfix.plan_packages(state), state)


def alternative(state: MailState) -> Plan | None:
    """Postfix as the system's mail server; None where the system has no choice of them."""
    plan = mta.plan_alternative(state)
    return plan and _divided(plan, state)


def sasl(state: MailState) -> Plan:
    """SMTP AUTH through saslauthd and PAM; where its owner has a part of it to write, all of it waits."""
    plan = _divided(_sasl(state), state)
    return _waiting(plan, state) if plan.withheld else plan


def joined(state: MailState) -> Plan:
    """Key and chain in the one file that Postfix reads."""
    return _divided(postfix.plan_joined_file(state), state)


def settings(state: MailState) -> Plan:
    """main.cf, with who is here beside us."""
    here = owned(state).present
    notes = (
        message("{name} is here; it is not known to own any file of this chapter.", name=name)
        for name in here
    )
    plan = _waiting(_divided(postfix.plan_settings(state), state), state)
    return replace(plan, notes=(*plan.notes, *notes))


def services(state: MailState) -> Plan:
    """master.cf."""
    return _waiting(_divided(postfix.plan_services(state), state), state)


def firewall(state: MailState, facts: Mapping[str, Fact]) -> Plan | None:
    """What the firewall does not let in yet; None where this runbook leaves firewalls to others.

    Args:
        facts: of `firewalld.FACTS`.
    """
    plan = mta.plan_firewall(facts, state.family, state.host)
    return plan and _divided(plan, state)


def all_of(state: MailState, facts: Mapping[str, Fact] | None = None) -> tuple[Plan, ...]:
    """The plans that this family of systems has, in the order in which they are made.

    Args:
        facts: as for `firewall`, which is left out without them.
    """
    plans = [plan(state) for plan in (packages, alternative, sasl, joined, settings, services)]
    plans.append(None if facts is None else firewall(state, facts))
    return tuple(plan for plan in plans if plan is not None)


def owners(plans: Iterable[Plan]) -> tuple[str, ...]:
    """Who has something to make in our place, each once."""
    return tuple(dict.fromkeys(owner for plan in plans for owner in plan.owners))


def services_judged(state: MailState) -> tuple[str, ...]:
    """Services that the chapter writes or depends on: on the ports of users, and port 25's."""
    on_ports = (name for port in state.host.submission.ports for name in state.service_on_port(port))
    written = (service.name for service in submission.services(state))
    return ("smtp/inet", *state.service_on_port(25), *on_ports, *written)


def taking_up(state: MailState, earlier: Iterable[Plan], divided: Iterable[Plan]) -> Plan:
    """A reload; where something is left to an owner, it waits.

    Args:
        earlier: as `postfix.plan_taking_up`.
        divided: the chapter's plans.
    """
    return _waiting_for(owners(divided), postfix.plan_taking_up(state, earlier))


def _sasl(state: MailState) -> Plan:
    other = logins.other_login(state)
    if other is not None and not other.works and PurePosixPath(other.where.file) in owned(state).files:
        other = None  # who left it half made gets the lines that make it whole
    return saslauthd.plan_sasl(state, other)


_MADE = (
    postfix.plan_packages,
    mta.plan_alternative,
    _sasl,
    postfix.plan_joined_file,
    postfix.plan_settings,
    postfix.plan_services,
)


def _divided(plan: Plan, state: MailState) -> Plan:
    return ownership.divide(plan, owned(state))


def _waiting(plan: Plan, state: MailState) -> Plan:
    """A plan that waits where anything of the chapter is left to an owner: all of it is planned to see that."""
    here = owned(state)
    if not plan.changes or not (here.files or here.suite):
        return plan
    made = (one for make in _MADE if (one := make(state)) is not None)
    return _waiting_for(owners(ownership.divide(one, here) for one in made), plan)


def _waiting_for(names: tuple[str, ...], plan: Plan) -> Plan:
    if not names:
        return plan
    return ownership.waiting(plan, message("it rests on what is left to {owners}", owners=both(names)))
