"""What is done with the own CA by a command is a run, too: no ledger and no host names one that nobody has."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from runbook_lib import inventory
from runbook_lib.errors import RecordError, RunbookError
from runbook_lib.records import Record, current_run, operator, root, signing
from runbook_lib.records.index import OWN_CA
from runbook_lib.records.signing import Kept


@dataclass
class Recorded:
    """A command at work: what it did goes to `lines`; `kept` says how it was sealed, once it is done."""

    lines: list[str] = field(default_factory=list)
    kept: Kept | None = None


@contextmanager
def recorded(
    book: inventory.Inventory, command: str, title: str, *, takes_back: bool = False
) -> Iterator[Recorded]:
    """Keep a record of what is done inside.

    Args:
        command: its name, as in `runbook ca NAME`.
        title: in both languages, with ` · ` between them.
        takes_back: it bars or withdraws something, and does not wait for a key.
    Raises:
        RecordNotSigned: a signature is required, and no key makes one. Nothing was done.
        RecordError: the record cannot be written or sealed; before anything was done, or after it: then it says what.
    """
    if not takes_back:
        signing.refuse_unsigned(root())
    record = Record.begin(
        root(), current_run(), OWN_CA, f"ca-{command}", title=title, mode="apply", reason="", operator=operator(),
        lab=False, facts={}, inventory_sha256=book.digest,
    )  # fmt: skip
    done = Recorded()
    try:
        yield done
    except (RunbookError, KeyboardInterrupt) as error:
        with suppress(RecordError):  # what went wrong is told first
            record.finish("failed", None, error=error)
            signing.keep(root(), current_run())
        raise
    try:
        for line in done.lines:
            record.add_note(line)
        record.finish("passed", "\n".join(done.lines))
        done.kept = signing.keep(root(), current_run())
    except RecordError as error:
        told = f"It was done all the same: {' '.join(done.lines)}"
        raise type(error)(error.problem, error.where, error.remedy, told) from None
