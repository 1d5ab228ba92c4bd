"""An inventory file, read and checked: all that is wrong is told at once, each with file, line and field."""

import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from runbook_lib import places
from runbook_lib.credentials import another_writer
from runbook_lib.errors import InventoryError
from runbook_lib.inventory import plain, refusals
from runbook_lib.inventory.models import HOST_NAME, Host, Site
from runbook_lib.inventory.purposes import MAIL, field_of
from runbook_lib.inventory.source import Location, Place, Source, read
from runbook_lib.inventory.strict import Model
from runbook_lib.inventory.whole import Loan, Neighbour, Whole
from runbook_lib.messages import joined, message
from runbook_lib.places import shown_path

# What is each host's own, and so never a default of all.
OWN_FIELDS = frozenset({"name", "address", "names"})

M = TypeVar("M", bound=Model)

_held: "dict[Path, Inventory]" = {}


@dataclass(frozen=True)
class Inventory:
    """A site and its hosts.

    Args:
        site: what all hosts have in common.
        path: the file.
        digest: SHA-256 of the file's bytes, hex.
        rest: all hosts, and the bytes.
        at_hand: the host that a worker has, whose `rest` is a loan; None: every host is as near.
    """

    site: Site
    path: Path
    digest: str
    rest: Whole | Loan = field(repr=False)
    at_hand: Host | None = None

    @property
    def hosts(self) -> Mapping[str, Host]:
        """By name, in the file's order."""
        return self.rest.hosts

    def host(self, name: str) -> Host:
        """One host.

        Raises:
            InventoryError: no such host; names those that are there.
        """
        if self.at_hand is not None and self.at_hand.name == name:
            return self.at_hand
        try:
            return self.hosts[name]
        except KeyError:
            raise InventoryError(
                message("there is no host {name}; there are {hosts}", name=name, hosts=", ".join(self.hosts)),
                self.where("hosts"),
                message("name one of them, or add {name} under hosts", name=name),
            ) from None

    def others(self, name: str) -> Iterator[Neighbour]:
        """What the work on a host may ask about every other one: of a thousand, a worker has that at little cost."""
        return (one for one in self.rest.neighbours if one.name != name)

    def lent(self, name: str, loan: Loan) -> "Inventory":
        """The same for the worker of a host.

        Args:
            loan: of this inventory's `rest`.
        """
        return replace(self, rest=loan, at_hand=self.host(name))

    def where(self, *path: str | int) -> str:
        """The file and line of a value, or of the nearest block around it: "inventory/site.yaml, line 14".

        A value that a host has from the defaults is in the defaults' line.
        """
        place = _place(read(self.rest.content), path)
        return message("{path}, line {line}", path=shown_path(self.path), line=place.line)


def find(name_or_path: str) -> Path:
    """The file that a name or a path means.

    Args:
        name_or_path: `lab`, `site` or another word is `inventory/WORD.yaml` of the checkout that this package
            is in, wherever one works (`lab` is `$RUNBOOK_LAB/lab.yaml` where that is set); where the package is
            installed, `WORD.yaml` of the user's configuration folder. Anything with a slash or an ending is a path.
    """
    if "/" in name_or_path or name_or_path.endswith((".yaml", ".yml")):
        return Path(name_or_path).expanduser().absolute()
    lab = os.environ.get("RUNBOOK_LAB")
    named = places.CHECKOUT / "inventory" if places.CHECKOUT else places.configuration()
    folder = Path(lab) if lab and name_or_path == "lab" else named
    return folder / f"{name_or_path}.yaml"


def default() -> str:
    """The inventory that is meant where none is named, as `find` takes it; it need not be there.

    In a checkout that is its `site`, else the user's own, else the lab. Installed it is the user's own, else that of
    the folder in which one stands.
    """
    own = places.configuration() / "site.yaml"
    if places.CHECKOUT:
        if find("site").exists():
            return "site"
        return str(own) if own.exists() else "lab"
    here = _where_one_stands()
    return str(here) if here.exists() and not own.exists() else "site"


def is_default(path: Path) -> bool:
    """Whether a command takes this file without being told, wherever it is typed."""
    return path == find(default()) and (places.CHECKOUT is not None or path != _where_one_stands())


def _where_one_stands() -> Path:
    return Path("inventory", "site.yaml").absolute()


def load(name_or_path: str | Path) -> Inventory:
    """Read and check an inventory.

    Args:
        name_or_path: see `find`.
    Raises:
        InventoryError: no such file, one that somebody else may write, or everything that is wrong with it, a line
            each.
    """
    path = find(str(name_or_path))
    if path in _held:
        return _held[path]
    try:
        content = path.read_bytes()
    except OSError as error:
        example = shown_path(places.EXAMPLE)
        remedy = (
            message(
                "make lab-up for the lab; for your own servers copy {example} to inventory/site.yaml",
                example=example,
            )
            if path.name == "lab.yaml" and places.CHECKOUT
            else message("copy {example} there and fill it in", example=example)
        )
        raise InventoryError(
            message("the inventory cannot be read: {reason}", reason=error.strerror),
            shown_path(path),
            remedy,
        ) from None
    _refuse_another_writer(path)
    return parse(path, content)


