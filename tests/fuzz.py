"""`make fuzz`: many hostile inputs for everything that is parsed, by grammar and by coverage, and a table of it.

By grammar hypothesis makes inputs that are nearly right. By coverage atheris (libFuzzer) bends the most telling of them
further, and keeps what reaches new code. What is found is kept as a file in tests/fuzz_seeds, so it is a test from then
on. Exit status: 0, 1 with a finding, 3 where one half could not be run.
"""

import argparse
import collections
import hashlib
import importlib
import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, Phase, given, settings

if TYPE_CHECKING:  # atheris must see the library's first import
    from hostile import Target

SEEDS = Path(__file__).parent / "fuzz_seeds"
_COULD_NOT_BE_RUN = 3
_HEADERS = ("target", "half", "tried", "refused", "accepted", "distinct answers", "edges", "findings")


@dataclass
class Count:
    """What became of the inputs of one target."""

    answers: collections.Counter[str] = field(default_factory=collections.Counter)
    telling: list[bytes] = field(default_factory=list)  # the first input of each answer
    findings: dict[str, tuple[bytes, str]] = field(
        default_factory=dict
    )  # the shortest for each place in the code

    def note(self, target: "Target", content: bytes) -> None:
        """Try one input; an error that is no refusal is kept, and the next input is tried."""
        try:
            answer = target.judge(content)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is the finding
            frames = traceback.extract_tb(error.__traceback__)
            place = f"{type(error).__name__} at {Path(frames[-1].filename).name}:{frames[-1].lineno}"
            known = self.findings.get(place)
            if known is None or len(content) < len(known[0]):
                self.findings[place] = content, "".join(traceback.format_exception(error)[-6:])
            answer = "finding"
        if not self.answers[answer]:
            self.telling.append(content)
        self.answers[answer] += 1

    def row(self, target: "Target", half: str, edges: str) -> tuple[str, ...]:
        """A line of the table."""
        tried, accepted, found = self.answers.total(), self.answers["accepted"], self.answers["finding"]
        numbers = (tried, tried - accepted - found, accepted, len(self.answers))
        return (target.name, half, *map(str, numbers), edges, str(len(self.findings)))


