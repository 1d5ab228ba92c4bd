"""What a host itself has of our runs: the lines of its syslog, and its journals. Nothing is written there."""

from dataclasses import dataclass

from runbook_lib import inventory, remote
from runbook_lib.errors import CommandFailed
from runbook_lib.messages import message
from runbook_lib.records import told
from runbook_lib.records.told import Told
from runbook_lib.remote import runs

# The journal of systemd may be in memory alone, and a host without it has the files: so both are read. A line that is
# in both counts once.
_SCRIPT = """
files=$(ls -1tr /var/log/auth.log* /var/log/secure* /var/log/messages* 2>/dev/null)
if [ -z "$files" ] && ! command -v journalctl > /dev/null; then exit 3; fi
for file in $files; do
    case $file in *.gz) zcat "$file" ;; *) cat "$file" ;; esac
done 2>/dev/null | grep -a ' runbook' || :
journalctl -q -t runbook -o cat --no-pager 2>/dev/null || :
"""


@dataclass(frozen=True)
class There:
    """What one host has: lines of its syslog, the oldest first, and its journals, run to number."""

    told: tuple[Told, ...]
    journals: dict[str, str]


def look(book: inventory.Inventory, host: inventory.Host) -> There:
    """Read a host's syslog and its journals, as root.

    Raises:
        HostUnreachable and its like: as `remote.connect`.
        CommandFailed: the host keeps no syslog where we look, or its journals are not understood.
    """
    connected = remote.connect(book.site, host)
    said = connected.run(_SCRIPT, root=True, check=False)
    if said.status:
        raise CommandFailed(
            message("keeps no syslog in /var/log, and has no journalctl"),
            host.name,
            message("compare with what the log server has: runbook records chain --syslog FILE"),
        )
    lines = said.stdout.decode(errors="replace").splitlines()
    journals = {one.run: one.sequence for one in runs.look(connected).runs}
    return There(told.read(lines, host.name), journals)
