"""What only the host itself can tell. The probes have no SSH; whoever has it hands in a `HostView`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from runbook_lib.mail.firewall import Firewall
from runbook_lib.messages import message

THROTTLED_S = 60  # service_throttle_time, postconf(5): a constant
TOKEN_HEADER = "X-Runbook-Probe"  # noqa: S105 - the name of a header

EXPIRED, TO_BE_CHANGED, LOCKED = (
    message("the account has expired"),
    message("its password has to be changed first"),
    message("the account is locked after wrong logins"),
)
ACCOUNT_IS_OUT = (EXPIRED, TO_BE_CHANGED, LOCKED)  # what is so of the account, and not of the server


@dataclass(frozen=True)
class LoginLock:
    """What counts wrong logins on the host, and locks an account for them.

    Args:
        module: of PAM ('pam_faillock').
        counted: wrong logins of the user that stand now.
        locks_at: how many lock the account.
    """

    module: str
    counted: int
    locks_at: int

    @property
    def next_locks(self) -> bool:
        """Whether one more wrong login would lock the account."""
        return self.counted + 1 >= self.locks_at

    @property
    def locks(self) -> bool:
        """Whether so many are counted that the account is locked."""
        return self.counted >= self.locks_at

    @property
    def words(self) -> str:
        """For a row."""
        return message(
            "{counted} of {locks_at} wrong logins counted before ({module})",
            counted=self.counted,
            locks_at=self.locks_at,
            module=self.module,
        )


class HostView(Protocol):
    """A look at the host from within. Called from one thread, never while a probe is in a conversation.

    A token is 24 lower-case hex digits, new at each use, so it is in one message or one line of the mail
    system's journal and nowhere else.
    """

    def clients_seen(self, tokens: Sequence[str]) -> dict[str, str]:
        """Say which client address the mail system saw in the conversations that bore these tokens.

        Each token was the local part of a recipient that the server refused, so it is in a line
        `reject: RCPT from NAME[ADDRESS]: …`. Waits a few seconds at most, since lines may come late.

        Returns: token to address; a token that was not found is left out.
        """
        ...

    def smtpd_deaths(self, within_s: int) -> tuple[str, ...]:
        """Say why smtpd ended of itself in the last `within_s` seconds: its own words, `fatal: …`; none else."""
        ...

    def mynetworks(self) -> str:
        """Say which networks the mail system counts to its own, as `postconf -hx mynetworks` prints them.

        Returns: the value; empty where it cannot be read.
        """
        ...

    def firewall(self) -> Firewall:
        """Look at the host's own packet filter; nothing of it is changed. What cannot be read is named in it."""
        ...

    def wrong_logins(self, user: str) -> "LoginLock | None":
        """Say how many wrong logins of a user are counted, and how many lock the account. Nothing is counted by it.

        Returns: None where no module of PAM's stack for SMTP counts.
        """
        ...

    def why_refused(self, user: str, within_s: int) -> str:
        """Say what the log of the last `within_s` seconds knows of a refused login beside 'wrong'; '' if nothing."""
        ...

    def administrators(self) -> tuple[str, ...]:
        """Say which accounts may become root by sudo, have a password, and may log in for SMTP by PAM's rules."""
        ...

    def cannot_look(self, user: str) -> str | None:
        """Say why this view cannot look into the user's mailbox, or None when it can.

        Delivery by another program (`mailbox_command`, `mailbox_transport`) and a user that the system
        does not know are such reasons: the message is then not sent at all.
        """
        ...

    def find_message(self, user: str, token: str) -> bytes | None:
        """Find the message whose *header* has `X-Runbook-Probe: TOKEN` where the host delivers.

        Delivery takes some seconds: waits until the message is there, with a deadline of its own. A bounce
        that quotes the header in its body is another message and is not found.

        Returns: the message, header first, as delivered; None when it did not come.
        """
        ...

    def remove_message(self, user: str, token: str) -> bool:
        """Remove exactly that message, under the lock that the delivering program takes too.

        Returns: whether it is gone. False leaves the mailbox as it was.
        """
        ...

    def withdraw(self, queue_id: str) -> str | None:
        """Take a message that never arrived out of the queue again.

        Returns: the mail system's reason for the delay; None when the queue does not hold it (it was
        bounced or delivered elsewhere).
        """
        ...
