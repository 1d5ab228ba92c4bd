"""Forms to print and to stamp: the work instruction of a plan, the work record of a run."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from markupsafe import Markup

from runbook_lib.messages.speech import said
from runbook_lib.records import approvals, index, kept, origin, pages, seal
from runbook_lib.records.index import RunIndex
from runbook_lib.records.model import ApplyStep, FlowStep, PlanStep, RecordData, UndoStep, VerifyStep
from runbook_lib.records.verification import Check
from runbook_lib.records.words import LANGUAGES, both, in_both

_NOT_AS_WANTED = ("failed", "interrupted", "running", "not proven")


@dataclass(frozen=True)
class Line:
    """A numbered line of a form: text of the record, or words of the catalogue, which are Markup."""

    number: int
    step: str
    command: str = ""
    expected: str = ""
    actual: str = ""
    verdict: str = ""


@dataclass(frozen=True)
class Section:
    """What a form has of one chapter on one host. `attempt`: 0, or the number of an earlier one."""

    host: str
    attempt: int
    record: RecordData
    lines: tuple[Line, ...]
    claims: tuple[str, ...] = ()


@dataclass(frozen=True)
class Deviation:
    """Something that is not as it was planned: where, what kind of thing (words of the catalogue), what is told."""

    where: str
    kind: str
    told: str


@dataclass(frozen=True)
class Form:
    """A form, filled with what is recorded; people add date, name and stamp.

    Args:
        is_plan: it is a work instruction.
        signed_by: who signed the run's seal, and with which key, where the signature is good.
        approved: who approved the plan, and with which key, where the signature is good; of a work record, what that
            run says.
        review_by: until when somebody else has to review it, since it was made without approval.
        sums: digest of the run's SHA256SUMS; '' where it is not sealed.
    """

    run: str
    is_plan: bool
    hosts: tuple[str, ...]
    reason: str
    started_at: str
    ended_at: str
    operator: str
    plan: str
    signed_by: str
    approved: tuple[str, ...]
    review_by: str
    sums: str
    sections: tuple[Section, ...]
    deviations: tuple[Deviation, ...]


def page(folder: Path, checked: Check) -> str:
    """The form of a run as a page for A4: of a plan the work instruction, else the work record.

    Args:
        checked: how the run is, compared with its seal.
    Raises:
        UsageError: the folder has a name that no run has; or of a plan: nobody can tell who may approve.
        RecordError: there is no such run, or its records cannot be read.
    """
    return pages.rendered("form.html.j2", form=form(folder, checked))


def form(folder: Path, checked: Check) -> Form:
    """What the form of a run says; arguments and errors as `page` has them."""
    found = index.read_run(folder)
    sealed = (folder / seal.SUMS).is_file()
    statement = seal.read_statement(folder) if sealed else None
    told = statement.model_dump() if statement else seal.told_by_records(found)
    is_plan = told["kind"] == "plan"
    operator = next((entry.record.operator for entry in found.current), "")
    return Form(
        run=origin.plain_name(folder.name, "RUN"),
        is_plan=is_plan,
        hosts=tuple(told["hosts"]),
        reason=told["reason"] or "",
        started_at=told["started_at"] or "",
        ended_at=told["ended_at"] or "",
        operator=statement.operator.login if statement else operator,
        plan=told["plan"] or "",
        signed_by=checked.signed_by,
        approved=_approved_plan(folder.absolute().parent, told["plan"])
        if is_plan
        else _approved_run(statement),
        review_by=checked.review_by,
        sums=seal.sha256((folder / seal.SUMS).read_bytes()) if sealed else "",
        sections=tuple(_sections(found)),
        deviations=tuple(_deviations(found, found.notes, cut_off=bool(statement and statement.cut_off))),
    )


def _approved_plan(root: Path, plan: str | None) -> tuple[str, ...]:
    """The good approvals of a plan; none where somebody refused it, or may have."""
    given, lost = approvals.of_plan(root, plan) if plan else ([], [])
    last = {
        one.decided.approver: one for one in given if one.signature.good
    }.values()  # what each decided last
    if lost or any(one.decided.decision == "refuse" for one in last):
        return ()
    return tuple(f"{one.decided.approver} {one.signature.told} {one.decided.at}" for one in last)


def _approved_run(statement: seal.Statement | None) -> tuple[str, ...]:
    approval = statement.approval if statement else None
    if approval is None:
        return (both("not_approved"),)
    if approval.standing:
        told = (both("standing_approval"), ", ".join(map(str, approval.standing)), ", ".join(approval.by))
        return (Markup("{} {}: {}").format(*told),)
    return approval.by or (both("self_approved" if approval.by_operator else "not_approved"),)


def _sections(found: RunIndex) -> Iterator[Section]:
    number = 0
    for entry in found.entries if not found.is_plan else found.current:
        lines = list(_instructions(entry.record) if found.is_plan else _work(entry.record))
        record = entry.record
        claims = [_told(record, step.claim) for step in record.verifications] if found.is_plan else []
        if lines or claims or not found.is_plan:
            numbered = [replace(line, number=number + n) for n, line in enumerate(lines, 1)]
            number += len(lines)
            yield Section(entry.record.host, entry.attempt, entry.record, tuple(numbered), tuple(claims))


def _instructions(record: RecordData) -> Iterator[Line]:
    for plan in record.last_plans:
        for change in plan.changes:
            yield Line(0, _told(record, change.title), change.commands, change.diff)


def _work(record: RecordData) -> Iterator[Line]:
    for _, step, made in pages.paired(record.steps):
        match step:
            case PlanStep():
                done = made.done if made else ()
                for change in step.changes:
                    was_made = change.title in done
                    actual = both("made_changes" if was_made else "not_made")
                    yield Line(
                        0, _told(record, step.title), expected=_told(record, change.title), actual=actual
                    )
            case ApplyStep():
                for title in step.done:
                    yield Line(
                        0, _told(record, title), expected=both("not_planned"), actual=both("made_changes")
                    )
            case VerifyStep():
                seen = "\n".join(_seen(row.address, row.port, row.seen) for row in step.rows)
                yield Line(
                    0,
                    _told(record, step.claim),
                    expected=both("claim_holds"),
                    actual=seen,
                    verdict=both(_key(step.told)),
                )
            case FlowStep():
                for port in step.ports:
                    counts = {"asked": port.asked, "refused": port.refused, "unanswered": port.unanswered}
                    seen = both("flow_seen", port=port.port, **counts)
                    yield Line(0, both("mail_flow"), expected=both("mail_is_taken"), actual=seen)
            case UndoStep():
                put_back = "\n".join((*step.put_back, *step.left))
                yield Line(0, step.run, expected=both("put_back"), actual=put_back)


def _told(record: RecordData, text: str) -> Markup:
    """A text of the record in both languages, where it is known how it was made."""
    return in_both({language: said(record.spoken(text), language) for language in LANGUAGES})


def _key(word: str) -> str:
    """The key of the catalogue for an outcome or a verdict."""
    return word.replace(" ", "_")


def _seen(address: str, port: int | None, seen: str) -> str:
    where = address if port is None else f"{address} {port}"
    return f"{where}: {seen}" if where else seen


def _deviations(found: RunIndex, notes: kept.Notes, *, cut_off: bool) -> Iterator[Deviation]:
    """Whatever of a run is not as it was planned, or is not so any more."""
    if cut_off:
        yield Deviation("", both("interrupted_run"), "")
    for host in found.unfinished:
        yield Deviation(host, both("running" if found.of_host(host) else "not_begun"), "")
    for entry in found.current:
        record = entry.record
        where = f"{record.host}, {record.chapter}"
        if record.emergency:
            yield Deviation(where, both("emergency"), record.emergency)
        if record.outcome in _NOT_AS_WANTED:
            told = [record.error.message] if record.error else list(record.not_proven)
            yield Deviation(where, both(_key(record.outcome)), "\n".join(told))
        if record.mode == "apply":
            yield from _otherwise_than_planned(record, where)
    for one in notes.undone:
        by = f"{one.by} ({one.rollback})" if one.rollback else one.by
        yield Deviation(one.host, both("since_put_back"), f"{one.at} {by}")
    for path, redacted in notes.redacted.items():
        yield Deviation(path, both("redacted"), f"{redacted.at} {redacted.by}: {redacted.reason}")
    if notes.expired:
        yield Deviation("", both("expired"), f"{notes.expired.at} {notes.expired.by}")


def _otherwise_than_planned(record: RecordData, where: str) -> Iterator[Deviation]:
    planned = [change.title for plan in record.last_plans for change in plan.changes]
    made = [title for step in record.steps if isinstance(step, ApplyStep) for title in step.done]
    for key, titles in (
        ("not_made", [title for title in planned if title not in made]),
        ("not_planned", [title for title in made if title not in planned]),
    ):
        if titles:
            yield Deviation(where, both(key), "\n".join(titles))
