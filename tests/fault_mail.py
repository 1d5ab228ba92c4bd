"""Whether a lab host takes mail, while something happens to it and after."""

import subprocess
import sys

from fault_scene import Scene

from lab import Lab


def a_stranger_writes(lab: Lab, name: str) -> bool:
    """Whether the host takes a stranger's mail to a user of its own on port 25."""
    return _written(lab.host(name).address)


def somebody_on_the_host_writes(the_scene: Scene) -> bool:
    """The same, from the host itself: fresh Enterprise Linux listens nowhere else."""
    return _written("127.0.0.1", "nsenter", "-t", str(the_scene.pid), "-n")


_MAIL = """
import smtplib, sys
with smtplib.SMTP(sys.argv[1], 25, timeout=20) as smtp:
    smtp.ehlo("stranger.example")
    smtp.sendmail("stranger@stranger.example", ["hanako@localhost"], "Subject: hello\\r\\n\\r\\nhello\\r\\n")
"""


def _written(address: str, *within: str) -> bool:
    """sendmail() raises where the mail is not taken."""
    done = subprocess.run(
        [*within, sys.executable, "-c", _MAIL, address], capture_output=True, timeout=60, check=False
    )
    return done.returncode == 0
