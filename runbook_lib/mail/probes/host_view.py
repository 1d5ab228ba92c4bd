"""A look at a host from within, for the probes: through a root shell, with sh, awk and the coreutils only.

Implements `view.HostView` for hosts whose Postfix delivers into an mbox or a Maildir itself.
"""

import re
import shlex
from collections.abc import Sequence
from importlib.resources import files
from typing import Protocol

from runbook_lib.mail.firewall import IP6TABLES, IPTABLES, NFT, UFW, Firewall, Look
from runbook_lib.mail.probes.view import EXPIRED, LOCKED, THROTTLED_S, TO_BE_CHANGED, TOKEN_HEADER, LoginLock
from runbook_lib.messages import message

_JOURNAL_WAIT_S = 3
_SCRIPT_TIMEOUT_S = 40.0
_CHANGING = ("remove_message", "withdraw")  # the others look
_REJECTED_CLIENT = re.compile(r"reject: RCPT from \S+?\[(?:IPv6:)?([0-9A-Fa-f:.]+)\]")


class Output(Protocol):
    """What a script wrote, and how it ended."""

    @property
    def status(self) -> int:
        """Exit status."""
        ...

    @property
    def stdout(self) -> bytes:
        """Standard output."""
        ...


class Shell(Protocol):
    """Whatever runs POSIX sh on the host as root."""

    def run(
        self,
        script: str,
        *,
        root: bool = False,
        timeout_s: float = 60.0,
        check: bool = True,
        look: bool = False,
    ) -> Output:
        """Run a script; with `check` false any status comes back. A `look` changes nothing."""
        ...


class ShellHostView:
    """See `view.HostView` for what each method promises.

    Args:
        shell: root's shell on the host; its own errors (unreachable, no sudo) pass through.
        delivery_wait_s: seconds that a message is given to arrive, at most 30.
        mynetworks: its value where somebody has read it by now; None: it is asked for.
    """

    def __init__(self, shell: Shell, delivery_wait_s: int = 15, mynetworks: str | None = None) -> None:
        self._shell = shell
        self._mynetworks = mynetworks
        self._delivery_wait_s = delivery_wait_s

    def clients_seen(self, tokens: Sequence[str]) -> dict[str, str]:
        """Search the mail system's journal, or its log file where there is no journal."""
        found = self._run("clients_seen", str(_JOURNAL_WAIT_S), *map(_checked_token, tokens)).stdout
        seen = {}
        for line in found.decode("utf-8", errors="backslashreplace").splitlines():
            client = _REJECTED_CLIENT.search(line)
            if client is not None:
                seen.update({token: client[1] for token in tokens if token in line})
        return seen

    def smtpd_deaths(self, within_s: int) -> tuple[str, ...]:
        """Search the mail system's journal, and the end of its log file."""
        told = _text(self._run("smtpd_deaths", str(within_s)))
        return tuple(line for line in (told or "").splitlines() if line)

    def wait_while_throttled(self) -> int:
        """Wait while master(8) starts no smtpd since one died at its start: a minute at most, and no reload ends it.

        Returns: the seconds that it took.
        """
        timeout_s = THROTTLED_S + _SCRIPT_TIMEOUT_S
        told = self._run("while_throttled", str(THROTTLED_S), timeout_s=timeout_s).stdout.decode(
            "ascii", "replace"
        )
        return int(told) if told.strip().isdecimal() else 0

    def mynetworks(self) -> str:
        """Ask postconf, which reckons the default where main.cf has no such entry."""
        return _text(self._run("mynetworks")) or "" if self._mynetworks is None else self._mynetworks

    def firewall(self) -> Firewall:
        """Ask nft, iptables-save and ip6tables-save; ufw and firewalld keep their rules there."""
        told = self._run("firewall").stdout.decode("utf-8", errors="backslashreplace").split("\0")
        return Firewall.of(
            _look(command, told[at : at + 3])
            for command, at in zip((NFT, IPTABLES, IP6TABLES, UFW), range(0, 12, 3), strict=True)
        )

    def wrong_logins(self, user: str) -> LoginLock | None:
        """Ask faillock(8), pam_tally2(8) or pam_tally(8), whichever stands in PAM's stack for smtp."""
        told = (_text(self._run("wrong_logins", _checked_user(user))) or "").split()
        if len(told) != 3 or not (told[1].isdecimal() and told[2].isdecimal()):
            return None
        return LoginLock(told[0], int(told[1]), int(told[2]))

    def why_refused(self, user: str, within_s: int) -> str:
        """Read what saslauthd and the modules of PAM that run in it wrote."""
        lines = (
            self._run("login_lines", str(within_s))
            .stdout.decode("utf-8", errors="backslashreplace")
            .splitlines()
        )
        return reason_in(lines, user)

    def administrators(self) -> tuple[str, ...]:
        """Ask for the members of sudo, wheel and admin, the names in sudoers, and who became root here by sudo."""
        return tuple(sorted(set((_text(self._run("administrators")) or "").split())))

    def cannot_look(self, user: str) -> str | None:
        """Ask postconf whether another program delivers, and the system whether it knows the user."""
        told = _text(self._run("cannot_look", _checked_user(user)))
        if told is None:
            return None
        if told == "no user":
            return message("the system has no user of that name")
        return message("mail is delivered by another program ({setting})", setting=told)

    def find_message(self, user: str, token: str) -> bytes | None:
        """Look in the mbox's last 4 MiB, or in new/ and cur/, until the message is there."""
        found = self._run(
            "find_message", _checked_user(user), _checked_token(token), str(self._delivery_wait_s)
        )
        return found.stdout if found.status == 0 else None

    def remove_message(self, user: str, token: str) -> bool:
        """Cut the message out of the mbox in place, under `postlock`; or remove its file from the Maildir."""
        return self._run("remove_message", _checked_user(user), _checked_token(token)).status == 0

    def withdraw(self, queue_id: str) -> str | None:
        """Read the reason from postqueue, then postsuper -d."""
        if not re.fullmatch(r"[0-9A-Za-z]{6,30}", queue_id):
            return None
        withdrawn = self._run("withdraw", queue_id)
        if withdrawn.status != 0:
            return None
        return _text(withdrawn) or message("still in the queue, no reason given")

    def _run(self, function: str, *arguments: str, timeout_s: float = _SCRIPT_TIMEOUT_S) -> Output:
        text = files(__package__).joinpath("host_view.sh").read_text(encoding="utf-8")
        header = f"TOKEN_HEADER={shlex.quote(TOKEN_HEADER)}\n"
        script = f"{header}{text}\n{shlex.join([function, *arguments])}\n"
        look = function not in _CHANGING
        return self._shell.run(script, root=True, timeout_s=timeout_s, check=False, look=look)


