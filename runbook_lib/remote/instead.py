"""An account that is let in, and for which sshd or its login shell runs something else than what was asked for.

What it said is quoted; whose doing that is decides what helps.
"""

import re
from collections.abc import Callable

from runbook_lib.errors import HostUnreachable
from runbook_lib.messages import Message, message

Said = Callable[[str], Message]  # of an account
_OTHER_COMMAND: tuple[Said, Said] = (
    lambda user: message("another command is run for {user} in place of every other", user=user),
    lambda user: message(
        "log in as the account that it names, where it names one: that is `user` in the inventory; else as root on the "
        "host see command= before the key in ~{user}/.ssh/authorized_keys, and ForceCommand in `sshd -T`",
        user=user,
    ),
)
# What is said in such a case: what it means, and what to do. The first that is found counts.
_KINDS: tuple[tuple[str, Said, Said], ...] = (
    (  # sshd (session.c) after PAM's or shadow's word
        r"password (?:has )?expired|[Pp]assword change required",
        lambda user: message(
            "the password of {user} has expired or has to be changed, and until then sshd runs nothing for the account",
            user=user,
        ),
        lambda user: message(
            "change it at a terminal (`ssh -t` asks for it), or as root on the host: `chage -l {user}` says why, "
            "`passwd {user}` sets another, `chage -M -1 {user}` lets it never expire",
            user=user,
        ),
    ),
    (  # nologin(8), and shells that are none
        r"account is currently not available|^$",
        lambda user: message("the login shell of {user} does not run commands", user=user),
        lambda user: message(
            "give {user} a shell that does (`getent passwd {user}` names the one there is)", user=user
        ),
    ),
    (  # sshd's own answer where internal-sftp is all that it starts (session.c)
        r"sftp connections only",
        lambda user: message("sshd starts nothing but internal-sftp for {user}", user=user),
        lambda user: message(
            "as root on the host see ForceCommand in `sshd -T -C user={user}`, command= before the key in "
            "~{user}/.ssh/authorized_keys, and Subsystem; or use another account as `user` in the inventory",
            user=user,
        ),
    ),
)


def refusal(user: str, said: str, where: str) -> HostUnreachable:
    """The error for an account of which no command was run.

    Args:
        user: the account.
        said: what came in place of the command's output, 'nothing' where that was nothing.
        where: the host.
    """
    heard = "" if said == "nothing" else said
    kinds = ((meaning, remedy) for seen, meaning, remedy in _KINDS if re.search(seen, heard))
    meaning, remedy = next(kinds, _OTHER_COMMAND)
    return HostUnreachable(
        message("{meaning}; it said: {said}", meaning=meaning(user), said=said),
        where,
        remedy(user),
    )
