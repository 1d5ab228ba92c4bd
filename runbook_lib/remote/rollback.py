"""Put a run back: the run's own undo.sh, run on the host; conflicts are shown three ways."""

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath

from runbook_lib import display
from runbook_lib.errors import DeadlineExceeded, RollbackConflict, RunbookError, UsageError
from runbook_lib.excerpt import excerpt
from runbook_lib.messages import message
from runbook_lib.remote import runs
from runbook_lib.remote.change import quote
from runbook_lib.remote.connection import Host
from runbook_lib.remote.exchange import Deadline
from runbook_lib.remote.journal import FUNCTIONS, ROOT, Journal, heredoc, undoing

_LINES_SHOWN = 400
_UNDO_S = 900.0  # how long undo.sh is waited for; it goes on without us
_LOOK_S = 120.0  # for the journals before it, and again for all that is shown three ways after it
_NEVER_BEGUN = "no change of this run was begun: it has changed nothing here"
NOT_AS_BEFORE = "NOT AS BEFORE"  # what somebody stopped since: the run is back all the same
LEFT = ("CONFLICT", "KEPT", "what it rests on", NOT_AS_BEFORE)  # how lines begin about what was left alone
_WRITTEN_ANEW = "undo.sh was missing or cut off, and was written anew from the journal's parts"


@dataclass(frozen=True)
class Rollback:
    """What a rollback did.

    Args:
        host: the host's name.
        run: the run that was put back.
        lines: what undo.sh said, a line a thing: PUT BACK, AS BEFORE, NOT AS BEFORE, KEPT, CONFLICT.
        journaled: whether the host has a journal of the run; without one the run changed nothing there.
    """

    host: str
    run: str
    lines: tuple[str, ...]
    journaled: bool = True

    @property
    def put_back(self) -> int:
        """How many things were put back."""
        return sum(line.startswith("PUT BACK") for line in self.lines)


def rollback(
    host: Host, run: str, operator: str, recorded: int = 0, about_to: Callable[[], None] = lambda: None
) -> Rollback:
    """Put back what a run changed on a host, and spare what somebody changed since.

    Args:
        host: the connection.
        run: the run's id, also of a run that was killed.
        operator: who asks, for the lock's message.
        recorded: how many changes the run's record has for this host, where it is known here; so that a journal that
            was lost is not taken for a run that changed nothing.
        about_to: called before anything is put back; not called where the run has no journal.
    Raises:
        UsageError: this is no run's id.
        RollbackConflict: something was left alone; each conflict is shown three ways
            (before the run, what the run left, now). Everything else of the run is back.
        HostBusy: another run is at work.
        DeadlineExceeded: it is at work on the host still, and goes on by itself.
    """
    require_id(run, host.name)
    with host.looking(_LOOK_S):
        known = [found.run for found in runs.look(host).runs]
    if run not in known:
        if recorded:
            raise _lost(host, run, recorded)
        return Rollback(host.name, run, (), journaled=False)
    about_to()
    journal = Journal(host, run, operator)
    with journal.locked():
        try:
            result = host.run(_script(journal.folder), root=True, timeout_s=_UNDO_S, check=False)
        except DeadlineExceeded as late:
            raise DeadlineExceeded(
                message(
                    "undo.sh of run {run} did not end within {seconds} s, and goes on by itself",
                    run=run,
                    seconds=f"{_UNDO_S:g}",
                ),
                host.name,
                message(
                    "see `runbook status --host {host}` until no change is being made there, then type the "
                    "same again: what is back by then is left as it is",
                    host=host.name,
                ),
                message("What it has put back by now stays put back."),
            ) from late
    done = Rollback(host.name, run, tuple(result.text.splitlines()))
    if result.status != 0:
        told = [line for line in done.lines if line.startswith(LEFT)] or list(done.lines[-5:])
        error = RollbackConflict(
            message(
                "not everything was put back; left alone:\n    {told}\n{three_ways}",
                told="\n    ".join(told),
                three_ways=_three_ways(host, journal.folder, told),
            ),
            host.name,
            message("decide each of these by hand; the journal has the bytes of before and after"),
            message("{put_back} things were put back.", put_back=done.put_back),
        )
        error.put_back = done.put_back
        error.lines = done.lines
        raise error
    if recorded and _NEVER_BEGUN in done.lines:
        raise _lost(host, run, recorded)
    return done


def require_id(run: str, where: str) -> None:
    """Raises: UsageError: this cannot be a run's id."""
    if not runs.ID.fullmatch(run):
        raise UsageError(
            message("{run} is not a run's id", run=repr(run)),
            where,
            message("take the id that the run printed"),
        )


def _lost(host: Host, run: str, recorded: int) -> RollbackConflict:
    return RollbackConflict(
        message(
            "the run's record has {recorded} changes on this host, and its journal there is gone: they stand",
            recorded=recorded,
        ),
        f"{host.name}, {ROOT / run}",
        message("bring the journal back from a backup, or undo them by hand: the record has each as a diff"),
    )


def _script(folder: PurePosixPath) -> str:
    """Run undo.sh, which is made anew from its fragments first where it is not whole."""
    return f"""{FUNCTIONS}
J={quote(folder)}
if [ -z "$(ls "$J" | grep '\\.begun$')" ]; then say {quote(_NEVER_BEGUN)}; exit; fi
umask 077
if ! undo_is_whole; then
whole "$J/journal.sh" {heredoc(FUNCTIONS)}
write_undo && say {quote(_WRITTEN_ANEW)}
fi
{undoing(folder)}
"""


def _three_ways(host: Host, folder: PurePosixPath, told: list[str]) -> str:
    """Before, what we left, now: as two diffs for each path in conflict whose bytes the journal may hold.

    As many as there is time for: how many there are, and how long they are, is what the host says.
    """
    shown: list[str] = []
    with host.looking(_LOOK_S) as deadline:
        try:
            _compare(host, folder, told, deadline, shown)
        except RunbookError as error:  # what was put back, and what was not, is told all the same
            shown.append(
                f"Not compared further: {error.problem.splitlines()[0]}. On the host: {folder} has each file as "
                "NNN.0.before and NNN.0.after, and its path in NNN.0.path\n"
            )
    return "\n".join(shown)


def _compare(
    host: Host, folder: PurePosixPath, told: list[str], deadline: Deadline, shown: list[str]
) -> None:
    """Append the diffs of each path in conflict.

    Raises: RunbookError: the host does not answer, or the time is over.
    """
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
        if len(words) == 3 and deadline.left_s:
            before, after, now = words
            shown.append("the run:\n" + _shown(display.unified_diff(path[1], before, after)))
            shown.append("since the run:\n" + _shown(display.unified_diff(path[1], after, now)))


def _shown(diff: str) -> str:
    """What a person reads to the end; of a longer one the ends, since the host chooses how long its files are."""
    return diff if diff.count("\n") <= _LINES_SHOWN else excerpt(diff.encode(), "this diff") + "\n"


def _decode(word: bytes) -> bytes | None:
    return base64.b64decode(word, validate=True) if word else None
