"""The format of a record, `RUN/HOST/NN-chapter.json`: what the library wrote while a chapter worked."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from string import Formatter
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from runbook_lib import warned
from runbook_lib.errors import RecordError
from runbook_lib.messages import Message, message
from runbook_lib.messages.words import listed

Verdict = Literal["pass", "fail", "could not test", "not asked", "not verified", "not tested"]
Outcome = Literal["running", "passed", "planned", "not proven", "failed", "interrupted"]


def _aware(text: str) -> str:
    moment = datetime.fromisoformat(text)
    if moment.utcoffset() != timedelta(0) or not 1970 <= moment.year < 9000:
        raise ValueError("is no time in UTC with its offset")
    return text


Time = Annotated[str, AfterValidator(_aware)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Change(_Part):
    """One difference between the host and what is wanted, as it was shown before anything was made.

    Args:
        thing, before, after: what is changed, from what to what, as an approval binds it; '' of earlier versions.
    """

    title: str
    kind: str
    thing: str = ""
    before: str = ""
    after: str = ""
    diff: str
    commands: str


class Withheld(_Part):
    """One difference that is not made here: somebody else owns the file, or it rests on such a file."""

    title: str
    kind: str
    diff: str
    owner: str
    why: str
    lines: str


class Row(_Part):
    """One measurement of a verification."""

    claim: str
    port: int | None
    address: str
    client: str
    verdict: Verdict
    seen: str
    command: str

    @property
    def told(self) -> str:
        """The verdict in a word; `warning` where a pass has one."""
        return warned.told(self.verdict, (self.seen,))


class PlanStep(_Part):
    """What would change, shown before anything did; no change is 'nothing to do'."""

    kind: Literal["plan"] = "plan"
    title: str
    digest: str
    changes: tuple[Change, ...]
    script: str = ""
    withheld: tuple[Withheld, ...] = ()


class ApplyStep(_Part):
    """What was made of a plan, as the titles of its changes."""

    kind: Literal["apply"] = "apply"
    digest: str
    done: tuple[str, ...]
    journal: str | None


class VerifyStep(_Part):
    """A proposition and what was measured for it."""

    kind: Literal["verify"] = "verify"
    claim: str
    rows: tuple[Row, ...]
    verdict: Verdict

    @property
    def told(self) -> str:
        """The verdict in a word; `warning` where a pass has one."""
        return warned.told(self.verdict, (row.seen for row in self.rows))


class PortFlow(_Part):
    """What came back from one port, asked once a second while changes were made."""

    port: int
    level: str
    asked: int
    refused: int
    unanswered: int
    longest_gap_s: float
    wrong: tuple[str, ...]


class FlowStep(_Part):
    """Whether mail flowed while changes were made, as a process beside them saw it from outside."""

    kind: Literal["flow"] = "flow"
    ports: tuple[PortFlow, ...]


class UndoStep(_Part):
    """A run that was put back on the host: what its undo.sh put back, and what it left alone.

    What was left alone is of the run, or a service that ran before it and was stopped since (NOT AS BEFORE).
    """

    kind: Literal["undo"] = "undo"
    run: str
    put_back: tuple[str, ...]
    left: tuple[str, ...]

    @property
    def is_whole(self) -> bool:
        """Whether nothing of the run itself was left alone."""
        return all(line.startswith("NOT AS BEFORE") for line in self.left)


class NoteStep(_Part):
    """A sentence for the reader."""

    kind: Literal["note"] = "note"
    text: str


Step = Annotated[
    PlanStep | ApplyStep | VerifyStep | FlowStep | UndoStep | NoteStep, Field(discriminator="kind")
]


_STEP: TypeAdapter[Step] = TypeAdapter(Step)


def step(fields: Mapping[str, object]) -> Step:
    """A step of a record from its fields, checked."""
    return _STEP.validate_python(fields)


class Failure(_Part):
    """What stopped the chapter."""

    type: str
    message: str


class Approval(_Part):
    """The plan that a chapter was bound to, and who approved it.

    Args:
        plan: its digest.
        by: people other than the operator.
        by_operator: the operator approved it: that is no approval by somebody else.
        standing: numbers of the standing approvals by which it was made, where nobody approved the plan itself.
    """

    plan: str
    by: tuple[str, ...]
    by_operator: bool
    standing: tuple[int, ...] = ()

    @property
    def told(self) -> str:
        """Approved by whom, in words."""
        if self.standing:
            numbers = ", ".join(map(str, self.standing))
            told = {"numbers": numbers, "people": listed(self.by)}
            return message("approved by the standing approval {numbers} of {people}", **told)
        if self.by:
            return message("approved by {people}", people=listed(self.by))
        return message("self-approved") if self.by_operator else message("approved by nobody")


class Made(_Part):
    """How a text of the library was made: its template, and what stood in it, which may have been made, too."""

    template: str
    fields: "dict[str, str | Made]"

    @classmethod
    def of(cls, one: Message) -> "Made":
        """How a message was made."""
        fields: dict[str, str | Made] = {
            name: cls.of(value) if isinstance(value, Message) else str(value)
            for name, value in one.fields.items()
        }
        return cls(template=one.template, fields=fields)

    def again(self, text: str) -> str:
        """The message, where it is this text in English; else the text, as of a record that somebody altered."""
        try:
            made = self._message(len(text))
        except (KeyError, ValueError):
            return text
        return made if made == text else text

    def _message(self, longest: int) -> Message:
        """Raises: KeyError, ValueError: the template is none of ours, or says more than so many characters."""
        fields = {
            name: one if isinstance(one, str) else one._message(longest) for name, one in self.fields.items()
        }
        length = 0
        for words, name, form, conversion in Formatter().parse(self.template):
            if form or conversion or not (name is None or name.isidentifier()):
                raise ValueError(self.template)
            length += len(words) + (0 if name is None else len(fields[name]))
            if length > longest:
                raise ValueError(self.template)
        return Message(self.template, fields)


class RecordData(_Part):
    """A whole record. Times are UTC with their offset, and those of a clock that may be set.

    `approval` is None where the chapter was bound to no plan; `review_by` is when an emergency that waited for no
    approval is to be reviewed. `took_s` is by a clock that only runs (None: written before that was measured);
    `clock_set_by_s` is by how much the other one was set meanwhile. `messages` is how
    texts of the library in this record were made, by the text in English; earlier versions wrote none.
    """

    format: Literal[1] = 1
    run: str
    host: str
    chapter: str
    title: str
    mode: Literal["plan", "apply"]
    reason: str
    emergency: str = ""
    approval: Approval | None = None
    review_by: Time | None = None
    operator: str
    lab: bool
    started_at: Time
    ended_at: Time | None = None
    took_s: float | None = None
    clock_set_by_s: float | None = None
    library: str
    commit: str | None
    clean_tree: bool | None
    inventory_sha256: str
    facts: dict[str, str]
    steps: tuple[Step, ...] = ()
    outcome: Outcome = "running"
    summary: str | None = None
    error: Failure | None = None
    undo: str | None = None
    needed_root: dict[str, str] = Field(default_factory=dict)
    open_decisions: dict[str, str] = Field(default_factory=dict)
    refusal: str | None = None
    messages: dict[str, Made] = Field(default_factory=dict)

    def spoken(self, text: str) -> str:
        """A text of this record as the message that it was, to be said in a language; any other as it is."""
        made = self.messages.get(text)
        return made.again(text) if made else text

    @property
    def plans(self) -> tuple[PlanStep, ...]:
        return tuple(step for step in self.steps if isinstance(step, PlanStep))

    @property
    def last_plans(self) -> tuple[PlanStep, ...]:
        """Of each title the plan that was shown last: by hand a cell may be run again."""
        return tuple({plan.title: plan for plan in self.plans}.values())

    @property
    def verifications(self) -> tuple[VerifyStep, ...]:
        """Of each claim how it came out when it was asked last."""
        return tuple({step.claim: step for step in self.steps if isinstance(step, VerifyStep)}.values())

    @property
    def changes_planned(self) -> int:
        """How many differences the plans showed."""
        return sum(len(plan.changes) for plan in self.last_plans)

    @property
    def changes_made(self) -> int:
        """How many changes were made on the host."""
        return sum(len(step.done) for step in self.steps if isinstance(step, ApplyStep))

    @property
    def left_to(self) -> tuple[str, ...]:
        """Who has lines of this chapter to add, since the files are theirs; each once."""
        owners = (one.owner for plan in self.last_plans for one in plan.withheld if one.owner)
        return tuple(dict.fromkeys(owners))

    @property
    def not_proven(self) -> tuple[str, ...]:
        """What could not be tested, a line for each reason; the reason says who must act."""
        reasons: dict[str, list[str]] = {}
        for step in self.verifications:
            for row in step.rows:
                if row.verdict == "could not test":
                    reasons.setdefault(row.seen, []).append(row.claim)
        lines = []
        for seen, claims in reasons.items():
            others = len(dict.fromkeys(claims)) - 1
            told = {"claim": self.spoken(claims[0]), "seen": self.spoken(seen)}
            lines.append(
                message("{claim} (and {n} more): {seen}", n=others, **told)
                if others
                else message("{claim}: {seen}", **told)
            )
        return tuple(lines)

    def count(self, verdict: Verdict) -> int:
        """How many claims ended with this verdict."""
        return sum(step.verdict == verdict for step in self.verifications)

    @property
    def warned(self) -> int:
        """How many of those that passed have a warning."""
        return sum(step.told == "warning" for step in self.verifications)


def told_of(data: RecordData) -> RecordData:
    """A record with what is told of it beside others: its outcome, what is counted, and what a person has to do.

    Not in it: diffs, commands, scripts, rows of claims without any doubt, facts but the family; most of its bytes.
    """
    steps = tuple(_told_of_step(step) for step in data.steps)
    said = {text for step in steps if isinstance(step, VerifyStep) for text in _said(step)}
    return data.model_copy(
        update={
            "steps": steps,
            "summary": None,
            "facts": {name: value for name, value in data.facts.items() if name == "family"},
            "messages": {
                text: made for text, made in data.messages.items() if text in said or text == data.emergency
            },
        }
    )


def _told_of_step(step: Step) -> Step:
    if isinstance(step, PlanStep):
        changes = tuple(one.model_copy(update={"diff": "", "commands": ""}) for one in step.changes)
        withheld = tuple(one.model_copy(update={"diff": "", "lines": ""}) for one in step.withheld)
        return step.model_copy(update={"changes": changes, "withheld": withheld, "script": ""})
    if isinstance(step, VerifyStep):
        return step.model_copy(update={"rows": tuple(row for row in step.rows if row.told != "pass")})
    return step


def _said(step: VerifyStep) -> tuple[str, ...]:
    return tuple(text for row in step.rows for text in (row.claim, row.seen))


def to_bytes(data: RecordData) -> bytes:
    """The bytes of a record's file: UTF-8, one line end at its end, stable order.

    As `json.dumps(…, ensure_ascii=False, indent=1)` writes them, which works in Python alone where it indents; and a
    record is written whole at each of its steps.
    """
    return data.model_dump_json(indent=1).encode() + b"\n"


def read(path: Path) -> RecordData:
    """Read a record.

    Raises: RecordError when it is not one of this format; the message has field and reason.
    """
    try:
        return RecordData.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or message("the file")
        raise RecordError(
            message("{field}: {reason}", field=field, reason=first["msg"]),
            str(path),
            message("look who wrote it: the library writes format 1 only"),
        ) from error
