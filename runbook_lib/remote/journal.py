"""The journal of a run, on the host: what was there before each change, and the undo.sh that puts it back.

`/var/lib/runbook/RUN/` (0700) exists only for runs that changed something. Each change is a number N in it:
title, commands, what its paths were (state and bytes), what they became, and the fragment of undo.sh.
All of that is on disk and synced before the change's first command runs, so whatever happens in between,
`undo.sh` on the host puts the host back: plain sh, no Python, no network.
"""

import json
import re
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import resources
from pathlib import PurePosixPath

from runbook_lib import credentials, display
from runbook_lib.errors import NOTHING_CHANGED, ChangedMeanwhile, CommandFailed, HostBusy
from runbook_lib.excerpt import excerpt
from runbook_lib.hidden import hidden
from runbook_lib.messages import message
from runbook_lib.remote.change import Change, Plan, quote
from runbook_lib.remote.connection import Host
from runbook_lib.remote.held import Held
from runbook_lib.visible import one_line

ROOT = PurePosixPath("/var/lib/runbook")
LOCK = "/run/runbook.lock"
WORK_LOCK = "/run/runbook.work"
FUNCTIONS = resources.files(__package__).joinpath("journal.sh").read_text()

_SAID = "/run/runbook.undo"
_CHANGED = 75  # sysexits.h: EX_TEMPFAIL
_BEGUN = re.compile(
    rb"^NUMBER ([0-9]+)\n", re.MULTILINE
)  # from here on it is what the change's commands said
_BEAT_S = 15
_OWN_LOCK_S = 90  # TCP asks again after twice as long each time, so a cut of a minute shows within another


