"""Services of master.cf that are not as the package leaves them.

Lines for ports 25, 465 and 587 that an administrator wrote: what they mean, and what can be decided. Those beside them
are kept, but for the one that TLS rests on.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from runbook_lib.inventory.place import Place
from runbook_lib.mail.configuration.postconf import folded
from runbook_lib.mail.configuration.state import MailState
from runbook_lib.mail.differences.difference import UNTOUCHED, Difference, Effect, effect
from runbook_lib.mail.target import filters, services
from runbook_lib.mail.target.decisions import NO_CHOICE, Choices
from runbook_lib.messages import joined, message

# It has the random state and the session cache of every TLS server process (tlsmgr(8)).
_NEEDED = frozenset({"tlsmgr/unix"})
_READ_ON_25 = message("verification of port 25 depends on it")
_FILTER = message("a filter of port 25 alone; 465 and 587 do not inherit it")
_STAYS_ON_25 = message("it stays, and port 25 is verified as it is")
_STAYS_BOUND = message("it stays, and other addresses of the name go without this port")
_STAYS = message("it stays, and is verified as it is")
_STAYS_ALONE = message(
    "it stays, and is verified as it is, but not where the certificate of port 25 is kept: the line would show that "
    "one, too"
)
_NONE = message("no such service")


def differences(state: MailState) -> tuple[Difference, ...]:
    """What is there for these ports and neither the package nor a run of ours left."""
    if not state.installed:
        return ()
    found = list(_submission(state.undecided))
    told = {one.where for one in found}
    found += [
        one for one in _fallen(state) if one.where not in told and one.where != Place.master("smtp/inet")
    ]
    return (*found, *_on_25(state))


def _submission(state: MailState) -> Iterator[Difference]:
    planned = {one.name: one for one in services.services(state)}
    for port in state.host.submission.ports:
        names = state.service_on_port(port)
        if not names:
            continue
        if alone := services.listens_alone(names[-1], port):
            replaced = message(
                "one line for port {port} on every address, chapter 2's; this one goes, with its options",
                port=port,
            )
            text = " / ".join(line for name in names for line in state.services[name])
            not_kept = _why_not_kept_bound(names, port, state)
            keep = "" if not_kept else _STAYS_BOUND
            choices = Choices(keep, replaced, not_kept)
            yield Difference(Place.master(names[-1]), text, Effect.ASKS, alone, choices)
            continue
        service = planned[names[-1]]
        lines = [line for name in names for line in state.services[name]]
        if len(lines) == 1 and lines[0] in (service.after, *state.left.get(service.name, ())):
            continue
        ours = services.line_of(port, state, service.name)
        own = services.own_line(ours, service.name, state)
        why = joined("; ", filter(None, (message("chapter 2 writes it"), own.told)))
        replaced = message("one line for port {port}: chapter 2's, with your options that stay", port=port)
        if len(lines) > 1:
            where, why = Place.master(f"port {port}"), joined("; ", (services.ONE_A_PORT, why))
            yield Difference(where, " / ".join(lines), Effect.ASKS, why, Choices(replace=replaced))
            continue
        not_kept = services.why_not_kept(port, tuple(lines), state)
        keep = "" if not_kept else _STAYS
        if keep and services.why_not_kept(port, tuple(lines), _certificate_kept(state)):
            keep = _STAYS_ALONE
        choices = Choices(keep, replaced, not_kept)
        yield Difference(Place.master(service.name), lines[0], Effect.ASKS, why, choices)


def _why_not_kept_bound(names: tuple[str, ...], port: int, state: MailState) -> str:
    """Why a service that is bound to one address cannot be kept; '' where it can."""
    if services.is_on_loopback(names[-1]):
        return message("nobody could submit mail")
    if len(names) > 1:
        return message("there are several for this port")
    lines = state.services[names[-1]]
    return services.ONE_A_PORT if len(lines) > 1 else services.why_not_kept(port, lines, state)


def _certificate_kept(state: MailState) -> MailState:
    """The state as it would be if the certificate of port 25 were kept."""
    there = state.certificate
    return replace(state, certificate=replace(there, reasons=("kept",))) if there else state


def _fallen(state: MailState) -> Iterator[Difference]:
    """Services whose options are those of a line that is commented out."""
    for service in state.master:
        if service.fallen:
            options = ", ".join(f"-o {one.raw}" for one in service.fallen)
            under = ", ".join(dict.fromkeys(one.under for one in service.fallen))
            why = message(
                "the line of {other} is commented out and its options are not, so they count for {service}",
                other=under,
                service=service.name,
            )
            replaced = message(
                "{service} is written without the options of a service whose line is commented out",
                service=service.name,
            )
            choices = Choices(replace=replaced)
            yield Difference(Place.master(service.name), options, Effect.ASKS, why, choices)


def _on_25(state: MailState) -> Iterator[Difference]:
    lines = state.services.get("smtp/inet", ())
    plain = f"smtp inet n - {state.family.chroot} - - smtpd"
    if lines == (plain,) or (lines and lines[-1] in state.left.get("smtp/inet", ())):
        return
    bound = [] if lines else [name for name in state.service_on_port(25) if name != "smtp/inet"]
    for name in bound:
        text = " / ".join(state.services[name])
        where = message("this host itself") if services.is_on_loopback(name) else name.rpartition(":")[0]
        alone = message(
            "it listens on {address} alone: no mail comes in by port 25 of another address", address=where
        )
        why = joined("; ", (alone, _READ_ON_25))
        yield Difference(Place.master(name), text, Effect.ASKS, why, Choices(keep=_STAYS_ON_25))
    if bound:
        return
    fallen = next((one for one in _fallen(state) if one.where == Place.master("smtp/inet")), None)
    if fallen is not None and len(lines) == 1:
        yield fallen
        return
    kept = bool(filters.only_on_25(state)) and lines[0].startswith(f"{plain} -o ")
    text = " / ".join(lines) or _NONE
    choices = NO_CHOICE if kept or not lines else Choices(keep=_STAYS_ON_25)
    yield Difference(Place.master("smtp/inet"), text, effect(kept), _FILTER if kept else _READ_ON_25, choices)


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


def other_differences(state: MailState, ours: Iterable[str]) -> tuple[Difference, ...]:
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
        became, why = (
            (Effect.ASKS, message("TLS on every port depends on it"))
            if name in _NEEDED
            else (Effect.UNTOUCHED, UNTOUCHED)
        )
        found.append(Difference(Place.master(name), " / ".join(now) or _NONE, became, why))
    return tuple(found)
