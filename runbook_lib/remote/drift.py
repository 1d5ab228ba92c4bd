"""What runs of ours left on a host, by their journals, and is otherwise now: somebody changed it since."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from runbook_lib.errors import CommandFailed
from runbook_lib.messages import joined, message
from runbook_lib.remote.facts import Fact
from runbook_lib.remote.journal import ROOT

_END = "all was read"
# firewalld keeps the file of before its last change beside it, whoever makes that change.
_KEPT_BY_OTHERS = (".xml.old",)


@dataclass(frozen=True)
class Entries:
    """A file that is put back entry by entry: what it says is compared in place of its bytes.

    Args:
        kind: 'setting', 'service'; the journal's file of such changes is named for it, with an s behind.
        where: the file.
        now: shell that prints each entry as it is, behind 'now', the kind and tabs.
        form: what it prints; the groups `name` (a blank for a slash) and `text`, the first one is the kind.
        absent: words for one that is not there.
    """

    kind: str
    where: str
    now: str
    form: re.Pattern[str]
    absent: str = message("not there")


@dataclass(frozen=True)
class Service:
    """A service of the host whose configuration runs change.

    Args:
        unit: its unit, which a run leaves active.
        back: the function of undo.sh that has it take up what was put back.
    """

    unit: str
    back: str
    entries: tuple[Entries, ...]


_PATHS_AND_UNITS = re.compile(r"now\t(path|unit)\t(?P<name>[^\t]+)\t(?P<text>.*)")


def fact(services: Sequence[Service]) -> dict[str, str]:
    """What to ask for, as root and with the journal's functions.

    A line each, tabs between its fields. What a run left has the number of run and change; of each thing the last
    counts.

    Args:
        services: all that runs change on a host.
    """
    entries = entries_of(services)
    parts = " ".join(f'"$n.{one.kind}s"' for one in entries)
    by_value = "\n    ".join(
        f'part == "{one.kind}s" {{ valued[n] = 1; left("{one.kind}", NF > 1 ? $1 "\\t" $3 : $0) }}'
        for one in entries
    )
    now = "\n    ".join(one.now for one in entries)
    backs = "\n    ".join(
        f'part == "undo" && /^{one.back} / {{ left("unit", "{one.unit}\\tactive") }}' for one in services
    )
    # A program a run, not some for each change: after 500 runs they are 500 and not 25,000.
    return {
        "drift": rf"""
