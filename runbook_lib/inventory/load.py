"""An inventory file, read and checked: all that is wrong is told at once, each with file, line and field."""

import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from runbook_lib.errors import InventoryError
from runbook_lib.inventory import refusals
from runbook_lib.inventory.models import HOST_NAME, Host, Site
from runbook_lib.inventory.source import Location, Place, Source, read
from runbook_lib.inventory.strict import Model

CHECKOUT = Path(__file__).resolve().parents[2]
# What is each host's own, and so never a default of all.
OWN_FIELDS = frozenset({"name", "address", "names"})

M = TypeVar("M", bound=Model)


@dataclass(frozen=True)
class Inventory:
    """A site and its hosts.

    Args:
        site: what all hosts have in common.
        hosts: by name, in the file's order.
        path: the file.
        digest: SHA-256 of the file's bytes, hex.
    """

    site: Site
    hosts: Mapping[str, Host]
    path: Path
    digest: str
    places: Mapping[Location, Place] = field(repr=False)

    def host(self, name: str) -> Host:
        """One host.

        Raises:
            InventoryError: no such host; names those that are there.
        """
        try:
            return self.hosts[name]
        except KeyError:
            raise InventoryError(
                f"there is no host {name}; there are {', '.join(self.hosts)}",
                self.where("hosts"),
                f"name one of them, or add {name} under hosts",
            ) from None

    def where(self, *path: str | int) -> str:
        """The file and line of a value, or of the nearest block around it: "inventory/site.yaml, line 14".

        A value that a host has from the defaults is in the defaults' line.
        """
        place = _place(Source(places=dict(self.places)), path)
        return f"{_shown(self.path)}, line {place.line}"


def find(name_or_path: str) -> Path:
    """The file that a name or a path means.

    Args:
        name_or_path: `lab`, `site` or another word is `inventory/WORD.yaml` of the checkout that this package
            is in, wherever one works (`lab` is `$RUNBOOK_LAB/lab.yaml` where that is set); anything with a
            slash or an ending is a path.
    """
    if "/" in name_or_path or name_or_path.endswith((".yaml", ".yml")):
        return Path(name_or_path).expanduser().absolute()
    lab = os.environ.get("RUNBOOK_LAB")
    folder = Path(lab) if lab and name_or_path == "lab" else CHECKOUT / "inventory"
    return folder / f"{name_or_path}.yaml"


def load(name_or_path: str | Path) -> Inventory:
    """Read and check an inventory.

    Args:
        name_or_path: see `find`.
    Raises:
        InventoryError: no such file, or everything that is wrong with it, a line each.
    """
    path = find(str(name_or_path))
    try:
        source, content = read(path)
    except OSError as error:
        remedy = (
            "make lab-up for the lab; for your own servers copy inventory/example.yaml to inventory/site.yaml"
            if path.name == "lab.yaml"
            else "copy inventory/example.yaml there and fill it in"
        )
        raise InventoryError(
            f"the inventory cannot be read: {error.strerror}", _shown(path), remedy
        ) from None
    check = _Check(source, path)
    site, hosts = check.run()
    if check.wrong or site is None:
        lines = sorted(set(check.wrong))
        told = "\n".join(f"  {_shown(path)}:{line}:{column}: {text}" for line, column, text in lines)
        count = "one thing is" if len(lines) == 1 else f"{len(lines)} things are"
        raise InventoryError(
            f"{count} wrong\n{told}", _shown(path), "correct the file, then run the same again"
        )
    return Inventory(site, hosts, path, hashlib.sha256(content).hexdigest(), source.places)