@dataclass
class Journal:
    """The journal of one run on one host, and the lock that keeps two runs apart.

    Args:
        host: the connection.
        run: the run's id; chapters of one run share the journal.
        operator: who runs it, for the lock's message and for syslog.
        reason: a ticket or why, for syslog.
        chapter: whose changes are written; '' where none are.
        anchor: words NAME=VALUE that the run's first line in syslog has, too, for who compares the records with it.
    """

    host: Host
    run: str
    operator: str
    reason: str = ""
    chapter: str = ""
    anchor: str = ""
    _lock: Held | None = field(default=None, repr=False)

    @property
    def folder(self) -> PurePosixPath:
        """The run's folder on the host."""
        return ROOT / self.run

    @property
    def undo_command(self) -> str:
        """What a person with a root shell types on the host to put the run back, without us."""
        return f"sh {self.folder}/undo.sh"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the host's lock; it dies with the connection.

        A host notices a connection that broke when it has something to send: so it sends a line now and then, and
        whoever goes on with the very run that holds the lock waits for that.

        Raises:
            HostBusy: another run holds it; the message names it.
        """
        if self._lock is not None:
            yield
            return
        held = self.host.hold(
            # Who may open it may lock it, so nobody else may; also where a version before left it open to all.
            f"umask 077; exec 9>>{LOCK}; chmod 600 {LOCK}\n"
            f"own() {{ grep -q {quote(f'^run {self.run} of ')} {LOCK}; }}\n"
            f"if flock -n 9 || {{ own && flock -w {_OWN_LOCK_S} 9; }}; then\n"
            f"printf '%s, since %s\\n' {quote(f'run {self.run} of {self.operator}')} "
            f"\"$(date -u '+%Y-%m-%d %H:%M UTC')\" > {LOCK}; echo LOCKED\n"
            f"else printf 'BUSY '; cat {LOCK}; echo; exit 0; fi\n"
            f"( exec 9>&-; while sleep {_BEAT_S} > /dev/null 2>&1 && echo; do :; done ) &\ncat > /dev/null; kill $!",
            root=True,
            timeout_s=_OWN_LOCK_S + 30,
        )
        if held.line != "LOCKED":
            held.release()
            holder = held.line.removeprefix("BUSY ").strip() or "an unknown run"
            raise HostBusy(
                message("{holder} is at work on this host", holder=holder),
                self.host.name,
                message("wait until that run has ended, then start again; its lock ends with its connection"),
            )
        self._lock = held
        try:
            yield
        finally:
            self._lock = None
            held.release()

    def apply(self, plan: Plan, numbers: list[str], tell: Callable[[str], None] = lambda _: None) -> None:
        """Make every change of the plan, in order.

        Args:
            numbers: gets each change's number in the journal ('001', …) as it is begun, also when it fails.
            tell: told the title of each change before it is begun.
        Raises:
            ChangedMeanwhile: the host is no longer as the plan saw it; changes before that one are made and kept
                in the journal, that one and later ones are not.
            CommandFailed: a command of a change failed; `undo.sh` puts back what it did.
            HostBusy: another run is at work.
        """
        with self.locked():
            for change in plan.changes:
                tell(change.title)
                self._apply(change, numbers)

    def _apply(self, change: Change, numbers: list[str]) -> None:
        script = self._script(change)
        try:
            result = self.host.run(script, root=True, timeout_s=change.timeout_s, check=False)
        finally:
            self.host.forget_answers()
        begun = _BEGUN.search(result.stdout)
        number = begun[1].decode() if begun else ""
        if number:
            numbers.append(number)
        words, log = (
            (result.stdout[: begun.start()], result.stdout[begun.end() :]) if begun else (result.stdout, b"")
        )
        lines = display.escape_bytes(words).splitlines()
        if result.status == _CHANGED:
            seen = "\n    ".join(line for line in lines if line.startswith("CHANGED "))
            raise ChangedMeanwhile(
                message(
                    "the host is no longer as the plan saw it, so this was not done: {title}\n    {seen}",
                    title=change.title,
                    seen=seen,
                ),
                self.host.name,
                message("look at what changed, then make the plan again"),
                message("What this chapter changed before it is in the journal.")
                if numbers
                else message("Nothing was changed by this chapter."),
            )
        busy = next((line.removeprefix("BUSY ") for line in lines if line.startswith("BUSY ")), "")
        if busy:
            raise HostBusy(
                message("{busy}, so this was not begun: {title}", busy=busy, title=change.title),
                self.host.name,
                message("wait until that process has ended, then run again; nobody took its lock away"),
                message("What this chapter changed before it is in the journal.")
                if numbers
                else NOTHING_CHANGED,
            )
        if result.status != 0:
            said = [excerpt(output) for output in (words, log, result.stderr) if output.strip()]
            told = "".join(f"\n    {line}" for text in said for line in text.split("\n"))
            raise CommandFailed(
                message(
                    "{title}: a command ended with status {status}{told}",
                    title=change.title,
                    status=result.status,
                    told=told,
                ),
                self.host.name,
                message(
                    "mend the cause, then go on: runbook resume {run}; or put the run back: runbook rollback "
                    "{run}",
                    run=self.run,
                ),
                message(
                    "The change may be half made; the journal has what was there before ({folder}).",
                    folder=self.folder,
                )
                if number
                else message(
                    "This change was not begun, since the journal ({folder}) could not be written.",
                    folder=self.folder,
                ),
            )

    def tell_end(self, what: str, outcome: str, changes: int, record_sha256: str) -> None:
        """Write to the host's syslog, for the site's log server, how a chapter or the run came out.

        Where it got through, what was cut off in it before is whole now, and the journal says so from here on.

        Args:
            what: "run", or "chapter=NAME".
            outcome: as the record has it.
            record_sha256: digest of the record on the controller, which nobody there can then rewrite unseen.
        """
        words = f"outcome={json.dumps(outcome)} changes={changes} record=sha256:{record_sha256}"
        of = what.partition("=")[2]
        settle = f"settle {quote(of)}\n" if outcome in ("passed", "not proven") else ""
        self.host.run(
            f'{FUNCTIONS}\nJ={quote(self.folder)}\nif [ ! -e "$J/sequence" ]; then exit; fi\n{settle}'
            f'tell_syslog "end run=${{J##*/}} sequence=$(cat "$J/sequence")" {quote(f"{what} {words} {self._asked}")}',
            root=True,
        )

    @property
    def _asked(self) -> str:
        # A log server keeps it for years, and many people read there.
        reason = hidden(credentials.mask(self.reason))
        return f"host={self.host.name} operator={json.dumps(self.operator)} reason={json.dumps(reason)}"

    def _script(self, change: Change) -> str:
        folder = quote(str(self.folder))
        lines = [
            "trap '' HUP PIPE",  # a cut connection must not leave a change half made
            "umask 077",
            FUNCTIONS,
            f"J={folder}",
            # One change at a time on the host, also when a killed controller's last one is still being made.
            f"exec 8>>{WORK_LOCK}",
            "flock -n 8 || { _waited=1; flock -w 600 8; } || "
            f"{{ say CHANGED another change is still being made; exit {_CHANGED}; }}",
        ]
        # Later changes of a run build on its earlier ones, so nobody else may have changed the host in between.
        lines.append(
            'if [ -e "$J/sequence" ]; then _last=$(ls -1t "${J%/*}" | { IFS= read -r _run; say "$_run"; }); '
            'if [ "$_last" != "${J##*/}" ]; then say CHANGED run "$_last" changed this host since; _stop=1; fi; fi'
        )
        checks = []
        for path in change.touches:
            if path.was is not None:
                checks.append((f"state {quote(path.path)}", path.was, str(path.path)))
        checks += [(guard.command, guard.expected, guard.label) for guard in change.guards]
        for command, expected, label in checks:
            lines.append(
                f"_now=$({command})\n"
                f'if [ "$_now" != {quote(expected)} ]; then '
                f"say CHANGED {quote(label)}: expected {quote(shown(expected) or 'nothing')}, "
                'found "${_now:-nothing}"; _stop=1; fi'
            )
        lines += [
            # What was waited for is the likely cause, and no riddle then.
            'if [ -n "${_stop:-}" ] && [ -n "${_waited:-}" ]; then say CHANGED a change of an earlier run, which '
            "nobody followed any more, was still being made and has ended just now; fi",
            f'if [ -n "${{_stop:-}}" ]; then exit {_CHANGED}; fi',
            "set -e",  # without a whole journal, as on a full disk, nothing is begun
            'umask 022; mkdir -p /var/lib/runbook; umask 077; mkdir -p -m 0700 "$J"',
            'N=$(set -- "$J"/*.title; [ -e "$1" ] || set --; printf "%03d" $(($# + 1)))',
            'whole "$J/journal.sh" ' + heredoc(FUNCTIONS),
        ]
        lines.append(f"begin_run {quote(f'{self.anchor} {self._asked}'.lstrip())}")
        for name, text in change.functions.items():
            lines.append(f'whole "$J/functions.{name}.sh" {heredoc(text)}')
        if change.functions:
            lines.append(f'for _f in {" ".join(change.functions)}; do . "$J/functions.$_f.sh"; done')
        lines.append(f'printf "%s\\n" {quote(one_line(change.title))} > "$J/$N.title"')
        lines.append(f'printf "%s\\n" {quote(self.chapter)} > "$J/$N.chapter"')
        lines.append(f'cat > "$J/$N.commands" {heredoc(change.commands())}')
        for index, path in enumerate(change.touches):
            lines.append(f"keep_before {index} {quote(path.path)}")
            if path.will is not None:
                lines.append(f'printf "%s\\n" {quote(path.will)} > "$J/$N.{index}.is"')
        if change.before_commands():
            lines.append(change.before_commands())
        lines += [
            f'sed "s/\\$N\\b/$N/g" > "$J/$N.undo.new" {heredoc(change.undo())}',
            'mv "$J/$N.undo.new" "$J/$N.undo"',
            'keep_parts "$N" is',  # what a path is afterwards is known when it is made
            'sync "$J"/"$N".* "$J"',
            "write_undo",
            ': > "$J/$N.begun"',
            'sync "$J/$N.begun" "$J"',
            "set +e",
            'say "NUMBER $N"',
            f"( umask 022; set -e\n{_exports(change)}{change.commands()}",
            ') > "$J/$N.log" 2>&1 < /dev/null 8>&-',  # a daemon that starts here must not inherit the lock
            "_status=$?",
        ]
        for index, path in enumerate(change.touches):
            lines.append(f"keep_after {index} {quote(path.path)}{' secret' if path.secret else ''}")
        if change.after_commands():
            lines.append(change.after_commands())
        folders = " ".join(dict.fromkeys(quote(path.path.parent) for path in change.touches))
        lines += [
            'keep_parts "$N"',
            'sync "$J"/"$N".* "$J"',
            f'if [ "$_status" -ne 0 ]; then cat "$J/$N.log"; no_space {folders} >&2; exit "$_status"; fi',
            ': > "$J/$N.done"',
        ]
        return "\n".join(lines) + "\n"

    def put_back(self, first: str) -> str:
        """Put back this run's changes from number `first` on, by its own undo.sh.

        Returns: what undo.sh said, a line a path.
        Raises: CommandFailed: undo.sh left something alone; its lines say what.
        """
        try:
            with self.locked():
                result = self.host.run(
                    f"umask 077\n{undoing(self.folder, first)}",
                    root=True,
                    timeout_s=600,
                    check=False,
                )
        finally:
            self.host.forget_answers()
        if result.status != 0:
            raise CommandFailed(
                message(
                    "not everything could be put back:\n    {said}",
                    said="\n    ".join(result.text.splitlines()),
                ),
                self.host.name,
                message("read the lines above; what was changed by somebody else since was left alone"),
                message("What could be put back is back."),
            )
        return result.text


def undoing(folder: PurePosixPath, first: str = "") -> str:
    """Lines that run a run's undo.sh and print what it said; whatever becomes of this end, it gets to its end.

    What it says goes to a file, which never breaks as a connection does; in memory, so that a full disk is in no way.

    Args:
        first: the change from which on to put back; '': all of them.
    """
    only = f" --from {shlex.quote(first)}" if first else ""
    return f"""trap '' HUP PIPE
sh {quote(folder)}/undo.sh{only} > {_SAID} 2>&1
_status=$?
cat {_SAID}
rm -f {_SAID}
exit "$_status\""""


def shown(text: str) -> str:
    """At most 200 characters of an expected value, for a message."""
    return text if len(text) <= 200 else text[:200] + "…"


def _exports(change: Change) -> str:
    # On the remote shell's stdin, never in an argv; ended with the subshell.
    return "".join(
        f"{name}={quote(secret.reveal())}\nexport {name}\n" for name, secret in change.secrets.items()
    )


def heredoc(text: str) -> str:
    """`<<'MARK'` with a text for a command of a longer script; the mark is one that is no line of it."""
    mark = "RUNBOOK_EOF"
    while mark in text.split("\n"):
        mark += "_"
    return f"<<'{mark}'\n{text.rstrip(chr(10))}\n{mark}"
