"""What a machine lacks is said before a host hangs for want of it."""

import subprocess
import sys

import pytest

from lab import Lab
from lab.machine import check_disk, check_inotify, check_memory, check_room
from lab.state import CHECKOUT
from runbook_lib.errors import LabError


def test_more_hosts_than_the_kernel_has_inotify_instances_for() -> None:
    with pytest.raises(LabError, match="800000 inotify instances, and the kernel has fewer left") as told:
        check_inotify(100_000)
    assert "sysctl fs.inotify.max_user_instances" in told.value.remedy
    assert told.value.changed == "No host was started."


def test_more_hosts_than_memory_has_room_for() -> None:
    with pytest.raises(LabError, match="MB of memory, and") as told:
        check_memory(1_000_000)
    assert "ps --sort=-rss" in told.value.remedy


@pytest.mark.usefixtures("lab")
def test_more_hosts_than_the_disk_has_room_for() -> None:
    with pytest.raises(LabError, match="are free") as told:
        check_disk(1_000_000)
    assert "podman image prune" in told.value.remedy


def test_a_machine_with_room_is_told_nothing(lab: Lab) -> None:
    assert lab.hosts_up() > 0
    check_room(1)


@pytest.mark.parametrize(("left", "said"), [(7, "LabError"), (8, "enough")])
def test_what_others_hold_counts(left: int, said: str) -> None:
    """In a user namespace of its own, where the kernel grants as many as others would leave (namespaces(7))."""
    look = (
        "from lab.machine import check_inotify; from runbook_lib.errors import LabError\n"
        "try: check_inotify(1); print('enough')\n"
        "except LabError as error: print(type(error).__name__)"
    )
    limited = f'echo {left} > /proc/sys/user/max_inotify_instances && exec "$@"'
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "sh", "-c", limited, "sh", sys.executable, "-c", look],
        cwd=CHECKOUT, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout == f"{said}\n"
