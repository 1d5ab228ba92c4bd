"""What is looked at on a host, by commands that only look."""

from collections.abc import Mapping

from runbook_lib.families.known import FAMILIES
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
_LOCK_FILES = dict.fromkeys(manager.locks for family in FAMILIES for manager in family.package_managers)
_LOCKS = (
    f"for f in {' '.join(_LOCK_FILES)}"
    + """; do
  i=$(stat -c %i "$f" 2>/dev/null) || continue
  awk -v i=":$i" '$2 != "->" && $4 == "WRITE" && substr($6, length($6) - length(i) + 1) == i { print $5 }' /proc/locks |
  while read -r p; do echo "$f $p $(cat "/proc/$p/comm" 2>/dev/null)"; done
done"""
)

ALWAYS: Mapping[str, str] = {
    **{name: FACTS[name] for name in ("os_release", "package_managers", "time_utc")},
    "disk": _DISK,
    "locks": _LOCKS,
    "ports": "ss -Hltnp '( sport = :25 or sport = :465 or sport = :587 )'",
    "masters": 'for c in $(grep -lx master /proc/[0-9]*/comm); do stat -c %u "${c%/comm}"; done | grep -x 0',
}
