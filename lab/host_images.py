"""Images of the hosts in their starting states: made once a machine and recipe, shared by all labs."""

import shlex

from lab import el_packages
from lab.base_images import base, sources
from lab.images import BUILD_TIMEOUT_S, REPOSITORY, Image, Progress, building, digest, find_tag, keep
from lab.podman import needs, podman
from lab.recipes import UNPACK_BORROWED, Recipe
from lab.releases import Release
from lab.sources import mirrors
from runbook_lib.errors import LabError


def find(release: Release, state: str) -> Image | None:
    """The image of a release in a starting state, where it has been made."""
    return find_tag(image_tag(release, state))


def make(release: Release, state: str, progress: Progress) -> Image:
    """The image of a release in a starting state, made where it is missing, its parents first.

    Args:
        release: which.
        state: key of its recipe's states.
        progress: told one line a step.
    Raises: LabError when no base image can be had, or a recipe fails.
    """
    if image := find(release, state):
        return image
    tag = image_tag(release, state)
    with building(tag):
        if image := find(release, state):  # made by another lab while we waited
            return image
        parent = release.recipe.states[state].parent
        if parent is None:
            below, origin = _foundation(release, progress)
            mounts = _mounts(release, progress)
        else:
            made = make(release, parent, progress)
            below, origin = made.tag, made.origin
            mounts = _borrowed(release, release.recipe.states[state].borrowed, progress)
        progress(f"{release.name}: making the image '{state}'{_said(release.recipe)}")
        _commit(release, release.recipe.states[state].script, below, origin, tag, mounts)
    image = find(release, state)
    if image is None:
        raise LabError(f"{tag} is not there after it was made", "lab", "run `python -m lab up` again")
    return image


def image_tag(release: Release, state: str) -> str:
    """Name and hash of everything that goes into the image: recipes, packages, layout, sources."""
    texts = [release.packages]
    if release.recipe.foundation:
        texts.append(release.recipe.foundation)
    name: str | None = state
    while name is not None:
        texts.append(release.recipe.states[name].script)
        if borrowed := release.recipe.states[name].borrowed:
            texts += [borrowed, UNPACK_BORROWED]
        name = release.recipe.states[name].parent
    if layout := release.recipe.layout:
        files = sorted(
            path for path in layout.rglob("*") if path.is_file() and "__pycache__" not in path.parts
        )
        texts += [
            f"{path.relative_to(layout)} {path.stat().st_mode:o}\n{path.read_text(encoding='utf-8')}"
            for path in files
        ]
        texts.append(el_packages.repository_tag(release.name))
    if release.suite is None:
        texts.append(release.registry_image)
    return f"{REPOSITORY}/{release.name}-{state}:{digest(*texts, sources(release, mirrors()))}"


def _said(recipe: Recipe) -> str:
    return f" ({recipe.label})" if recipe.label else ""


def _foundation(release: Release, progress: Progress) -> tuple[str, str]:
    """What `bare` starts from, and where it came from."""
    below, origin = base(release, progress)
    if release.recipe.label:
        origin = f"{release.recipe.label}; base: {origin}"
    script = release.recipe.foundation
    if not script:
        return below, origin
    texts = (below, release.packages, script, sources(release, mirrors()))
    tag = f"{REPOSITORY}/{release.suite}-foundation:{digest(*texts)}"
    with building(tag):
        if not find_tag(tag):
            progress(
                f"{release.name}: installing what this kind of host has in common{_said(release.recipe)}"
            )
            _commit(release, script, below, origin, tag)
    return tag, origin


def _mounts(release: Release, progress: Progress) -> tuple[str, ...]:
    """What a layout is made from, mounted on a file system that is not in the image."""
    if release.recipe.layout is None:
        return ()
    packages = el_packages.repository(release.name, progress)
    return (
        "--tmpfs=/run",
        f"--volume={release.recipe.layout}:/run/lab/layout:ro",
        f"--mount=type=image,source={packages},destination=/run/lab/packages",
    )


def _borrowed(release: Release, packages: str, progress: Progress) -> tuple[str, ...]:
    """An image with packages of the base unpacked in it, mounted for a script that copies them."""
    if not packages:
        return ()
    below, origin = _foundation(release, progress)
    tag = f"{REPOSITORY}/{release.suite}-borrowed:{digest(below, packages, UNPACK_BORROWED)}"
    with building(tag):
        if not find_tag(tag):
            _commit(release, UNPACK_BORROWED, below, origin, tag, packages=packages)
    return ("--tmpfs=/run", f"--mount=type=image,source={tag},destination=/run/lab/borrowed")


def _commit(
    release: Release,
    script: str,
    below: str,
    origin: str,
    tag: str,
    mounts: tuple[str, ...] = (),
    packages: str = "",
) -> None:
    """Run a script in the image below and keep the result; the container goes away whatever happens."""
    found = mirrors()
    name = f"runbook-lab-build-{tag.rpartition('/')[2].replace(':', '-')}"
    podman("rm", "-f", "-i", "-t", "0", name)
    # Given on stdin: variables of the container's environment would be in the image, and so in every host.
    values = {
        "NUMBER": str(release.number),
        "PACKAGES": packages or release.packages,
        "SOURCES": found.sources(release.suite) if found and release.suite else "",
        "SETTINGS": found.settings if found else "",
    }
    given = "".join(f"{key}={shlex.quote(value)}\n" for key, value in values.items())
    try:
        podman(
            "run", "-i", "--name", name, "--hostname", release.hostname, *mounts, *needs().run_options, below,
            "/bin/sh", "-c", 'eval "$(cat)"',  # read whole first: a package's script may read stdin too
            stdin=(given + script).encode(), timeout_s=BUILD_TIMEOUT_S,
        )  # fmt: skip
        keep(name, tag, origin)
    finally:
        podman("rm", "-f", "-i", "-t", "0", name)
