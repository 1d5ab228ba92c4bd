"""Chapter 2 as a whole: all of its plans from one look at the host, divided between us and those who own its files.

main.cf and master.cf are one configuration, made together or not at all: services that demand a certificate which
main.cf does not name would open ports that fail, and settings of main.cf change services that somebody else wrote. So
where anything is left to an owner, both files wait, and so does the reload. What neither of them uses yet is made
all the same: packages, logins through saslauthd, the file with key and chain. It has no effect until the owner's lines
are there, and those lines need it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from pathlib import PurePosixPath

from runbook_lib import inventory
from runbook_lib.families import Family, Release
from runbook_lib.mail import ownership
from runbook_lib.mail.configuration.postconf import MAIN_CF, MASTER_CF
from runbook_lib.mail.configuration.state import MailState
from runbook_lib.mail.ownership import Ownership
from runbook_lib.mail.target import logins, mta, postfix, sasl, services
from runbook_lib.mail.target.postfix import MailFiles
from runbook_lib.remote.change import Plan

_WAITS = "it rests on what is left to {}"


@dataclass(frozen=True)
class ChapterPlans:
    """The chapter's plans, in the order in which they are made; None: not on this family of systems."""

    packages: Plan
    alternative: Plan | None
    sasl: Plan
    joined: Plan
    settings: Plan
    services: Plan
    firewall: Plan | None

    @property
    def all(self) -> tuple[Plan, ...]:
        """Those that this family of systems has."""
        plans = (getattr(self, field.name) for field in fields(self))
        return tuple(plan for plan in plans if plan is not None)

    @property
    def owners(self) -> tuple[str, ...]:
        """Who has something to make in our place, each once."""
        return tuple(dict.fromkeys(owner for plan in self.all for owner in plan.owners))


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


def owned(state: MailState, family: Family, host: inventory.Host, files: MailFiles) -> Ownership:
    """Who owns which of them."""
    return ownership.of(state.facts, paths(family), (files.joined,), host.leave_mail_alone)


def plans(
    state: MailState,
    family: Family,
    release: Release,
    host: inventory.Host,
    files: MailFiles,
    fqdn: str,
    firewall: Plan | None,
) -> ChapterPlans:
    """What is missing, and who makes it.

    Args:
        state: as it is now.
        fqdn: what the host calls itself.
        firewall: what the firewall does not let in yet; None where this runbook leaves firewalls to others.
    """
    owners = owned(state, family, host, files)
    other = logins.other_login(state, family, release, host)
    if other is not None and not other.works and PurePosixPath(other.where.file) in owners.files:
        other = None  # who left it half made gets the lines that make it whole
    notes = tuple(
        f"{name} is here; it is not known to own any file of this chapter." for name in owners.present
    )
    alternative = mta.plan_alternative(state, family, release)
    divided = ChapterPlans(
        packages=ownership.divide(postfix.plan_packages(state, family, host, fqdn), owners),
        alternative=alternative and ownership.divide(alternative, owners),
        sasl=ownership.divide(sasl.plan_sasl(state, family, release, host, other), owners),
        joined=ownership.divide(postfix.plan_joined_file(state, files), owners),
        settings=ownership.divide(postfix.plan_settings(state, host, files), owners),
        services=ownership.divide(postfix.plan_services(state, family, host, files), owners),
        firewall=firewall and ownership.divide(firewall, owners),
    )
    divided = replace(divided, settings=replace(divided.settings, notes=(*divided.settings.notes, *notes)))
    if not divided.owners:
        return divided
    why = _WAITS.format(" and ".join(divided.owners))
    return replace(
        divided,
        sasl=ownership.waiting(divided.sasl, why) if divided.sasl.withheld else divided.sasl,
        settings=ownership.waiting(divided.settings, why),
        services=ownership.waiting(divided.services, why),
    )


def services_judged(
    state: MailState, family: Family, host: inventory.Host, files: MailFiles
) -> tuple[str, ...]:
    """Services that the chapter writes or depends on: on the ports of users, and port 25's."""
    on_ports = (name for port in host.submission.ports for name in state.service_on_port(port))
    written = (service.name for service in services.services(state, family, host, files.joined))
    return ("smtp/inet", *state.service_on_port(25), *on_ports, *written)


def taking_up(state: MailState, family: Family, earlier: Iterable[Plan], divided: Iterable[Plan]) -> Plan:
    """A reload; where something is left to an owner, it waits.

    Args:
        earlier: as `postfix.plan_taking_up`.
        divided: the chapter's plans.
    """
    plan = postfix.plan_taking_up(state, family, earlier)
    owners = tuple(dict.fromkeys(owner for one in divided for owner in one.owners))
    return ownership.waiting(plan, _WAITS.format(" and ".join(owners))) if owners else plan
