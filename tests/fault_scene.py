"""A run on a lab host that is stopped at a boundary between two changes, so that something can happen to it there.

The run is the command line's own. How far it is, is read in the host's journal past SSH, through `/proc`, a thousand
times a second: when the change that is waited for begins, the controller is stopped (SIGSTOP) while the host ends that
change by itself. So nothing in the library knows that it is being watched.
"""

import fcntl
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import psutil  # type: ignore[import-untyped]
from applied_host import RUNBOOK
from decided import decided, for_lived_in
from supported import changing

from lab import Lab, hosts
from lab.podman import inspect, podman
from lab.releases import RELEASES
from lab.state import CHECKOUT
from runbook_lib.records import index

_BEGINS_S = 240.0  # until a change begins: the controller starts, and packages may come before
_ENDS_S = 300.0
_LOOK_S = 0.001
# From inside what a person keeps in mynetworks nobody can prove that strangers are refused.
_PROVABLE = {"main.cf, mynetworks": "replace"}
T = TypeVar("T")


@dataclass(frozen=True)
class At:
    """A place in a run.

    Args:
        title: a part of a change's title.
        pause_s: how far inside the change, in seconds after its begin; None: at the boundary after it.
    """

    title: str
    pause_s: float | None = None

    def __str__(self) -> str:
        title = self.title.strip(" :")
        return f"after {title}" if self.pause_s is None else f"{self.pause_s:g} s into {title}"