def by_grammar(target: "Target", inputs: int) -> Count:
    """Inputs of the target's own strategy, new ones at each run."""
    count = Count()

    @settings(
        max_examples=inputs,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(target.inputs)
    def run(content: bytes) -> None:
        count.note(target, content)

    run()
    return count


def by_coverage(target: "Target", inputs: int, begin_with: list[bytes]) -> tuple[Count, str]:
    """Inputs that libFuzzer makes of those; it ends its process, hence one for each target."""
    with tempfile.TemporaryDirectory() as folder:
        corpus, told = Path(folder, "corpus"), Path(folder, "told.json")
        corpus.mkdir()
        for number, content in enumerate(begin_with):
            (corpus / str(number)).write_bytes(content)
        command = [
            sys.executable,
            __file__,
            "--guided",
            target.name,
            "--inputs",
            str(inputs),
            "--into",
            folder,
        ]
        ended = subprocess.run(command, check=False, capture_output=True, text=True, errors="replace")
        if not told.exists():
            raise RuntimeError(
                f"the fuzzer of {target.name} ended with {ended.returncode}:\n{ended.stderr[-3000:]}"
            )
        said = json.loads(told.read_text())
        count = Count(collections.Counter(said["answers"]))
        count.findings = {place: (bytes.fromhex(one), why) for place, (one, why) in said["findings"].items()}
        edges = re.findall(r"cov: (\d+)", ended.stderr)
        return count, edges[-1] if edges else "?"


def guide(name: str, inputs: int, folder: Path) -> None:
    """In a process of its own: instrument the library, and let libFuzzer choose. Does not return."""
    atheris = importlib.import_module("atheris")  # a group of its own: the rest of the tests do without
    with atheris.instrument_imports(include=["runbook_lib"]):
        target = importlib.import_module("hostile_targets").TARGETS[name]
    count = Count()

    def one(content: bytes) -> None:
        count.note(target, content)
        if count.answers.total() % 500 == 0 or count.answers.total() >= inputs:
            found = {place: (one.hex(), why) for place, (one, why) in count.findings.items()}
            (folder / "told.json").write_text(json.dumps({"answers": count.answers, "findings": found}))

    options = [
        f"-runs={inputs}",
        "-max_len=4096",
        "-timeout=30",
        "-rss_limit_mb=4096",
        f"-artifact_prefix={folder}/",  # a slow input is kept for the moment, and not in the checkout
        "-print_final_stats=1",
    ]
    atheris.Setup([sys.argv[0], *options, str(folder / "corpus")], one)
    atheris.Fuzz()


def keep(target: "Target", count: Count) -> list[str]:
    """Write each finding's input to a file that `make test` tries from then on; say which and why."""
    told = []
    for place, (content, why) in count.findings.items():
        path = SEEDS / target.name / f"found-{hashlib.sha256(content).hexdigest()[:8]}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        told.append(f"{target.name}: {place}\n  input: {path}\n{why}")
    return told


def both_halves(target: "Target", inputs: int) -> int:
    """Try a target in both halves, and write its rows and what was found.

    Returns: how many findings there are.
    """
    count = by_grammar(target, inputs)
    _show(count.row(target, "by grammar", "-"))
    told = keep(target, count)
    if _can_guide():
        seeds = [path.read_bytes() for path in sorted((SEEDS / target.name).glob("*"))]
        guided, edges = by_coverage(target, inputs, [*seeds, *count.telling])
        _show(guided.row(target, "by coverage", edges))
        told += keep(target, guided)
    sys.stdout.write("".join(f"{one}\n" for one in told))
    return len(told)


def in_its_own_process(name: str, inputs: int) -> str:
    """What a run for one target writes."""
    command = [sys.executable, __file__, name, "--inputs", str(inputs), "--rows"]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, errors="replace")
    if ended.returncode not in (0, 1):
        raise RuntimeError(f"the run for {name} ended with {ended.returncode}:\n{ended.stderr[-3000:]}")
    return ended.stdout


def main() -> int:
    """Every target, or those that are named, in both halves."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("targets", nargs="*", help="names of targets; without any: all")
    asked.add_argument("--inputs", type=int, default=10_000, help="inputs for each target and half")
    asked.add_argument("--jobs", type=int, default=os.cpu_count(), help="targets at once")
    asked.add_argument("--guided", help=argparse.SUPPRESS)
    asked.add_argument("--into", type=Path, help=argparse.SUPPRESS)
    asked.add_argument("--rows", action="store_true", help=argparse.SUPPRESS)
    options = asked.parse_args()
    if options.guided:
        guide(options.guided, options.inputs, options.into)
    targets = importlib.import_module("hostile_targets").TARGETS
    unknown = set(options.targets) - targets.keys()
    if unknown:
        asked.error(f"no such target: {', '.join(sorted(unknown))}; there are {', '.join(targets)}")
    if options.rows:
        return 1 if both_halves(targets[options.targets[0]], options.inputs) else 0
    _show(_HEADERS)
    told = ""
    with ThreadPoolExecutor(options.jobs) as pool:
        for rows in pool.map(
            lambda name: in_its_own_process(name, options.inputs), options.targets or targets
        ):
            sys.stdout.write(rows)
            sys.stdout.flush()
            told += rows
    found = told.count("\n  input: ")
    sys.stdout.write(f"\n{found} findings{', kept in tests/fuzz_seeds' if found else ''}.\n")
    if not _can_guide():
        version = ".".join(map(str, sys.version_info[:2]))
        sys.stdout.write(
            f"The half by coverage could not be run: atheris has no wheel for Python {version}.\n"
        )
    return 1 if found else 0 if _can_guide() else _COULD_NOT_BE_RUN


def _can_guide() -> bool:
    return importlib.util.find_spec("atheris") is not None


def _show(row: tuple[str, ...]) -> None:
    sys.stdout.write("  ".join(f"{cell:>16}" for cell in row) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
