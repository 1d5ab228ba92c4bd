"""How long the command line takes to be there: `runbook --help` and its import, over bare Python, side by side.

What only some commands need (papermill, paramiko, pydantic) is imported by those commands. Goals: 12 times bare Python
for the import, 20 for `--help`, which also draws its table; and no such package among the modules.
"""

import statistics
import subprocess
import sys
import time
from pathlib import Path

TIMES = 9
GOALS = {"import": 12.0, "--help": 20.0}
HEAVY = (
    "papermill",
    "nbformat",
    "paramiko",
    "pydantic",
    "cryptography",
    "jupyter_client",
    "ruamel.yaml",
    "dns",
)
COMMANDS = {
    "bare Python": [sys.executable, "-c", "pass"],
    "import": [sys.executable, "-c", "import runbook_lib.cli"],
    "--help": [str(Path(sys.executable).with_name("runbook")), "--help"],
}


def seconds(command: list[str]) -> float:
    """Wall time of a command, in seconds."""
    begun = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - begun


def main() -> None:
    """Measure in turns and print a table; exit status 1 when a goal is missed."""
    results: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(TIMES):
        for name, command in COMMANDS.items():
            results[name].append(seconds(command))
    medians = {name: statistics.median(all_) for name, all_ in results.items()}
    missed = False
    print("start         s        ratio    goal")  # noqa: T201
    for name, median in medians.items():
        ratio, goal = median / medians["bare Python"], GOALS.get(name)
        missed = missed or (goal is not None and ratio > goal)
        print(f"{name:<13} {median:<8.3f} {ratio:<8.1f} {goal or ''}")  # noqa: T201
    code = "import sys, runbook_lib.cli; print(*sys.modules)"
    modules = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout.split()
    found = [name for name in HEAVY if name in modules]
    print(f"imported with it that should not be: {', '.join(found) or 'nothing'}")  # noqa: T201
    raise SystemExit(missed or bool(found))


if __name__ == "__main__":
    main()
