"""Several labs share podman's store: what one of them removes while another lists is no failure of the other."""

from pathlib import Path

import pytest

from lab import podman
from runbook_lib.errors import LabError

# As podman 4.3 says it, once; then it lists.
PODMAN = """#!/bin/sh
echo "$@" >> {folder}/asked
if [ "$(wc -l < {folder}/asked)" -le {fails} ]; then
  echo 'Error: reading image "f9": locating image with ID "f9": image not known' >&2
  exit 125
fi
echo '[{{"Names": ["localhost/a:1"]}}]'
"""


def podman_that_fails(times: int, folder: Path, patch: pytest.MonkeyPatch) -> None:
    program = folder / "podman"
    program.write_text(PODMAN.format(folder=folder, fails=times))
    program.chmod(0o755)
    patch.setattr(podman, "needs", lambda: podman.Needs((), (), False))
    patch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_it_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    podman_that_fails(2, tmp_path, monkeypatch)
    assert podman.listed("image") == [{"Names": ["localhost/a:1"]}]
    assert len((tmp_path / "asked").read_text().splitlines()) == 3


def test_what_never_ends_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    podman_that_fails(1000, tmp_path, monkeypatch)
    with pytest.raises(LabError, match="image not known"):
        podman.listed("image")
