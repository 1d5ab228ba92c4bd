"""What runs of ours left on a host, by their journals, and is otherwise now: somebody changed it since."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from runbook_lib.errors import CommandFailed
from runbook_lib.remote.facts import Fact
from runbook_lib.remote.journal import ROOT

# A line each, tabs between its fields. What a run left has the number of run and change, so that the last counts.
_END = "all was read"
_SCRIPT = rf"""
left() {{ sed "s|^|left\t$at\t${{J##*/}}\t$1\t|"; }}
for J in {ROOT}/*/; do
    J=${{J%/}}
    sequence=$(cat "$J/sequence" 2>/dev/null) || continue
    for done in "$J"/*.done; do
        n=${{done%.done}}
        if [ ! -e "$done" ] || [ -e "$n.undone" ]; then continue; fi
        at="$sequence.${{n##*/}}" by_value=
        if [ -e "$n.settings" ]; then cut -f 1,3 "$n.settings" | left setting; by_value=$n.0.path; fi
        if [ -e "$n.services" ]; then cut -f 1,3 "$n.services" | left service; by_value=$n.0.path; fi
        for path in "$n".*.path; do
            if [ ! -e "$path" ] || [ "$path" = "$by_value" ]; then continue; fi
            printf '%s\t%s\n' "$(cat "$path")" "$(cat "${{path%.path}}.is")" | left path
        done
        if grep -q '^systemctl stop ' "$n.commands"; then is=inactive; else is=active; fi
        sed -n "s/^unit_back [^ ]* \(.*\)/\1\t$is/p; s/^postfix_back .*/postfix\tactive/p" "$n.undo" | left unit
    done
done
cat {ROOT}/*/*.path 2>/dev/null | sort -u | while read -r path; do
    printf 'now\tpath\t%s\t%s\n' "$path" "$(state "$path")"
done
sed -n 's/^unit_back [^ ]* //p; s/^postfix_back .*/postfix/p' {ROOT}/*/*.undo 2>/dev/null | sort -u |
    while read -r unit; do printf 'now\tunit\t%s\t%s\n' "$unit" "$(systemctl is-active "$unit")"; done
if [ -d {ROOT} ]; then
    postconf -n 2>/dev/null | sed 's/^/now\tsetting\t/'
    postconf -M 2>/dev/null | awk '{{ $1 = $1; print }}' | sed 's/^/now\tservice\t/'
fi
echo {_END}
"""
FACT = {"drift": _SCRIPT}
_WORDS = {"setting": "/etc/postfix/main.cf, ", "service": "/etc/postfix/master.cf, ", "unit": "unit "}
# firewalld keeps the file of before its last change beside it, whoever makes that change.
_KEPT_BY_OTHERS = (".xml.old",)

_LEFT = re.compile(r"left\t([0-9]{1,9})\.([0-9]{1,9})\t([^\t]+)\t(path|setting|service|unit)\t([^\t]+)\t(.*)")
_NOW = (
    re.compile(r"now\t(path|unit)\t(?P<name>[^\t]+)\t(?P<text>.*)"),
    re.compile(r"now\t(setting)\t(?P<text>(?P<name>.+?) =.*)"),
    re.compile(r"now\t(service)\t(?P<text>(?P<name>[^ ]+ [^ ]+) .*)"),
)

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


def drifted(fact: Fact) -> tuple[Drifted, ...]:
    """What differs, from the fact that `FACT` asked for as root with the journal's functions.

    Raises:
        CommandFailed: the host did not get to the end.
    """
    *lines, last = fact.value.rstrip("\n").split("\n")
    if last != _END:  # too slow, or cut off: then 'nothing was changed' would be a guess
        raise CommandFailed(
            f"what runs left could not be compared to the end (status {fact.status})",
            str(ROOT),
            "ask again when the host has less to do",
        )
    rows: list[tuple[int, int, str, _Thing, str]] = []
    now: dict[_Thing, str] = {}
    for line in lines:
        if match := _LEFT.fullmatch(line):
            sequence, number, run, kind, name, value = match.groups()
            rows.append((int(sequence), int(number), run, (kind, name), value))
        elif match := next(filter(None, (form.fullmatch(line) for form in _NOW)), None):
            name = match["name"].replace(" ", "/") if match[1] == "service" else match["name"]
            now[match[1], name] = match["text"].rstrip()
        else:
            raise CommandFailed(
                f"a line of what runs left is not understood: {line[:200]!r}",
                str(ROOT),
                "see whether a file's name there has a tab or a line end in it, and whether a disk was full",
            )
    left = {thing: (run, value) for _, _, run, thing, value in sorted(rows, key=lambda row: row[:2])}
    return tuple(_compared(left, now))


def _compared(left: dict[_Thing, tuple[str, str]], now: dict[_Thing, str]) -> Iterator[Drifted]:
    for (kind, name), (run, was) in left.items():
        found = now.get((kind, name), "-")
        if found != was and not name.endswith(_KEPT_BY_OTHERS):
            yield Drifted(f"{_WORDS.get(kind, '')}{name}", run, _told(kind, was), _told(kind, found))


def _told(kind: str, value: str) -> str:
    return {"-": "not set" if kind == "setting" else "not there"}.get(value, value)