@dataclass
class Scene:
    """One run on one host.

    Args:
        lab: where.
        name: the host.
        run: the run's id.
        folder: for records and the notebooks that are run.
        inventory: its name or path; one with a person's decisions where the host's state needs them.
        wrapper: words before the command, as a clock that differs.
        waiting: names of the mails that were in the queue before.
    """

    lab: Lab
    name: str
    run: str
    folder: Path
    inventory: str = "lab"
    wrapper: tuple[str, ...] = ()
    said: str = ""
    status: int | None = None
    waiting: frozenset[str] = frozenset()
    _process: subprocess.Popen[str] | None = field(default=None, repr=False)
    _pid: int = 0

    @property
    def container(self) -> str:
        """podman's name of the host."""
        return self.lab.host(self.name).container

    @property
    def pid(self) -> int:
        """The host's first process, as this machine counts; asked once a start of the host."""
        if not self._pid or not Path(f"/proc/{self._pid}/root/etc").exists():
            self._pid = inspect("container", self.container)[0]["State"]["Pid"]
        return self._pid

    def path(self, inside: str) -> Path:
        """A path of the host, from this machine."""
        return Path(f"/proc/{self.pid}/root{inside}")

    def command(self, *words: str) -> list[str]:
        """A command line of the runbook, for this scene."""
        return [*self.wrapper, str(RUNBOOK), *words]

    @property
    def environment(self) -> dict[str, str]:
        """Where its records go, and which run it is."""
        return os.environ | {"RUNBOOK_RUN": self.run, "RUNBOOK_RECORDS": str(self.folder / "records")}

    def planned(self) -> str:
        """The digest of what `runbook plan` shows of the chapters that change this host."""
        words = ["plan", "--inventory", self.inventory, "--host", self.name, "--notebooks", self._notebooks()]
        run = "20991230T000000Z-0000"
        subprocess.run(
            self.command(*words), env=self.environment | {"RUNBOOK_RUN": run}, timeout=_ENDS_S, check=True,
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        return index.planned(self.folder / "records" / run) or ""

    def start(self, verb: str = "apply", chapters: tuple[str, ...] = (), plan: str = "") -> None:
        """`runbook apply` of these chapters, else of those that change this host; or `runbook resume` of this run.

        Args:
            plan: a digest that the run is bound to; '': to none.
        """
        chosen = ["--plan", plan] if plan else ["--inventory", self.inventory, "--host", self.name]
        words = ["apply", *chosen] if verb == "apply" else [verb, self.run]
        words += ["--notebooks", self._notebooks(chapters)]
        self._process = subprocess.Popen(
            self.command(*words), env=self.environment,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def _notebooks(self, chapters: tuple[str, ...] = ()) -> str:
        notebooks = self.folder / "notebooks"
        notebooks.mkdir(exist_ok=True)
        for chapter in chapters or changing(self.name):
            shutil.copy(CHECKOUT / "notebooks" / f"{chapter}.ipynb", notebooks)
        return str(notebooks)

    def run_again(self, verb: str) -> subprocess.CompletedProcess[str]:
        """`runbook resume RUN` or `runbook rollback RUN`; what it says, errors included."""
        words = [verb, self.run]
        words += ["--notebooks", str(self.folder / "notebooks")] if verb == "resume" else []
        words += ["--inventory", self.inventory, "--host", self.name] if verb == "rollback" else []
        return subprocess.run(
            self.command(*words), env=self.environment, timeout=_ENDS_S, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def stop_at(self, at: At) -> None:
        """Let the run come to this place, and stop the controller there; the host goes on with what it has."""
        journal = self.path(f"/var/lib/runbook/{self.run}")
        number = self._wait(lambda: _begun(journal, at.title), _BEGINS_S, f"{at.title} was never begun")
        if at.pause_s is not None:
            time.sleep(at.pause_s)
        self.signal(signal.SIGSTOP)
        if at.pause_s is None:
            done = journal / f"{number}.done"
            self._wait(
                lambda: done.exists() and not self.is_held("/run/runbook.work"),
                _ENDS_S,
                f"{at.title} did not end",
            )

    def _wait(self, what: Callable[[], T], timeout_s: float, otherwise: str) -> T:
        deadline = time.monotonic() + timeout_s
        while not (seen := what()):
            ended = self._process is not None and self._process.poll() is not None
            assert not ended, f"{otherwise}; the controller ended:\n{self.wait()}"
            assert time.monotonic() < deadline, otherwise
            time.sleep(_LOOK_S)
        return seen

    @property
    def processes(self) -> list[psutil.Process]:
        """The command and all that it started."""
        assert self._process is not None
        try:
            parent = psutil.Process(self._process.pid)
            return [parent, *parent.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def signal(self, number: int, *, only_the_first: bool = False) -> None:
        """Send a signal to the command and its workers."""
        for process in self.processes[: 1 if only_the_first else None]:
            try:
                process.send_signal(number)
            except psutil.NoSuchProcess:
                continue

    def wait(self) -> str:
        """Wait for the command's end; what it said."""
        assert self._process is not None
        output, _ = self._process.communicate(timeout=_ENDS_S)
        self.said, self.status = output, self._process.returncode
        return output

    def go_on(self) -> str:
        """Let the stopped controller go on, to its end; what it said."""
        self.signal(signal.SIGCONT)
        return self.wait()

    def kill(self) -> None:
        """SIGKILL, to all of it at once."""
        gone = self.processes
        for process in gone:
            process.kill()
        psutil.wait_procs(gone, timeout=10)
        self.wait()

    def stopped_with(self, pattern: str) -> None:
        """The run did not get through, and said why."""
        assert self.status == 1, f"status {self.status}\n{self.said}"
        assert re.search(pattern, self.said), self.said

    @property
    def is_debian(self) -> bool:
        """Whether its package manager is dpkg."""
        return RELEASES[self.name].family == "debian"

    def is_held(self, lock: str) -> bool:
        """Whether somebody holds a lock of flock(1)."""
        with self.path(lock).open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            return False

    def host_is_idle(self) -> None:
        """Wait until the host has ended the change that it was making; it begins no other."""
        deadline = time.monotonic() + _ENDS_S
        while self.path("/run/runbook.work").exists() and self.is_held("/run/runbook.work"):
            assert time.monotonic() < deadline, "the host is still at work"
            time.sleep(0.05)

    def power_off_and_on(self) -> None:
        """The host is off at once, and on again: its processes, its mounts and what is in /run are gone."""
        podman("kill", self.container)
        host = self.lab.host(self.name)
        deadline = time.monotonic() + _BEGINS_S
        while not hosts.is_up(host):
            assert time.monotonic() < deadline, "the host does not come up again"
            hosts.start_again(host)
        hosts.wait(host)

    def queued(self) -> set[str]:
        """The names of the mails that wait; a mail keeps its name in each of Postfix's queues (qmgr(8))."""
        queues = [
            self.path(f"/var/spool/postfix/{queue}")
            for queue in ("maildrop", "incoming", "active", "deferred")
        ]
        return {path.name for queue in queues for path in queue.rglob("*") if path.is_file()}

    def mail_is_delivered(self) -> None:
        """Wait until the queue is as it was before the run: what was taken meanwhile has been delivered."""
        deadline = time.monotonic() + 60
        while self.queued() - self.waiting:
            assert time.monotonic() < deadline, "mail was taken, and is not delivered"
            time.sleep(0.05)

    def what_waited_is_there(self) -> None:
        """Nothing is lost of what waited before the run; a mail that is being moved may be seen in no queue."""
        deadline = time.monotonic() + 10
        while gone := self.waiting - self.queued():
            assert time.monotonic() < deadline, f"mail that waited is gone: {sorted(gone)}"
            time.sleep(0.1)


def _begun(journal: Path, title: str) -> str:
    """The number of the change with this in its title, once it has begun."""
    for found in journal.glob("*.begun"):
        if title in found.with_suffix(".title").read_text():
            return found.stem
    return ""


@contextmanager
def scene(lab: Lab, name: str, state: str, run: str) -> Iterator[Scene]:
    """A scene on a host in this state; whatever happens in it, nothing of its run is left at work."""
    with tempfile.TemporaryDirectory() as folder:
        made = Scene(lab, name, run, Path(folder))
        if state.startswith("lived-in"):
            made.inventory = decided(lab, made.folder, for_lived_in(state) | _PROVABLE, name)
        made.waiting = frozenset(made.queued())
        try:
            yield made
        finally:
            if made._process is not None and made._process.poll() is None:
                made.kill()
