"""The submission services of master.cf: ours, with what an administrator's own line has beside it."""

from collections.abc import Iterable
from dataclasses import dataclass

from runbook_lib.inventory.place import Place
from runbook_lib.mail.certificates.configured import ENTRIES, LEGACY
from runbook_lib.mail.configuration import parse
from runbook_lib.mail.configuration.postconf import BETWEEN, Service, folded
from runbook_lib.mail.configuration.state import MailState
from runbook_lib.mail.target import decisions, logins, mechanisms, offers, restrictions, wanted
from runbook_lib.messages import joined, message

ONE_A_PORT = message("several services on one port: the last wins, and Postfix says nothing")
_PUT_RIGHT = message("without the options of a service whose line is commented out")
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
            stay = ", ".join(one.raw for one in self.stay)
            parts.append(message("these options stay: {options}", options=stay))
        if self.give_way:
            give_way = ", ".join(one.raw for one in self.give_way)
            parts.append(message("these give way to chapter 2's: {options}", options=give_way))
        return joined("; ", parts)


def services(state: MailState) -> tuple[Service, ...]:
    """The submission services, as they are and as they shall be; the name found on a port is kept.

    Where several stand on one port, the last is the one that Postfix takes; it stays the one. A service whose options
    fell to it from a commented line is put right where a person decided so, and one that he keeps is not ours.
    """
    result = []
    for port in state.host.submission.ports:
        found = state.service_on_port(port)
        if found and (alone := listens_alone(found[-1], port)):
            if len(found) == 1 and is_kept_bound(found[-1], port, state):
                continue
            # Both cannot be had: the port of every address has that one in it.
            ours = line_of(port, state, "")
            name = "/".join(ours.split()[:2])
            there = state.services[name] if name in found else ()
            result.append(Service(name, there, ours, wanted.WHY_SERVICE[port]))
            result += [Service(other, state.services[other], None, alone) for other in found if other != name]
            continue
        ours = line_of(port, state, found[-1] if found else "")
        name = "/".join(ours.split()[:2])
        before = state.services[name] if found else ()
        decision = state.host.decided(Place.master(name))
        if decision and decision.decide == "keep" and not why_not_kept(port, before, state):
            continue
        own = own_line(ours, name, state)
        result.append(Service(name, before, _merged(ours, own), wanted.WHY_SERVICE[port]))
        result += [Service(other, state.services[other], None, ONE_A_PORT) for other in found[:-1]]
    told = {service.name for service in result}
    for service in state.master:
        decision = state.host.decided(Place.master(service.name))
        if service.fallen and service.name not in told and decision and decision.decide == "replace":
            now = state.services.get(service.name, ())
            result.append(Service(service.name, now, without_fallen(service), _PUT_RIGHT))
    return tuple(result)


def listens_alone(name: str, port: int) -> str:
    """What it means that a service of a submission port is bound to one address; '' where it listens on all of them."""
    if is_on_loopback(name):
        return message(
            "it listens on this host itself alone, so that nobody reaches port {port} from outside", port=port
        )
    address = bound_to(name)
    if not address:
        return ""
    return message(
        "it listens on {address} alone: nobody reaches port {port} by another address",
        address=address,
        port=port,
    )


def bound_to(name: str) -> str:
    """The address that a service's name has before its port; '' where it has none (master(5))."""
    return name.rpartition("/")[0].rpartition(":")[0]


def is_kept_bound(name: str, port: int, state: MailState) -> bool:
    """Whether a person keeps a service that is bound to one address, and its line can be kept."""
    decision = state.host.decided(Place.master(name))
    return bool(
        decision
        and decision.decide == "keep"
        and not is_on_loopback(name)
        and not why_not_kept(port, state.services[name], state)
    )


def is_on_loopback(name: str) -> bool:
    """Whether a service's name says that it listens on this host itself alone: '127.0.0.1:smtp/inet' (master(5))."""
    address = bound_to(name)
    return address.startswith("127.") or address.strip("[]") in ("::1", "localhost")


