"""A bare machine of somebody else: no network, no program of ours, and a clock that may be years on."""

import contextlib
import shlex
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lab import host_images
from lab.lab import silent
from lab.podman import inside, needs, podman
from lab.releases import RELEASES

HANDED_OVER = "/handed-over"  # where the folder that it was given lies
_FAKED = "/run/libfaketime.so.1"


@dataclass(frozen=True)
class BareMachine:
    """A container of a lab host's bare image.

    Args:
        years: how far its clock is on, for the commands that are run here.
    """

    name: str
    years: int = 0

    def sh(self, script: str, timeout_s: float = 600.0) -> subprocess.CompletedProcess[str]:
        """Run a script as a person types it; its status is that of the last command."""
        clock = f"export LD_PRELOAD={_FAKED} FAKETIME=+{self.years * 365}d\n" if self.years else ""
        done = inside(self.name, f"{clock}sh -c {shlex.quote(script)}".encode(), timeout_s)
        return subprocess.CompletedProcess(
            script, done.returncode, done.stdout.decode(), done.stderr.decode()
        )

    def later(self, years: int) -> "BareMachine":
        """The same machine, so many years on."""
        return BareMachine(self.name, years)


@contextlib.contextmanager
def bare_machine(host: str, folder: Path) -> Iterator[BareMachine]:
    """A machine as a lab host is before the runbook comes, which nobody reaches.

    A container has the kernel's clock, and a time namespace holds no clock of the day (time_namespaces(7)): so what
    runs in there is told another time by libfaketime, which is mounted from here.

    Args:
        host: whose bare image.
        folder: what it was given, to read.
    """
    image = host_images.make(RELEASES[host], "bare", silent)
    (faked,) = Path("/usr/lib").glob("*/faketime/libfaketime.so.1")
    name = f"runbook-bare-{uuid.uuid4().hex[:12]}"
    words = ["run", "-d", "--rm", "--name", name, "--network", "none", *needs().run_options]
    words += ["-v", f"{faked}:{_FAKED}:ro", "-v", f"{folder}:{HANDED_OVER}:ro"]
    try:
        podman(*words, image.tag, "sleep", "infinity")
        yield BareMachine(name)
    finally:
        podman("rm", "-f", "-i", "-t", "0", name)
