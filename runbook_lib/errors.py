"""Every error of the runbook, the tree at the top.

RunbookError
├── UsageError (exit 2)            bad parameter or option
│   └── SecretInParameter          a secret was given where everybody can read it
├── InventoryError (exit 2)        one or more fields of an inventory are wrong
├── SecretUnavailable (exit 2)     a reference to a secret leads nowhere, or to something unusable
│   ├── SecretNotFollowed          a command or a keyring that is not asked here
│   └── SecretUnusable             there is a secret, and nobody could work with it as it is
├── HostUnreachable                no TCP or SSH connection
│   ├── HostKeyUnknown             nothing is known about the key that the host shows
│   ├── HostKeyChanged             another key than the known one
│   ├── HostKeyRevoked             a key that known_hosts revokes
│   └── LoginRefused               the host refuses user and key
├── SudoRefused                    the user may not become root, or the password is wrong
├── CommandFailed                  a remote command ended with another status than expected
│   └── OutputTooLong              a remote command wrote more than it was given room for
├── DeadlineExceeded               a remote command took longer than it was given
├── HostBusy                       another run, or the package manager, is at work on the host
├── ChangedMeanwhile               the host is no longer as the plan saw it
├── RollbackConflict               something was changed after the run, and was left alone
├── ApplyRefused                   the host is in a state in which this chapter does not apply
├── CsrRefused                     the CSR asks for what the inventory does not grant
├── PolicyViolation                the CA does not issue such a certificate
├── AuthorityError                 the CA's directory cannot be made, opened or trusted
├── CertificateRefused             a certificate or chain that came back is not fit to be installed
│   └── PrivateKeyReturned         what came back carries a private key
├── LedgerBusy                     another process held the CA's ledger
├── VerificationFailed             a claim was reached and found wrong
├── NameNotCovered                 a settings page would send users to a name that is not in the certificate
├── RecordError                    a record is incomplete, altered, or would hold a secret
│   ├── RecordMissing              the chapter has left no record there
│   ├── RecordNotWritten           the disk of the records is full, or takes nothing
│   └── RecordNotSigned            no key is there that may sign, or it did not
└── LabError                       the lab of real hosts cannot be made or is broken

KeyboardInterrupt
└── StepInterrupted                a person interrupted a step
"""

from runbook_lib.messages import message
from runbook_lib.messages.speech import said
from runbook_lib.visible import visible

NOTHING_CHANGED = message("Nothing was changed.")


