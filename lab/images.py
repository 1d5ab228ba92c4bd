"""Images of the hosts: made once a machine and recipe, shared by all labs.

A tag is the hash of everything that goes into the image, so a changed recipe is another image and two
labs that agree share one.
"""

import hashlib
import json
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from lab.machine import no_lab
from lab.network import ID_LABEL
from lab.podman import inspect, listed, needs, podman
from lab.releases import RELEASES, STATES, Release
from lab.sources import Mirrors, mirrors
from runbook_lib.errors import LabError

_REPOSITORY = "localhost/runbook-lab"
_KEPT_REPOSITORY = "localhost/runbook-lab-kept"
_ORIGIN_LABEL = "runbook.origin"
_LOCKS = Path("/run/lock")
# A registry that answers does so at once; where there is none, nobody should wait for it.
_REGISTRY_TIMEOUT_S = 8
_PULL_TIMEOUT_S = 120
_BUILD_TIMEOUT_S = 600.0

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Image:
    """An image that is there.

    Args:
        tag: name and hash.
        identity: podman's image id.
        origin: where its base came from.
    """

    tag: str
    identity: str
    origin: str


def find(release: str, state: str) -> Image | None:
    """The image of a release in a starting state, where it has been made."""
    return find_tag(image_tag(release, state))


def find_tag(tag: str) -> Image | None:
    """An image by its tag, where it is there."""
    seen = inspect("image", tag)
    if not seen:
        return None
    return Image(tag, seen[0]["Id"], (seen[0]["Labels"] or {}).get(_ORIGIN_LABEL, "unknown"))


def make(release: str, state: str, progress: Progress) -> Image:
    """The image of a release in a starting state, made where it is missing, its parents first.

    Args:
        release: key of RELEASES.
        state: key of STATES.
        progress: told one line a step.
    Raises: LabError when no base image can be had, or a recipe fails.
    """
    if image := find(release, state):
        return image
    tag = image_tag(release, state)
    _LOCKS.mkdir(parents=True, exist_ok=True)
    with FileLock(_LOCKS / f"runbook-lab-image-{tag.rpartition(':')[2]}.lock", timeout=_BUILD_TIMEOUT_S):
        if image := find(release, state):  # made by another lab while we waited
            return image
        parent = STATES[state].parent
        if parent is None:
            base, origin = _base(release, progress)
        else:
            made = make(release, parent, progress)
            base, origin = made.tag, made.origin
        progress(f"{release}: making the image '{state}'")
        _commit(release, state, base, origin, tag)
    image = find(release, state)
    if image is None:
        raise LabError(f"{tag} is not there after it was made", "lab", "run `python -m lab up` again")
    return image


def image_tag(release: str, state: str) -> str:
    """Name and hash of everything that goes into the image: recipes, packages, sources."""
    recipes = [RELEASES[release].packages]
    name: str | None = state
    while name is not None:
        recipes.append(STATES[name].recipe)
        name = STATES[name].parent
    return f"{_REPOSITORY}/{release}-{state}:{_hash(*recipes, _sources(release, mirrors()))}"


def keep(container: str, tag: str, origin: str) -> None:
    """Keep a running host's files as an image."""
    label = f"--change=LABEL {_ORIGIN_LABEL}={json.dumps(origin)}"
    podman("commit", "-q", label, container, tag, timeout_s=_BUILD_TIMEOUT_S)


def kept_tag(lab_id: str, host: str, state: str) -> str:
    """The image of a state that a lab kept of a host."""
    return f"{_KEPT_REPOSITORY}/{lab_id}-{host}:{state}"


def kept_states(lab_id: str, host: str) -> list[str]:
    """Names of the states that a lab kept of a host."""
    start = kept_tag(lab_id, host, "")
    return [tag.removeprefix(start) for tag in _tags() if tag.startswith(start)]


