"""RPM packages of the hosts with the layout of Enterprise Linux: built once a machine and recipe, then kept.

Each step is an image on top of the one before, and its tag is the hash of everything that goes into it, so
a changed spec file of Postfix builds Postfix again and leaves Cyrus SASL alone.
"""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from lab.images import _REPOSITORY as REPOSITORY
from lab.images import Progress
from lab.images import _base as base
from lab.images import _hash as digest
from lab.images import _sources as sources
from lab.podman import inspect, needs, podman
from lab.releases import RELEASES
from lab.sources import mirrors

KINDS = ("el9", "el10")
# Debian packages that hold the libraries which the programs in the RPMs are linked with: a host needs them.
LIBRARIES = "libc6 libcrypt1 libdb5.3 libgdbm6 libicu72 liblmdb0 libpam0g libpcre2-8-0 libssl3"

_RELEASE = "debian12"
_RECIPES = Path(__file__).parent / "el"
_LOCKS = Path("/run/lock")
_BUILD_TIMEOUT_S = 600.0
_PACKAGES = (
    "rpm createrepo-c dpkg-dev gcc libc6-dev make m4 libdb-dev libgdbm-dev libicu-dev liblmdb-dev libpam0g-dev"
    " libpcre2-dev libssl-dev pkgconf"
)


@dataclass(frozen=True)
class _Step:
    """An image on the way to the repository.

    Args:
        name: of the image.
        says: what a person is told while it is made.
        parent: the step before, or None: a plain Debian.
        files: what its script reads below lab/el, the script first; folders with all that is in them.
    """

    name: str
    says: str
    parent: "_Step | None"
    files: tuple[str, ...]


_TOOLS = _Step("tools", "installing what RPM packages are built with", None, ("tools.sh",))
_SASL = _Step(
    "cyrus-sasl", "building Cyrus SASL", _TOOLS, ("cyrus-sasl.sh", "macros", "cyrus-sasl.spec", "cyrus-sasl")
)
_POSTFIX = _Step(
    "postfix",
    "building Postfix, about half a minute",
    _SASL,
    ("postfix.sh", "macros", "postfix.spec", "postfix"),
)
_REPOSITORY = _Step(
    "repository",
    "making the repository",
    _POSTFIX,
    ("repository.sh", "macros", "ellab-release.spec", "sendmail.spec", "sendmail"),
)
_OF_BOTH_KINDS = (_TOOLS, _SASL)


def repository(kind: str, progress: Progress) -> str:
    """The image that holds the packages of a kind of host, made where it is missing.

    Args:
        kind: one of KINDS.
        progress: told one line a step.
    Returns: its tag; the RPMs and their repodata are in its directory /repository.
    Raises: LabError when no base image can be had, or a build fails.
    """
    return _made(_REPOSITORY, kind, progress)


def repository_tag(kind: str) -> str:
    """Name and hash of everything that goes into the repository: recipes, spec files, package sources."""
    return _tag(_REPOSITORY, kind)


def _made(step: _Step, kind: str, progress: Progress) -> str:
    tag = _tag(step, kind)
    if inspect("image", tag):
        return tag
    with building(tag):
        if inspect("image", tag):  # made by another lab while we waited
            return tag
        below = _made(step.parent, kind, progress) if step.parent else base(_RELEASE, progress)[0]
        progress(f"{_whose(step, kind)}: {step.says}")
        _build(step, kind, below, tag)
    return tag


def _whose(step: _Step, kind: str) -> str:
    return "el" if step in _OF_BOTH_KINDS else kind


def _tag(step: _Step, kind: str) -> str:
    below = _tag(step.parent, kind) if step.parent else sources(_RELEASE, mirrors()) + _PACKAGES
    texts = [
        f"{path.relative_to(_RECIPES)}\n{path.read_text(encoding='utf-8')}"
        for name in step.files
        for path in (sorted((_RECIPES / name).iterdir()) if (_RECIPES / name).is_dir() else [_RECIPES / name])
    ]
    whose = _whose(step, kind)
    return f"{REPOSITORY}/{whose}-{step.name}:{digest(below, whose, *texts)}"


def _build(step: _Step, kind: str, below: str, tag: str) -> None:
    """Run the step's script in the image below and keep the result; the container goes away whatever happens."""
    found = mirrors()
    name = f"runbook-lab-build-{tag.rpartition('/')[2].replace(':', '-')}"
    podman("rm", "-f", "-i", "-t", "0", name)
    values = {
        "KIND": kind,
        "PACKAGES": _PACKAGES,
        "SOURCES": found.sources(RELEASES[_RELEASE].suite) if found else "",
        "SETTINGS": found.settings if found else "",
    }
    script = "".join(f"{key}={shlex.quote(value)}\n" for key, value in values.items())
    script += (_RECIPES / step.files[0]).read_text(encoding="utf-8")
    try:
        podman(
            "run", "-i", "--name", name, *needs().run_options, f"--volume={_RECIPES}:/el:ro", below,
            "/bin/sh", "-c", 'eval "$(cat)"',  # read whole first: a program may read stdin too
            stdin=script.encode(), timeout_s=_BUILD_TIMEOUT_S,
        )  # fmt: skip
        podman("commit", "-q", name, tag, timeout_s=_BUILD_TIMEOUT_S)
    finally:
        podman("rm", "-f", "-i", "-t", "0", name)


@contextmanager
def building(tag: str) -> Iterator[None]:
    """One process of this machine at a time makes an image; the others find it made."""
    _LOCKS.mkdir(parents=True, exist_ok=True)
    with FileLock(_LOCKS / f"runbook-lab-image-{tag.rpartition(':')[2]}.lock", timeout=_BUILD_TIMEOUT_S):
        yield
