"""All runs of a site, a row each: what an auditor draws a sample from.

Each run that the chain has is a row, whatever became of it: also one that was interrupted, has expired, or whose
folder is gone.
"""

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from runbook_lib.errors import RecordError
from runbook_lib.records import chain, index, kept, seal
from runbook_lib.records.model import Approval
from runbook_lib.records.verification import Check, Site

# What a spreadsheet takes for the beginning of a formula; behind an apostrophe it is text (OWASP, CSV Injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_BOM = "\ufeff"  # without it a spreadsheet takes UTF-8 for the code page of its machine
_NO_STATEMENT: dict[str, Any] = {
    "kind": "", "hosts": "", "reason": "", "emergency": "", "plan": "", "approved_by": "",
    "operator": "", "principal": "", "ended": "",
    "changes": 0, "passed": 0, "failed": 0, "not_tested": 0,
}  # fmt: skip


@dataclass(frozen=True)
class Row:
    """A run. '' where something is not known; times are UTC with their offset.

    Args:
        n: the line of the chain in which it begins; of a run from before the chain the one in which it was found.
        outcome: the worst that a host of it came to; or `at work`, `missing`, `cannot be read`.
        emergency: the freeze or window that was passed over.
        approved_by: who approved the plan that it is bound to, and the number of a standing approval; `self-approved`
            where that is the operator.
        review_by: until when somebody else has to review it, since it was made without approval; '' where nobody has.
        undone_by: the runs that put it back; who did it, where it was by hand.
        signature: who signed it, and with which key; '' where nobody did, or where it is not good.
        flags: what has to be seen of it, separated by semicolons; '' where nothing has.
    """

    stream: str
    n: int
    run: str
    kind: str
    hosts: str
    reason: str
    emergency: str
    plan: str
    approved_by: str
    review_by: str
    operator: str
    principal: str
    began: str
    ended: str
    outcome: str
    changes: int
    passed: int
    failed: int
    not_tested: int
    undone_by: str
    signature: str
    stamped_at: str
    flags: str

    @property
    def day(self) -> date:
        """The day on which it began, in UTC."""
        return datetime.fromisoformat(self.began).astimezone(UTC).date()

    @property
    def flagged(self) -> tuple[str, ...]:
        """The flags, one by one."""
        return tuple(filter(None, self.flags.split("; ")))


COLUMNS = tuple(field.name for field in fields(Row))


def rows(root: Path, site: Site) -> tuple[Row, ...]:
    """A row for each run that the chain has, the oldest first.

    Args:
        root: the folder of all records.
        site: what a check of all of it found.
    """
    checks = {check.run: check for check in site.runs}
    notes = kept.read_all(root)
    found = [
        _row(root / run, line, checks.get(run), notes.get(run, kept.NOTHING))
        for run, line in _begun(root).items()
    ]
    return tuple(sorted(found, key=lambda row: (row.began, row.run)))


def between(found: Iterable[Row], since: date | None, until: date | None) -> tuple[Row, ...]:
    """The runs that began in a period, both days included; None: no limit."""
    return tuple(
        row for row in found if (since is None or since <= row.day) and (until is None or row.day <= until)
    )


