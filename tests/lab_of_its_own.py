"""A second lab beside the shared one, for tests that break or remove a lab; run as a person would."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab import Lab
from lab.state import CHECKOUT, State


@dataclass(frozen=True)
class OwnLab:
    """A lab in a folder of its own.

    Args:
        folder: what RUNBOOK_LAB says.
    """

    folder: Path

    @property
    def lab(self) -> Lab:
        """The same lab from Python."""
        return Lab(State(self.folder))

    def start(self, *words: str) -> subprocess.Popen[str]:
        """`python -m lab WORDS`, not waited for."""
        environment = {**os.environ, "RUNBOOK_LAB": str(self.folder)}
        command = [sys.executable, "-m", "lab", *words]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, cwd=CHECKOUT, env=environment, stdout=pipe, stderr=pipe, text=True)

    def run(self, *words: str) -> str:
        """`python -m lab WORDS` to its end; its output, which must be without an error line."""
        process = self.start(*words)
        output, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
        assert errors == ""
        return output


@contextmanager
def lab_of_its_own(folder: Path) -> Iterator[OwnLab]:
    """A lab that is gone afterwards, whatever the test did to it."""
    own = OwnLab(folder)
    try:
        yield own
    finally:
        own.run("down")


def containers() -> set[str]:
    """Names of all containers on this machine."""
    listed = subprocess.run(
        ["podman", "--log-level=error", "ps", "-a", "--format", "{{.Names}}"],
        capture_output=True, check=True, text=True, timeout=60,
    )  # fmt: skip
    return set(listed.stdout.split())


def networks() -> set[str]:
    """Names of all podman networks on this machine."""
    listed = subprocess.run(
        ["podman", "--log-level=error", "network", "ls", "--format", "{{.Name}}"],
        capture_output=True, check=True, text=True, timeout=60,
    )  # fmt: skip
    return set(listed.stdout.split())


def routes() -> set[str]:
    """All routes of this machine, both families."""
    found: set[str] = set()
    for family in ("-4", "-6"):
        shown = subprocess.run(
            ["ip", family, "route", "show"], capture_output=True, check=True, text=True, timeout=10
        )
        found.update(line.strip() for line in shown.stdout.splitlines())
    return found
