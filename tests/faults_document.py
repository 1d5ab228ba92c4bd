"""docs/faults-survived.md, from what `make faults` has left: when, on which hosts, what was tried, what was seen."""

import json
import sys
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from faults import FAULTS

from lab import Lab
from lab.state import CHECKOUT

DOCUMENT = CHECKOUT / "docs" / "faults-survived.md"
_HEAD = """\
# Faults that a run survives

Written by `tests/faults_document.py` from what was seen. `make faults` tries each line of a table (`tests/faults.py`)
on a real host: a run is stopped between two changes or inside one, the fault is made, and then `runbook resume` must
bring the host to the state that a clean run reaches, or `runbook rollback` to the state of before, file by file. A
stranger's mail to a user is taken and delivered during the fault where it was before, and after it. What the run
itself said when it happened, and what the command afterwards said, stand in the line.

"""


def main(folder: Path) -> int:
    """Write the document; 1 where a fault was not survived or not tried."""
    lab = Lab.load()
    seen: dict[int, dict[str, Any]] = {
        int(path.stem): json.loads(path.read_text("utf-8")) for path in folder.glob("*.json")
    }
    survived = [number for number, one in seen.items() if one["told"]]
    at = sorted(datetime.fromtimestamp(path.stat().st_mtime, UTC) for path in folder.glob("*.json"))
    minutes = folder / "minutes"
    how = "Tried in parts, line by line, and **not by one `make faults`**: the whole was not run yet."
    if minutes.exists():
        how = f"By one `make faults`, in {minutes.read_text().strip()} minutes."
        whole = minutes.stat().st_mtime
        again = [
            str(number + 1)
            for number in sorted(seen)
            if (folder / f"{number:03}.json").stat().st_mtime > whole
        ]
        if again:
            how += f" Tried again by themselves, after something was mended: lines {', '.join(again)}."
    lines = [_HEAD]
    lines.append(
        f"{at[0]:%Y-%m-%d %H:%M} to {at[-1]:%H:%M} UTC: of {len(FAULTS)} lines {len(seen)} were tried, and "
        f"**{len(survived)} survived**. {how} Hosts:\n"
    )
    for name in dict.fromkeys(FAULTS[number].host for number in sorted(seen)):
        lines.append(f"- {name}: {_system(lab, name)}")
    lines += ["", "| kind | lines | tried | survived |", "| --- | --- | --- | --- |"]
    kinds = Counter(fault.kind for fault in FAULTS)
    good = Counter(FAULTS[number].kind for number in survived)
    tried = Counter(FAULTS[number].kind for number in seen)
    lines += [f"| {kind} | {count} | {tried[kind]} | {good[kind]} |" for kind, count in kinds.items()]
    titles = ("", "fault", "host", "where in the run", "the run said", "afterwards")
    lines += ["", f"| {' | '.join(titles)} |", "| --- " * len(titles) + "|"]
    for number, fault in enumerate(FAULTS):
        told = seen.get(number, {}).get("told", {})
        then = f"{fault.then}: {_cell(told[fault.then])}" if told else _why_not(seen.get(number))
        cells = (str(number + 1), fault.kind, f"{fault.host} {fault.state}", str(fault.at))
        lines.append(f"| {' | '.join(cells)} | {_cell(told.get('the run', ''))} | {then} |")
    DOCUMENT.write_text("\n".join(lines) + "\n", encoding="utf-8")
    told = [
        f"{kind}: {count} lines, {tried[kind]} tried, {good[kind]} survived" for kind, count in kinds.items()
    ]
    told.append(
        f"{len(FAULTS)} faults: {len(seen)} tried, {len(survived)} survived; see docs/{DOCUMENT.name}"
    )
    sys.stdout.write("\n".join(told) + "\n")
    return int(len(survived) != len(FAULTS))


def _why_not(seen: Mapping[str, Any] | None) -> str:
    if seen is None:
        return "not tried"
    reason = next((line.strip() for line in seen["failed"].splitlines() if "found wrong" in line), "")
    cut_off = seen["failed"] == "it was not tried to its end"
    return "not tried to its end" if cut_off else f"**not survived** {_cell(reason)}".strip()


def _system(lab: Lab, name: str) -> str:
    postfix = "postfix=$(postconf -h mail_version 2>/dev/null || :)"
    look = f'. /etc/os-release; {postfix}; echo "$PRETTY_NAME${{postfix:+, Postfix $postfix}}"'
    system = lab.exec(name, look).decode().strip()
    recipe = lab.host(name).release.recipe
    return f"{system} ({recipe.label})" if recipe.label else system


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
