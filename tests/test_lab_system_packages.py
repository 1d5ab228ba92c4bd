"""`lab/install-system-packages`: quiet when all is there, two lines when it cannot."""

import subprocess

from lab import Lab
from lab.state import CHECKOUT

SCRIPT = CHECKOUT / "lab" / "install-system-packages"


def test_it_says_nothing_when_all_is_there() -> None:
    done = subprocess.run([SCRIPT], capture_output=True, text=True, timeout=600, check=True)
    assert done.stdout + done.stderr == ""


def test_without_root_two_lines_say_what_to_do(lab: Lab) -> None:
    """On a host where the packages are missing, as an ordinary user."""
    lab.reset("debian12")
    script = SCRIPT.read_text()
    told = lab.exec(
        "debian12", f"su hanako -s /bin/sh -c 'sh -s 2>&1; echo status $?' <<'SCRIPT'\n{script}\nSCRIPT\n"
    )
    first, second, status = told.decode().splitlines()
    assert first == "cannot install what the lab needs: not root"
    assert "sudo lab/install-system-packages" in second
    assert "Your own servers" in second
    assert status == "status 1"
