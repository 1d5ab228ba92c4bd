"""Lines of master.cf that Postfix cannot read, that it takes for another service's, or of which the last one wins."""

from collections import defaultdict
from collections.abc import Iterator

from runbook_lib.inventory.place import MAIN_CF, MASTER_CF, Place
from runbook_lib.mail.configuration.parse import Service
from runbook_lib.mail.findings.finding import Finding, Look

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
            yield Finding(Place(MAIN_CF, line=entry.number), entry.text, meaning, _FIRST)
    for service in look.state.master:
        if service.broken:
            meaning = f"it cannot be parsed: {service.broken}; no command of Postfix works"
            yield Finding(
                Place(MASTER_CF, line=service.number),
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
            yield Finding(Place.master(service.name, option.number), f"-o {option.raw}", meaning)
        for option in service.options:
            if "=" not in option.raw:
                meaning = "an -o without a value: a blank beside the '=' makes words of it that nobody reads"
                yield Finding(
                    Place.master(service.name, option.number),
                    f"-o {option.raw}",
                    meaning,
                    "write -o name=value, or -o { name = value }",
                )
    yield from _on_one_port(look)


def _on_one_port(look: Look) -> Iterator[Finding]:
    """Services of one name, or on one port by several names: Postfix takes the last."""
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
            name = where if on in ("port 465", "port 587") else service.name
            meaning = f"line {last.number} ({last.columns[0]}) is for {where} too, and the last one counts"
            yield Finding(Place.master(name, service.number), " ".join(service.text.split()), meaning)
