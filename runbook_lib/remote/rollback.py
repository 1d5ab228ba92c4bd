"""Put a run back: the run's own undo.sh, run on the host; conflicts are shown three ways."""

import base64
import binascii
import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from runbook_lib import display
from runbook_lib.errors import RollbackConflict, UsageError
from runbook_lib.remote import runs
from runbook_lib.remote.change import quote
from runbook_lib.remote.connection import Host
from runbook_lib.remote.journal import ROOT, Journal

_NEVER_BEGUN = "no change of this run was begun: everything is as before the run"


@dataclass(frozen=True)
class Rollback:
    """What a rollback did.

    Args:
        host: the host's name.
        run: the run that was put back.
        lines: what undo.sh said, a line a thing: PUT BACK, AS BEFORE, KEPT, CONFLICT.
    """

    host: str
    run: str
    lines: tuple[str, ...]

    @property
    def put_back(self) -> int:
        """How many things were put back."""
        return sum(line.startswith("PUT BACK") for line in self.lines)


def rollback(host: Host, run: str, operator: str) -> Rollback:
    """Put back what a run changed on a host, and spare what somebody changed since.

    Args:
        host: the connection.
        run: the run's id, also of a run that was killed.
        operator: who asks, for the lock's message.
    Raises:
        UsageError: the host has no journal of this run.
        RollbackConflict: something was left alone; each conflict is shown three ways
            (before the run, what the run left, now). Everything else of the run is back.
        HostBusy: another run is at work.
    """
    if not runs.ID.fullmatch(run):
        raise UsageError(f"{run!r} is not a run's id", host.name, "take the id that the run printed")
    journaled = [found.run for found in runs.look(host).runs]
    if run not in journaled:
        known = ", ".join(journaled) or "none"
        raise UsageError(
            f"there is no journal of run {run}: it changed nothing here (runs with a journal: {known})",
            f"{host.name}, {ROOT}",
            "check the run's id; `ls -l /var/lib/runbook` on the host lists them",
        )
    journal = Journal(host, run, operator)
    with journal.locked():
        undo = quote(journal.folder / "undo.sh")
        script = f"if [ -e {undo} ]; then sh {undo} 2>&1; else echo {quote(_NEVER_BEGUN)}; fi"
        result = host.run(script, root=True, timeout_s=900, check=False)
    done = Rollback(host.name, run, tuple(result.text.splitlines()))
    if result.status != 0:
        told = [line for line in done.lines if line.startswith(("CONFLICT", "KEPT"))] or list(done.lines[-5:])
        raise RollbackConflict(
            "left alone, because it was changed after the run:\n    "
            + "\n    ".join(told)
            + "\n"
            + _three_ways(host, journal.folder, told),
            host.name,
            "decide each of these by hand; the journal has the bytes of before and after",
            f"{done.put_back} things were put back.",
        )
    return done


def _three_ways(host: Host, folder: PurePosixPath, told: list[str]) -> str:
    """Before, what we left, now: as two diffs for each path in conflict whose bytes the journal may hold."""
    shown = []
    for line in told:
        path = re.match(r"CONFLICT (/[^:]+): changed since", line)
        if not path:
            continue
        script = (
            f'cd {quote(folder)}; for f in *.path; do if [ "$(cat "$f")" = {quote(path[1])} ]; then b=${{f%.path}}; '
            'if [ -e "$b.after" ]; then base64 "$b.before" 2>/dev/null | tr -d "\\n"; echo; '
            f'base64 "$b.after" | tr -d "\\n"; echo; base64 {quote(path[1])} 2>/dev/null | tr -d "\\n"; echo; '
            "fi; fi; done"
        )
        try:
            words = [_decode(word) for word in host.run(script, root=True).stdout.split(b"\n")[:3]]
        except (
            binascii.Error
        ):  # the line above says that it is in conflict; its bytes are for a look on the host
            continue
        if len(words) == 3:
            before, after, now = words
            shown.append("the run:\n" + display.unified_diff(path[1], before, after))
            shown.append("since the run:\n" + display.unified_diff(path[1], after, now))
    return "\n".join(shown)


def _decode(word: bytes) -> bytes | None:
    return base64.b64decode(word, validate=True) if word else None
