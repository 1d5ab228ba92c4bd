"""What is looked at on a host, by commands that only look."""

from collections.abc import Mapping
from dataclasses import dataclass

from runbook_lib.remote.facts import FACTS

# Where a run writes: packages, settings, the journal, the queue of Postfix, the lock.
WRITTEN = ("/", "/etc", "/var", "/var/lib/runbook", "/var/spool/postfix", "/run")

_DISK = rf"""for d in {" ".join(WRITTEN)}; do
  while [ ! -d "$d" ]; do d=${{d%/*}}; d=${{d:-/}}; done
  s=$(df -Pk "$d" | awk 'END {{ print $(NF-2), $(NF-4), $NF }}')
  i=$(df -Pi "$d" | awk 'END {{ print $(NF-2), $(NF-4) }}')
  o=$(awk -v m="${{s##* }}" '$2 == m {{ split($4, x, ","); o = x[1] }} END {{ print o }}' /proc/self/mounts)
  echo "$i $o $s"
done | sort -u"""

# Who holds a lock of a package manager: proc(5), /proc/locks; a line with -> only waits.
_LOCKS = """for f in /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/lib/apt/lists/lock \
/var/cache/apt/archives/lock "$(rpm -E '%{_dbpath}' 2>/dev/null)/.rpm.lock"; do
  i=$(stat -c %i "$f" 2>/dev/null) || continue
  awk -v i=":$i" '$2 != "->" && $4 == "WRITE" && substr($6, length($6) - length(i) + 1) == i { print $5 }' /proc/locks |
  while read -r p; do echo "$f $p $(cat "/proc/$p/comm" 2>/dev/null)"; done
done"""

ALWAYS: Mapping[str, str] = {
    **{name: FACTS[name] for name in ("os_release", "package_managers", "time_utc")},
    "disk": _DISK,
    "locks": _LOCKS,
    "ports": "ss -Hltnp '( sport = :25 or sport = :465 or sport = :587 )'",
    "masters": "grep -lx master /proc/[0-9]*/comm",
}


@dataclass(frozen=True)
class PackageLooks:
    """What is looked at by package manager.

    Args:
        broken: prints packages that an earlier install left half made.
        mend: what a person types then.
        sources: prints where packages come from, `scheme://host[:port]` or a path, one a line; a proxy alone where
            there is one. Nothing is fetched.
    """

    broken: str
    mend: str
    sources: str


_APT_PROXY = (
    """apt-config dump | sed -n 's/^Acquire::https\\{0,1\\}::Proxy "\\(http[^"]*\\)";/\\1/p' | sort -u"""
)
_APT_SOURCES = "apt-get update --print-uris | sed -n \"s/^'\\([^']*\\)'.*/\\1/p\""
_DNF_SOURCES = """cat /etc/yum.repos.d/*.repo | awk -F' *= *' '
  /^\\[/ { if (on && url) print url; on = 1; url = "" }
  $1 == "enabled" && $2 ~ /^(0|[Ff]alse|[Nn]o)$/ { on = 0 }
  $1 ~ /^(baseurl|mirrorlist|metalink)$/ { url = $2 }
  END { if (on && url) print url }'"""
_ORIGIN = "sed 's|^\\(https*://[^/]*\\)/.*|\\1|' | sort -u"
_DNF = PackageLooks(
    broken="",
    mend="",
    sources=f"p=$(sed -n 's/^proxy *= *//p' /etc/dnf/dnf.conf /etc/yum.conf 2>/dev/null | head -n 1)\n"
    f'if [ -n "$p" ]; then echo "$p"; else {_DNF_SOURCES} | {_ORIGIN}; fi',
)
BY_MANAGER: Mapping[str, PackageLooks] = {
    "apt-get": PackageLooks(
        broken="dpkg --audit",
        mend="dpkg --configure -a",
        sources=f'p=$({_APT_PROXY}); if [ -n "$p" ]; then echo "$p"; else {_APT_SOURCES} | {_ORIGIN}; fi',
    ),
    "dnf": _DNF,
    "yum": _DNF,
}
