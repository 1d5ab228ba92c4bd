"""Lines of master.cf that Postfix cannot read, that it takes for another service's, or of which the last one wins."""

from collections import defaultdict
from collections.abc import Iterator

from runbook_lib.inventory.place import MAIN_CF, MASTER_CF, Place
from runbook_lib.mail.configuration.parse import Service
from runbook_lib.mail.findings.finding import Finding, Look
from runbook_lib.messages import message

_PORTS = {
    "smtp": "25",
    "smtps": "465",
    "submissions": "465",
    "ssmtp": "465",
    "urd": "465",
    "submission": "587",
}


_FIRST = message("put the line right; until then nothing is done on this host")


def find(look: Look) -> Iterator[Finding]:
    """Broken lines first: with one of them Postfix reads nothing."""
    for entry in look.state.main:
        if not entry.name:
            meaning = message(
                "it has no '=' where Postfix looks for one: it cannot be parsed, and no command of Postfix works"
            )
            yield Finding(Place(MAIN_CF, line=entry.number), entry.text, meaning, _FIRST)
    for service in look.state.master:
        if service.broken:
            meaning = message(
                "it cannot be parsed: {reason}; no command of Postfix works", reason=service.broken
            )
            yield Finding(
                Place(MASTER_CF, line=service.number),
                service.text,
                meaning,
                _FIRST,
            )
            continue
        for option in service.fallen:
            meaning = message(
                "the line of {other} above it is commented out and this one is not, so Postfix takes it for an option "
                "of {service} (line {line})",
                other=option.under,
                service=service.name,
                line=service.number,
            )
            yield Finding(Place.master(service.name, option.number), f"-o {option.raw}", meaning)
        for option in service.options:
            if "=" not in option.raw:
                meaning = message(
                    "an -o without a value: a blank beside the '=' makes words of it that nobody reads"
                )
                yield Finding(
                    Place.master(service.name, option.number),
                    f"-o {option.raw}",
                    meaning,
                    message("write -o name=value, or -o {{ name = value }}"),
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
            port = _PORTS.get(service.columns[0], service.columns[0])
            on_port = service.columns[1] == "inet"
            name = f"port {port}" if on_port and port in ("465", "587") else service.name
            meaning = message(
                "line {line} ({service}) is for {same} too, and the last one counts",
                line=last.number,
                service=last.columns[0],
                same=message("port {port}", port=port) if on_port else service.name,
            )
            yield Finding(Place.master(name, service.number), " ".join(service.text.split()), meaning)
