"""The releases and the starting states of the lab's hosts: data, an open set."""

from collections.abc import Mapping
from dataclasses import dataclass

DOMAIN = "example.test"

# What every host has before the runbook comes: a small Debian server with an administrator on it.
_BARE_PACKAGES = (
    "systemd systemd-sysv dbus openssh-server sudo iproute2 ca-certificates procps nftables netbase"
)

# Settings of a container image that no installed Debian has, and timers that would hold dpkg's lock at a
# moment of their own. Users come with locked passwords; each lab gives its own before the first boot.
_BARE = """\
set -eu
export DEBIAN_FRONTEND=noninteractive
rm -f /usr/sbin/policy-rc.d /etc/apt/apt.conf.d/docker-* /etc/dpkg/dpkg.cfg.d/docker-*
if [ -n "$SOURCES" ]; then
    rm -f /etc/apt/sources.list /etc/apt/sources.list.d/*
    printf '%s' "$SOURCES" >/etc/apt/sources.list.d/debian.sources
    [ -z "$SETTINGS" ] || printf '%s' "$SETTINGS" >/etc/apt/apt.conf.d/90mirror
fi
# Hosts are thrown away: nothing on them needs to survive a power cut.
echo force-unsafe-io >/etc/dpkg/dpkg.cfg.d/throwaway
apt-get -qq update
apt-get -qq -y upgrade
apt-get -qq -y --no-install-recommends install $PACKAGES
systemctl mask -q apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer
rm -f /etc/ssh/ssh_host_*
useradd -m -s /bin/bash -u 1000 kanri
for mail_user in hanako tarou kensa; do useradd -m -s /bin/bash "$mail_user"; done
install -d -m 0700 -o kanri -g kanri /home/kanri/.ssh
apt-get clean
rm -rf /var/lib/apt/lists/* /var/cache/debconf/*-old /tmp/*
find /var/log -type f -exec truncate -s 0 {} +
: >/etc/machine-id
"""

# Postfix as an administrator installs it: `Internet Site`, the mail domain as mail name. The package lists
# stay, as they do on a host where somebody has just installed a package; on a bare host there are none.
_FRESH = """\
set -eu
export DEBIAN_FRONTEND=noninteractive
debconf-set-selections <<'ANSWERS'
postfix postfix/main_mailer_type select Internet Site
postfix postfix/mailname string example.test
ANSWERS
apt-get -qq update
apt-get -qq -y --no-install-recommends install postfix
apt-get clean
rm -rf /var/cache/debconf/*-old /tmp/*
find /var/log -type f -exec truncate -s 0 {} +
"""


@dataclass(frozen=True)
class Release:
    """A Debian release as a host.

    Args:
        number: VERSION_ID, which is in all names and addresses of the host.
        suite: its name in the archive.
        registry_image: the image in a container registry, where one answers.
        packages: what `bare` installs.
        legacy_cgroup_flag: what PID 1 needs as an argument on cgroup v1, or None.
    """

    number: int
    suite: str
    registry_image: str
    packages: str
    legacy_cgroup_flag: str | None = None

    @property
    def hostname(self) -> str:
        """What the host calls itself."""
        return f"ms{self.number}.{DOMAIN}"


@dataclass(frozen=True)
class StartingState:
    """What `reset` goes back to.

    Args:
        parent: the state it is made from; None: the base image.
        recipe: sh script run in the parent's image.
    """

    parent: str | None
    recipe: str


RELEASES: Mapping[str, Release] = {
    # No Python here: the runbook must not need one on a host.
    "debian12": Release(12, "bookworm", "docker.io/library/debian:12", _BARE_PACKAGES),
    "debian13": Release(
        13,
        "trixie",
        "docker.io/library/debian:13",
        f"{_BARE_PACKAGES} python3-minimal",
        # systemd 256 and later refuse cgroup v1 unless told so.
        legacy_cgroup_flag="SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1",
    ),
}

STATES: Mapping[str, StartingState] = {
    "bare": StartingState(None, _BARE),
    "fresh": StartingState("bare", _FRESH),
}
