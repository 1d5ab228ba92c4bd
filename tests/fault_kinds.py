"""What can happen to a run: each kind makes its fault while the run is stopped, and takes it away again.

While the controller is stopped its connection lives, and so do its locks. A new kind is a function here and a line in
KINDS; a new fault is a line in faults.py.
"""

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]
from applied_host import RUNBOOK
from fault_disks import FULL, ROOT_FOLDERS, filled, small_disk
from fault_scene import Scene
from other_clock import by_another_clock

from lab import hosts

OTHER_RUN = "20991231T000000Z-0002"
_CUT_S = 8.0  # heals long before TCP gives up


@dataclass(frozen=True)
class Lasting:
    """What is so while the fault lasts.

    Args:
        refused: a pattern of what `runbook resume` says then; '' where it is not asked.
        mail: whether mail can flow at all.
    """

    refused: str = ""
    mail: bool = True


@dataclass(frozen=True)
class Kind:
    """A kind of fault.

    Args:
        make: given the stopped run; makes the fault, and at its end takes it away.
        ready: what must be so before the run begins.
    """

    make: Callable[[Scene], AbstractContextManager[Lasting]]
    ready: Callable[[Scene], AbstractContextManager[None]] = lambda _: nullcontext()


@contextmanager
def controller_killed(scene: Scene) -> Iterator[Lasting]:
    """SIGKILL to the command and its workers."""
    scene.kill()
    scene.host_is_idle()
    yield Lasting()


@contextmanager
def command_killed(scene: Scene) -> Iterator[Lasting]:
    """SIGKILL to the command alone: its workers end the cell that they are in."""
    workers = scene.processes[1:]
    scene.signal(signal.SIGKILL, only_the_first=True)
    for worker in workers:
        worker.send_signal(signal.SIGCONT)
    _, left = psutil.wait_procs(workers, timeout=240)
    assert not left, "a worker goes on without anybody"
    scene.wait()
    yield Lasting()


@contextmanager
def worker_killed(scene: Scene) -> Iterator[Lasting]:
    """SIGKILL to the workers, as the kernel does when memory runs out: the command tells it."""
    command, *others = scene.processes
    for worker in (
        process for process in others if process.ppid() != command.pid
    ):  # children of the fork server
        worker.kill()
    scene.go_on()
    scene.stopped_with("the worker was killed by SIGKILL")
    scene.host_is_idle()
    yield Lasting()


