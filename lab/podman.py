"""podman by subprocess, with only the options that this machine needs."""

import functools
import json
import os
import re
import resource
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from runbook_lib.errors import LabError

# podman 4's own defaults for root; a machine that cannot raise its hard limits this far must be given less.
_DEFAULT_NOFILE = 1_048_576
_DEFAULT_NPROC = 4_194_304
_MODEST_NPROC = 4096


@dataclass(frozen=True)
class Needs:
    """What this machine needs beyond podman's defaults.

    Args:
        options: before the subcommand.
        run_options: of `run` and `create`.
        old_cgroups: the machine has cgroup v1 or the hybrid of v1 and v2.
    """

    options: tuple[str, ...]
    run_options: tuple[str, ...]
    old_cgroups: bool


@functools.cache
def needs() -> Needs:
    """Look at podman, /sys/fs/cgroup and the hard limits, once a process.

    Returns: the options to give.
    Raises: LabError when podman does not answer.
    """
    # podman 4 warns of CNI files that it does not use under netavark.
    quiet = ("--log-level=error",)
    told = subprocess.run(
        ["podman", *quiet, "info", "--format", "json"], capture_output=True, timeout=60, check=False
    )
    if told.returncode:
        raise failed(("info",), told)
    host = json.loads(told.stdout)["host"]
    old_cgroups = not Path("/sys/fs/cgroup/cgroup.controllers").exists()
    options = list(quiet)
    if host["cgroupManager"] == "systemd" and not Path("/run/systemd/system").is_dir():
        options.append("--cgroup-manager=cgroupfs")
    if old_cgroups and host["ociRuntime"]["name"] == "crun" and shutil.which("runc"):
        options.append("--runtime=runc")  # crun refuses the hybrid of cgroup v1 and v2
    run_options = []
    for name, kind, default, modest in (
        ("nofile", resource.RLIMIT_NOFILE, _DEFAULT_NOFILE, _DEFAULT_NOFILE),
        ("nproc", resource.RLIMIT_NPROC, _DEFAULT_NPROC, _MODEST_NPROC),
    ):
        hard = resource.getrlimit(kind)[1]
        if hard != resource.RLIM_INFINITY and hard < default:
            limit = min(hard, modest)
            run_options += ["--ulimit", f"{name}={limit}:{limit}"]
    return Needs(tuple(options), tuple(run_options), old_cgroups)


def podman(
    *words: str,
    stdin: bytes = b"",
    timeout_s: float = 60.0,
    check: bool = True,
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Run podman.

    Args:
        words: subcommand, options, arguments; never a secret.
        stdin: what it reads.
        timeout_s: seconds it is given.
        check: raise on a status other than 0.
        environment: variables added to this process's.
    Returns: status, output and errors.
    Raises: LabError on another status (with check), or when the time is over.
    """
    try:
        done = subprocess.run(
            ["podman", *needs().options, *words],
            input=stdin,
            capture_output=True,
            timeout=timeout_s,
            check=False,
            env={**os.environ, **environment} if environment else None,
        )
    except subprocess.TimeoutExpired as error:
        raise LabError(
            f"`podman {' '.join(words[:2])}` was not done in {timeout_s:g} s",
            "lab",
            "look at the machine's load and disk, then run `python -m lab up` again: it repairs",
            "The lab may be half made.",
        ) from error
    if check and done.returncode:
        raise failed(words, done)
    return done


class AddressTaken(LabError):
    """podman counts an address as a container's that does not run, since its start was killed."""


_TAKEN = re.compile("ip address .* is already allocated")
_LISTED_AT_MOST = 20
_GONE = re.compile(rb"image not known|no such (image|container|object)|no container with .* found")
# A container's first process: what podman said, and when that process began, so that a number given anew is not taken.
_first: dict[str, tuple[int, str]] = {}


def inside(container: str, script: bytes, timeout_s: float) -> subprocess.CompletedProcess[bytes]:
    """Run an sh script as root in a running container, as `podman exec` does, in a thirtieth of its time.

    Args:
        container: podman's name of it.
        script: sh; it ends at the first command that fails.
        timeout_s: seconds it is given.
    Returns: status, output and errors.
    Raises: LabError where the container does not run, or when the time is over.
    Source: nsenter(1). What it starts lives in the container, and has this process's control group.
    """
    pid = _first_process(container)
    words = ["nsenter", "-t", str(pid), "-a", "-r", "-w", "setpriv", f"--bounding-set={_capabilities(pid)}"]
    words += ["env", "-i", *_ENVIRONMENT]
    try:
        return subprocess.run(
            [*words, "/bin/sh", "-euc", 'eval "$(cat)"'],
            input=script, capture_output=True, timeout=timeout_s, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise LabError(
            f"the script was not done in {timeout_s:g} s", container, "look at the host's load", ""
        ) from error


# As `podman exec` has it.
_ENVIRONMENT = (
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME=/root",
    "container=podman",
)


def _capabilities(pid: int) -> str:
    """What a process may have at most, as setpriv(1) takes it; with more, the host's own root could not look at it."""
    rows = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    mask = int(rows["CapBnd"], 16)
    return ",".join(["-all", *(f"+cap_{number}" for number in range(64) if mask >> number & 1)])


def _first_process(container: str) -> int:
    pid, began = _first.get(container, (0, ""))
    if not pid or _began(pid) != began:
        seen = inspect("container", container)
        pid = seen[0]["State"]["Pid"] if seen else 0
        began = _began(pid)
        if not pid or not began:
            raise LabError(f"{container} does not run", "lab", "run `python -m lab up`: it repairs", "")
        _first[container] = pid, began
    return pid


def _began(pid: int) -> str:
    """When a process began, in ticks since the machine's start; '' where it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[19]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def inspect(kind: str, *names: str) -> list[dict[str, Any]]:
    """`podman KIND inspect` of those names that exist; the others are left out."""
    if not names:
        return []
    done = podman(kind, "inspect", *names, check=False)
    return cast("list[dict[str, Any]]", json.loads(done.stdout or b"[]"))


def listed(kind: str, *options: str) -> list[dict[str, Any]]:
    """`podman KIND ls --format json`, as data."""
    return cast(
        "list[dict[str, Any]]", json.loads(listing(kind, "ls", *options, "--format", "json") or b"[]")
    )


def listing(*words: str) -> bytes:
    """What podman lists.

    Of what another process removes meanwhile podman finds the name and no more, and lists nothing: it is asked again.

    Raises: LabError as `podman` does.
    """
    for _ in range(_LISTED_AT_MOST):
        done = podman(*words, check=False)
        if not (done.returncode and _GONE.search(done.stderr)):
            break
    if done.returncode:
        raise failed(words, done)
    return done.stdout


def failed(words: Sequence[str], done: subprocess.CompletedProcess[bytes]) -> LabError:
    """The error for a command of podman's that ended with another status than 0."""
    told = (done.stderr.decode(errors="replace").strip() or done.stdout.decode(errors="replace").strip())[
        -600:
    ]
    kind = AddressTaken if _TAKEN.search(told) else LabError
    return kind(
        f"`podman {' '.join(words[:2])}` ended with status {done.returncode}: {told}",
        "lab",
        "run `python -m lab up` again: it repairs. Where that fails the same way, podman's words say why",
        "The lab may be half made.",
    )