class RunbookError(Exception):
    """A failure told to a person.

    Args:
        problem: what is wrong, with the values seen and expected. Messages, here and in the others, are said in the
            language of the notebook that shows them.
        where: host, file, line or field.
        remedy: what to do now, as an imperative.
        changed: what was changed before the failure (default: nothing was); empty says nothing.
    """

    exit_code = 1

    def __init__(self, problem: str, where: str, remedy: str, changed: str = NOTHING_CHANGED) -> None:
        # Every argument goes to Exception, so that the error pickles out of a batch worker.
        super().__init__(problem, where, remedy, changed)
        self.problem, self.where, self.remedy, self.changed = problem, where, remedy, changed

    def __str__(self) -> str:
        return visible(str(self.told))

    @property
    def told(self) -> str:
        """All of it as a message, which a notebook shows in its own language; logs and the command line are English."""
        fields = {
            "where": self.where,
            "problem": self.problem,
            "changed": self.changed,
            "remedy": self.remedy,
        }
        if not self.changed:
            return message("{where}: {problem}\n  To do: {remedy}", **fields)
        return message("{where}: {problem}\n  {changed}\n  To do: {remedy}", **fields)

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows in place of a trace, in which the sentence would be the last line."""
        return [f"{type(self).__name__}: {visible(said(self.told))}"]


class StepInterrupted(KeyboardInterrupt):
    """A person interrupted a step.

    Args:
        told: what goes on by itself, and what to do now.
    """

    def __init__(self, told: str) -> None:
        super().__init__(told)
        self.told = told

    def __str__(self) -> str:
        return str(self.told)

    def _render_traceback_(self) -> list[str]:
        return [f"StepInterrupted: {said(self.told)}"]


class UsageError(RunbookError):
    """A parameter or an option is wrong."""

    exit_code = 2


class SecretInParameter(UsageError):
    """A parameter is shaped like a secret; parameters are written to the output notebook."""


class InventoryError(RunbookError):
    """One or more fields of an inventory are wrong; `problem` has a line for each."""

    exit_code = 2


class SecretUnavailable(RunbookError):
    """A reference to a secret leads nowhere, or to something that cannot be used."""

    exit_code = 2


class SecretNotFollowed(SecretUnavailable):
    """A reference to a command or a keyring, where a person has not asked for anything to be run."""


class SecretUnusable(SecretUnavailable):
    """There is a secret, and nobody could work with it as it is: empty, several lines, too short or too long."""


class HostUnreachable(RunbookError):
    """No connection to the host."""


class HostKeyUnknown(HostUnreachable):
    """The host shows a key, and nothing is known about this host."""


class HostKeyChanged(HostUnreachable):
    """The host shows another key than the known one."""


class HostKeyRevoked(HostUnreachable):
    """The host shows a key that known_hosts revokes."""


class LoginRefused(HostUnreachable):
    """The host refuses the user and the key of the inventory."""


class SudoRefused(RunbookError):
    """sudo does not make the user root: wrong password, or no right to run sh."""


class CommandFailed(RunbookError):
    """A remote command ended with another status than expected.

    `status` is its exit status (-1: ended by a signal), `stdout` and `stderr` are what it wrote until then.
    """

    status: int = -1
    stdout: bytes = b""
    stderr: bytes = b""


class OutputTooLong(CommandFailed):
    """A remote command wrote more than it was given room for."""


class DeadlineExceeded(RunbookError):
    """A remote command took longer than it was given; `stdout` and `stderr` are what it wrote until then."""

    stdout: bytes = b""
    stderr: bytes = b""


class HostBusy(RunbookError):
    """Another run, or the package manager, is at work on the host."""


class ChangedMeanwhile(RunbookError):
    """The host is no longer as the plan saw it."""


class RollbackConflict(RunbookError):
    """Something was changed after the run that is put back; it was left alone.

    `put_back` says how many things are back in spite of it; `lines` are what undo.sh said.
    """

    put_back: int = 0
    lines: tuple[str, ...] = ()


class ApplyRefused(RunbookError):
    """The host is in a state in which this chapter is not applied."""


class CsrRefused(RunbookError):
    """The CSR asks for more than the inventory grants, or is not sound. Nothing was signed."""


class PolicyViolation(RunbookError):
    """The CA does not issue such a certificate."""


class AuthorityError(RunbookError):
    """The CA's directory cannot be made, opened or trusted."""


class CertificateRefused(RunbookError):
    """A certificate, or a chain, that came back is not fit to be installed."""


class PrivateKeyReturned(CertificateRefused):
    """Among the files that a CA returned is one that carries a private key; nothing of it is told."""


class LedgerBusy(RunbookError):
    """Another process held the CA's ledger for too long."""


class VerificationFailed(RunbookError):
    """A claim was reached from outside and found wrong."""


class NameNotCovered(RunbookError):
    """Client settings would name a server that the certificate does not name. No page was made."""


class RecordError(RunbookError):
    """A record is incomplete, altered, or would hold a secret."""


class RecordMissing(RecordError):
    """There is no record of this chapter on this host."""


class RecordNotWritten(RecordError):
    """The disk that the records are on is full, or may not be written."""


class RecordNotSigned(RecordError):
    """No key is there that may sign the record, or it did not."""


class RecordNotStamped(RecordError):
    """No time-stamping authority answered for a signature, or its answer is no good. `why` has the reason alone."""

    why = ""


class LabError(RunbookError):
    """The lab of real hosts cannot be made, or is broken."""
