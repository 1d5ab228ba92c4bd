"""Whose word a file is: who may write it, or replace it, runs what it names."""

import grp
import os
import pwd
import stat
from pathlib import Path

from runbook_lib.messages import message


def another_writer(path: Path) -> str | None:
    """Say who else may change a file or put another in its place; None where only its reader and root can.

    Behind sudo the reader is also the person who called it. A group that is the owner's own is nobody else.

    Args:
        path: a file that is there; each folder above it is asked too, on the way of links as well.
    """
    own = {0, os.geteuid()}
    if os.geteuid() == 0 and os.environ.get("SUDO_UID", "").isdigit():
        own.add(int(os.environ["SUDO_UID"]))
    given, real = path.absolute(), path.resolve()
    for place in dict.fromkeys((real, given, *real.parents, *given.parents)):
        status = place.lstat()
        if status.st_uid not in own:
            return message(
                "{place} belongs to another user (uid {owner}, you are {uid})",
                place=place,
                owner=status.st_uid,
                uid=os.geteuid(),
            )
        mode = stat.S_IMODE(status.st_mode)
        if stat.S_ISLNK(status.st_mode) or (stat.S_ISDIR(status.st_mode) and mode & stat.S_ISVTX):
            continue  # in a folder of mode 1777 nobody replaces what is another's
        if mode & 0o002 or (mode & 0o020 and not _own_group(status)):
            return message(
                "{place} can be written by others: its mode is {mode}", place=place, mode=f"{mode:04o}"
            )
    return None


def _own_group(status: os.stat_result) -> bool:
    try:
        group, owner = grp.getgrgid(status.st_gid), pwd.getpwuid(status.st_uid)
    except KeyError:  # a number without a name has members that nobody can list
        return False
    return group.gr_name == owner.pw_name and set(group.gr_mem) <= {owner.pw_name}
