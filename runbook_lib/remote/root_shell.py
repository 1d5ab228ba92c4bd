"""One shell of root that runs looks one after the other: sudo is asked once, and not for each of them.

Each script is read whole, as it is everywhere else, and runs in a subshell of its own, so that neither `exit` nor a
variable reaches the next one. A word that nobody on the host knew before ends what it wrote.

For looks alone: where the shell is ended under one (`command_timeout` in sudoers, a kill), the look is taken again, by
a sudo of its own. Each change asks sudo itself.
"""

from runbook_lib.errors import CommandFailed
from runbook_lib.remote.exchange import Deadline, Exchange
from runbook_lib.remote.script import Result, Script

# A line for each script: its mark, and how many bytes it has. What it wrote lies between the mark alone and the mark
# with its status, on both streams.
LOOP = r"""
while read -r runbook_mark runbook_bytes; do
    runbook_script=$(dd bs="$runbook_bytes" count=1 iflag=fullblock status=none) || exit 126
    printf '%s\n' "$runbook_mark"
    printf '%s\n' "$runbook_mark" >&2
    (eval "${runbook_script:?}") </dev/null
    runbook_status=$?
    printf '%s %s\n' "$runbook_mark" "$runbook_status"
    printf '%s %s\n' "$runbook_mark" "$runbook_status" >&2
done
"""


class RootShell:
    """A shell of root on a host that waits for scripts. One thread at a time.

    Args:
        exchange: `LOOP`, started as root; what is to be read of it is sent.
    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    @property
    def alive(self) -> bool:
        """Does it still wait, as far as this side knows?"""
        return self._exchange.alive

    def run(self, script: Script, deadline: Deadline, limit_bytes: int) -> Result | None:
        """Run a script; the shell then waits for the next one.

        Returns: what it said; None: the shell ended before it did.
        Raises:
            DeadlineExceeded, OutputTooLong: after the shell was closed.
            HostUnreachable: the connection broke meanwhile.
        """
        exchange = self._exchange
        exchange.begin_next(script, deadline, limit_bytes)
        exchange.send(f"{script.mark} {len(script.sent)}\n".encode() + script.sent)
        if not exchange.pump(lambda: exchange.next_ended):
            exchange.result()
            return None
        return exchange.result_of_next()

    def failed(self, result: Result) -> CommandFailed:
        """The error for the last script, whose status is not 0."""
        return self._exchange.failed(result)

    def close(self) -> None:
        """End it."""
        self._exchange.close()
