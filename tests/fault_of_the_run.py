"""Faults of the run itself and of its way to the host."""

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil  # type: ignore[import-untyped]
from applied_host import RUNBOOK
from fault_kinds import Kind, Lasting
from fault_scene import Scene
from other_clock import by_another_clock

_CUT_S = 8.0  # heals long before TCP gives up


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
    """SIGTERM, as a service manager sends it: what is being made is made, and the record is valid."""
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
def _another_clock(scene: Scene) -> Iterator[None]:
    scene.wrapper = by_another_clock("+2d")
    yield
    scene.wrapper = ()


@contextmanager
def clock_ahead(scene: Scene) -> Iterator[Lasting]:
    """The controller's clock is two days ahead of the host's, in that run alone."""
    scene.go_on()
    scene.stopped_with(r"clock is 2 days behind the controller's: host .*, controller ")
    scene.wrapper = ()
    yield Lasting()


KINDS: dict[str, Kind] = {
    "controller killed": Kind(controller_killed),
    "command killed, its worker not": Kind(command_killed),
    "worker killed": Kind(worker_killed),
    "SIGTERM": Kind(terminated),
    "network cut for 8 s": Kind(network_cut_and_back),
    "network cut": Kind(network_cut),
    "clock 2 days ahead": Kind(clock_ahead, _another_clock),
}
