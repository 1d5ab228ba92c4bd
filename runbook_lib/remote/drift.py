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

    A line each, tabs between its fields. What a run left has the number of run and change, so that the last counts.

    Args:
        services: all that runs change on a host.
    """
    entries = _entries(services)
    by_value = "\n        ".join(
        f'if [ -e "$n.{one.kind}s" ]; then cut -f 1,3 "$n.{one.kind}s" | left {one.kind}; by_value=$n.0.path; fi'
        for one in entries
    )
    now = "\n    ".join(one.now for one in entries)
    backs = [(one.back, one.unit) for one in services]
    left = "; ".join(f"s/^{back} .*/{unit}\\tactive/p" for back, unit in backs)
    units = "; ".join(f"s/^{back} .*/{unit}/p" for back, unit in backs)
    return {
        "drift": rf"""
left() {{ sed "s|^|left\t$at\t${{J##*/}}\t$1\t|"; }}
for J in {ROOT}/*/; do
    J=${{J%/}}
    sequence=$(cat "$J/sequence" 2>/dev/null) || continue
    for done in "$J"/*.done; do
        n=${{done%.done}}
        if [ ! -e "$done" ] || [ -e "$n.undone" ]; then continue; fi
        at="$sequence.${{n##*/}}" by_value=
        {by_value}
        for path in "$n".*.path; do
            if [ ! -e "$path" ] || [ "$path" = "$by_value" ]; then continue; fi
            printf '%s\t%s\n' "$(cat "$path")" "$(cat "${{path%.path}}.is")" | left path
        done
        if grep -q '^systemctl stop ' "$n.commands"; then is=inactive; else is=active; fi
        sed -n "s/^unit_back [^ ]* \(.*\)/\1\t$is/p; {left}" "$n.undo" | left unit
    done
done
cat {ROOT}/*/*.path 2>/dev/null | sort -u | while read -r path; do
    printf 'now\tpath\t%s\t%s\n' "$path" "$(state "$path")"
done
sed -n 's/^unit_back [^ ]* //p; {units}' {ROOT}/*/*.undo 2>/dev/null | sort -u |
    while read -r unit; do printf 'now\tunit\t%s\t%s\n' "$unit" "$(systemctl is-active "$unit")"; done
if [ -d {ROOT} ]; then
    {now}
fi
echo {_END}
"""
    }


def _entries(services: Sequence[Service]) -> tuple[Entries, ...]:
    return tuple(one for service in services for one in service.entries)


_Thing = tuple[str, str]  # kind and name


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
    entries = _entries(services)
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
    rows: list[tuple[int, int, str, _Thing, str]] = []
    now: dict[_Thing, str] = {}
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
    return tuple(_compared(left, now, {one.kind: one for one in entries}))


def _compared(
    left: dict[_Thing, tuple[str, str]], now: dict[_Thing, str], entries: Mapping[str, Entries]
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
