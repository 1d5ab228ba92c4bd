"""Plain papermill: it just works, and what it would let pass is refused by the notebook itself."""

import subprocess
import sys
from pathlib import Path

import pytest
from supported import family_of

from lab import Lab

CHECKOUT = Path(__file__).resolve().parents[1]
NOTEBOOK = CHECKOUT / "notebooks" / "11-key-and-csr.ipynb"
PAPERMILL = Path(sys.executable).with_name("papermill")


def papermill(output: Path, *parameters: str, cwd: Path = CHECKOUT) -> subprocess.CompletedProcess[str]:
    command = [str(PAPERMILL), "--no-progress-bar", str(NOTEBOOK), str(output), *parameters]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)


def test_it_just_works_from_anywhere(lab: Lab, family_host: str, tmp_path: Path) -> None:
    lab.reset(family_host, "bare")
    done = papermill(tmp_path / "out.ipynb", "-p", "host", family_host, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (
        lab.exec(family_host, f"stat -c %a {family_of(family_host).key_directory}/nopass_mail-server.key")
        == b"600\n"
    )


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (("-p", "hots", "debian12"), "unknown parameter: hots"),
        (("-p", "password", "open-sesame"), "the parameter password is shaped like a secret"),
        (("-p", "reason", "$6$salt$hash"), "the parameter reason is shaped like a secret"),
        (("-p", "mode", "appply"), "mode is 'appply'"),
        (("-p", "host", "debian99"), "debian99"),
    ],
)
def test_what_is_wrong_is_refused_before_anything_happens(
    lab: Lab, tmp_path: Path, given: tuple[str, ...], told: str
) -> None:
    lab.reset("debian12", "bare")
    done = papermill(tmp_path / "out.ipynb", *given)
    assert done.returncode == 1
    assert told in done.stderr
    assert "SystemExit" not in done.stderr
    if "secret" in told:
        assert "destroy it" in done.stderr
        assert "open-sesame" not in done.stderr
    lab.exec("debian12", "test ! -e /etc/ssl/private/mail-server.key && test ! -e /var/lib/runbook")