def of_lab(lab_id: str) -> list[str]:
    """Ids of all images that a lab kept, also of those whose name went to a later one."""
    found = podman("images", "-a", "-q", "--no-trunc", "--filter", f"label={ID_LABEL}={lab_id}").stdout
    return found.decode().split()


def made_here() -> list[str]:
    """Tags of all images that labs made on this machine."""
    return [tag for tag in _tags() if tag.startswith(_REPOSITORY + "/")]


def _hash(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]


def _sources(release: str, found: Mirrors | None) -> str:
    return found.sources(RELEASES[release].suite) + found.settings if found else ""


def _tags() -> list[str]:
    return sorted(name for image in listed("image") for name in image.get("Names") or ())


def remove(image: str) -> None:
    """Remove an image by tag or id; one that a container still uses stays."""
    podman("image", "rm", image, check=False)


def _base(release: str, progress: Progress) -> tuple[str, str]:
    """A plain Debian and where it came from: a registry, else this machine's own package sources."""
    what = RELEASES[release]
    if _registry_answers(what.registry_image):
        progress(f"{release}: pulling {what.registry_image}")
        pulled = podman("pull", "-q", what.registry_image, check=False, timeout_s=_PULL_TIMEOUT_S)
        if pulled.returncode == 0:
            return what.registry_image, f"registry ({what.registry_image})"
    found = mirrors()
    if found is None or not shutil.which("mmdebstrap"):
        raise no_lab(f"no container registry answers, and no Debian package sources to build {release} from")
    tag = f"{_REPOSITORY}/{release}-base:{_hash(_sources(release, found))}"
    if not inspect("image", tag):
        progress(f"{release}: no container registry answers; building with mmdebstrap, about half a minute")
        _bootstrap(what, found, tag)
    return tag, f"mmdebstrap ({what.suite})"


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


def _bootstrap(what: Release, found: Mirrors, tag: str) -> None:
    with tempfile.TemporaryDirectory(prefix="runbook-lab-") as folder:
        archive = Path(folder) / "root.tar"
        sources = Path(folder) / "debian.sources"
        sources.write_text(found.sources(what.suite), encoding="utf-8")
        options = [f"--aptopt={line}" for line in found.settings.splitlines()]
        made = subprocess.run(
            ["mmdebstrap", "--quiet", "--variant=minbase", "--include=ca-certificates", *options, what.suite,
             str(archive), str(sources)],
            capture_output=True, timeout=_BUILD_TIMEOUT_S, check=False,
        )  # fmt: skip
        if made.returncode:
            raise LabError(
                f"mmdebstrap {what.suite} failed: {made.stderr.decode(errors='replace').strip()[-600:]}",
                "lab",
                "see whether `apt-get update` works on this machine, then run `python -m lab up` again",
            )
        podman("import", "-q", str(archive), tag, timeout_s=_BUILD_TIMEOUT_S)


def _commit(release: str, state: str, base: str, origin: str, tag: str) -> None:
    """Run the recipe in the base and keep the result; the container goes away whatever happens."""
    what = RELEASES[release]
    found = mirrors()
    name = f"runbook-lab-build-{tag.rpartition('/')[2].replace(':', '-')}"
    podman("rm", "-f", "-i", "-t", "0", name)
    # Given on stdin: variables of the container's environment would be in the image, and so in every host.
    values = {
        "PACKAGES": what.packages,
        "SOURCES": found.sources(what.suite) if found else "",
        "SETTINGS": found.settings if found else "",
    }
    script = "".join(f"{key}={shlex.quote(value)}\n" for key, value in values.items()) + STATES[state].recipe
    try:
        podman(
            "run", "-i", "--name", name, "--hostname", what.hostname, *needs().run_options, base,
            "/bin/sh", "-c", 'eval "$(cat)"',  # read whole first: a package's script may read stdin too
            stdin=script.encode(), timeout_s=_BUILD_TIMEOUT_S,
        )  # fmt: skip
        keep(name, tag, origin)
    finally:
        podman("rm", "-f", "-i", "-t", "0", name)
