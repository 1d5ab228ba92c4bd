"""A run is put back on a host: its undo.sh there, the CA's ledger and the note of it here."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from runbook_lib import inventory, remote
from runbook_lib.afterwards.overview import address_of, in_time
from runbook_lib.errors import RecordError, RollbackConflict, RunbookError
from runbook_lib.families.known import FAMILIES
from runbook_lib.mail.probes import Target
from runbook_lib.mail.probes.asker import Asker
from runbook_lib.mail.probes.served import served
from runbook_lib.mail.probes.target import Endpoint
from runbook_lib.records import Record, index, operator, root, undone
from runbook_lib.records.model import Failure
from runbook_lib.remote.change import quote
from runbook_lib.remote.connection import Host
from runbook_lib.remote.exchange import Deadline
from runbook_lib.remote.rollback import LEFT, Rollback, require_id, rollback
from runbook_lib.remote.vantage import HostItself
from runbook_lib.site_ca import barred, issuers

CHAPTER = "rollback"  # stands for a chapter in the record of a rollback
_PORT_TIMEOUT_S = 10.0
_LOOK_S = 120.0  # before the host is put back, and again after it


@dataclass(frozen=True)
class WayBack:
    """How a host was put back.

    Args:
        done: what undo.sh said; None where something was left alone.
        conflict: what was left alone; None where nothing was.
        withdrawn: how many certificates of the CA were marked as withdrawn.
        ports: what each port serves now, a line each; none where the run changed nothing on the host.
        unsaid: what could not be asked or noted afterwards, and what to do about it.
    """

    done: Rollback | None
    conflict: RollbackConflict | None
    withdrawn: int
    ports: tuple[str, ...] = ()
    unsaid: tuple[str, ...] = ()


def put_back(book: inventory.Inventory, host: inventory.Host, run: str, rollback_run: str) -> WayBack:
    """Put a run back on a host; the CA's certificates of it that are gone from there are withdrawn.

    What is put back leaves a record. Where none can be written, it is put back all the same.

    Args:
        run: the run that is put back.
        rollback_run: the run that this is.
    Raises:
        UsageError: this is no run's id.
        ApplyRefused: a certificate or a key would come back that shall serve no more; nothing was put back.
        HostBusy: another run is at work.
    """
    require_id(run, host.name)
    site = book.site
    connected = remote.connect(site, host)
    with connected.looking(_LOOK_S):
        barred.refuse_to_bring_back(book, host, connected, run)
    done, conflict = None, None
    kept = _Kept(book, host.name, run, rollback_run)
    try:
        recorded = recorded_changes(run, host.name) or 0
        done = rollback(connected, run, operator(), recorded, kept.begin)
    except RollbackConflict as error:
        conflict = error
    except RunbookError as error:
        kept.failed(error)
        raise
    # From here on the host is put back, whatever becomes of the questions.
    if (done and done.journaled) or conflict:
        kept.end(done.lines if done else conflict.lines if conflict else (), conflict)
    withdrawn, unsaid = 0, kept.unsaid
    with connected.looking(_LOOK_S) as deadline:
        try:
            withdrawn = issuers.withdraw(site, host.name, run, serials_there(connected, host))
        except RunbookError as error:
            unsaid.append(
                "which certificates are gone from there is not known, so the CA has withdrawn none; the same again "
                f"does it: {error.problem.splitlines()[0]}"
            )
        journaled = done is None or done.journaled
        ports = tuple(_ports(site, host, connected, deadline)) if journaled else ()
    return WayBack(done, conflict, withdrawn, ports, tuple(unsaid))


class _Kept:
    """The record of a rollback on one host, as far as one can be written; `unsaid` has why one could not."""

    def __init__(self, book: inventory.Inventory, host: str, run: str, rollback_run: str) -> None:
        self.book, self.host, self.run, self.rollback_run = book, host, run, rollback_run
        self.record: Record | None = None
        self.unsaid: list[str] = []

    def begin(self) -> None:
        with self._told():
            self.record = Record.begin(
                root(), self.rollback_run, self.host, CHAPTER, title=f"Run {self.run} put back · 実行の切り戻し",
                mode="apply", reason="", operator=operator(), lab=False, facts={}, inventory_sha256=self.book.digest,
            )  # fmt: skip

    def end(self, lines: Sequence[str], conflict: RollbackConflict | None) -> None:
        back = [line for line in lines if line.startswith("PUT BACK")]
        left = [line for line in lines if line.startswith(LEFT)]
        with self._told():
            if self.record:
                self.record.add_undo(self.run, back, left)
                self.record.finish(
                    "failed" if conflict else "passed", _summary(back, left), error=_failure(conflict)
                )
        with self._told():
            if back or not conflict:
                rollback_run = self.rollback_run if self.record else None
                undone.note(root(), self.run, self.host, complete=conflict is None, rollback=rollback_run)

    def failed(self, error: RunbookError) -> None:
        with self._told():
            if self.record:
                self.record.finish("failed", None, error=error)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except RecordError as error:
            self.unsaid.append(f"the record of this is not complete: {error.where}: {error.problem}")


def _failure(conflict: RollbackConflict | None) -> Failure | None:
    """What the record has of a conflict: which things were left alone it has beside, and the journal their bytes."""
    return Failure(type="RollbackConflict", message=conflict.problem.partition("\n")[0]) if conflict else None


def _summary(back: Sequence[str], left: Sequence[str]) -> str:
    told = f"{index.counted(len(back), 'thing')} put back"
    return f"{told}; left alone: {', '.join(left)}" if left else f"{told}."


def _ports(site: inventory.Site, host: inventory.Host, connected: Host, deadline: Deadline) -> Iterator[str]:
    asker = Asker(Target(name=host.names.smtp, domain=site.domain), _PORT_TIMEOUT_S, HostItself(connected))
    for port in sorted({25, *host.submission.ports}):
        if in_time(asker, deadline, _PORT_TIMEOUT_S):
            yield f"port {port} {served(asker, Endpoint(address_of(host), port))}"
        else:
            again = f"runbook verify {host.name} --port {port}"
            yield f"port {port} was not asked: the {_LOOK_S:g} s for looking at this host were over; {again} asks it"


def recorded_changes(run: str, host: str) -> int | None:
    """How many changes the record of a run has for a host; None where there is no record of it here."""
    try:
        found = index.read_run(root() / run).of_host(host)
    except RecordError:  # no record, or one that cannot be read: it holds up no rollback
        return None
    return sum(entry.record.changes_made for entry in found) if found else None


def serials_there(connected: Host, host: inventory.Host) -> frozenset[str]:
    """Serials of the first certificate of each file that chapters install, as openssl prints them."""
    values = [one.certificate for one in host.by_certificate]
    files = {
        str(path)
        for family in FAMILIES
        for one in values
        for path in (
            family.certificate_directory / one.certificate_file,
            family.key_directory / one.joined_file,
        )
    }
    paths = " ".join(map(quote, sorted(files)))
    script = (
        f"for f in {paths}; do if [ -e $f ]; then openssl x509 -in $f -noout -serial 2>/dev/null; fi; done; :"
    )
    said = connected.run(script, root=True).text
    return frozenset(line.removeprefix("serial=") for line in said.splitlines())
