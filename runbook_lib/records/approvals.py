"""Approvals: who approves or refuses which plan, or has reviewed which run, signed on that person's own machine.

`approval.N` and `approval.N.sig` beside the records, N from 1 on; the chain has the digests of both. Nothing but the
file and its signature comes from the approver: no key, no server.
"""

import base64
import hashlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from runbook_lib.errors import ApplyRefused, RecordError, RecordNotSigned, UsageError
from runbook_lib.messages import joined, message
from runbook_lib.records import (
    canonical,
    chain,
    files,
    model,
    origin,
    planned,
    policy,
    seal,
    signer_lists,
    signers,
    signing,
)
from runbook_lib.records.model import Time
from runbook_lib.records.planned import Document, Sha256
from runbook_lib.records.policy import Policy
from runbook_lib.records.signers import APPROVE
from runbook_lib.records.signing import Key, Verified
from runbook_lib.records.standing import DAYS_MAX, Scope

NAME = "approval."
BYTES_MAX = 1 << 20
SKEW = timedelta(minutes=5)  # between the approver's clock and the controller's

Decision = Literal["approve", "refuse", "review", "standing"]
_LATER = (
    "ends",
    "standing",
)  # fields of which nothing stands where they do not apply, as before there were any


class Approval(BaseModel):
    """What a person decided. Times are UTC with their offset.

    Args:
        plan: digest of the plan that is approved or refused.
        until: when an approval ends.
        run, sums: which run was reviewed, and the digest of its SHA256SUMS.
        standing: what may be made by itself until then.
        ends: digest of the standing approval that shall be none any more.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    format: Literal[1] = 1
    approver: str
    at: Time
    comment: str = Field(max_length=2000)
    decision: Decision
    plan: Sha256 | None = None
    until: Time | None = None
    run: str | None = None
    sums: Sha256 | None = None
    ends: Sha256 | None = None
    standing: Scope | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        fields = ("plan", "until", "run", "sums", *_LATER)
        said = {name for name in fields if getattr(self, name) is not None}
        wanted: dict[Decision, tuple[set[str], ...]] = {
            "approve": ({"plan", "until"},),
            "refuse": ({"plan", "until"}, {"ends"}),
            "review": ({"run", "sums"},),
            "standing": ({"standing", "until"},),
        }
        if said not in wanted[self.decision]:
            raise ValueError("says neither which plan is approved until when, nor which run was reviewed")
        if self.standing is not None:
            self._refuse_endless(self.standing)
        return self

    def _refuse_endless(self, scope: Scope) -> None:
        lasts = datetime.fromisoformat(self.until or self.at) - datetime.fromisoformat(self.at)
        if not timedelta(0) < lasts <= timedelta(days=DAYS_MAX):
            raise ValueError(f"stands for {lasts.days} days, and may for 1 to {DAYS_MAX}")
        if scope.operator == self.approver:
            raise ValueError("is by the operator that it names")

    @property
    def content(self) -> bytes:
        """Its one spelling, which is signed."""
        left_out = {name for name in _LATER if getattr(self, name) is None}
        return canonical.to_bytes(self.model_dump(exclude=left_out))


def parse(content: bytes, where: str) -> Approval:
    """Read what a person decided.

    Raises: UsageError: it is none, or is spelled otherwise than `runbook approve` does.
    """
    try:
        return Approval.model_validate(canonical.from_bytes(content))
    except ValidationError as error:
        reason = f"{'.'.join(map(str, error.errors()[0]['loc']))}: {error.errors()[0]['msg']}".lstrip(": ")
    except ValueError as error:
        reason = str(error)
    raise UsageError(
        message("is no approval: {reason}", reason=reason),
        where,
        message("take the file that `runbook approve` wrote"),
    )


def signed(decided: Approval, key: Key) -> tuple[bytes, bytes]:
    """The bytes of an approval, and the approver's signature over them.

    Raises: RecordNotSigned: the key does not sign.
    """
    return decided.content, signing.signature(decided.content, key, APPROVE)


@dataclass(frozen=True)
class Given:
    """An approval as it lies beside the records.

    Args:
        number: of its file.
        entry: what the chain has of it.
        signature: what ssh-keygen said, at the time that it names and at that at which it was taken in.
    """

    number: int
    decided: Approval
    entry: chain.Approval
    signature: Verified

    @property
    def lets_new_key(self) -> bool:
        """Whether it is a standing one by which a key may be replaced, too."""
        return self.decided.standing is not None and self.decided.standing.new_key

    @property
    def told(self) -> str:
        """Whose it is, and its file."""
        return f"{self.decided.approver} ({NAME}{self.number})"

    @property
    def fingerprint(self) -> str:
        """Of the key that signed."""
        return self.signature.told.rpartition(" ")[2]


def take_in(root: Path, file: Path) -> Given:
    """Take in what an approver sent: FILE and FILE.sig.

    Raises:
        UsageError: it is no approval, there is no signature, or that is not good: the list of signers has no such key
            for this, or not at that time.
        RecordNotWritten: nothing can be written there.
    """
    sig = file.with_name(f"{file.name}.sig")
    try:
        content, made = seal.read_regular(file, BYTES_MAX), seal.read_regular(sig, BYTES_MAX)
    except ValueError as error:
        raise UsageError(
            message("cannot be read: {error}", error=str(error)),
            f"{file}, {sig.name}",
            message("name the file; its .sig has to lie beside it"),
        ) from None
    decided = parse(content, str(file))
    allowed = _list(root)
    for at in (decided.at, origin.now_text()):
        done = signing.verify(content, sig, decided.approver, at, allowed, APPROVE)
        if not done.good:
            raise UsageError(
                message(
                    "its signature is not good at {at}: {approver}: {told}",
                    at=at,
                    approver=decided.approver,
                    told=done.told,
                ),
                str(file),
                message("see who may approve, and from when to when: runbook records signers"),
            )
    files.prepare_root(root)
    with chain.locked(root):
        digests = {"sha256": seal.sha256(content), "sig": seal.sha256(made)}
        known = {one.sha256: one.number for one in chain.approvals(root)}
        if digests["sha256"] in known:
            number = known[digests["sha256"]]
            raise UsageError(
                message("is here already, as {approval}", approval=f"{NAME}{number}"),
                str(file),
                message("nothing is to be done"),
            )
        number = max(known.values(), default=0) + 1
        path = root / f"{NAME}{number}"
        files.write_atomically(path, content)
        files.write_atomically(path.with_name(f"{path.name}.sig"), made)
        chain.append(root, {"kind": "approval", "number": number, **digests, "by": decided.approver})
    return next(one for one in read_all(root) if one.number == number)


def _list(root: Path) -> Path:
    """The list of signers in force; each of them follows the one before, signed by somebody whom that one allowed.

    Raises: UsageError: there is none, or one was altered: then nobody knows who may approve.
    """
    streams = chain.read_all(root)
    _, wrong = signer_lists.check(root, streams)
    wrong += [f"{stream.name}{chain.SUFFIX}: {stream.wrong}" for stream in streams if stream.wrong]
    if wrong:
        raise UsageError(
            message("nobody can tell who may approve: {wrong}", wrong=joined("; ", wrong)),
            str(root),
            message("see runbook records verify; take the list again from where it was kept"),
        )
    lists = signers.lists(root)
    if not lists:
        raise UsageError(
            message("there is no list of signers, so nobody may approve"),
            str(root),
            message("write one, and take it in: runbook records signers FILE (docs/audit.md)"),
        )
    return lists[-1]


def read_all(root: Path) -> tuple[Given, ...]:
    """Every approval that the chain has, whole, the first first; what is missing or altered is left out.

    Raises: UsageError: as `take_in`, of the list of signers.
    """
    entries = chain.approvals(root)
    return tuple(_read(root, _list(root), entries)) if entries else ()


def _read(root: Path, allowed: Path, entries: Iterable[chain.Approval]) -> Iterator[Given]:
    for entry in entries:
        given = read_one(root, entry, allowed)
        if isinstance(given, Given):
            yield given


def read_one(root: Path, entry: chain.Approval, allowed: Path) -> Given | str:
    """One approval, or why it is none."""
    found = _as_taken_in(root, entry)
    return found if isinstance(found, str) else _verified(root, entry, found, allowed)


def _as_taken_in(root: Path, entry: chain.Approval) -> Approval | str:
    """What was decided, if the file is the one of the chain; else what is wrong with it."""
    path = root / f"{NAME}{entry.number}"
    sig = path.with_name(f"{path.name}.sig")
    try:
        content, made = seal.read_regular(path, BYTES_MAX), seal.read_regular(sig, BYTES_MAX)
        decided = parse(content, path.name)
    except (ValueError, UsageError) as error:
        why = error.problem if isinstance(error, UsageError) else str(error)
        return message("{file}: {why}", file=path.name, why=why)
    is_that = (seal.sha256(content), seal.sha256(made), decided.approver) == (
        entry.sha256,
        entry.sig,
        entry.by,
    )
    return decided if is_that else message("{file}: is not the one of the chain", file=path.name)


def _verified(root: Path, entry: chain.Approval, decided: Approval, allowed: Path) -> Given:
    path = root / f"{NAME}{entry.number}"
    content, sig = path.read_bytes(), path.with_name(f"{path.name}.sig")
    done = signing.verify(content, sig, decided.approver, decided.at, allowed, APPROVE)
    then = signing.verify(content, sig, decided.approver, entry.at, allowed, APPROVE)
    return Given(entry.number, decided, entry, then if done.good else done)


@dataclass(frozen=True)
class Standing:
    """How a plan stands.

    Args:
        counting: the approvals by others than the operator that are good now.
        own: those by the operator, who approves nothing by that.
        against: why others do not count, or who refused.
        refused: somebody refused it.
        lost: approvals that are missing or altered: one of them may have been a refusal.
    """

    counting: tuple[Given, ...]
    own: tuple[Given, ...]
    against: tuple[str, ...]
    refused: bool
    lost: tuple[str, ...] = ()

    def is_enough(self, wanted: Policy) -> bool:
        """Whether as many different people approved as the policy wants, and nobody refused."""
        return not self.refused and not self.lost and are_enough(self.counting, wanted)

    def require(self, wanted: Policy, plan: str) -> None:
        """Refuse a plan that may not be made.

        Raises: ApplyRefused: with what is missing. Nothing was changed.
        """
        if self.is_enough(wanted):
            return
        if self.lost:
            raise ApplyRefused(
                message(
                    "nobody can tell whether this plan was refused\n    {lost}", lost=joined("; ", self.lost)
                ),
                message("plan {plan}", plan=plan[:16]),
                message("see runbook records verify; take the file again from where it was kept"),
            )
        told = joined("\n    ", ("", *self.against)) if self.against else ""
        raise ApplyRefused(
            message("this plan was refused{told}", told=told)
            if self.refused
            else message(
                "this plan has {number} of {wanted} approvals{told}",
                number=len(self.counting),
                wanted=wanted.approvals,
                told=told,
            ),
            message("plan {plan}", plan=plan[:16]),
            message(
                "an emergency goes on at once, with --emergency --reason 'TICKET: WHY', and stays open "
                "until it is reviewed. Else have it approved by somebody else than you: runbook approve "
                "on their machine, then runbook approvals add FILE here; runbook plan, status and "
                "rollback do not wait"
            ),
        )


def standing(
    root: Path,
    document: Document,
    hosts: Collection[str],
    chapters: Collection[str],
    operator: Key | None,
    wanted: Policy,
    run: str = "",
) -> Standing:
    """How a plan stands now.

    Args:
        hosts, chapters: on and by which it is to be made.
        operator: whose key signs the run; None: nobody's. Then nobody knows whether the approver is somebody else.
        run: the run that goes on; what it spent itself is not spent.
    Raises: UsageError: as `take_in`, of the list of signers.
    """
    now, plan = datetime.now(UTC), document.sha256
    given, lost = of_plan(root, plan)
    last = {one.decided.approver: one for one in given if one.signature.good}  # what each decided last
    bound = [one for one in chain.bound(root) if one.plan == plan]
    counting: list[Given] = []
    own: list[Given] = []
    against: list[str] = []
    refused = False
    for one in given:
        who = one.told
        by = _spent_by(one.number, bound, run, hosts, chapters)
        if not one.signature.good:
            against.append(
                message("{who}: the signature is not good: {told}", who=who, told=one.signature.told)
            )
        elif last[one.decided.approver] is not one:
            continue
        elif one.decided.decision == "refuse":
            refused = True
            against.append(
                message("{who} refused it: {comment}", who=who, comment=one.decided.comment)
                if one.decided.comment
                else message("{who} refused it", who=who)
            )
        elif (why := _out_of_time(one.decided, wanted, now)) or by:
            spent = message("spent by run {run}", run=by.run if by else run)
            against.append(message("{who}: {why}", who=who, why=why or spent))
        elif operator is None or is_operators(one, operator):
            own.append(one)
            against.append(message("{who}: by the operator, or nobody knows who that is", who=who))
        else:
            counting.append(one)
    return Standing(tuple(counting), tuple(own), tuple(against), refused, tuple(lost))


def _spent_by(
    number: int, bound: Iterable[chain.Bound], run: str, hosts: Collection[str], chapters: Collection[str]
) -> chain.Bound | None:
    """Which other run spent an approval on one of these hosts, in one of these chapters."""
    return next(
        (
            one
            for one in bound
            if one.run != run
            and number in one.approvals
            and {*one.hosts} & {*hosts}
            and {*one.chapters} & {*chapters}
        ),
        None,
    )


def of_plan(root: Path, plan: str) -> tuple[list[Given], list[str]]:
    """What was decided of a plan; and which approvals are missing or altered: any of them may have been of it.

    Args:
        plan: its digest.
    Raises: UsageError: as `take_in`, of the list of signers.
    """
    given: list[Given] = []
    lost: list[str] = []
    for entry in chain.approvals(root):
        found = _as_taken_in(root, entry)
        if isinstance(found, str):
            lost.append(found)
        elif found.plan == plan:  # few of all that there are: to check a signature takes a process
            given.append(_verified(root, entry, found, _list(root)))
    return given, lost


def is_operators(given: Given, operator: Key) -> bool:
    """Whether an approval is by the operator: the same person, or the same key."""
    return given.decided.approver == operator.principal or given.fingerprint == fingerprint(operator.blob)


def are_enough(given: Collection[Given], wanted: Policy) -> bool:
    """Whether these are by as many people as the policy wants, each with another key."""
    people, keys = {one.decided.approver for one in given}, {one.fingerprint for one in given}
    return min(len(people), len(keys)) >= wanted.approvals


def _out_of_time(decided: Approval, wanted: Policy, now: datetime) -> str:
    began = datetime.fromisoformat(decided.at)
    ends = min(
        datetime.fromisoformat(decided.until or decided.at), began + timedelta(days=wanted.approval_days)
    )
    if began > now + SKEW:
        return message("it begins at {time}, which is not yet", time=decided.at)
    return message("it ended at {time}", time=ends.isoformat(timespec="seconds")) if now > ends else ""


def fingerprint(blob: str) -> str:
    """As ssh-keygen(1) prints it: of 'TYPE BASE64'."""
    digest = hashlib.sha256(base64.b64decode(blob.split()[1])).digest()
    return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"


@dataclass(frozen=True)
class Lasting:
    """The standing approvals for the runs of one operator.

    Args:
        good: those that are good now.
        against: why the others do not count, a line each.
        wanted: what the site wants.
    """

    good: tuple[Given, ...]
    against: tuple[str, ...]
    wanted: Policy

    def on(self, host: str, *, new_key: bool = False) -> tuple[Given, ...]:
        """Those that are about a host.

        Args:
            new_key: those alone that let a key be replaced.
        """
        return tuple(
            one
            for one in self.good
            if one.decided.standing is not None
            and one.decided.standing.covers(host)
            and (one.lets_new_key or not new_key)
        )


def lasting(root: Path) -> Lasting:
    """The standing approvals by which whoever runs this may have something made by itself now.

    Raises:
        UsageError: as `take_in`, of the list of signers.
        RecordNotSigned: the site wants approvals, and no key is there that says who the operator is.
    """
    wanted = policy.in_force(root)
    operator, now = _operator(root, wanted), datetime.now(UTC)
    entries = chain.approvals(root)
    lost = tuple(told for entry in entries if isinstance(told := _as_taken_in(root, entry), str))
    if lost:  # one of them may have ended another
        return Lasting((), lost, wanted)
    given = read_all(root)
    good: list[Given] = []
    against: list[str] = []
    for one in given:
        if one.decided.standing is None:
            continue
        if why := _told_against(root, one, given, operator, now):
            against.append(message("{who}: {why}", who=one.told, why=why))
        else:
            good.append(one)
    return Lasting(tuple(good), tuple(against), wanted)


def _told_against(root: Path, one: Given, given: Iterable[Given], operator: Key | None, now: datetime) -> str:
    """Why a standing approval does not count for an operator now; '' where it does."""
    decided = one.decided
    moment = now.isoformat(timespec="milliseconds")
    done = good_at(root, one, moment, _list(root)) if one.signature.good else one.signature
    if not done.good:  # also by a key that went out of use since
        return message("the signature is not good: {told}", told=done.told)
    if ended := ended_by(one, given):
        return message("{who} ended it", who=ended.told)
    if datetime.fromisoformat(decided.at) > now + SKEW:
        return message("it begins at {time}, which is not yet", time=decided.at)
    if decided.until is not None and now > datetime.fromisoformat(decided.until):
        return message("it ended at {time}", time=decided.until)
    if operator is None or is_operators(one, operator):
        return message("by the operator, or nobody knows who that is")
    if decided.standing is not None and decided.standing.operator != operator.principal:
        return message("it is for runs of {operator}", operator=decided.standing.operator)
    return ""


def ended_by(one: Given, given: Iterable[Given]) -> Given | None:
    """Which of these approvals ended a standing one; None where none did."""
    return next(
        (other for other in given if other.decided.ends == one.entry.sha256 and other.signature.good), None
    )


def good_at(root: Path, one: Given, at: str, allowed: Path) -> Verified:
    """What ssh-keygen says of an approval's signature at a moment.

    Args:
        at: the moment, in UTC with its offset.
        allowed: the list of signers.
    """
    sig = root / f"{NAME}{one.number}.sig"
    return signing.verify(one.decided.content, sig, one.decided.approver, at, allowed, APPROVE)


@dataclass(frozen=True)
class Binding:
    """A plan that a run is bound to, and who approved it.

    Args:
        counting: the approvals by others than the operator.
        by_operator: the operator approved it, too.
        is_enough: these are as many people as the site wants.
    """

    document: Document
    counting: tuple[Given, ...]
    by_operator: bool
    is_enough: bool

    @property
    def approval(self) -> model.Approval:
        """As a record has it."""
        by = tuple(dict.fromkeys(one.decided.approver for one in self.counting))
        standing = tuple(one.number for one in self.counting if one.decided.standing is not None)
        return model.Approval(
            plan=self.document.sha256, by=by, by_operator=self.by_operator, standing=standing
        )

    def spend(self, root: Path, run: str, hosts: Sequence[str], chapters: Sequence[str]) -> None:
        """Keep the plan beside the run's records, and write into the chain that it makes that on these hosts; once.

        A standing approval is not spent by that.

        Raises:
            ApplyRefused: another run spent one of these approvals meanwhile.
            RecordError: the chain is damaged.
            RecordNotWritten: nothing can be written there. Nothing was begun.
        """
        numbers = [one.number for one in self.counting]
        entry = {
            "run": run, "plan": self.document.sha256, "hosts": list(hosts), "chapters": list(chapters),
            "approvals": numbers,
        }  # fmt: skip
        with chain.locked(root):
            there = [one for one in chain.bound(root) if one.plan == self.document.sha256]
            mine = (one for one in there if one.run == run)
            if any({*hosts} <= {*one.hosts} and {*chapters} <= {*one.chapters} for one in mine):
                return
            for number in (one.number for one in self.counting if one.decided.standing is None):
                if by := _spent_by(number, there, run, hosts, chapters):
                    raise ApplyRefused(
                        message(
                            "{approval} was spent by run {run} meanwhile",
                            approval=f"{NAME}{number}",
                            run=by.run,
                        ),
                        message("plan {plan}", plan=self.document.sha256[:16]),
                        message("see what that run made, and have another plan approved: runbook plan"),
                    )
            planned.keep(root / run, self.document)
            chain.append(root, {"kind": "bound", **entry})


def bind(
    root: Path,
    document: Document,
    hosts: Sequence[str],
    chapters: Sequence[str] = (),
    *,
    run: str = "",
    emergency: bool = False,
) -> Binding:
    """Who approved a plan that is about to be made.

    Args:
        hosts, chapters: on and by which it is to be made; no chapter: all of the plan's.
        run: the run that it belongs to, where that has begun.
        emergency: no approval is waited for.
    Raises:
        UsageError: nobody can tell who may approve.
        ApplyRefused: the site wants more approvals than there are, or somebody refused the plan.
        RecordNotSigned: the site wants approvals, and no key is there that says who the operator is.
    """
    wanted = policy.in_force(root)
    operator = _operator(root, wanted)
    found = standing(root, document, hosts, chapters or tuple(document.chapters), operator, wanted, run)
    if not emergency:
        found.require(wanted, document.sha256)
    return Binding(document, found.counting, bool(found.own), found.is_enough(wanted))


def bind_again(root: Path, document: Document, hosts: Sequence[str], run: str) -> Binding:
    """As `bind`, of a run that goes on: what it spent when it began still counts, unless somebody refused since.

    A standing approval counts as long as it is good.

    Raises: as `bind`.
    """
    wanted = policy.in_force(root)
    operator = _operator(root, wanted)
    found = standing(root, document, hosts, tuple(document.chapters), operator, wanted, run)
    if found.refused or found.lost:
        found.require(wanted, document.sha256)
    numbers = {number for entry in chain.bound(root) if entry.run == run for number in entry.approvals}
    spent = tuple(one for one in read_all(root) if one.number in numbers)
    if any(one.decided.standing is not None for one in spent):
        good = {one.number for one in lasting(root).good}
        spent = tuple(one for one in spent if one.decided.standing is None or one.number in good)
    again = replace(found, counting=spent)
    return Binding(document, spent, bool(found.own), again.is_enough(wanted))


def _operator(root: Path, wanted: Policy) -> Key | None:
    """Whose key signs the run; None where nobody's does, and none need to."""
    if not wanted.approvals and not chain.approvals(root):
        return None
    try:
        return signing.find_key(root)
    except RecordNotSigned:
        if wanted.approvals:
            raise
        return None


def reviewed(root: Path) -> dict[str, Given]:
    """Run to the review of it that somebody signed; whose seal it was is in there."""
    return {
        one.decided.run: one for one in read_all(root) if one.decided.run is not None and one.signature.good
    }


def review_of(root: Path, run: str) -> tuple[str, str]:
    """A run that is to be reviewed, and the digest of its list of files.

    Raises: RecordError: it was not sealed.
    """
    path = root / run / seal.SUMS
    try:
        return run, seal.sha256(seal.read_regular(path, seal.SUMS_BYTES_MAX))
    except ValueError as error:
        raise RecordError(
            message("the run was not sealed: {error}", error=str(error)),
            str(path),
            message("runbook records list shows the runs that are here"),
        ) from None
