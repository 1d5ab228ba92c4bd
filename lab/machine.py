"""Whether a lab can run on this machine at all, said in two lines where it cannot."""

import os
import platform
import shutil

from runbook_lib.errors import LabError

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


def no_lab(reason: str) -> LabError:
    """The error that sends a person to servers of their own."""
    return LabError(
        reason, "no lab can run here", "use your own servers: see 'Your own servers' in README.md", ""
    )
