"""The submission services of master.cf: ours, with what an administrator's own line has beside it."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from runbook_lib import inventory
from runbook_lib.families import Family
from runbook_lib.mail import decisions, restrictions, wanted
from runbook_lib.mail.findings import parse
from runbook_lib.mail.postconf import Service, folded
from runbook_lib.mail.state import MailState

ONE_A_PORT = "several services on one port: the last wins, and Postfix says nothing"
PUT_RIGHT = "without the options of a service whose line is commented out"
_WAKEUP, _MAXPROC = 5, 6


@dataclass(frozen=True)
class OwnLine:
    """An administrator's own line for a submission port, beside the one that this chapter would write.

    Args:
        stay: his options that the new line has, too.
        give_way: his options that this chapter sets itself, here or in main.cf.
    """

    stay: tuple[parse.Option, ...] = ()
    give_way: tuple[parse.Option, ...] = ()
    columns: tuple[str, ...] = ()
    words: tuple[str, ...] = ()

    @property
    def told(self) -> str:
        """What becomes of his options."""
        parts = []
        if self.stay:
            parts.append(f"these options stay: {', '.join(one.raw for one in self.stay)}")
        if self.give_way:
            parts.append(f"these give way to chapter 2's: {', '.join(one.raw for one in self.give_way)}")
        return "; ".join(parts)


def services(
    state: MailState, family: Family, host: inventory.Host, pem: PurePosixPath
) -> tuple[Service, ...]:
    """The submission services, as they are and as they shall be; the name found on a port is kept.

    Where several stand on one port, the last is the one that Postfix takes; it stays the one. A service whose options
    fell to it from a commented line is put right where a person decided so, and one that he keeps is not ours.

    Args:
        pem: the file with key, certificate and intermediates.
    """
    result = []
    for port in host.submission.ports:
        found = state.service_on_port(port)
        ours = line_of(port, state, family, pem, found[-1] if found else "")
        name = "/".join(ours.split()[:2])
        before = " / ".join(state.services[name]) if found else None
        decision = host.decided(f"master.cf, {name}")
        if decision and decision.decide == "keep" and is_submission(port, before or ""):
            continue
        own = own_line(ours, name, state, host, pem)
        result.append(Service(name, before, _merged(ours, own), wanted.WHY_SERVICE[port]))
        result += [
            Service(other, " / ".join(state.services[other]), None, ONE_A_PORT) for other in found[:-1]
        ]
    told = {service.name for service in result}
    for service in state.master:
        decision = host.decided(f"master.cf, {service.name}")
        if service.fallen and service.name not in told and decision and decision.decide == "replace":
            now = " / ".join(state.services.get(service.name, ()))
            result.append(Service(service.name, now, without_fallen(service), PUT_RIGHT))
    return tuple(result)


def is_submission(port: int, line: str) -> bool:
    """Whether a line that is kept does what its port is for: TLS demanded, and a login taken."""
    mode = {587: "smtpd_tls_security_level=encrypt", 465: "smtpd_tls_wrappermode=yes"}[port]
    options = {f"{one.name}={one.value}" for one in _options(line)}
    return " / " not in line and {mode, "smtpd_sasl_auth_enable=yes"} <= options


def own_line(ours: str, name: str, state: MailState, host: inventory.Host, pem: PurePosixPath) -> OwnLine:
    """What an administrator's line for a service has beside ours.

    After a run of ours it is the line that the run found, so that a second run makes the same of it.
    """
    lines = state.services.get(name, ())
    if not lines:
        return OwnLine()
    now = " / ".join(lines)
    line = state.found.get(name, "") if now in state.left.get(name, ()) else lines[-1]
    service = next(iter(parse.services(line.rpartition(" / ")[2].encode())), None)
    if service is None or service.broken or service.command != "smtpd":
        return OwnLine()
    fallen = {option.name for one in state.master if one.name == name for option in one.fallen}
    own = {option.name: option for option in service.options if option.name not in fallen}
    same = {f"{one.name}={one.value}" for one in _options(ours)}
    decided = {one.name for one in wanted.settings(state.version, state.release, host, pem)}
    mine = {one.name for one in _options(ours)} | decided | set(decisions.CERTIFICATE)
    mine |= {"smtpd_tls_protocols", decisions.EXCLUDED, "smtpd_tls_wrappermode"}
    # A list that stops everybody was for a port without logins; users would log in there and be refused.
    mine |= {one.name for one in own.values() if restrictions.stops_users(one.name, one.value, state)}
    return OwnLine(
        tuple(one for one in own.values() if one.name not in mine),
        tuple(one for one in own.values() if one.name in mine and f"{one.name}={one.value}" not in same),
        service.columns,
        service.words,
    )


def without_fallen(service: parse.Service) -> str:
    """A service's line without the options that fell to it."""
    options = [f"-o {one.raw}" for one in service.options if not one.under]
    return " ".join([*service.columns, *options, *service.words])


def line_of(port: int, state: MailState, family: Family, pem: PurePosixPath, name: str) -> str:
    """This chapter's line for a port, without what an administrator's own line adds to it.

    Args:
        name: the service that is found there ('submission/inet'); "" where there is none.
    """
    more = restrictions.options(state)
    if state.certificate:
        more += state.certificate.options(state.version, pem)
    if decisions.EXCLUDED in state.main_cf:
        more += (f"{decisions.EXCLUDED}=",)
    line = wanted.service(port, state.version, family, more)
    return f"{name.removesuffix('/inet')} {line.split(' ', 1)[1]}" if name else line


def _merged(ours: str, own: OwnLine) -> str:
    words = ours.split(" ")
    if own.columns:
        words[_WAKEUP], words[_MAXPROC] = own.columns[_WAKEUP], own.columns[_MAXPROC]
    return folded(" ".join([*words, *(f"-o {one.raw}" for one in own.stay), *own.words]))


def _options(line: str) -> Iterable[parse.Option]:
    return (option for service in parse.services(line.encode()) for option in service.options)
