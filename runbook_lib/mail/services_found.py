"""Lines of master.cf for ports 25, 465 and 587 that an administrator wrote: what they mean, and what can be decided."""

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from runbook_lib import inventory
from runbook_lib.families import Family
from runbook_lib.mail import filters, services
from runbook_lib.mail.decisions import NO_CHOICE, Choices
from runbook_lib.mail.difference import Difference
from runbook_lib.mail.postconf import Service
from runbook_lib.mail.state import MailState

_READ_ON_25 = "verification of port 25 depends on it"
_FILTER = "a filter of port 25 alone; 465 and 587 do not inherit it"
_STAYS_ON_25 = "it stays, and port 25 is verified as it is"
_STAYS = "it stays, and is verified as it is"


def differences(
    state: MailState, family: Family, host: inventory.Host, pem: PurePosixPath
) -> tuple[Difference, ...]:
    """What is there for these ports and neither the package nor a run of ours left.

    Args:
        pem: the file with key, certificate and intermediates.
    """
    if not state.installed:
        return ()
    undecided = host.model_copy(update={"decisions": ()})
    planned = {one.name: one for one in services.services(state, family, undecided, pem)}
    found = list(_submission(state, family, undecided, pem, planned))
    told = {one.where for one in found}
    found += [one for one in _fallen(state) if one.where not in told and one.where != "master.cf, smtp/inet"]
    return (*found, *_on_25(state, family))


def _submission(
    state: MailState,
    family: Family,
    host: inventory.Host,
    pem: PurePosixPath,
    planned: Mapping[str, Service],
) -> Iterator[Difference]:
    for port in host.submission.ports:
        names = state.service_on_port(port)
        if not names:
            continue
        service = planned[names[-1]]
        lines = [line for name in names for line in state.services[name]]
        if len(lines) == 1 and service.before in (service.after, *state.left.get(service.name, ())):
            continue
        ours = services.line_of(port, state, family, pem, service.name)
        own = services.own_line(ours, service.name, state, host, pem)
        why = "; ".join(filter(None, ("chapter 2 writes it", own.told)))
        replace = f"one line for port {port}: chapter 2's, with your options that stay"
        if len(lines) > 1:
            where, why = f"master.cf, port {port}", f"{services.ONE_A_PORT}; {why}"
            yield Difference(where, " / ".join(lines), False, why, Choices(replace=replace))
            continue
        keep = _STAYS if services.is_submission(port, lines[0]) else ""
        yield Difference(f"master.cf, {service.name}", lines[0], False, why, Choices(keep, replace))


def _fallen(state: MailState) -> Iterator[Difference]:
    """Services whose options are those of a line that is commented out."""
    for service in state.master:
        if service.fallen:
            options = ", ".join(f"-o {one.raw}" for one in service.fallen)
            under = ", ".join(dict.fromkeys(one.under for one in service.fallen))
            why = f"the line of {under} is commented out and its options are not, so they count for {service.name}"
            choices = Choices(replace=f"{service.name} is written {services.PUT_RIGHT}")
            yield Difference(f"master.cf, {service.name}", options, False, why, choices)


def _on_25(state: MailState, family: Family) -> Iterator[Difference]:
    lines = state.services.get("smtp/inet", ())
    plain = f"smtp inet n - {family.chroot} - - smtpd"
    if lines == (plain,) or (lines and lines[-1] in state.left.get("smtp/inet", ())):
        return
    fallen = next((one for one in _fallen(state) if one.where == "master.cf, smtp/inet"), None)
    if fallen is not None and len(lines) == 1:
        yield fallen
        return
    kept = bool(filters.only_on_25(state)) and lines[0].startswith(f"{plain} -o ")
    text = " / ".join(lines) or "no such service"
    choices = NO_CHOICE if kept or not lines else Choices(keep=_STAYS_ON_25)
    yield Difference("master.cf, smtp/inet", text, kept, _FILTER if kept else _READ_ON_25, choices)
