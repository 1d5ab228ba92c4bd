"""What runs left on a host, and whether one is at work there: what is so when nobody at this end goes on."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from runbook_lib import display
from runbook_lib.errors import CommandFailed
from runbook_lib.messages import joined, message
from runbook_lib.remote.change import counted
from runbook_lib.remote.connection import Host
from runbook_lib.remote.journal import LOCK, ROOT, WORK_LOCK

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")

# Who has a lock's file open is at work: taking the lock to see would be in a run's way, and proc_locks(5) tells nothing
# in a container once the flock(1) that took it has ended. Links are compared whole: anybody may name a file so that a
# list of links ends like one.
_SCRIPT = rf"""
held() {{ find /proc/[0-9]*/fd -lname "$1" 2>/dev/null | grep -q .; }}
if held {LOCK}; then cat {LOCK}; fi
printf '\0'
if held {WORK_LOCK}; then printf yes; fi
printf '\0'
# A journal is read by the shell itself: after 500 runs each program more would be 4,000.
first_line() {{ line=; if [ -r "$1" ]; then IFS= read -r line < "$1" || :; fi; }}
for run in $(ls -1tr {ROOT} 2>/dev/null); do
    cd {ROOT}/"$run" || continue
    made=0 back=0 open= last= at=0
    for begun in *.begun; do
        n=${{begun%.begun}}
        if [ ! -e "$begun" ]; then continue; fi
        if [ -e "$n.undone" ]; then back=$((back + 1)); continue; fi
        if [ -e "$n.done" ] || [ -e "$n.settled" ]; then made=$((made + 1)) last=$n
        else open=$n; fi
    done
    if [ "$back" != 0 ]; then at=$(stat -c %Y *.undone 2>/dev/null | sort -n | tail -n 1); fi
    if [ -n "$last" ]; then first_line "$last.title"; last=$line; fi
    if [ -n "$open" ]; then first_line "$open.title"; open=$line; fi
    first_line sequence
    differs=
    for unit in differs.*; do if [ -e "$unit" ]; then differs="$differs ${{unit#differs.}}"; fi; done
    printf '%s\0' "$run" "$line" "$made" "$last" "$open" "$back" "${{at:-0}}" "$differs"
done
"""


@dataclass(frozen=True)
class JournaledRun:
    """A run that changed something on a host, as its journal there has it.

    Args:
        run: its id.
        sequence: its number on this host, from 1; '' where the journal was cut off before it got one.
        made: how many of its changes were made, each whole, and not put back since; one that was cut off is among them
            once its chapter got through.
        last: the title of the last of them.
        open: the title of a change that was begun and has no end: being made, failed, or cut off; else ''.
        back: how many of its changes were put back: by a rollback, by a chapter that failed, or by hand on the host.
        back_at: when the last of them was, by the host's clock, as ISO 8601 has it; '' where none was.
        differs: units that ran before it, or started with the host, and did not when it was put back, since somebody
            stopped or disabled them.
    """

    run: str
    sequence: str
    made: int
    last: str
    open: str
    back: int = 0
    back_at: str = ""
    differs: tuple[str, ...] = ()

    @property
    def is_back(self) -> bool:
        """True when nothing of it is left: all of it was put back."""
        return not self.made and not self.open

    @property
    def undo_command(self) -> str:
        """What a person with a root shell types on the host to put the run back, without us."""
        return f"sh {ROOT}/{self.run}/undo.sh"


@dataclass(frozen=True)
class Standing:
    """How a host stands: what is at work, and what the runs before left.

    Args:
        holder: 'run RUN of OPERATOR' of the run that holds the host's lock; '' when none does.
        changing: whether a change is being made at this moment, by a run that is there or by one that is gone.
        runs: the runs with a journal, the one that wrote last at the end.
    """

    holder: str
    changing: bool
    runs: tuple[JournaledRun, ...]

    @property
    def last(self) -> JournaledRun | None:
        """The run that wrote last."""
        return self.runs[-1] if self.runs else None

    @property
    def told(self) -> str:
        """What is so now, in one line."""
        at_work = message("{holder} is at work", holder=self.holder)
        if not self.holder:
            at_work = message("no run is at work")
        run = self.last
        if run is None:
            return joined("; ", (at_work, message("none has changed anything here")))
        if run.is_back:
            back = message("the last, {run}, was put back", run=run.run)
            if run.differs:
                back = message(
                    "the last, {run}, was put back; not as before it, when that was done: {units} (stopped or disabled "
                    "since)",
                    run=run.run,
                    units=", ".join(run.differs),
                )
            return joined("; ", (at_work, back))
        made = counted(run.made)
        told = message(
            "the last to change something, {run} (number {number} here), made {changes}",
            run=run.run,
            number=run.sequence,
            changes=made,
        )
        if run.made:
            told = message(
                "the last to change something, {run} (number {number} here), made {changes}, the last of them: {last}",
                run=run.run,
                number=run.sequence,
                changes=made,
                last=run.last,
            )
        parts = [at_work, told]
        if run.back:
            parts.append(message("put back: {number} more", number=run.back))
        if run.open and self.changing:
            parts.append(message("being made: {change}", change=run.open))
        elif run.open:
            parts.append(message("failed or cut off, so perhaps half made: {change}", change=run.open))
        return joined("; ", parts)

    @property
    def if_left(self) -> str:
        """What becomes of the host when nobody at this end goes on, in one line."""
        if self.changing:
            return message(
                "the host ends the change that is being made by itself, then begins no other; what was made stays"
            )
        if self.holder:
            return message("no change is being made, and none is begun; what was made stays")
        return message("nothing changes: the host waits for nobody")


def look(host: Host) -> Standing:
    """Read the journals and locks of a host, as root, in one round trip. Nothing is written there.

    Raises: CommandFailed: the answer is none.
    """
    words = [
        display.escape_bytes(word)
        for word in host.run(_SCRIPT, root=True, look=True).stdout.split(b"\0")[:-1]
    ]
    holder, changing, *rest = words if len(words) >= 2 else ("", "", "")
    counts = [*rest[2::8], *rest[5::8]]
    if (
        len(rest) % 8
        or not all(re.fullmatch("[0-9]{1,6}", count) for count in counts)
        or not all(re.fullmatch("[0-9]{1,11}", at) for at in rest[6::8])
    ):
        raise CommandFailed(
            message("what it says of its journals is not understood ({words} words)", words=len(words)),
            f"{host.name}, {ROOT}",
            message("look there on the host: ls -l {root}; sh is to be a POSIX shell", root=ROOT),
        )
    runs = [
        JournaledRun(run, sequence, int(made), last, begun, int(back), _time(int(at)), tuple(differs.split()))
        for run, sequence, made, last, begun, back, at, differs in zip(
            *(rest[at::8] for at in range(8)), strict=True
        )
        if ID.fullmatch(run)
    ]
    return Standing(holder.strip(), changing == "yes", tuple(runs))


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if seconds else ""