left=$(for J in {ROOT}/*/; do
    J=${{J%/}} sequence=
    if [ ! -r "$J/sequence" ]; then continue; fi
    IFS= read -r sequence < "$J/sequence" || :
    set --
    for done in "$J"/*.done; do
        n=${{done%.done}}
        if [ ! -e "$done" ] || [ -e "$n.undone" ]; then continue; fi
        for part in {parts} "$n".*.is "$n".*.path "$n.commands" "$n.undo"; do
            if [ -e "$part" ]; then set -- "$@" "$part"; fi
        done
    done
    if [ $# = 0 ]; then continue; fi
    sequence=$sequence run=${{J##*/}} LC_ALL=C awk -F '\t' '
    function left(kind, text) {{
        printf "left\t%s.%s\t%s\t%s\t%s\n", ENVIRON["sequence"], n, ENVIRON["run"], kind, text
    }}
    FNR == 1 {{
        part = FILENAME; sub(/.*\//, "", part); n = part; sub(/\..*/, "", n); sub(/^[^.]*\./, "", part)
    }}
    {by_value}
    part ~ /^[0-9]+\.is$/ && FNR == 1 {{ is[n, part + 0] = $0 }}
    part ~ /^[0-9]+\.path$/ && FNR == 1 && !(valued[n] && part + 0 == 0) {{ left("path", $0 "\t" is[n, part + 0]) }}
    part == "commands" && /^systemctl stop / {{ stops[n] = 1 }}
    part == "undo" && /^unit_back [^ ]* / {{
        sub(/^unit_back [^ ]* /, "")
        left("unit", $0 "\t" (stops[n] ? "inactive" : "active"))
    }}
    {backs}
    ' "$@"
done | LC_ALL=C awk -F '\t' '
    {{ split($2, at, "."); thing = $4 FS $5; place = at[1] * 1000000 + at[2] }}
    !(thing in last) || place >= last[thing] {{ last[thing] = place; line[thing] = $0 }}
    END {{ for (thing in line) print line[thing] }}')
if [ -n "$left" ]; then printf '%s\n' "$left"; fi
printf '%s\n' "$left" | LC_ALL=C awk -F '\t' '$4 == "path" {{ print $5 }}' | while IFS= read -r path; do
    printf 'now\tpath\t%s\t%s\n' "$path" "$(state "$path")"
done
printf '%s\n' "$left" | LC_ALL=C awk -F '\t' '$4 == "unit" {{ print $5 }}' |
    while read -r unit; do printf 'now\tunit\t%s\t%s\n' "$unit" "$(systemctl is-active "$unit")"; done
if [ -d {ROOT} ]; then
    {now}
fi
echo {_END}
"""
    }


def entries_of(services: Sequence[Service]) -> tuple[Entries, ...]:
    """What is put back by its value, of all services."""
    return tuple(one for service in services for one in service.entries)


Thing = tuple[str, str]  # kind and name


@dataclass(frozen=True)
class Drifted:
    """One thing that is no longer as a run left it.

    Args:
        what: path, setting, service or unit.
        run: the run that left it.
        left: as it was left; digests in place of bytes.
        now: as it is.
    """

    what: str
    run: str
    left: str
    now: str


def drifted(answer: Fact, services: Sequence[Service]) -> tuple[Drifted, ...]:
    """What differs, from the answer to `fact`.

    Args:
        services: those that were asked for.
    Raises:
        CommandFailed: the host did not get to the end.
    """
    left, now = _read(answer, services)
    return tuple(_compared(left, now, {one.kind: one for one in entries_of(services)}))


def as_left(answer: Fact, services: Sequence[Service]) -> dict[Thing, str]:
    """Each thing, by kind and name, that is still as the last run left it which changed it; and that run.

    Raises:
        CommandFailed: the host did not get to the end.
    """
    left, now = _read(answer, services)
    return {thing: run for thing, (run, was) in left.items() if now.get(thing, "-") == was}


def _read(answer: Fact, services: Sequence[Service]) -> tuple[dict[Thing, tuple[str, str]], dict[Thing, str]]:
    """Of each thing the run that left it last, and how; and how each is now."""
    entries = entries_of(services)
    *lines, last = answer.value.rstrip("\n").split("\n")
    if last != _END:  # too slow, or cut off: then 'nothing was changed' would be a guess
        raise CommandFailed(
            message(
                "what runs left could not be compared to the end (status {status})", status=answer.status
            ),
            str(ROOT),
            message("ask again when the host has less to do"),
        )
    kinds = "|".join(("path", "unit", *(one.kind for one in entries)))
    left_by_run = re.compile(rf"left\t([0-9]{{1,9}})\.([0-9]{{1,9}})\t([^\t]+)\t({kinds})\t([^\t]+)\t(.*)")
    forms = (_PATHS_AND_UNITS, *(one.form for one in entries))
    rows: list[tuple[int, int, str, Thing, str]] = []
    now: dict[Thing, str] = {}
    for line in lines:
        if match := left_by_run.fullmatch(line):
            sequence, number, run, kind, name, value = match.groups()
            rows.append((int(sequence), int(number), run, (kind, name), value))
        elif match := next(filter(None, (form.fullmatch(line) for form in forms)), None):
            name = match["name"] if match.re is _PATHS_AND_UNITS else match["name"].replace(" ", "/")
            now[match[1], name] = match["text"].rstrip()
        else:
            raise CommandFailed(
                message("a line of what runs left is not understood: {line}", line=repr(line[:200])),
                str(ROOT),
                message(
                    "see whether a file's name there has a tab or a line end in it, and whether a disk was "
                    "full"
                ),
            )
    left = {thing: (run, value) for _, _, run, thing, value in sorted(rows, key=lambda row: row[:2])}
    return left, now


def _compared(
    left: dict[Thing, tuple[str, str]], now: dict[Thing, str], entries: Mapping[str, Entries]
) -> Iterator[Drifted]:
    for (kind, name), (run, was) in left.items():
        found = now.get((kind, name), "-")
        if found == was or name.endswith(_KEPT_BY_OTHERS):
            continue
        here = entries.get(kind)
        what = message("unit {name}", name=name) if kind == "unit" else name
        absent = here.absent if here else message("not there")
        if here:
            what = joined(", ", (here.where, name))
        yield Drifted(what, run, absent if was == "-" else was, absent if found == "-" else found)
