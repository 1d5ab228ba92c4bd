"""How long the lab takes to give a host back, over podman's own `run` of the same image, side by side.

A reset starts systemd and waits until sshd answers; `podman run` starts `true` and takes the container away. Goal: 10
times that, for a host without Postfix and for one with it.
"""

import statistics
import time
from collections.abc import Callable

from lab import Lab
from lab.host_images import image_tag
from lab.podman import needs, podman
from lab.releases import RELEASES

TIMES = 5
GOAL = 10.0
STATES = ("bare", "fresh")


def seconds(measured: Callable[[], object]) -> float:
    """Wall time of a call, in seconds."""
    begun = time.perf_counter()
    measured()
    return time.perf_counter() - begun


def main() -> None:
    """Measure in turns and print a table; exit status 1 when a goal is missed."""
    lab, missed = Lab.load(), False
    lab.up()
    print("host       state      reset s  podman s  ratio  goal")  # noqa: T201
    for name, release in RELEASES.items():
        for state in STATES:
            lab.reset(name, state)
            words = (
                "run",
                "--rm",
                "--network",
                "none",
                *needs().run_options,
                image_tag(release, state),
                "true",
            )
            resets, runs = [], []
            for _ in range(TIMES):
                resets.append(seconds(lambda name=name, state=state: lab.reset(name, state)))
                runs.append(seconds(lambda words=words: podman(*words)))
            reset, run = statistics.median(resets), statistics.median(runs)
            missed = missed or reset > GOAL * run
            print(f"{name:<10} {state:<10} {reset:<8.2f} {run:<9.2f} {reset / run:<6.1f} {GOAL:g}")  # noqa: T201
    raise SystemExit(missed)


if __name__ == "__main__":
    main()
