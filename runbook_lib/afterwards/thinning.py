"""Old journals are taken from a host, and a record says which, and what their undo still had."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from runbook_lib import inventory, remote
from runbook_lib.errors import RecordError, RunbookError
from runbook_lib.mail.configuration.journaled import SERVICES
from runbook_lib.records import Record, index, kept, operator, root
from runbook_lib.remote import journals
from runbook_lib.remote.journal import Journal
from runbook_lib.remote.journals import Choice

_LOOK_S = 300.0  # thousands of changes, each thing of them compared


@dataclass(frozen=True)
class Asked:
    """What a person asked for.

    Args:
        before: runs older than this one go, too; None: none.
        named: runs that go, whatever they have to give back.
    """

    before: str | None = None
    named: Collection[str] = ()


@dataclass(frozen=True)
class Thinned:
    """What became of the journals of one host.

    Args:
        choices: of each journal, the oldest first.
        gone: the runs whose journals were taken away.
        unsaid: why the record of it is not complete; '' where it is.
    """

    choices: tuple[Choice, ...]
    gone: tuple[str, ...] = ()
    unsaid: str = ""


def propose(book: inventory.Inventory, host: inventory.Host, asked: Asked) -> Thinned:
    """Which journals of a host would go. Touches nothing.

    Raises:
        UsageError: a run that was named has no journal there.
        ApplyRefused: a run that was named is the newest, or on hold.
    """
    return _proposed(remote.connect(book.site, host), asked)


def thin(book: inventory.Inventory, host: inventory.Host, asked: Asked, run: str, reason: str) -> Thinned:
    """Take them away, and leave a record of it; what is on a host then cannot be put back by them any more.

    Args:
        run: the run that this is.
        reason: why.
    Raises:
        UsageError, ApplyRefused: as `propose`. Nothing was taken away.
        HostBusy: another run is at work.
        RecordNotWritten: no record can be begun. Nothing was taken away.
    """
    connected = remote.connect(book.site, host)
    found = _proposed(connected, asked)
    going = [choice.kept for choice in found.choices if not choice.stays]
    if not going:
        return found
    record = Record.begin(
        root(), run, host.name, index.JOURNALS, title="Old journals taken away · 古いジャーナルの整理", mode="apply",
        reason=reason, operator=operator(), lab=False, facts={}, inventory_sha256=book.digest,
    )  # fmt: skip
    try:
        gone = journals.take_away(
            Journal(connected, run, operator(), reason), going, f"by={operator()} in={run}"
        )
    except RunbookError as error:
        record.finish("failed", None, error=error)
        raise
    try:
        for one in going:
            if one.run in gone:
                number = f"number {one.number} here, " if one.number else ""
                record.add_note(
                    f"Journal of run {one.run} ({number}{one.size_kb} KiB) taken away: {one.told}"
                )
        stays = [one.run for one in going if one.run not in gone]
        changed = f"; somebody wrote meanwhile in {', '.join(stays)}, which stays" if stays else ""
        record.finish("passed", f"{index.counted(len(gone), 'journal')} taken away{changed}.")
    except RecordError as error:
        return Thinned(found.choices, gone, f"{error.where}: {error.problem}")
    return Thinned(found.choices, gone)


def _proposed(connected: remote.Host, asked: Asked) -> Thinned:
    with connected.looking(_LOOK_S):
        found = journals.look(connected, SERVICES)
    choices = journals.choose(found, held=_held(), before=asked.before, named=asked.named)
    return Thinned(choices)


def _held() -> Mapping[str, str]:
    """Runs on hold in the records here, and why."""
    return {run: notes.hold.reason for run, notes in kept.read_all(root()).items() if notes.hold}
