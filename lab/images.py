"""Images in podman's store: found, kept, named and removed.

A tag is the hash of everything that goes into the image, so a changed recipe is another image and two
labs that agree share one.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from lab.network import ID_LABEL
from lab.podman import inspect, listed, listing, podman

REPOSITORY = "localhost/runbook-lab"
BUILD_TIMEOUT_S = 600.0
_KEPT_REPOSITORY = "localhost/runbook-lab-kept"
_ORIGIN_LABEL = "runbook.origin"
_LOCKS = Path("/run/lock")

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


def digest(*texts: str) -> str:
    """Sixteen digits that stand for everything that goes into an image."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]


@contextmanager
def building(tag: str) -> Iterator[None]:
    """One process of this machine at a time makes an image; the others find it made."""
    _LOCKS.mkdir(parents=True, exist_ok=True)
    with FileLock(_LOCKS / f"runbook-lab-image-{tag.rpartition(':')[2]}.lock", timeout=BUILD_TIMEOUT_S):
        yield


def find_tag(tag: str) -> Image | None:
    """An image by its tag, where it is there."""
    seen = inspect("image", tag)
    if not seen:
        return None
    return Image(tag, seen[0]["Id"], (seen[0]["Labels"] or {}).get(_ORIGIN_LABEL, "unknown"))


def keep(container: str, tag: str, origin: str, lab_id: str = "") -> None:
    """Keep a running host's files as an image.

    Args:
        lab_id: of the lab that it goes with; '' is the container's own.
    """
    labels = [f"--change=LABEL {_ORIGIN_LABEL}={json.dumps(origin)}"]
    if lab_id:
        labels.append(f"--change=LABEL {ID_LABEL}={lab_id}")
    podman("commit", "-q", *labels, container, tag, timeout_s=BUILD_TIMEOUT_S)


def kept_tag(lab_id: str, host: str, state: str) -> str:
    """The image of a state that a lab kept of a host."""
    return f"{_KEPT_REPOSITORY}/{lab_id}-{host}:{state}"


def kept_states(lab_id: str, host: str, prepared: str = "") -> list[str]:
    """Names of the states that a lab kept of a host.

    Args:
        prepared: a prepared state: then the digests that are kept of it, without its name.
    """
    start = kept_tag(lab_id, host, f"{prepared}-" if prepared else "")
    found = [tag.removeprefix(start) for tag in _tags() if tag.startswith(start)]
    return [name for name in found if re.fullmatch("[0-9a-f]{16}", name)] if prepared else found


def of_lab(lab_id: str) -> list[str]:
    """Ids of all images that a lab kept, also of those whose name went to a later one."""
    return (
        listing("images", "-a", "-q", "--no-trunc", "--filter", f"label={ID_LABEL}={lab_id}").decode().split()
    )


def made_here() -> list[str]:
    """Tags of all images that labs made on this machine."""
    return [tag for tag in _tags() if tag.startswith(REPOSITORY + "/")]


def _tags() -> list[str]:
    return sorted(name for image in listed("image") for name in image.get("Names") or ())


def remove(image: str) -> None:
    """Remove an image by tag or id; one that a container still uses stays."""
    podman("image", "rm", image, check=False)
