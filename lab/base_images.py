"""What the hosts' images are made from: a registry's image where one answers, else Debian by mmdebstrap."""

import shutil
import subprocess
import tempfile
from pathlib import Path

from lab.images import BUILD_TIMEOUT_S, REPOSITORY, Progress, building, digest
from lab.machine import no_lab
from lab.podman import inspect, needs, podman
from lab.releases import Release
from lab.sources import Mirrors, mirrors
from runbook_lib.errors import LabError

# A registry that answers does so at once; where there is none, nobody should wait for it.
_REGISTRY_TIMEOUT_S = 8
_PULL_TIMEOUT_S = 120


def sources(release: Release, found: Mirrors | None) -> str:
    """The package sources that are written into a Debian; empty without mirrors, or where it is none."""
    return found.sources(release.suite) + found.settings if found and release.suite else ""


def base(release: Release, progress: Progress) -> tuple[str, str]:
    """A plain system and where it came from: a registry, else, for a Debian, this machine's own package sources.

    Args:
        release: which.
        progress: told one line a step.
    Returns: the image's name, and a few words for a person.
    Raises: LabError where it cannot be had.
    """
    if _registry_answers(release.registry_image):
        progress(f"{release.name}: pulling {release.registry_image}")
        pulled = podman("pull", "-q", release.registry_image, check=False, timeout_s=_PULL_TIMEOUT_S)
        if pulled.returncode == 0:
            return release.registry_image, f"registry ({release.registry_image})"
    if release.suite is None:
        raise LabError(
            f"cannot be pulled: {release.registry_image}",
            release.name,
            "see whether `podman pull` gets it, or leave `--image` out for the lab's own stand-in",
            "",
        )
    found = mirrors()
    if found is None or not shutil.which("mmdebstrap"):
        raise no_lab(
            f"no container registry answers, and no Debian package sources to build {release.name} from"
        )
    tag = f"{REPOSITORY}/{release.suite}-base:{digest(sources(release, found))}"
    with building(tag):
        if not inspect("image", tag):
            progress(
                f"{release.name}: no container registry answers; building with mmdebstrap, about half a minute"
            )
            _bootstrap(release.suite, found, tag)
    return tag, f"mmdebstrap ({release.suite})"


def _registry_answers(image: str) -> bool:
    """Ask for the manifest only; no answer in time means no."""
    try:
        asked = subprocess.run(
            ["podman", *needs().options, "manifest", "inspect", image],
            capture_output=True,
            timeout=_REGISTRY_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    # podman 4 fails on an image for one architecture, which has no list; it has had its answer all the same.
    return asked.returncode == 0 or b"single images" in asked.stderr


def _bootstrap(suite: str, found: Mirrors, tag: str) -> None:
    with tempfile.TemporaryDirectory(prefix="runbook-lab-") as folder:
        archive = Path(folder) / "root.tar"
        sources = Path(folder) / "debian.sources"
        sources.write_text(found.sources(suite), encoding="utf-8")
        options = [f"--aptopt={line}" for line in found.settings.splitlines()]
        made = subprocess.run(
            ["mmdebstrap", "--quiet", "--variant=minbase", "--include=ca-certificates", *options, suite,
             str(archive), str(sources)],
            capture_output=True, timeout=BUILD_TIMEOUT_S, check=False,
        )  # fmt: skip
        if made.returncode:
            raise LabError(
                f"mmdebstrap {suite} failed: {made.stderr.decode(errors='replace').strip()[-600:]}",
                "lab",
                "see whether `apt-get update` works on this machine, then run `python -m lab up` again",
            )
        podman("import", "-q", str(archive), tag, timeout_s=BUILD_TIMEOUT_S)
