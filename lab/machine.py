"""Whether a lab can run on this machine at all, said in two lines where it cannot."""

import ctypes
import os
import platform
import shutil
from contextlib import ExitStack
from pathlib import Path

from runbook_lib.errors import LabError

_INOTIFY_LIMIT = Path("/proc/sys/fs/inotify/max_user_instances")
_INOTIFY_OF_A_HOST = 8  # its systemd, udev, journald, D-Bus, firewalld: 29 were counted on four hosts
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
        raise LabError(
            f"{hosts} more hosts need {needed} inotify instances, and the kernel has fewer left of {granted} a user",
            "no more hosts can run here",
            "take another lab down, or raise the limit: sysctl fs.inotify.max_user_instances=512",
            "Network and DNS server are up; no host was started.",
        )


def no_lab(reason: str) -> LabError:
    """The error that sends a person to servers of their own."""
    return LabError(
        reason, "no lab can run here", "use your own servers: see 'Your own servers' in README.md", ""
    )
