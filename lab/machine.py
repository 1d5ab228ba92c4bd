"""Whether a lab can run on this machine at all, said in two lines where it cannot."""

import ctypes
import os
import platform
import shutil
from contextlib import ExitStack
from pathlib import Path

from lab.podman import podman
from runbook_lib.errors import LabError

_INOTIFY_LIMIT = Path("/proc/sys/fs/inotify/max_user_instances")
_INOTIFY_OF_A_HOST = 8  # its systemd, udev, journald, D-Bus, firewalld: 29 were counted on four hosts
_MEMORY_OF_A_HOST_MB = 150  # of 24 hosts at work each had 45 to 181 MB resident, 100 on average
_DISK_OF_A_HOST_MB = (
    120  # what such a host had written beside its image: up to 105 MB, packages and their lists
)
_IMAGES_MB = 4_000  # the starting states, as README.md says
_PROGRAMS = ("podman", "dnsmasq", "ip", "ssh-keygen")


def check_machine() -> None:
    """Look before anything is made.

    Raises: LabError, whose text is two lines, where no lab can run.
    """
    if platform.system() != "Linux":
        raise no_lab(f"this is {platform.system()}, and the hosts are Linux containers")
    if os.geteuid() != 0:
        raise no_lab("the lab sets routes and starts system containers, so it needs root")
    missing = [program for program in _PROGRAMS if not shutil.which(program)]
    if missing:
        raise no_lab(
            f"{', '.join(missing)}: not installed (`lab/install-system-packages` installs it on Debian)"
        )


def check_inotify(hosts: int) -> None:
    """Look whether the kernel has as many inotify instances left as hosts need: without them systemd hangs.

    Args:
        hosts: that are to be started.
    Raises: LabError, with what the kernel grants. Nothing stays open.
    Source: inotify(7), /proc/sys/fs/inotify/max_user_instances: a limit a user, and every host's root is one user.
    """
    needed, granted = hosts * _INOTIFY_OF_A_HOST, int(_INOTIFY_LIMIT.read_text())
    libc = ctypes.CDLL(None, use_errno=True)
    got = 0
    with ExitStack() as opened:
        while got < needed <= granted:
            descriptor = libc.inotify_init1(os.O_CLOEXEC)
            if descriptor < 0:
                break
            opened.callback(os.close, descriptor)
            got += 1
    if got < needed:
        limit = max(512, granted + needed)
        raise LabError(
            f"{hosts} more hosts need {needed} inotify instances, and the kernel has fewer left of {granted} a user",
            "no more hosts can run here",
            f"take another lab down, or raise the limit: sysctl fs.inotify.max_user_instances={limit}",
            "No host was started.",
        )


def check_room(hosts: int) -> None:
    """Look whether memory and disk have room for more hosts, as `check_inotify` looks at the kernel's limit.

    Args:
        hosts: that are to be started.
    Raises: LabError, with what is there and how to have more.
    """
    check_inotify(hosts)
    check_memory(hosts)
    check_disk(hosts)


def check_memory(hosts: int) -> None:
    """Look whether memory has room for more hosts.

    Raises: LabError where it has not.
    Source: proc(5), /proc/meminfo: MemAvailable.
    """
    rows = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
    memory_mb, needed_mb = int(rows["MemAvailable"].split()[0]) // 1024, hosts * _MEMORY_OF_A_HOST_MB
    if memory_mb < needed_mb:
        raise LabError(
            f"{hosts} more hosts need {needed_mb:,} MB of memory, and {memory_mb:,} MB can be had",
            "no more hosts can run here",
            "end other programs (`ps --sort=-rss -eo rss,args | head` lists the largest), or take another lab down",
            "",
        )


def check_disk(hosts: int) -> None:
    """Look whether podman's storage has room for more hosts and their images.

    Raises: LabError where it has not.
    """
    storage = podman("info", "--format", "{{.Store.GraphRoot}}").stdout.decode().strip()
    disk_mb, needed_mb = shutil.disk_usage(storage).free // 2**20, _IMAGES_MB + hosts * _DISK_OF_A_HOST_MB
    if disk_mb < needed_mb:
        raise LabError(
            f"images and {hosts} more hosts need {needed_mb:,} MB in {storage}, and {disk_mb:,} MB are free",
            "no more hosts can run here",
            "make room: `podman image prune` removes images that nothing uses, `apt-get clean` fetched packages",
            "",
        )


def no_lab(reason: str) -> LabError:
    """The error that sends a person to servers of their own."""
    return LabError(
        reason, "no lab can run here", "use your own servers: see 'Your own servers' in README.md", ""
    )
