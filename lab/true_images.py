"""Hosts that come from a true image of CentOS Stream, Rocky or their like, instead of the lab's stand-in.

Never tried where this was written, for want of a registry: the names of packages and units are those of EL 9 and 10.
"""

from collections.abc import Mapping
from dataclasses import replace

from lab.base_images import base
from lab.images import Progress
from lab.podman import podman
from lab.recipes import ENTERPRISE_LINUX
from lab.releases import OLD_CGROUPS, RELEASES, Release
from lab.state import State
from runbook_lib.errors import LabError

_PACKAGES = (
    "systemd openssh-server sudo iproute procps-ng ca-certificates openssl firewalld nftables rsyslog policycoreutils"
    " libselinux-utils crypto-policies-scripts"
)


def on_true_image(name: str, image: str) -> Release:
    """A host as the true image makes it.

    Args:
        name: a host whose system is stood in for.
        image: its name in a registry, e.g. quay.io/centos/centos:stream9.
    Raises: LabError for a host that is no stand-in.
    """
    release = RELEASES.get(name)
    if release is None or not release.recipe.stands_in:
        known = ", ".join(each.name for each in RELEASES.values() if each.recipe.stands_in)
        raise LabError(f"{name!r} takes no image of your own", "--image", f"name one of {known}")
    return replace(
        release,
        recipe=ENTERPRISE_LINUX,
        suite=None,
        registry_image=image,
        packages=_PACKAGES,
        legacy_cgroup_flag=OLD_CGROUPS,
    )


def releases(state: State) -> list[Release]:
    """What the hosts of a lab run: as RELEASES has them, but for those that were given an image."""
    given = state.read().get("images", {})
    return [
        on_true_image(name, given[name]) if name in given else release for name, release in RELEASES.items()
    ]


def choose(state: State, given: Mapping[str, str], progress: Progress) -> None:
    """Write down which hosts come from which image; a host that changes its system begins anew.

    Args:
        state: the lab's; what is chosen holds until `down`.
        given: host → image.
        progress: told one line a host.
    Raises: LabError for a host that is no stand-in, or an image that cannot be pulled; nothing has changed then.
    """
    for release in [on_true_image(name, image) for name, image in given.items()]:
        progress(f"{release.name}: {release.registry_image}, the true system, instead of a layout")
        base(release, progress)
        with state.change() as data:
            if data.setdefault("images", {}).get(release.name) == release.registry_image:
                continue
            data["images"][release.name] = release.registry_image
            data["hosts"].pop(release.name, None)
        podman("rm", "-f", "-i", "-t", "0", "-v", f"runbook-{data['lab_id']}-{release.name}")
