"""What may differ between two trees of a host, and why."""

from collections.abc import Mapping

from lab import Lab
from lab.tree import Entry, compare

# What a rollback leaves different, and why.
MAY_DIFFER = {
    "/var/lib/runbook": "the journal itself, for whoever asks later",
    "/var/cache/": "apt's, debconf's and ldconfig's caches",
    "/var/lib/apt/": "the lists that apt fetched",
    "/var/lib/dpkg/": "dpkg's books of what was there once",
    "/etc/group": "a group that a package made stays, as dpkg's policy has it; its number must not be given anew",
    "/etc/gshadow": "the same",
    "/etc/passwd": "the same for users",
    "/etc/shadow": "the same",
    "/usr/lib/sasl2": "an empty directory of no package, which dpkg clears away with the last SASL package",
    "/var/lib/postfix/": "random state and caches of the running Postfix",
    "/var/spool/postfix/pid": "pid files of the running Postfix",
    "/var/spool/postfix/etc/": "what Debian's start script copies into the chroot, at each start",
    "/var/tmp/systemd-private-": "systemd names these anew at each start",
    "/var/mail/kensa": "the empty mailbox of the account for checks, whose one mail was found and removed",
    "/var/spool/mail/kensa": "the same, where Enterprise Linux has it",
    "/var/lib/rpm/": "rpm's books",
    "/etc/aliases.lmdb": "where the index is no hash, the unit makes it anew at each start",
    "/var/lib/dnf/": "dnf's history",
}
# Where only Postfix and the account for checks write while they are asked from outside.
AT_WORK = (
    "/var/lib/rpm/rpmdb.sqlite-shm",  # SQLite's index of who reads: any `rpm -q` of root touches it
    "/var/spool/postfix/",
    "/var/lib/postfix/",
    "/var/mail/",
    "/var/spool/mail/",
    "/var/tmp/systemd-private-",
)
# On a lived-in host mail was sent meanwhile.
GOES_ON = ("/etc/.etckeeper", "/var/spool/archive")
# etckeeper commits what packages bring and take: its history goes on. Git packs objects by itself; that none is
# missing is what `history_is_whole` asks.
_HISTORY = "/etc/.git"


def changed(before: Mapping[str, Entry], after: Mapping[str, Entry], allowed: tuple[str, ...]) -> list[str]:
    differing = [path for path in compare(before, after) if not path.startswith(allowed)]
    return [path for path in differing if not path.startswith(_HISTORY) or _is_lost(path, after)]


def _is_lost(path: str, after: Mapping[str, Entry]) -> bool:
    return path in (_HISTORY, f"{_HISTORY}/HEAD") and path not in after


def history_is_whole(lab: Lab, host: str) -> bool:
    """Whether etckeeper's repository, where there is one, has all that its commits name."""
    said = lab.exec(
        host, "if [ -e /etc/.git ]; then git -C /etc fsck --full 2>&1 || echo broken; fi"
    ).decode()
    return "missing" not in said and "broken" not in said
