"""The journals on a host: what each undo could still give back, and which of them may go.

A journal is what a run can be put back by. So without a person naming a run those go alone that have nothing to give
back; the newest stays in any case, since the next run counts on from its number.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from runbook_lib import display
from runbook_lib.errors import ApplyRefused, CommandFailed, HostBusy, UsageError
from runbook_lib.messages import message
from runbook_lib.remote import drift, runs
from runbook_lib.remote.change import quote
from runbook_lib.remote.connection import Host
from runbook_lib.remote.drift import Service, Thing
from runbook_lib.remote.facts import Fact, gather
from runbook_lib.remote.journal import FUNCTIONS, ROOT, WORK_LOCK, Journal
from runbook_lib.remote.runs import JournaledRun

_END = "every journal was read"
_LOOK_S = 180  # of thousands of changes
_TAKE_S = 600.0
_BUSY = 75  # sysexits.h: EX_TEMPFAIL
_OTHER = "other"  # what an undo puts back that is not compared: packages, accounts, the firewall


@dataclass(frozen=True)
class Kept:
    """The journal of one run.

    Args:
        done: what was done, as `runs.look` has it.
        size_kb: on the host's disk.
        names: digest of the names of its files: another one means that somebody wrote there since.
        things: what it changed and did not put back, by kind and name.
        as_left: how many of them are as it left them.
        again: how many of them later runs changed again: those come back once these runs are put back.
    """

    done: JournaledRun
    size_kb: int
    names: str
    things: tuple[Thing, ...]
    as_left: int = 0
    again: int = 0

    @property
    def run(self) -> str:
        return self.done.run

    @property
    def number(self) -> int:
        """Of the run on this host, from 1; 0 where it was cut off before it got one."""
        return int(self.done.sequence) if re.fullmatch("[0-9]{1,9}", self.done.sequence) else 0

    @property
    def gives_nothing(self) -> bool:
        """Whether its undo has nothing to give back: all of it is back, or no change was begun."""
        return self.done.is_back

    @property
    def told(self) -> str:
        """What its undo could still give back, in words."""
        if self.done.is_back:
            return "put back already" if self.done.back else "no change of it was begun"
        if self.done.open:
            return f"unfinished, perhaps half made: {self.done.open}"
        compared = [thing for thing in self.things if thing[0] != _OTHER]
        by_others = len(compared) - self.as_left - self.again
        counts = (
            (self.as_left, "as it left them"),
            (self.again, "changed again by later runs"),
            (by_others, "changed by others since, which its undo spares"),
            (len(self.things) - len(compared), "not compared (packages, accounts, firewall)"),
        )
        parts = ", ".join(f"{count} {words}" for count, words in counts if count)
        things = "1 thing" if len(self.things) == 1 else f"{len(self.things)} things"
        return f"its undo has {things}" + (f": {parts}" if parts else "")


@dataclass(frozen=True)
class Choice:
    """What becomes of a journal; `stays` says why it stays, '' where it goes."""

    kept: Kept
    stays: str


def look(host: Host, services: Sequence[Service]) -> tuple[Kept, ...]:
    """Read every journal of a host, the oldest first. Touches nothing there.

    Args:
        services: all that runs change on a host.
    Raises:
        CommandFailed: the answer is none.
    """
    standing = runs.look(host)
    asked = {**drift.fact(services), "journals": _script(services)}
    facts = gather(
        host, asked, root=True, functions=FUNCTIONS, fact_timeout_s=_LOOK_S // 2, timeout_s=float(_LOOK_S)
    )
    read = _read(facts["journals"], host.name)
    found = [Kept(one, *read.get(one.run, (0, "", ()))) for one in standing.runs]
    return compared(found, drift.as_left(facts["drift"], services))


def compared(found: Sequence[Kept], as_left: Mapping[Thing, str]) -> tuple[Kept, ...]:
    """The journals in the order of their runs, each with what became of its things.

    Args:
        as_left: things that are as a run left them, and which.
    """
    later: set[Thing] = set()
    judged = []
    for one in sorted(found, key=lambda one: one.number, reverse=True):
        things = [thing for thing in one.things if thing[0] != _OTHER]
        judged.append(
            replace(
                one,
                as_left=sum(as_left.get(thing) == one.run for thing in things),
                again=sum(thing in later and as_left.get(thing) != one.run for thing in things),
            )
        )
        later |= set(things)
    return tuple(reversed(judged))


def choose(
    found: Sequence[Kept],
    *,
    last: str = "",
    held: Mapping[str, str],
    before: str | None = None,
    named: Collection[str] = (),
) -> tuple[Choice, ...]:
    """Which journals go: those that have nothing to give back, and those that a person named.

    Args:
        last: the run that wrote last; the one with the highest number is found here.
        held: runs on hold in the records, and why.
        before: runs older than this one go, too, but for those that are unfinished.
        named: runs that go, whatever they have to give back.
    Raises:
        UsageError: a run that was named has no journal here.
        ApplyRefused: a run that was named is the newest, or on hold. Nothing was taken away.
    """
    by_run = {one.run: one for one in found}
    for run in (*named, *([before] if before else [])):
        if run not in by_run:
            raise UsageError(
                message("there is no journal of run {run}", run=run),
                "--before" if run == before else "--run",
                message("take a run that the list without it shows"),
            )
    newest = max(found, key=lambda one: one.number).run if found else ""
    limit = by_run[before].number if before else 0
    choices = []
    for one in found:
        stays = ""
        if one.run in (newest, last):
            stays = message("the newest, from whose number the next run counts on")
        elif one.run in held:
            stays = message("on hold: {reason}", reason=held[one.run])
        if stays and one.run in named:
            raise ApplyRefused(
                message("the journal of run {run} stays: {why}", run=one.run, why=stays),
                "--run",
                message("once that is over: runbook records release {run} --reason TEXT", run=one.run)
                if one.run in held
                else message("leave it out"),
            )
        if not stays and not (one.gives_nothing or one.run in named):
            if one.done.open:
                stays = (
                    f"{one.told}; runbook rollback {one.run} ends it, --run {one.run} takes it all the same"
                )
            elif one.number >= limit:
                stays = one.told
        choices.append(Choice(one, stays))
    return tuple(choices)


def take_away(journal: Journal, going: Sequence[Kept], why: str) -> tuple[str, ...]:
    """Take journals away, for good; one in which somebody wrote since the look stays.

    Args:
        journal: whose lock is held meanwhile; nothing is written to it.
        why: words for the host's syslog.
    Returns: the runs whose journals are gone.
    Raises:
        HostBusy: another run is at work, or a change is being made.
    """
    lines = "\n".join(f"gone {quote(one.run)} {quote(one.names)}" for one in going)
    script = f"""umask 077
{FUNCTIONS}
exec 8>>{WORK_LOCK}
flock -n 8 || exit {_BUSY}
rm -rf {ROOT}/.thinned.*
gone() {{
    J={ROOT}/$1
    if [ "$(names "$J")" != "$2" ]; then return; fi
    tell_syslog "thinned run=$1 sequence=$(cat "$J/sequence" 2>/dev/null) "{quote(why)}
    # Out of sight in one step: half a journal must not look like one.
    mv "$J" "{ROOT}/.thinned.$1" && rm -rf "{ROOT}/.thinned.$1" && say "$1"
}}
{_NAMES}
{lines}
:
"""
    with journal.locked():
        result = journal.host.run(script, root=True, timeout_s=_TAKE_S, check=False)
    if result.status == _BUSY:
        raise HostBusy(
            message("a change is being made on this host"),
            journal.host.name,
            message("wait until it has ended, then type it again"),
        )
    if result.status != 0:
        raise CommandFailed(
            message(
                "journals could not be taken away to the end (status {status}): {said}",
                status=result.status,
                said=result.text,
            ),
            f"{journal.host.name}, {ROOT}",
            message("see what is wrong with that disk, then type the same again"),
            message("Those that are gone are gone; the others are whole."),
        )
    return tuple(line for line in result.text.splitlines() if line in {one.run for one in going})


_NAMES = """names() { (cd "$1" 2>/dev/null && printf '%s\\n' * | sha256sum | cut -d ' ' -f 1); }"""


def _script(services: Sequence[Service]) -> str:
    entries = drift.entries_of(services)
    parts = " ".join(f'"$n.{one.kind}s"' for one in entries)
    by_value = "\n    ".join(
        f'part == "{one.kind}s" {{ valued[n] = 1; thing("{one.kind}", $1) }}' for one in entries
    )
    backs = "\n    ".join(
        f'part == "undo" && /^{one.back} / {{ thing("unit", "{one.unit}"); next }}' for one in services
    )
    known = "|".join(("paths", "unit", *(f"{one.kind}s" for one in entries)))
    return rf"""
{_NAMES}
for J in {ROOT}/*/; do
    J=${{J%/}}
    if [ ! -d "$J" ]; then continue; fi
    size=$(du -sk "$J")
    printf 'run\t%s\t%s\t%s\n' "${{J##*/}}" "${{size%%[!0-9]*}}" "$(names "$J")"
    set --
    for begun in "$J"/*.begun; do
        n=${{begun%.begun}}
        if [ ! -e "$begun" ] || [ -e "$n.undone" ]; then continue; fi
        for part in {parts} "$n".*.path "$n.undo"; do
            if [ -e "$part" ]; then set -- "$@" "$part"; fi
        done
    done
    if [ $# = 0 ]; then continue; fi
    run=${{J##*/}} LC_ALL=C awk -F '\t' '
    function thing(kind, name) {{ printf "thing\t%s\t%s\t%s\n", ENVIRON["run"], kind, name }}
    FNR == 1 {{
        part = FILENAME; sub(/.*\//, "", part); n = part; sub(/\..*/, "", n); sub(/^[^.]*\./, "", part)
    }}
    {by_value}
    part ~ /^[0-9]+\.path$/ && FNR == 1 && !(valued[n] && part + 0 == 0) {{ thing("path", $0) }}
    part == "undo" && /^unit_back [^ ]* / {{ sub(/^unit_back [^ ]* /, ""); thing("unit", $0); next }}
    {backs}
    part == "undo" && /[^ ]/ && !/^({known})_back / {{ thing("{_OTHER}", n " " $0) }}
    ' "$@"
done
echo {_END}
"""


def _read(answer: Fact, where: str) -> dict[str, tuple[int, str, tuple[Thing, ...]]]:
    """Size, digest of names, and things of each journal.

    Raises:
        CommandFailed: the host did not get to the end.
    """
    *lines, last = answer.value.rstrip("\n").split("\n")
    if last != _END:
        raise CommandFailed(
            message("the journals could not be read to the end (status {status})", status=answer.status),
            f"{where}, {ROOT}",
            message("ask again when the host has less to do"),
        )
    heads: dict[str, tuple[int, str]] = {}
    things: dict[str, dict[Thing, None]] = {}
    for kind, run, first, second in _fields(lines):
        if kind == "run":
            heads[run] = (int(first or 0), second)
        else:
            things.setdefault(run, {})[first, second.replace(" ", "/") if first == "service" else second] = (
                None
            )
    return {run: (*head, tuple(things.get(run, ()))) for run, head in heads.items()}


def _fields(lines: Sequence[str]) -> Iterator[tuple[str, str, str, str]]:
    for line in lines:
        match = re.fullmatch(r"(run|thing)\t([^\t]+)\t([^\t]*)\t(.*)", line)
        if not match or (match[1] == "run" and not re.fullmatch("[0-9]{0,12}", match[3])):
            raise CommandFailed(
                message(
                    "a line of the journals is not understood: {line}",
                    line=repr(display.escape_bytes(line.encode())[:200]),
                ),
                str(ROOT),
                message("see whether a file's name there has a tab or a line end in it"),
            )
        yield match[1], match[2], match[3], match[4]