@contextmanager
def terminated(scene: Scene) -> Iterator[Lasting]:
    """B6: SIGTERM, as a service manager sends it: what is being made is made, and the record is valid."""
    scene.signal(signal.SIGTERM, only_the_first=True)
    scene.go_on()
    scene.stopped_with("interrupted")
    checked = subprocess.run(
        [str(RUNBOOK), "records", "verify", scene.run],
        env=scene.environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert not scene.is_held("/run/runbook.lock"), "the lock was not released"
    yield Lasting()


def _cable(scene: Scene, state: str) -> None:
    peer = scene.path("/sys/class/net/eth0/iflink").read_text().strip()
    (name,) = (
        link.parent.name
        for link in Path("/sys/class/net").glob("*/ifindex")
        if link.read_text().strip() == peer
    )
    subprocess.run(["ip", "link", "set", name, state], check=True, timeout=10)


@contextmanager
def network_cut_and_back(scene: Scene) -> Iterator[Lasting]:
    """The host's cable is pulled for 8 s: the run waits, then goes on."""
    _cable(scene, "down")
    scene.signal(signal.SIGCONT)
    time.sleep(_CUT_S)
    _cable(scene, "up")
    scene.wait()
    assert scene.status == 0, scene.said
    yield Lasting()


@contextmanager
def network_cut(scene: Scene) -> Iterator[Lasting]:
    """The host's cable is pulled, and stays so until the run has given up."""
    _cable(scene, "down")
    try:
        scene.go_on()
        scene.stopped_with(r"the connection broke|does not answer|No route to host|starts no command")
        scene.host_is_idle()
        yield Lasting(r"does not answer|No route to host")
    finally:
        _cable(scene, "up")


@contextmanager
def power_cut(scene: Scene) -> Iterator[Lasting]:
    """The host is off at once, and on again; what is in /run is gone."""
    scene.power_off_and_on()
    scene.go_on()
    yield Lasting()


def disk_full(*folders: str, mail: bool = True) -> Kind:
    """O2: no byte is left on a file system of its own, which has these folders."""

    @contextmanager
    def ready(scene: Scene) -> Iterator[None]:
        with small_disk(scene, folders):
            yield

    @contextmanager
    def make(scene: Scene) -> Iterator[Lasting]:
        with filled(scene):
            scene.go_on()
            scene.stopped_with(FULL)
            yield Lasting(mail=mail)

    return Kind(make, ready)


@contextmanager
def _package_lock(scene: Scene, hold_s: float) -> Iterator[None]:
    """A package manager's lock as another holds it: fcntl(2), by a process on the host itself."""
    path = "/var/lib/dpkg/lock-frontend" if scene.is_debian else "/var/lib/rpm/.rpm.lock"
    script = (
        f"open(F, '+<', '{path}') or die; $l = pack('ssx4qqlx4', 1, 0, 0, 0, 0); "
        f"fcntl(F, 6, $l) or die; "
        f"$| = 1; print 'HELD'; sleep {hold_s:g}"
    )
    holder = subprocess.Popen(
        ["podman", "--log-level=error", "exec", scene.container, "perl", "-e", script], stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    assert holder.stdout.read(4) == b"HELD", "the lock could not be taken"
    try:
        yield
    finally:
        scene.lab.exec(scene.name, "kill $(pgrep -x perl) 2>/dev/null || :")
        holder.wait(timeout=30)


@contextmanager
def package_lock_for_a_while(scene: Scene) -> Iterator[Lasting]:
    """O6: another package manager is at work for 40 s: the run waits for it."""
    with _package_lock(scene, 40):
        scene.go_on()
        assert scene.status == 0, scene.said
        yield Lasting()


@contextmanager
def package_lock_for_good(scene: Scene) -> Iterator[Lasting]:
    """O6: it does not end: the run says who holds the lock, and leaves it."""
    with _package_lock(scene, 1000):
        scene.go_on()
        scene.stopped_with(r"the package manager's lock is held by .*perl")
        yield Lasting()


@contextmanager
def second_run(scene: Scene) -> Iterator[Lasting]:
    """Somebody else begins a run on the same host: it is refused, and the first goes on."""
    words = (
        "apply",
        "--inventory",
        "lab",
        "--host",
        scene.name,
        "--notebooks",
        str(scene.folder / "notebooks"),
    )
    other = subprocess.run(
        scene.command(*words), env=scene.environment | {"RUNBOOK_RUN": OTHER_RUN},
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert other.returncode == 1, other.stdout
    assert f"run {scene.run} of " in other.stdout, other.stdout + other.stderr
    assert "is at work on this host" in other.stdout, other.stdout + other.stderr
    scene.go_on()
    assert scene.status == 0, scene.said
    yield Lasting()


@contextmanager
def stale_lock(scene: Scene) -> Iterator[Lasting]:
    """Lock files of a run that nobody holds any more lie about."""
    scene.kill()
    scene.host_is_idle()
    scene.path("/run/runbook.lock").write_text("run 20250101T000000Z-dead of somebody\n")
    yield Lasting()


@contextmanager
def host_key_changed(scene: Scene) -> Iterator[Lasting]:
    """The connection ends, and the host that answers then shows other keys."""
    restart = "systemctl restart ssh 2>/dev/null || systemctl restart sshd"
    scene.lab.exec(
        scene.name,
        "mkdir /root/keys; mv /etc/ssh/ssh_host_* /root/keys; ssh-keygen -q -A\n"
        f"{restart}\nkill $(pgrep -f '^sshd.*: kanri')",
    )
    try:
        scene.go_on()
        yield Lasting(r"(?s)SHA256:.*SHA256:")
    finally:
        scene.lab.exec(
            scene.name, f"rm /etc/ssh/ssh_host_*; mv /root/keys/* /etc/ssh; rmdir /root/keys; {restart}"
        )
        hosts.wait(scene.lab.host(scene.name))


@contextmanager
def sudo_taken_away(scene: Scene) -> Iterator[Lasting]:
    """The account may not become root any more."""
    rights = "/etc/sudoers.d/kanri"
    scene.lab.exec(scene.name, f"cp -a {rights} /root/kanri; echo 'kanri ALL=(ALL) /usr/bin/true' > {rights}")
    try:
        scene.go_on()
        scene.stopped_with("sudo")
        yield Lasting("sudo")
    finally:
        scene.lab.exec(scene.name, f"cat /root/kanri > {rights}; rm /root/kanri")


@contextmanager
def _another_clock(scene: Scene) -> Iterator[None]:
    scene.wrapper = by_another_clock("+2d")
    yield
    scene.wrapper = ()


@contextmanager
def clock_ahead(scene: Scene) -> Iterator[Lasting]:
    """C14: the controller's clock is two days ahead of the host's, in that run alone."""
    scene.go_on()
    scene.stopped_with(r"clock is 2 days behind the controller's: host .*, controller ")
    scene.wrapper = ()
    yield Lasting()


@contextmanager
def mirror_broken(scene: Scene) -> Iterator[Lasting]:
    """Packages cannot be fetched any more."""
    there, away = "/usr/share/ellab/repository", "/usr/share/ellab/away"
    no_way = "/etc/apt/apt.conf.d/99fault"
    if scene.is_debian:
        scene.lab.exec(
            scene.name,
            f'echo \'Acquire::http::Proxy "http://127.0.0.1:9"; Acquire::Retries "0";\' > {no_way}',
        )
    else:
        scene.lab.exec(scene.name, f"mv {there} {away}; dnf -q clean all")
    try:
        scene.go_on()
        scene.stopped_with("packages .* a command ended with status|cannot be had|no candidate")
        yield Lasting()
    finally:
        scene.lab.exec(scene.name, f"rm {no_way}" if scene.is_debian else f"mv {away} {there}")


KINDS: dict[str, Kind] = {
    "controller killed": Kind(controller_killed),
    "command killed, its worker not": Kind(command_killed),
    "worker killed": Kind(worker_killed),
    "SIGTERM": Kind(terminated),
    "network cut for 8 s": Kind(network_cut_and_back),
    "network cut": Kind(network_cut),
    "power cut": Kind(power_cut),
    "disk full: /etc": disk_full("/etc"),
    "disk full: the journal's": disk_full("/var/lib/runbook"),
    "disk full: /": disk_full(*ROOT_FOLDERS, mail=False),
    "package lock held for 40 s": Kind(package_lock_for_a_while),
    "package lock held for good": Kind(package_lock_for_good),
    "second run": Kind(second_run),
    "stale lock": Kind(stale_lock),
    "host key changed": Kind(host_key_changed),
    "sudo taken away": Kind(sudo_taken_away),
    "clock 2 days ahead": Kind(clock_ahead, _another_clock),
    "mirror broken": Kind(mirror_broken),
}
