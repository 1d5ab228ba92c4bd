"""The hosts of the lab and the states they start from: data, an open set."""

from collections.abc import Mapping
from dataclasses import dataclass

from lab.recipes import DEBIAN, ENTERPRISE_LINUX_LAYOUT, Recipe

DOMAIN = "example.test"

# What every host has before the runbook comes: a small server with an administrator on it.
_SERVER = "systemd systemd-sysv dbus openssh-server sudo iproute2 ca-certificates procps nftables netbase"
# Beside it, what Enterprise Linux has of its own, and the libraries that the lab's own RPMs are built with.
_EL_SERVER = (
    f"{_SERVER} rpm dnf p11-kit firewalld rsyslog openssl selinux-utils policycoreutils"
    " libdb5.3 liblmdb0 libgdbm6 libicu72 libpcre2-8-0"
)
# systemd 256 and later refuse cgroup v1 unless told so; earlier ones take no notice.
OLD_CGROUPS = "SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1"


@dataclass(frozen=True)
class Release:
    """A release of an operating system as a host.

    Args:
        name: of the host, in the inventory and on the command line.
        number: VERSION_ID, which is in all names and addresses of the host.
        family: 'debian' or 'enterprise linux'.
        recipe: how its images are made.
        suite: the Debian release that the base is, by its name in the archive; None: no Debian at all.
        registry_image: the base in a container registry, where one answers.
        packages: what `bare` installs.
        legacy_cgroup_flag: what PID 1 needs as an argument on cgroup v1, or None.
    """

    name: str
    number: int
    family: str
    recipe: Recipe
    suite: str | None
    registry_image: str
    packages: str
    legacy_cgroup_flag: str | None = None

    @property
    def hostname(self) -> str:
        """What the host calls itself."""
        return f"ms{self.number}.{DOMAIN}"


def _layout(number: int) -> Release:
    """A host with the layout of Enterprise Linux, on Debian 12."""
    return Release(
        f"el{number}",
        number,
        "enterprise linux",
        ENTERPRISE_LINUX_LAYOUT,
        "bookworm",
        "docker.io/library/debian:12",
        _EL_SERVER,
    )


RELEASES: Mapping[str, Release] = {
    release.name: release
    for release in (
        # No Python here: the runbook must not need one on a host.
        Release("debian12", 12, "debian", DEBIAN, "bookworm", "docker.io/library/debian:12", _SERVER),
        Release(
            "debian13",
            13,
            "debian",
            DEBIAN,
            "trixie",
            "docker.io/library/debian:13",
            f"{_SERVER} python3-minimal",
            OLD_CGROUPS,
        ),
        _layout(9),
        _layout(10),
    )
}
