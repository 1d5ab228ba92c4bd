"""Looks at many hosts of an inventory that are a few real ones, each under many addresses: `status`, `verify`, `plan`.

A lab of its own, whose hosts have Postfix as the package leaves it. Each address (IPv6, of which a network has enough)
is a host of the inventory, with a name of its own in the lab's DNS; what is asked changes nothing. Hosts share the
machine's cores with the controller, so seconds are theirs, too: of CPU time of the controller it is asked what each
host more takes between the larger counts, over between the smaller ones. Memory (PSS of all processes, the most that
was seen) is told alone: a moment in which the command forks, as for `ssh -G`, shows as twice as much.

    python benchmarks/addresses.py --real 20 --hosts 100 400 1000    # takes hours on two cores
    python benchmarks/addresses.py --real 2 --hosts 10 20 40 --commands status

Prints a line a command and count, then ratios beside the goal; exit status 1 when a goal is missed.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

from lab.hosts import ADMINISTRATOR
from lab.lab import Lab
from lab.releases import DOMAIN
from lab.state import CHECKOUT, State

RUNBOOK = str(Path(sys.executable).with_name("runbook"))
MEASURE = str(Path(__file__).resolve().parent / "fleet" / "measure.py")
RELEASES = ("debian12", "debian13")
COMMANDS = ("status", "verify", "plan")
GOAL = 1.3
_POLL_S = 0.02
_COUNTS_MIN = 2


def up(folder: Path, count: int) -> Lab:
    """A lab of so many hosts, on which the administrator needs no password."""
    words = ["up", *RELEASES[:count], "--count", str(count), "--state", "fresh"]
    subprocess.run(
        [sys.executable, "-m", "lab", *words],
        cwd=CHECKOUT, env={**os.environ, "RUNBOOK_LAB": str(folder)}, stdout=sys.stderr, check=True,
    )  # fmt: skip
    lab = Lab(State(folder))
    for host in hosts_of(lab, count):
        lab.exec(
            host, f"echo '{ADMINISTRATOR} ALL=(ALL:ALL) NOPASSWD: ALL' >/etc/sudoers.d/{ADMINISTRATOR}\n"
        )
    return lab


def hosts_of(lab: Lab, count: int) -> list[str]:
    """The names of the real hosts."""
    return [host.name for host in lab.hosts if host.release.name in RELEASES][:count]


def spread(lab: Lab, real: int, hosts: int) -> list[tuple[str, str, str]]:
    """Give each real host its addresses; of each host of the inventory name, address, and the keys that it shows."""
    keys = State(lab.folder).read()["hosts"]
    names = hosts_of(lab, real)
    made = []
    for number in range(hosts):
        shown = keys[names[number % real]]["host_keys"]
        address = f"fd77:{lab.network.number}::1:{number + 1:x}"
        made.append((f"m{number}", address, "\n".join(f"{address} {key}" for key in shown)))
    for place, name in enumerate(names):
        own = " ".join(address for _, address, _ in made[place::real])
        lab.exec(name, f"for a in {own}; do ip -6 address replace $a/64 dev eth0 nodad; done\n", 300.0)
    return made


def write_inventory(lab: Lab, folder: Path, made: list[tuple[str, str, str]]) -> Path:
    """What the lab's inventory has, with these hosts."""
    known = folder / "known_hosts"
    known.write_text("\n".join(keys for *_, keys in made) + "\n", encoding="ascii")
    head, _, _ = lab.inventory.read_text(encoding="utf-8").partition("\nhosts:\n")
    lines = [
        f"  known_hosts: {known}" if line.startswith("  known_hosts:") else line for line in head.split("\n")
    ]
    for name, address, _ in made:
        lines.append(f'  {name}:\n    address: "{address}"\n    names: {{smtp: {name}.{DOMAIN}}}')
    at = next(number for number, line in enumerate(lines) if line.startswith("  m0:"))
    path = folder / f"{len(made)}.yaml"
    path.write_text("\n".join([*lines[:at], "hosts:", *lines[at:]]) + "\n", encoding="utf-8")
    path.chmod(0o600)
    return path


def measured(lab: Lab, folder: Path, command: str, book: Path, workers: int) -> dict[str, float]:
    """Run a command: seconds until its first line and in all, CPU, memory."""
    log = folder / f"{command}-{book.stem}.log"
    log.touch()
    began = time.monotonic()
    with subprocess.Popen(
        [sys.executable, MEASURE, log, RUNBOOK, command, "--inventory", book, "--workers", str(workers)],
        env={**os.environ, "RUNBOOK_LAB": str(lab.folder), "RUNBOOK_RECORDS": str(folder / "records")},
        stdout=subprocess.PIPE, text=True,
    ) as asked:  # fmt: skip
        while log.stat().st_size == 0 and asked.poll() is None:
            time.sleep(_POLL_S)
        first = time.monotonic() - began
        assert asked.stdout is not None
        told: dict[str, float] = json.loads(asked.stdout.read())
    text = log.read_text(encoding="utf-8", errors="replace")
    hosts = int(book.stem)
    named = sum(f"m{number}: " in text for number in range(hosts))
    if named != hosts:
        raise SystemExit(f"{command} told of {named} of {hosts} hosts:\n{text[-3000:]}")
    return {"first_s": round(first, 2), **told}


def main() -> None:
    """Measure; the lab is gone afterwards, unless it is to stay."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--real", type=int, default=2, help="hosts that there are")
    parser.add_argument(
        "--hosts", type=int, nargs="+", default=[20, 60, 200], help="hosts of the inventory, two or more"
    )
    parser.add_argument("--commands", nargs="+", default=COMMANDS, choices=COMMANDS)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--folder", type=Path, default=CHECKOUT / ".lab-addresses")
    parser.add_argument("--keep", action="store_true", help="leave the lab up, and take it as it is")
    given = parser.parse_args()
    if len(given.hosts) < _COUNTS_MIN:
        parser.error("--hosts: give two or more counts")
    lab = up(given.folder.resolve(), given.real)
    seen: dict[str, list[dict[str, float]]] = {}
    try:
        made = spread(lab, given.real, max(given.hosts))
        records = [f"host-record={name}.{DOMAIN},{address}" for name, address, _ in made]
        with tempfile.TemporaryDirectory() as temporary, lab.also_in_dns(*records):
            for command in given.commands:
                for count in given.hosts:
                    book = write_inventory(lab, Path(temporary), made[:count])
                    figures = measured(lab, Path(temporary), command, book, given.workers)
                    seen.setdefault(command, []).append(figures)
                    print(json.dumps({"command": command, "hosts": count, **figures}), flush=True)  # noqa: T201
    finally:
        if not given.keep:
            lab.down()
    missed = False
    for command, rows in seen.items():
        cpu = [row["controller_cpu_s"] for row in rows]
        more = [
            (after - before) / (many - few)
            for (before, after), (few, many) in zip(pairwise(cpu), pairwise(given.hosts), strict=True)
        ]
        ratio = more[-1] / more[0]
        missed = missed or ratio > GOAL
        print(f"{command:<8} CPU of one host more: {ratio:.2f} times as much, goal {GOAL:g}")  # noqa: T201
    raise SystemExit(missed)


if __name__ == "__main__":
    main()
