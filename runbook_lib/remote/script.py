"""A script on its way to a host, and what comes back.

The script never stands on a command line. What sshd gives to the login shell is one short line without
newline, `!`, backslash, or quote inside its quotes: sh, csh and fish read it alike. It starts sh, which reads
exactly as many bytes of its standard input as the script has and evaluates them; what follows is the script's
own standard input. No file is made, so a full or noexec /tmp does not matter.
"""

import secrets
from dataclasses import dataclass, field

from runbook_lib import credentials, display


@dataclass(frozen=True)
class Result:
    """What a remote command said.

    Args:
        status: exit status; -1 when a signal ended it.
        stdout, stderr: as they came, in any encoding.
    """

    status: int
    stdout: bytes = field(repr=False)
    stderr: bytes = field(repr=False)

    @property
    def text(self) -> str:
        r"""The text of stdout without its last newline; bytes that are not UTF-8 are shown as \xNN."""
        return display.escape_bytes(self.stdout.removesuffix(b"\n"))


@dataclass(frozen=True)
class Script:
    """A POSIX sh script on its way to a host.

    Args:
        body: its bytes, any encoding, no NUL.
        mark: a random word that says on both streams where the script's own output begins.
    """

    body: bytes
    mark: str

    @classmethod
    def of(cls, script: str | bytes) -> "Script":
        """Bytes that were escaped with surrogates on their way into a str become themselves again."""
        body = script if isinstance(script, bytes) else script.encode(errors="surrogateescape")
        return cls(body, secrets.token_hex(8))

    @property
    def sent(self) -> bytes:
        """The script in braces: one that arrives cut is a syntax error, and no line of it is run."""
        return b"{ :\n" + self.body + b"\n}\n"

    @property
    def title(self) -> str:
        """The first line that does something, for messages."""
        lines = [line.strip() for line in display.escape_bytes(self.body).splitlines()]
        telling = [line for line in lines if line and not line.startswith(("#", "set -"))]
        first = credentials.mask(telling[0]) if telling else "an empty script"
        return first if len(first) <= 100 else first[:97] + "..."

    @property
    def greeting(self) -> str:
        """Words of sh that say the mark on both streams.

        A user's PATH has no sbin on Debian, so that what lies there would look as if it were not installed. What apt,
        rpm and bash lay aside goes to /var/tmp: /tmp may be small, full, or full of what a user put there.
        """
        return (
            "LC_ALL=C; PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin; TMPDIR=/var/tmp; export LC_ALL PATH TMPDIR; "
            f"echo {self.mark}; echo {self.mark} >&2"
        )

    @property
    def unread(self) -> str:
        """The word that the shell says on stderr where it could not read the script, and so has done nothing."""
        return f"unread-{self.mark}"

    @property
    def reading(self) -> str:
        """Words of sh that read the script from standard input and run it. Their only quotes are double."""
        return reading(self.sent, self.unread)

    @property
    def command(self) -> str:
        """The line for the login shell of a user who needs no sudo."""
        return f"exec sh -c '{self.greeting}; {self.reading}'"


def reading(words: bytes, unread: str) -> str:
    """Words of sh that read these bytes from standard input and run them. Their only quotes are double.

    Where dd cannot be started (sudoers(5), noexec), `unread` is said, and nothing was run. dd reads no byte too many,
    which head does not promise in every implementation.
    """
    read = f"x=$(dd bs={len(words)} count=1 iflag=fullblock status=none)"
    return f'{read} || {{ echo {unread} >&2; exit 126; }}; eval "${{x:?}}"'
