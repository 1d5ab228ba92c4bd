"""What an apply costs a lab host: programs started there, by name, and seconds of its CPU; first fresh, then unchanged.

Programs are counted by the kernel (acct(2), switched on for the host's PID namespace alone), which notes every process
of the host as it ends; CPU is that of the host's control group. Both are the whole host's, so what it does of its own
in these seconds is among them. Takes root, as the lab does.
"""

import argparse
import ctypes
import os
import struct
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from lab.lab import Lab
from lab.podman import inspect

HOSTS = ("debian12", "el9")
# acct_v3 of linux/acct.h: flag, version, tty, exit code, uid, gid, pid, ppid, begin, elapsed, seven counts, name.
_RECORD = struct.Struct("<BBHIIIIIIf8H16s")
_SHOWN = 25
_NO_EXEC = 1  # AFORK: a process that ended without starting a program, as a subshell does
_LIBC = ctypes.CDLL(None, use_errno=True)


@dataclass
class Cost:
    """What one apply took of a host."""

    programs: Counter[str] = field(default_factory=Counter)
    forks: int = 0
    cpu_s: float = 0.0


def apply(host: str) -> None:
    """Every chapter, as a person has it."""
    runbook = str(Path(sys.executable).with_name("runbook"))
    done = subprocess.run(
        [runbook, "apply", "--inventory", "lab", "--host", host, "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{host}: {done.stdout[-2000:]}{done.stderr[-2000:]}")


def _switched(first_process: int, log: Path | None) -> None:
    """Switch acct(2) on for the host's PID namespace, which only a child of who enters it is in; None: off."""
    child = os.fork()
    if not child:
        status = 1
        try:
            with Path(f"/proc/{first_process}/ns/pid").open("rb") as namespace:
                if _LIBC.setns(namespace.fileno(), 0):
                    os._exit(ctypes.get_errno())
            inside = os.fork()
            if not inside:
                path = None if log is None else os.fsencode(log)
                os._exit(ctypes.get_errno() if _LIBC.acct(path) else 0)
            status = os.waitstatus_to_exitcode(os.waitpid(inside, 0)[1])
        finally:
            os._exit(status)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status:
        raise SystemExit(f"acct(2): {os.strerror(status)}")


def _cpu_s(first_process: int) -> float:
    for line in Path(f"/proc/{first_process}/cgroup").read_text().splitlines():
        number, controllers, path = line.split(":", 2)
        if "cpuacct" in controllers.split(","):
            return int(Path(f"/sys/fs/cgroup/cpuacct{path}/cpuacct.usage").read_text()) / 1e9
        if number == "0" and Path(f"/sys/fs/cgroup{path}/cpu.stat").exists():
            whole = path.removesuffix("/init.scope")
            usage = Path(f"/sys/fs/cgroup{whole}/cpu.stat").read_text().split()[1]
            return int(usage) / 1e6
    raise SystemExit("no control group that counts CPU was found")


@contextmanager
def counted(first_process: int) -> Iterator[Cost]:
    """Count what the host starts meanwhile."""
    cost = Cost()
    with tempfile.NamedTemporaryFile(prefix="acct-") as log:
        before = _cpu_s(first_process)
        _switched(first_process, Path(log.name))
        try:
            yield cost
        finally:
            _switched(first_process, None)
            cost.cpu_s = _cpu_s(first_process) - before
        for flag, *_, name in _RECORD.iter_unpack(Path(log.name).read_bytes()):
            if flag & _NO_EXEC:
                cost.forks += 1
            else:
                cost.programs[name.rstrip(b"\0").decode(errors="replace")] += 1


def main() -> None:
    """Print what each apply took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("hosts", nargs="*", default=HOSTS)
    lab = Lab.load()
    with tempfile.TemporaryDirectory() as records:
        os.environ["RUNBOOK_RECORDS"] = records
        for host in parser.parse_args().hosts:
            container = lab.reset(host).container
            pid = inspect("container", container)[0]["State"]["Pid"]
            for case in ("fresh", "no change"):
                with counted(pid) as cost:
                    apply(host)
                names = ", ".join(f"{count} {name}" for name, count in cost.programs.most_common(_SHOWN))
                told = (
                    f"{host}, {case}: {cost.programs.total()} programs, {cost.cpu_s:.1f} s CPU\n    {names}"
                )
                print(told)  # noqa: T201


if __name__ == "__main__":
    main()
