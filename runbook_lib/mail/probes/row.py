"""What a verification says: a row for each thing that was asked."""

from dataclasses import dataclass
from enum import StrEnum

from runbook_lib import warned
from runbook_lib.warned import WARNING, warning

__all__ = ["WARNING", "Row", "Verdict", "warning"]


class Verdict(StrEnum):
    """Pass, fail, or could not test; never silence.

    Only `FAIL` means that the server was reached and found wrong, so only `FAIL` puts a change back. `UNASKED` is what
    was left out on purpose, with its reason: it proves nothing, and leaves nothing unproven.
    """

    PASS = "pass"  # noqa: S105 - a verdict, no secret
    FAIL = "fail"
    UNTESTED = "could not test"
    UNASKED = "not asked"


@dataclass(frozen=True)
class Row:
    """One answer of a server, judged.

    Args:
        claim: the proposition, word for word the heading over it.
        port: TCP port that was asked; None where the claim is not about a port.
        address: address that was asked; empty where the claim is not about an address.
        client: address that the server saw us with, from its own journal or a Received line; where nobody
            could look there, our socket's own address, labelled `own: …` (behind NAT the two differ);
            `-` where no connection was made.
        verdict: see `Verdict`.
        seen: what was seen, in words that are the same at every run: no address, time, serial or token.
        command: one line that a person types to see the same; it holds no secret.
    """

    claim: str
    port: int | None
    address: str
    client: str
    verdict: Verdict
    seen: str
    command: str

    @property
    def warns(self) -> bool:
        """Whether a person should act though nothing is wrong: days running out, a name left uncovered."""
        return self.seen.startswith(WARNING)

    @property
    def told(self) -> str:
        """The verdict in a word; `warning` where a pass has one."""
        return warned.told(self.verdict, (self.seen,))
