"""Services that firewalld lets in, in the running and in the permanent configuration, and nothing else of either.

No reload: it would drop what somebody opened for the time being (firewall-cmd(1), --reload).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import PurePosixPath

from runbook_lib.messages import message
from runbook_lib.remote.change import Change, Guard, TouchedPath, because, quote
from runbook_lib.remote.system import SYSTEM_SH

_SH = resources.files(__package__).joinpath("firewalld.sh").read_text()
_TCP = re.compile("([0-9]{1,5})(?:-([0-9]{1,5}))?/tcp")
ZONES = PurePosixPath("/etc/firewalld/zones")

# The zone of the interface that the default route uses; of one that is in no zone, the default zone.
_ZONE = (
    "z=$(firewall-cmd --get-zone-of-interface=\"$(ip route show default | awk '{ print $5; exit }')\" 2>/dev/null)"
    " || z=$(firewall-cmd --get-default-zone)"
)
# One look for all: each call of firewall-cmd is a Python that starts.
_PERMANENT = "permanent:"
FACTS = {
    "firewalld": "systemctl is-active firewalld",
    "firewall": f"systemctl is-active -q firewalld && {_ZONE} && echo $z && firewall-cmd --zone=$z --list-all"
    f" && echo {_PERMANENT} && firewall-cmd --permanent --zone=$z --list-all",
}


@dataclass(frozen=True)
class Opening:
    """What a zone lets in, in one of the two configurations.

    Args:
        services: names of services.
        ports: 'NUMBER/tcp', with a range as 'FIRST-LAST/tcp'.
    """

    services: frozenset[str]
    ports: tuple[str, ...]

    @classmethod
    def of(cls, listed: str) -> "Opening":
        """Read what `--list-all` printed."""
        fields = {
            name.strip(): words.split()
            for name, colon, words in (line.partition(":") for line in listed.splitlines())
            if colon
        }
        return cls(frozenset(fields.get("services", ())), tuple(fields.get("ports", ())))

    def lets_in(self, service: str, port: int) -> bool:
        """Whether it takes connections to a port: by the service's name, or by a port or range of its own."""
        ranges = filter(None, map(_TCP.fullmatch, self.ports))
        return service in self.services or any(
            int(first) <= port <= int(last or first) for first, last in (found.groups() for found in ranges)
        )


def read(fact: str) -> tuple[str, Opening, Opening]:
    """The zone, and what it lets in now and after a restart, of the look `firewall`."""
    zone, _, lists = fact.partition("\n")
    running, _, permanent = lists.partition(f"\n{_PERMANENT}\n")
    return zone, Opening.of(running), Opening.of(permanent)


@dataclass(frozen=True)
class FirewalldChange(Change):
    """Services that a zone lets in from now on.

    Args:
        zone: the zone.
        running: services to add to the running configuration.
        permanent: those to add to the permanent one.
        why: the reason.
    """

    zone: str
    running: tuple[str, ...]
    permanent: tuple[str, ...]
    why: str = ""

    @property
    def thing(self) -> str:
        return self.zone

    @property
    def title(self) -> str:
        names = ", ".join(dict.fromkeys((*self.running, *self.permanent)))
        what = message("firewalld, zone {zone}, lets in {services}", zone=self.zone, services=names)
        return because(what, self.why)

    @property
    def touches(self) -> Sequence[TouchedPath]:
        # firewalld keeps the file of before beside the one it writes.
        file = ZONES / f"{self.zone}.xml"
        if not self.permanent:
            return ()
        return (TouchedPath(file, None), TouchedPath(file.with_name(f"{file.name}.old"), None))

    @property
    def guards(self) -> Sequence[Guard]:
        zone = quote(f"--zone={self.zone}")
        return [
            Guard(
                f"firewall-cmd {how}{zone} --query-service={quote(name)}",
                "no",
                f"firewalld, {how}{zone}, {name}",
            )
            for how, names in (("", self.running), ("--permanent ", self.permanent))
            for name in names
        ]

    @property
    def functions(self) -> Mapping[str, str]:
        return {"firewalld": _SH, "system": SYSTEM_SH}

    def diff(self) -> str:
        rows = [("running", self.running), ("permanent", self.permanent)]
        return "".join(f"+{self.zone}, {how}: {name}\n" for how, names in rows for name in names)

    def commands(self) -> str:
        zone = quote(f"--zone={self.zone}")
        return "\n".join(
            f"firewall-cmd -q {how}{zone} {' '.join(f'--add-service={quote(name)}' for name in names)}"
            for how, names in (("--permanent ", self.permanent), ("", self.running))
            if names
        )

    def before_commands(self) -> str:
        return (
            f'printf "%s\\n" {" ".join(map(quote, self.running))} > "$J/$N.running"' if self.running else ""
        )

    def undo(self) -> str:
        return f"firewalld_back $N {quote(self.zone)} {' '.join(map(quote, self.permanent))}".rstrip()
