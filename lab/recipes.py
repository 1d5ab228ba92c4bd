"""How the images of a kind of host are made: sh scripts, run in the image they start from."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class StartingState:
    """What `reset` goes back to.

    Args:
        parent: the state it is made from; None: the base image.
        script: sh, run in the parent's image.
        early: `up` makes its image; else the first `reset` to it does.
        borrowed: packages of the base's Debian that the script finds unpacked, with all that they need,
            in /run/lab/borrowed/borrowed; for a layout that has no package manager for them any more.
    """

    parent: str | None
    script: str
    early: bool = True
    borrowed: str = ""


@dataclass(frozen=True)
class Recipe:
    """How a kind of host is made.

    Args:
        states: the starting states.
        foundation: sh, run in the base image first; what it makes is shared by all hosts of this kind and base.
        label: said wherever the host's origin is said; empty: it is the system that it looks like.
        layout: a folder that `bare` finds at /run/lab/layout, with the lab's own packages
            at /run/lab/packages/repository; None: all comes from the system's own repositories.
    """

    states: Mapping[str, StartingState]
    foundation: str = ""
    label: str = ""
    layout: Path | None = None

    @property
    def stands_in(self) -> bool:
        """Whether it only has the layout of the system that it is tried for."""
        return self.layout is not None


_LIVED_IN = Path(__file__).with_name("lived_in")

# Settings of a container image that no installed Debian has, and timers that would hold dpkg's lock at a
# moment of their own.
_PACKAGES_OF_DEBIAN = """\
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
"""

# Users come with locked passwords; each lab gives its own before the first boot.
_PEOPLE = """\
rm -f /etc/ssh/ssh_host_*
useradd -m -s /bin/bash -u 1000 kanri
for mail_user in hanako tarou kensa; do useradd -m -s /bin/bash "$mail_user"; done
install -d -m 0700 -o kanri -g kanri /home/kanri/.ssh
"""

_CLEAN_DEBIAN = """\
apt-get clean
rm -rf /var/lib/apt/lists/* /var/cache/debconf/*-old /tmp/*
"""

_CLEAN = """\
find /var/log -type f -exec truncate -s 0 {} +
: >/etc/machine-id
"""

# Postfix as an administrator installs it: `Internet Site`, the mail domain as mail name. The package lists
# stay, as they do on a host where somebody has just installed a package; on a bare host there are none.
_POSTFIX_OF_DEBIAN = """\
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


def _lived_in(family: str, borrowed: str = "") -> dict[str, StartingState]:
    """A server of 2013, and the same with postscreen in front of port 25; what is the family's own comes first."""
    parts = [(_LIVED_IN / f"{name}.sh").read_text(encoding="utf-8") for name in (family, "server")]
    return {
        "lived-in": StartingState("fresh", "".join(parts) + _CLEAN, early=False, borrowed=borrowed),
        "lived-in-postscreen": StartingState(
            "lived-in", (_LIVED_IN / "postscreen.sh").read_text(encoding="utf-8"), early=False
        ),
    }


DEBIAN = Recipe(
    {
        "bare": StartingState(None, _PACKAGES_OF_DEBIAN + _PEOPLE + _CLEAN_DEBIAN + _CLEAN),
        "fresh": StartingState("bare", _POSTFIX_OF_DEBIAN),
        **_lived_in("debian"),
    }
)
STATES = tuple(DEBIAN.states)
EARLY_STATES = tuple(name for name, state in DEBIAN.states.items() if state.early)

# Postfix as an administrator installs it there: a package is not enabled by itself.
_POSTFIX_OF_ENTERPRISE_LINUX = """\
set -eu
dnf -q -y install postfix
systemctl -q enable postfix.service
newaliases  # the unit would at its first start; each such index has other bytes
"""

ENTERPRISE_LINUX_LAYOUT = Recipe(
    {
        "bare": StartingState(
            None,
            'set -eu\nsh /run/lab/layout/layout.sh /run/lab/layout /run/lab/packages/repository "$NUMBER"\n'
            + _PEOPLE
            + "usermod -a -G wheel kanri\n"
            + _CLEAN,
        ),
        "fresh": StartingState("bare", _POSTFIX_OF_ENTERPRISE_LINUX + _CLEAN),
        **_lived_in("enterprise_linux", "git etckeeper opendkim"),
    },
    foundation=_PACKAGES_OF_DEBIAN,
    label="Enterprise Linux layout, not CentOS",
    layout=Path(__file__).with_name("el_layout"),
)

ENTERPRISE_LINUX = Recipe(
    {
        "bare": StartingState(
            None,
            "set -eu\ndnf -q -y install $PACKAGES\nsystemctl -q enable sshd firewalld rsyslog\n"
            + _PEOPLE
            + "usermod -a -G wheel kanri\n"
            + _CLEAN,
        ),
        "fresh": StartingState("bare", _POSTFIX_OF_ENTERPRISE_LINUX + _CLEAN),
        **_lived_in("true_enterprise_linux"),
    }
)

# Run in the foundation: packages and what they need, unpacked where another image can take them from.
UNPACK_BORROWED = """\
set -eu
apt-get -qq update
cd /var/cache/apt/archives
names=$(apt-get -s --no-install-recommends install $PACKAGES | sed -n 's/^Inst \\([^ ]*\\).*/\\1/p')
apt-get -qq download $names
mkdir /borrowed
for package in *.deb; do dpkg -x "$package" /borrowed; done
# The layout's /lib and /bin are links, and these would come as directories in their place.
for merged in lib bin sbin; do
    [ -d "/borrowed/$merged" ] || continue
    mkdir -p "/borrowed/usr/$merged"
    cp -a "/borrowed/$merged/." "/borrowed/usr/$merged/"
    rm -r "/borrowed/$merged"
done
rm -rf /borrowed/etc/apt /borrowed/etc/init.d /borrowed/etc/default /borrowed/etc/pam.d /borrowed/etc/ssh /borrowed/var
"""