# What modules of PAM write about an account that is refused though its password may be right; then what to say of it.
_REASONS = (
    (r"account {user} has expired", EXPIRED),
    (r"expired password for user {user}\b", TO_BE_CHANGED),
    (r"Consecutive login failures for user {user} account temporarily locked", LOCKED),
    (r"user {user} \(\d+\) tally \d+, deny \d+", LOCKED),
    (
        r'requirement "[^"]*" (?:not )?(?:was )?(?:met|not met) by user "{user}"',
        message("a rule of PAM keeps it out"),
    ),
    (r"user=(?:{user})\].*reason=PAM acct error", message("PAM refuses the account, and not its password")),
)


def reason_in(lines: Sequence[str], user: str) -> str:
    """What the lines of a host's log know of a user's last refused login beside 'wrong'; '' where that is all.

    saslauthd ends each refused login with a line of its own, so what belongs to an earlier one stands before that.

    Source: pam_unix(8), pam_faillock(8), pam_tally2(8), pam_succeed_if(8), as they write; saslauthd(8).
    """
    ends = [at for at, line in enumerate(lines) if "auth failure" in line and f"[user={user}]" in line]
    last = lines[ends[-2] + 1 :] if len(ends) > 1 else lines
    for pattern, words in _REASONS:
        if any(re.search(pattern.format(user=re.escape(user)), line) for line in last):
            return words
    return ""


def _look(command: str, words: Sequence[str]) -> Look:
    """An answer that is none is a look that could not be taken, and never 'there is no firewall'."""
    if len(words) < 3 or not re.fullmatch("[0-9]{1,3}", words[0]):
        return Look(command, None, "")
    return Look(command, int(words[0]), words[1], words[2])


def _text(output: Output) -> str | None:
    return output.stdout.decode("utf-8", errors="backslashreplace").strip() or None


def _checked_token(token: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{24}", token):
        raise ValueError(f"not a token: {token!r}")
    return token


def _checked_user(user: str) -> str:
    """A user's name becomes part of a path on the host."""
    if not re.fullmatch(r"[^/\0\s.-][^/\0\s]*", user):
        raise ValueError(f"not the name of a system user: {user!r}")
    return user
