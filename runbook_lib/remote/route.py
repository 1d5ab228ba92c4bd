"""The way to a host: the jump hosts and itself, each with its address, user, keys and known host keys.

What the inventory says comes first; what it leaves open is as `ssh` on this machine would have it.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from runbook_lib import inventory
from runbook_lib.errors import HostUnreachable
from runbook_lib.messages import message
from runbook_lib.remote import ssh_config

# `[user@]host[:port]` or a URI, as ssh_config(5) has it under ProxyJump; an IPv6 address stands in brackets.
_JUMP = re.compile(
    r"(?:ssh://)?(?:(?P<user>[^@]+)@)?(?:\[(?P<v6>[^]]+)\]|(?P<host>[^:@]+))(?::(?P<port>[0-9]{1,5}))?/?"
)
MOST_JUMPS = 8


@dataclass(frozen=True)
class Hop:
    """One machine on the way.

    Args:
        where: for messages: the host's name, for a jump host with the jump's.
        destination: as one would type it behind `ssh`.
        address, port, user: where to, as the machine before it finds it, and as whom.
        key: the one key to offer; None: those of the agent and of the files.
        key_field: where a person names the one key.
        settings: what the configuration of ssh says of it.
        names: by which its host key may be known, in order.
        known_hosts: the files to look in.
    """

    where: str
    destination: str
    address: str
    port: int
    user: str
    key: Path | None
    key_field: str
    settings: ssh_config.Settings
    names: tuple[str, ...]
    known_hosts: tuple[Path, ...]

    def __str__(self) -> str:
        return f"{self.user}@{self.address} port {self.port}"


def to(site: inventory.Site, host: inventory.Host) -> tuple[Hop, ...]:
    """The way to a host of the inventory, the nearest jump host first, the host itself last.

    Raises:
        HostUnreachable: the configuration of ssh cannot be read, or the way leads in a circle.
    """
    way = _to(site, host, f"{host.name}")
    seen: set[tuple[str, str, int]] = set()
    for hop in way:
        place = (hop.user, hop.address, hop.port)
        if place in seen or len(way) > MOST_JUMPS + 1:
            raise HostUnreachable(
                message(
                    "the way to it has no end: {way}",
                    way=" → ".join(hop.destination for hop in way[: MOST_JUMPS + 1]),
                ),
                host.name,
                message(
                    "correct hosts.{host}.jump, or ProxyJump in ~/.ssh/config: a jump leads to itself",
                    host=host.name,
                ),
            )
        seen.add(place)
    return way


def _to(site: inventory.Site, host: inventory.Host, where: str, depth: int = 0) -> tuple[Hop, ...]:
    port = host.port if "port" in host.model_fields_set else None
    settings = ssh_config.ask(host.address, where, host.user, port)
    hop = Hop(
        where=where,
        destination=host.address,
        address=settings.hostname,
        port=settings.port,
        user=settings.user,
        key=Path(host.key).expanduser() if host.key else None,
        key_field=f"hosts.{host.name}.key",
        settings=settings,
        names=_names(settings, host.name),
        known_hosts=_known_hosts(site, settings),
    )
    if host.jump == "none":
        return (hop,)
    if host.jump is None:
        return (*_through(site, settings.proxy_jump, host.name, depth), hop)
    if host.through is not None and depth < MOST_JUMPS:
        return (*_to(site, host.through, f"{host.name}, jump {host.jump}", depth + 1), hop)
    return (*_through(site, host.jump, host.name, depth), hop)


def _through(site: inventory.Site, jumps: str, name: str, depth: int = 0) -> tuple[Hop, ...]:
    """The hops for a list as ProxyJump has it; only the first of them may have jumps of its own."""
    before: tuple[Hop, ...] = ()
    for number, jump in enumerate(jumps.split(",") if jumps else ()):
        where = f"{name}, jump {jump}"
        match = _JUMP.fullmatch(jump)
        if match is None or depth > MOST_JUMPS:
            raise HostUnreachable(
                message("'{jump}' is no jump host", jump=jump)
                if match is None
                else message("the jump hosts have no end"),
                where,
                message("write it as ProxyJump has it: user@host:port"),
            )
        destination = match["v6"] or match["host"]
        settings = ssh_config.ask(
            destination, where, match["user"], int(match["port"]) if match["port"] else None
        )
        if number == 0:
            before = _through(site, settings.proxy_jump, name, depth + 1)
        hop = Hop(
            where=where,
            destination=destination,
            address=settings.hostname,
            port=settings.port,
            user=settings.user,
            key=None,
            key_field=f"IdentityFile for `Host {destination}` in ~/.ssh/config",
            settings=settings,
            names=_names(settings),
            known_hosts=_known_hosts(site, settings),
        )
        before = (*before, hop)
    return before


def _names(settings: ssh_config.Settings, inventory_name: str | None = None) -> tuple[str, ...]:
    """The names to look up, as known_hosts spells them; an alias stands alone and has no port."""
    if settings.host_key_alias:
        return (settings.host_key_alias,)
    names = dict.fromkeys((settings.hostname, *((inventory_name,) if inventory_name else ())))
    return tuple(name if settings.port == 22 else f"[{name}]:{settings.port}" for name in names)


def _known_hosts(site: inventory.Site, settings: ssh_config.Settings) -> tuple[Path, ...]:
    if "known_hosts" in site.model_fields_set or not settings.known_hosts:
        return (Path(site.known_hosts).expanduser(),)
    return settings.known_hosts