def hold(name_or_path: str | Path, book: Inventory) -> None:
    """From now on `load` takes this for what the file says in this process, whatever becomes of it.

    A run is decided by one inventory: what is written into the file meanwhile is for the next.
    """
    _held[find(str(name_or_path))] = book


def parse(path: Path, content: bytes) -> Inventory:
    """Check the bytes of an inventory that was read from `path`.

    Raises:
        InventoryError: everything that is wrong with it, a line each.
    """
    with suppress(plain.NotPlain):
        check = _Check(Source(plain.read(content)), path)
        site, hosts = check.run()
        if site is not None and not check.wrong:
            return _inventory(site, hosts, path, content)
    # Once more, with the place of each value: something is wrong, or may be said in a way that takes longer to read.
    check = _Check(read(content), path)
    site, hosts = check.run()
    if check.wrong or site is None:
        lines = sorted(set(check.wrong))
        told = joined(
            "\n",
            (joined("", (f"  {shown_path(path)}:{line}:{column}: ", text)) for line, column, text in lines),
        )
        raise InventoryError(
            message("one thing is wrong\n{told}", told=told)
            if len(lines) == 1
            else message("{count} things are wrong\n{told}", count=len(lines), told=told),
            shown_path(path),
            message("correct the file, then run the same again"),
        )
    return _inventory(site, hosts, path, content)


def _inventory(site: Site, hosts: dict[str, Host], path: Path, content: bytes) -> Inventory:
    return Inventory(site, path, hashlib.sha256(content).hexdigest(), Whole(hosts, content))


def _refuse_another_writer(path: Path) -> None:
    """An inventory names commands (`cmd:`), hosts and who signs: who may write it works as whoever reads it."""
    writer = another_writer(path)
    if writer:
        raise InventoryError(
            message(
                "somebody else may write it, and an inventory names commands that run as you: {writer}",
                writer=writer,
            ),
            shown_path(path),
            message(
                "keep it in a file of your own that only you can write (chmod go-w), in folders of which "
                "the same is true"
            ),
        )


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
                self.say((), message("the file has no fields; expected site, defaults and hosts"))
            return None, {}
        for name in data:
            if name not in ("site", "defaults", "hosts"):
                self.say((name,), refusals.unknown(name, ("site", "defaults", "hosts")))
        site = self.model(Site, data.get("site"), ("site",))
        defaults = self.block(("defaults",), data.get("defaults") or {})
        for name in OWN_FIELDS & defaults.keys():
            self.say(("defaults", name), message("is each host's own; write it under hosts.NAME"))
        shared = {name: value for name, value in defaults.items() if name not in OWN_FIELDS}
        hosts: dict[str, Host] = {}
        for name, own in self.block(("hosts",), data.get("hosts")).items():
            if not re.fullmatch(HOST_NAME, name):
                self.say(
                    ("hosts", name),
                    message(
                        "is not a name for a host; expected {words}",
                        words=refusals.HOST_NAME_IN_WORDS,
                    ),
                )
            elif isinstance(own, dict) and "name" in own:
                self.say(
                    ("hosts", name, "name"), message("is not a field; a host's name is its key under hosts")
                )
            elif host := self.model(Host, _with_defaults(name, shared, own), ("hosts", name)):
                hosts[name] = host
        if not hosts and not self.wrong:
            self.say(
                ("hosts",), message("has no host; expected at least one, hosts: {{NAME: {{address: …}}}}")
            )
        for location, text in _between_hosts(hosts, data.get("hosts")):
            self.say(location, text)
        grouped = {host.group for host in hosts.values()}
        for name in site.groups if site and not self.wrong else ():
            if name not in grouped:
                self.say(
                    ("site", "groups", name),
                    message("is a group of no host; write group: {name} at its hosts", name=name),
                )
        return site, _joined(hosts)

    def block(self, location: Location, value: Any) -> dict[str, Any]:
        """`value` where it is a block, else an empty one, and a sentence."""
        if isinstance(value, dict):
            return value
        is_there = location in self.source.places
        place = self.source.place(location)
        self.say(
            location,
            message("is {kind}; expected a block", kind=place.kind)
            if is_there
            else message("is missing; expected a block"),
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
        self.wrong.append((place.line, place.column, joined(" ", (spelled, text)) if spelled else text))


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
                message(
                    "is that of hosts.{first} too, and the port; one server would be changed twice",
                    first=first,
                ),
            )
        for one in host.by_certificate:
            first = smtp.setdefault(one.names.smtp, name)
            if first != name:
                where: Location = (
                    ("names", "smtp")
                    if one.purpose == MAIL
                    else (*field_of(one.purpose).split("."), "names", 0)
                )
                yield (
                    ("hosts", name, *where),
                    message(
                        "is that of hosts.{first} too; checks that ask by this name would meet the other server",
                        first=first,
                    ),
                )
        if host.jump == name:
            yield (
                ("hosts", name, "jump"),
                message("leads to the host itself; expected another host, or nothing"),
            )
        elif host.jump is not None and not _is_way(host.jump) and host.jump not in written:
            yield (
                ("hosts", name, "jump"),
                message(
                    "is '{jump}', which is not a host here; {hint}; a jump host that is none is written with its "
                    "user, as ops@gw.example.jp",
                    jump=host.jump,
                    hint=refusals.instead(host.jump, [other for other in written if other != name]),
                ),
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
