"""The DNS servers of this machine, by the lines of resolv.conf that can be read; a line that cannot says nothing.

dnspython gives up at the first such line, and at a comment that is not UTF-8.
"""

import io
from pathlib import Path
from typing import Any, NoReturn

import dns.inet
import dns.resolver

from runbook_lib.messages import message

PATH = Path("/etc/resolv.conf")


class _Nobody(dns.resolver.Resolver):
    """A resolver where this machine names no DNS server."""

    def __init__(self, why: str) -> None:
        super().__init__(configure=False)
        self.why = why

    def resolve(self, *_: Any, **__: Any) -> NoReturn:
        """Say why nobody can be asked."""
        raise dns.resolver.NoResolverConfiguration(self.why)  # type: ignore[no-untyped-call]


def resolver(path: Path = PATH) -> dns.resolver.Resolver:
    """The system's resolver; where no server is named, one whose every question raises NoResolverConfiguration.

    Source: resolv.conf(5).
    """
    try:
        lines = path.read_bytes().decode("utf-8", errors="replace").splitlines()
    except OSError as error:
        why = message(
            "{path} on this machine cannot be read ({reason}), so no DNS server is asked",
            path=path,
            reason=error.strerror,
        )
        return _Nobody(why)
    named = [line for line in lines if line.split()[:1] == ["nameserver"]]
    unusable = [line for line in named if not _is_address(line)]
    usable = "\n".join(line for line in lines if line not in unusable)
    if len(named) == len(unusable):
        if not unusable:
            return _Nobody(
                message(
                    "{path} on this machine names no DNS server: it has no line 'nameserver ADDRESS'",
                    path=path,
                )
            )
        why = message(
            "{path} on this machine names no DNS server: none of its lines names one: {lines}",
            path=path,
            lines=", ".join(f"'{line.strip()}'" for line in unusable),
        )
        return _Nobody(why)
    made = dns.resolver.Resolver(configure=False)
    made.read_resolv_conf(io.StringIO(usable))
    return made


def _is_address(line: str) -> bool:
    words = line.split()
    return len(words) > 1 and dns.inet.is_address(words[1])
