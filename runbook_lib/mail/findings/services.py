"""Lines of master.cf that Postfix cannot read, that it takes for another service's, or of which the last one wins."""

from collections import defaultdict
from collections.abc import Iterator

from runbook_lib.mail.findings.finding import Finding, Look
from runbook_lib.mail.findings.parse import Service

_PORTS = {
    "smtp": "25",
    "smtps": "465",
    "submissions": "465",
    "ssmtp": "465",
    "urd": "465",
    "submission": "587",
}


_FIRST = "put the line right; until then nothing is done on this host"


def find(look: Look) -> Iterator[Finding]:
    """Broken lines first: with one of them Postfix reads nothing."""
    for entry in look.state.main:
        if not entry.name:
            meaning = "it has no '=' where Postfix looks for one: it cannot be parsed, and no command of Postfix works"
            yield Finding(f"main.cf, line {entry.number}", entry.number, entry.text, meaning, _FIRST)
    for service in look.state.master:
        place = f"master.cf, {service.name}"
        if service.broken:
            meaning = f"it cannot be parsed: {service.broken}; no command of Postfix works"
            yield Finding(
                f"master.cf, line {service.number}",
                service.number,
                service.text,
                meaning,
                _FIRST,
            )
            continue
        for option in service.fallen:
            meaning = (
                f"the line of {option.under} above it is commented out and this one is not, so Postfix takes it for "
                f"an option of {service.name} (line {service.number})"
            )
            yield Finding(place, option.number, f"-o {option.raw}", meaning)
        for option in service.options:
            if "=" not in option.raw:
                meaning = "an -o without a value: a blank beside the '=' makes words of it that nobody reads"
                yield Finding(
                    place,
                    option.number,
                    f"-o {option.raw}",
                    meaning,
                    "write -o name=value, or -o { name = value }",
                )
    yield from _on_one_port(look)


def _on_one_port(look: Look) -> Iterator[Finding]:
    """Services of one name, or on one port by several names: Postfix takes the last (case P5)."""
    by_port: dict[str, list[Service]] = defaultdict(list)
    for service in look.state.master:
        if service.broken:
            continue
        address, _, port = service.columns[0].rpartition(":")
        number = _PORTS.get(port, port) if service.columns[1] == "inet" else port
        by_port[f"{address} {number}/{service.columns[1]}"].append(service)
    for services in by_port.values():
        *others, last = services
        for service in others:
            on = f"port {_PORTS.get(service.columns[0], service.columns[0])}"
            where = on if service.columns[1] == "inet" else service.name
            place = f"master.cf, {where if on in ('port 465', 'port 587') else service.name}"
            meaning = f"line {last.number} ({last.columns[0]}) is for {where} too, and the last one counts"
            yield Finding(place, service.number, " ".join(service.text.split()), meaning)
