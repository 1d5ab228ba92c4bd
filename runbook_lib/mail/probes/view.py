"""What only the host itself can tell. The probes have no SSH; whoever has it hands in a `HostView`."""

from collections.abc import Sequence
from typing import Protocol

from runbook_lib.mail.firewall import Firewall

TOKEN_HEADER = "X-Runbook-Probe"  # noqa: S105 - the name of a header


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

    def mynetworks(self) -> str:
        """Say which networks the mail system counts to its own, as `postconf -hx mynetworks` prints them.

        Returns: the value; empty where it cannot be read.
        """
        ...

    def firewall(self) -> Firewall:
        """Look at the host's own packet filter; nothing of it is changed. What cannot be read is named in it."""
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
