"""RPM packages of the hosts with the layout of Enterprise Linux: built once a machine and recipe, then kept.

Each step is an image on top of the one before, and its tag is the hash of everything that goes into it, so
a changed spec file of Postfix builds Postfix again and leaves Cyrus SASL alone.
"""

import shlex
from dataclasses import dataclass
from pathlib import Path

from lab.base_images import base, sources
from lab.images import BUILD_TIMEOUT_S, REPOSITORY, Progress, building, digest
from lab.podman import inspect, needs, podman
from lab.releases import RELEASES
from lab.sources import mirrors

KINDS = ("el9", "el10")

# What the hosts are made on too: the programs must find the libraries that they were linked with.
_RELEASE = RELEASES["debian12"]
_RECIPES = Path(__file__).parent / "el"
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
        "SOURCES": found.sources(_RELEASE.suite) if found and _RELEASE.suite else "",
        "SETTINGS": found.settings if found else "",
    }
    script = "".join(f"{key}={shlex.quote(value)}\n" for key, value in values.items())
    script += (_RECIPES / step.files[0]).read_text(encoding="utf-8")
    try:
        podman(
            "run", "-i", "--name", name, *needs().run_options, f"--volume={_RECIPES}:/el:ro", below,
            "/bin/sh", "-c", 'eval "$(cat)"',  # read whole first: a program may read stdin too
            stdin=script.encode(), timeout_s=BUILD_TIMEOUT_S,
        )  # fmt: skip
        podman("commit", "-q", name, tag, timeout_s=BUILD_TIMEOUT_S)
    finally:
        podman("rm", "-f", "-i", "-t", "0", name)