def to_csv(found: Iterable[Row]) -> bytes:
    """The rows as RFC 4180 has it, in UTF-8 with a byte order mark; no cell is a formula."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for row in found:
        writer.writerow([_cell(getattr(row, name)) for name in COLUMNS])
    return f"{_BOM}{text.getvalue()}".encode()


def _cell(value: object) -> str:
    text = str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _begun(root: Path) -> dict[str, chain.Line]:
    """Each run of the chain, and the line that has it first."""
    begun: dict[str, chain.Line] = {}
    for stream in chain.read_all(root):
        for line in stream.lines:
            match line.entry:
                case chain.Begin() | chain.Seal():
                    begun.setdefault(line.entry.run, line)
                case chain.Found():
                    for run in line.entry.runs:
                        begun.setdefault(run, line)
    return begun


def _row(folder: Path, line: chain.Line, check: Check | None, notes: kept.Notes) -> Row:
    told, outcome = _told(folder, line)
    return Row(
        stream=line.stream,
        n=line.entry.n,
        run=folder.name,
        outcome=outcome,
        undone_by=", ".join(dict.fromkeys(one.rollback or one.by for one in notes.undone)),
        signature=check.signed_by if check else "",
        stamped_at=check.stamped if check else "",
        review_by=check.review_by if check else "",
        flags="; ".join(_flags(check, notes, folder)),
        **{"began": line.entry.at} | told,
    )


def _told(folder: Path, line: chain.Line) -> tuple[dict[str, Any], str]:
    """What the run's own files say of it, and what it came to."""
    if not folder.is_dir():
        return _NO_STATEMENT, "missing"
    try:
        if (folder / seal.STATEMENT).exists():
            return _by_statement(folder)
        return _by_records(folder, begun=isinstance(line.entry, chain.Begin))
    except (RecordError, OSError):
        return _NO_STATEMENT, "cannot be read"


def _by_statement(folder: Path) -> tuple[dict[str, Any], str]:
    statement = seal.read_statement(folder)
    who = {"operator": statement.operator.login, "principal": statement.operator.principal or ""}
    worst = seal.worst([host.outcome for host in statement.hosts.values()])
    try:
        emergencies = _emergencies(index.read_run(folder))
    except RecordError:  # a record was altered: the run does not hold, and what its statement says stands
        emergencies = ""
    cells = _cells(statement.model_dump() | {"hosts": statement.hosts, "approval": statement.approval})
    return cells | who | {"emergency": emergencies}, "interrupted" if statement.cut_off else worst


def _by_records(folder: Path, *, begun: bool) -> tuple[dict[str, Any], str]:
    """Of a run that is not sealed: it is of version 0.1.0, at work, or was cut off."""
    found = index.read_run(folder)
    told = seal.told_by_records(found)
    first = min((entry.record for entry in found.current), key=lambda record: record.started_at, default=None)
    who = {"operator": first.operator if first else "", "principal": ""}
    outcome = seal.worst([host.outcome for host in told["hosts"].values()])
    if begun:
        outcome = "at work" if chain.is_at_work(folder) else "interrupted"
    return _cells(told) | who | {"emergency": _emergencies(found)}, outcome


def _cells(told: dict[str, Any]) -> dict[str, Any]:
    verdicts = [host.verdicts for host in told["hosts"].values()]
    cells = {
        "kind": told["kind"],
        "hosts": ", ".join(told["hosts"]),
        "reason": told["reason"] or "",
        "plan": told["plan"] or "",
        "approved_by": _approved_by(told["approval"]),
        "ended": told["ended_at"] or "",
        "changes": sum(host.changes for host in told["hosts"].values()),
        "passed": sum(one.get("pass", 0) for one in verdicts),
        "failed": sum(one.get("fail", 0) for one in verdicts),
        "not_tested": sum(one.get("could not test", 0) + one.get("not tested", 0) for one in verdicts),
    }
    return cells | ({"began": told["started_at"]} if told["started_at"] else {})


def _approved_by(approval: Approval | None) -> str:
    if approval is None:
        return ""
    people = ", ".join(approval.by)
    if approval.standing:
        return f"{people} (standing approval {', '.join(map(str, approval.standing))})"
    return people or ("self-approved" if approval.by_operator else "")


def _emergencies(found: index.RunIndex) -> str:
    """What was passed over, each once; nothing of records that are there no more."""
    told = {entry.record.emergency for entry in found.current}
    return "; ".join(sorted(filter(None, told)))


def _flags(check: Check | None, notes: kept.Notes, folder: Path) -> Iterator[str]:
    if check and not check.holds:
        yield "does not hold"
    if check and not check.sealed:
        yield "not sealed"
    elif check and not check.signed_by:
        yield "unsigned"
    if notes.hold:
        yield "on hold"
    if notes.redacted:
        yield f"redacted: {', '.join(sorted(notes.redacted))}"
    if notes.expired:
        yield "expired"
    if (folder / f"{seal.SUMS}.1").exists():
        yield "sealed again"
