"""Output of 8 MiB: from a host through our connection against ssh(1), and masked with 1 and with 100 secrets.

Goals: 4 times ssh(1), which does in C what paramiko does in Python; with 100 secrets 8 times the time of one.
"""

import contextlib
import os
import secrets
import statistics
import subprocess
import time
from collections.abc import Callable

from runbook_lib import credentials, inventory, remote

HOST, MIB, TIMES = "debian12", 1024 * 1024, 5
GOALS = {"our connection": 4.0, "100 secrets": 8.0}
COMMAND = f"head -c {8 * MIB} /dev/zero | tr '\\0' x"


def seconds(one: Callable[[], object]) -> float:
    """Wall time of a call, in seconds."""
    begun = time.perf_counter()
    one()
    return time.perf_counter() - begun


def transfers() -> dict[str, float]:
    """Median seconds of the same output by both ways; each has its connection before, and the times are in turns."""
    site = inventory.load("lab").site
    host = inventory.load("lab").host(HOST)
    ssh = [
        *("ssh", "-F", "none", "-i", str(host.key), "-p", str(host.port), "-l", str(host.user)),
        *("-o", f"UserKnownHostsFile={site.known_hosts}", "-o", "ControlPath=none", host.address),
    ]
    taken: dict[str, list[float]] = {"ssh(1)": [], "our connection": []}
    with contextlib.closing(remote.connect(site, host)) as connection:
        for _ in range(TIMES):
            login = seconds(lambda: subprocess.run([*ssh, "true"], check=True, capture_output=True))
            whole = seconds(lambda: subprocess.run([*ssh, COMMAND], check=True, capture_output=True))
            taken["ssh(1)"].append(whole - login)
            taken["our connection"].append(seconds(lambda: connection.run(COMMAND)))
    return {name: statistics.median(times) for name, times in taken.items()}


def masked() -> dict[str, float]:
    """Median seconds of masking 8 MiB of lines."""
    text = "".join(f"line {number}\n" for number in range(8 * MIB // 12))
    medians = {}
    for count in (1, 100):
        while len(credentials.resolved()) < count:
            os.environ["RUNBOOK_BENCH_SECRET"] = secrets.token_urlsafe(18)
            credentials.resolve("env:RUNBOOK_BENCH_SECRET", "here")
        times = [seconds(lambda: credentials.mask(text)) for _ in range(TIMES)]
        medians["1 secret" if count == 1 else f"{count} secrets"] = statistics.median(times)
    return medians


def main() -> None:
    """Measure and print a table; exit status 1 when a goal is missed."""
    missed = False
    print("8 MiB by         s        ratio    goal")  # noqa: T201
    for medians in (transfers(), masked()):
        base = next(iter(medians.values()))
        for name, median in medians.items():
            ratio, goal = median / base, GOALS.get(name)
            missed = missed or (goal is not None and ratio > goal)
            print(f"{name:<16} {median:<8.3f} {ratio:<8.1f} {goal or ''}")  # noqa: T201
    raise SystemExit(missed)


if __name__ == "__main__":
    main()