class _Check:
    """Collects everything that is wrong with one file, as line, column and sentence."""

    def __init__(self, source: Source, path: Path) -> None:
        self.source = source
        self.context = {"folder": path.parent}
        self.wrong: list[tuple[int, int, str]] = []

    def run(self) -> tuple[Site | None, dict[str, Host]]:
        """The models of what is right; what is wrong is in `wrong`."""
        for place, location, text in self.source.problems:
            self.say(location, text, place)
        data = self.source.data
        if not isinstance(data, dict):
            if not self.source.problems:
                self.say((), "the file has no fields; expected site, defaults and hosts")
            return None, {}
        for name in data:
            if name not in ("site", "defaults", "hosts"):
                self.say((name,), refusals.unknown(name, ("site", "defaults", "hosts")))
        site = self.model(Site, data.get("site"), ("site",))
        defaults = self.block(("defaults",), data.get("defaults") or {})
        for name in OWN_FIELDS & defaults.keys():
            self.say(("defaults", name), "is each host's own; write it under hosts.NAME")
        shared = {name: value for name, value in defaults.items() if name not in OWN_FIELDS}
        hosts: dict[str, Host] = {}
        for name, own in self.block(("hosts",), data.get("hosts")).items():
            if not re.fullmatch(HOST_NAME, name):
                self.say(("hosts", name), f"is not a name for a host; expected {refusals.HOST_NAME_IN_WORDS}")
            elif isinstance(own, dict) and "name" in own:
                self.say(("hosts", name, "name"), "is not a field; a host's name is its key under hosts")
            elif host := self.model(Host, _with_defaults(name, shared, own), ("hosts", name)):
                hosts[name] = host
        if not hosts and not self.wrong:
            self.say(("hosts",), "has no host; expected at least one, hosts: {NAME: {address: …}}")
        for location, text in _between_hosts(hosts, data.get("hosts")):
            self.say(location, text)
        return site, _joined(hosts)

    def block(self, location: Location, value: Any) -> dict[str, Any]:
        """`value` where it is a block, else an empty one, and a sentence."""
        if isinstance(value, dict):
            return value
        is_there = location in self.source.places
        place = self.source.place(location)
        self.say(
            location,
            f"is {place.kind}; expected a block" if is_there else "is missing; expected a block",
            place,
        )
        return {}

    def model(self, model: type[M], data: Any, at: Location) -> M | None:
        """The model of `data`, or None and a sentence for each thing that is wrong."""
        if not isinstance(data, dict):
            self.block(at, data)
            return None
        try:
            return model.model_validate(data, context=self.context)
        except ValidationError as error:
            for location, sentence in refusals.refusals(error, model):
                place = _place(self.source, (*at, *location))
                self.say((*at, *location), sentence(place), place)
            return None

    def say(self, location: Location, text: str, place: Place | None = None) -> None:
        """Keep a sentence about a field."""
        place = place or _place(self.source, location)
        # A default that is wrong would be told once a host, each time at its one place.
        if location[:1] == ("hosts",) and self.source.places.get(("defaults", *location[2:])) == place:
            location = ("defaults", *location[2:])
        spelled = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in location)[1:]
        self.wrong.append((place.line, place.column, f"{spelled} {text}" if spelled else text))


def _with_defaults(name: str, defaults: Mapping[str, Any], own: Any) -> Any:
    return {**_merged(defaults, own), "name": name} if isinstance(own, dict) else own


def _merged(defaults: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """A host's own values over the defaults, block by block; a list is one value."""
    merged = dict(defaults)
    for name, value in own.items():
        below = merged.get(name)
        merged[name] = _merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def _place(source: Source, location: Sequence[str | int]) -> Place:
    """The place of a host's value: its own, else the default's, else that of the nearest block around it."""
    path = tuple(location)
    if path not in source.places and path[:1] == ("hosts",) and ("defaults", *path[2:]) in source.places:
        return source.places["defaults", *path[2:]] if len(path) > 2 else source.place(path)
    return source.place(path)


def _between_hosts(hosts: Mapping[str, Host], written: Any) -> Iterator[tuple[Location, str]]:
    """What no host can know alone: two that are one, and jumps that lead nowhere."""
    at: dict[tuple[str, int, str | None], str] = {}  # behind two jump hosts an address may be two servers
    smtp: dict[str, str] = {}
    for name, host in hosts.items():
        first = at.setdefault((host.address, host.port, host.jump), name)
        if first != name:
            yield (
                ("hosts", name, "address"),
                f"is that of hosts.{first} too, and the port; one server would be changed twice",
            )
        first = smtp.setdefault(host.names.smtp, name)
        if first != name:
            yield (
                ("hosts", name, "names", "smtp"),
                f"is that of hosts.{first} too; checks that ask by this name would meet the other server",
            )
        if host.jump == name:
            yield ("hosts", name, "jump"), "leads to the host itself; expected another host, or nothing"
        elif host.jump is not None and not _is_way(host.jump) and host.jump not in written:
            close = refusals.unknown(host.jump, [other for other in written if other != name])
            yield (
                ("hosts", name, "jump"),
                close.replace("is not a field", f"is '{host.jump}', which is not a host here")
                + "; a jump host that is none is written with its user, as ops@gw.example.jp",
            )


def _is_way(jump: str) -> bool:
    """Is it `none`, or jump hosts as ProxyJump has them, instead of a host of the inventory?"""
    return jump == "none" or "@" in jump


def _joined(hosts: dict[str, Host]) -> dict[str, Host]:
    """The hosts, each with the one that it is reached through."""

    def joined(host: Host, passed: frozenset[str] = frozenset()) -> Host:
        other = hosts.get(host.jump or "")
        if other is None or other.name in passed:
            return host
        return host.going_through(joined(other, passed | {host.name}))

    return {name: joined(host) for name, host in hosts.items()}


def _shown(path: Path) -> str:
    """A path for a message: from the checkout where it is inside."""
    return str(path.relative_to(CHECKOUT)) if path.is_relative_to(CHECKOUT) else str(path)