def why_not_kept(port: int, lines: tuple[str, ...], state: MailState) -> str:
    """Why what is there for a submission port cannot be kept; '' where the verification can prove what it does.

    It has to do what its port is for: TLS demanded, a login taken. And it has to show the certificate that users trust:
    where main.cf goes on naming another one for port 25, the line says so itself, or it is not kept.
    """
    pem = state.files.joined
    mode = {587: "smtpd_tls_security_level=encrypt", 465: "smtpd_tls_wrappermode=yes"}[port]
    own = {one.name: one.value for line in lines for one in _options(line)}
    has = {f"{name}={value}" for name, value in own.items()}
    if len(lines) != 1 or not {mode, "smtpd_sasl_auth_enable=yes"} <= has:
        return message("it does not demand TLS and take logins")
    lacks = mechanisms.lacks(logins.settings_of_mechanisms(state) | own) | offers.withheld(own)
    if shut := next((name for name in lacks if name in own), ""):
        return joined(" ", (lacks[shut], f"(-o {shut}={own[shut]})"))
    there = state.certificate
    if missing := [option for option in certificate_options(state) if option not in has]:
        told = " ".join(f"-o {option}" for option in missing)
        if len(state.by_certificate) > 1:
            return message(
                "port 25 has a certificate of its own, and the line would show that one: it lacks {options}",
                options=told,
            )
        return message(
            "the certificate of port 25 stays, and the line would show it, too: it lacks {options}",
            options=told,
        )
    good = {"", str(pem), *(there.found.entries.values() if there and there.serves else ())}
    if other := next((name for name in ENTRIES if own.get(name, "") not in good), ""):
        return message(
            "it shows another certificate than the one that users trust ({option})",
            option=f"-o {other}={own[other]}",
        )
    floor = own.get("smtpd_tls_mandatory_protocols")
    if floor is not None and not decisions.keeps_floor(floor, state.version):
        return message(
            "it lets in less than TLS 1.2 ({option})", option=f"-o smtpd_tls_mandatory_protocols={floor}"
        )
    return ""


def own_line(ours: str, name: str, state: MailState) -> OwnLine:
    """What an administrator's line for a service has beside ours.

    After a run of ours it is the line that the run found, so that a second run makes the same of it.
    """
    lines = state.services.get(name, ())
    if not lines:
        return OwnLine()
    if len(lines) == 1 and lines[0] in state.left.get(name, ()):
        lines = tuple(state.found.get(name, "").split(BETWEEN))
    service = next(iter(parse.services(lines[-1].encode())), None)
    if service is None or service.broken or service.command != "smtpd":
        return OwnLine()
    fallen = {option.name for one in state.master if one.name == name for option in one.fallen}
    own = {option.name: option for option in service.options if option.name not in fallen}
    same = {f"{one.name}={one.value}" for one in _options(ours)}
    decided = {
        one.name for one in wanted.settings(state.version, state.release, state.host, state.files.joined)
    }
    mine = {one.name for one in _options(ours)} | decided | set(ENTRIES)
    mine |= {"smtpd_tls_protocols", decisions.EXCLUDED, "smtpd_tls_wrappermode"}
    # A list that stops everybody was for a port without logins; users would log in there and be refused.
    mine |= {one.name for one in own.values() if restrictions.stops_users(one.name, one.value, state)}
    given = {one.name: one.value for one in own.values()}
    mine |= {*mechanisms.lacks(logins.settings_of_mechanisms(state) | given), *offers.withheld(given)}
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


def line_of(port: int, state: MailState, name: str) -> str:
    """This chapter's line for a port, without what an administrator's own line adds to it.

    Args:
        name: the service that is found there ('submission/inet'); "" where there is none.
    """
    more = (*restrictions.options(state), *logins.of_services(state, name))
    more += certificate_options(state)
    if decisions.EXCLUDED in state.main_cf:
        more += (f"{decisions.EXCLUDED}=",)
    line = wanted.service(port, state.version, state.family, more)
    return f"{name.removesuffix('/inet')} {line.split(' ', 1)[1]}" if name else line


def certificate_options(state: MailState) -> tuple[str, ...]:
    """What the submission services set to show the users' certificate where main.cf names another one for port 25.

    None where it names the same. Source: master(5), -o; postconf(5), smtpd_tls_chain_files (3.4 and later; before it
    smtpd_tls_cert_file and smtpd_tls_key_file).
    """
    pem = state.files.joined
    if len(state.by_certificate) > 1:
        names = ("smtpd_tls_chain_files",) if state.version >= (3, 4) else LEGACY[:2]
        return tuple(f"{name}={pem}" for name in names)
    return state.certificate.options(state.version, pem) if state.certificate else ()


def _merged(ours: str, own: OwnLine) -> str:
    words = ours.split(" ")
    if own.columns:
        words[_WAKEUP], words[_MAXPROC] = own.columns[_WAKEUP], own.columns[_MAXPROC]
    return folded(" ".join([*words, *(f"-o {one.raw}" for one in own.stay), *own.words]))


def _options(line: str) -> Iterable[parse.Option]:
    return (option for service in parse.services(line.encode()) for option in service.options)
