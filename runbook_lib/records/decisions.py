"""Whether what was done was approved: each approval, each run that spent one, what it made, and open reviews."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from runbook_lib.errors import RunbookError, UsageError
from runbook_lib.records import approvals, chain, planned, policy, signers, standing
from runbook_lib.records.approvals import Given
from runbook_lib.records.approved import told_against
from runbook_lib.records.index import RunIndex
from runbook_lib.records.model import ApplyStep
from runbook_lib.records.planned import Planned
from runbook_lib.records.policy import Wanted
from runbook_lib.records.seal import Statement
from runbook_lib.records.standing import Scope


@dataclass(frozen=True)
class Decisions:
    """What the chain says of approvals, read once.

    Args:
        given: the approvals that are whole, by number.
        taken_in: number of an approval to its place in the order of the chain.
        wrong: what is wrong with the others, and with what the site wants.
        bound: which run made which plan, by its place in that order. A clock may be set back, a place is not.
        keys: principal to fingerprints of that person's keys.
        wanted: run to what the site wanted when it began.
        root, allowed: the folder of all records, and the list of signers; None: there is none.
    """

    given: dict[int, Given] = field(default_factory=dict)
    taken_in: dict[int, int] = field(default_factory=dict)
    wrong: tuple[str, ...] = ()
    bound: dict[int, chain.Bound] = field(default_factory=dict)
    keys: dict[str, frozenset[str]] = field(default_factory=dict)
    wanted: dict[str, Wanted] = field(default_factory=dict)
    root: Path = Path()
    allowed: Path | None = None


def read(root: Path, streams: Sequence[chain.Stream], allowed: Path | None) -> Decisions:
    """Read them.

    Args:
        root: the folder of all records.
        streams: the chain, as far as each line follows the one before.
        allowed: the list of signers; None: there is none.
    """
    entries = [line.entry for line in chain.in_order(streams)]
    given: dict[int, Given] = {}
    taken_in: dict[int, int] = {}
    wrong: list[str] = []
    names = set()
    keys: dict[str, frozenset[str]] = {}
    try:
        for one in signers.parse(signers.read(allowed), str(allowed)) if allowed else ():
            keys[one.principal] = keys.get(one.principal, frozenset()) | {approvals.fingerprint(one.blob)}
    except (UsageError, ValueError):  # the check of the lists names it
        allowed = None
    for place, entry in enumerate(entries):
        if isinstance(entry, chain.Approval):
            name = f"{approvals.NAME}{entry.number}"
            names |= {name, f"{name}.sig"}
            found = (
                approvals.read_one(root, entry, allowed)
                if allowed
                else f"{name}: there is no list of signers"
            )
            if isinstance(found, str):
                wrong.append(found)
            elif not found.signature.good:
                wrong.append(f"{name}: signature: {entry.by}: {found.signature.told}")
            elif found.number in given:
                wrong.append(f"{name}: the chain has this number twice")
            else:
                given[found.number] = found
                taken_in[found.number] = place
    in_force = Wanted()
    wanted: dict[str, Wanted] = {}
    for entry in entries:
        if isinstance(entry, chain.Begin):
            wanted.setdefault(entry.run, in_force)
        if isinstance(entry, chain.Policy):
            said = Wanted(
                approvals=entry.approvals, approval_days=entry.approval_days, review_days=entry.review_days
            )
            if entry.number is not None:
                name = f"{policy.NAME}{entry.number}"
                names |= {name, f"{name}.sig"}
                if told := policy.told_against(root, entry, allowed):
                    wrong.append(told)
                    said = in_force.stricter(said)
            elif in_force.stricter(said) != said:
                wrong.append(f"policy: line {entry.n} asks for less, and nobody signed that")
                said = in_force.stricter(said)
            in_force = said
    for path in sorted((*root.glob(f"{approvals.NAME}*"), *root.glob(f"{policy.NAME}*"))):
        if path.name not in names or path.is_symlink():
            wrong.append(f"{path.name}: the chain does not have it")
    bound = {place: entry for place, entry in enumerate(entries) if isinstance(entry, chain.Bound)}
    return Decisions(given, taken_in, tuple(wrong), bound, keys, wanted, root, allowed)


def contradicted(told: Statement, known: Decisions) -> Iterator[str]:
    """What a run says of its approval, or did without one, and the chain and the approvals do not bear out."""
    mine = {place: entry for place, entry in known.bound.items() if entry.run == told.run}
    if told.kind == "plan" or told.started_at is None:  # killed before its first chapter
        return
    made = told.kind == "apply" and any(host.changes for host in told.hosts.values())
    if told.approval is not None and not mine and not made:  # it was killed before it spent anything
        return
    if (told.approval is not None) != bool(mine):
        yield "approval: the run and the chain do not agree whether it was bound to a plan"
    people: set[str] = set()
    lasting: set[int] = set()
    for place, entry in mine.items():
        if entry.plan != told.plan:
            yield f"approval: the chain bound it to the plan {entry.plan[:16]}"
        for number in entry.approvals:
            one = known.given.get(number)
            if one is None:
                yield f"approval: {approvals.NAME}{number} is not there, or is not good"
                continue
            people.add(one.decided.approver)
            if one.decided.standing is not None:
                lasting.add(number)
            yield from _wrong(one, place, told, known)
    if told.approval is not None and set(told.approval.by) != people:
        yield "approval: the run names other people than the chain"
    if told.approval is not None and set(told.approval.standing) != lasting:
        yield "approval: the run names other standing approvals than the chain"
    wanted = known.wanted.get(told.run, Wanted())
    if made and len(people) < wanted.approvals and told.review_by is None:
        yield f"approval: the site wanted {wanted.approvals}, and it has {len(people)}"


def _wrong(one: Given, place: int, told: Statement, known: Decisions) -> Iterator[str]:
    name, decided, entry = f"{approvals.NAME}{one.number}", one.decided, known.bound[place]
    scope = decided.standing
    if scope is None and (decided.decision != "approve" or decided.plan != entry.plan):
        yield f"approval: {name} does not approve this plan"
    elif known.taken_in[one.number] > place or entry.at > (decided.until or ""):
        yield f"approval: {name} was not good when the run began"
    if scope is not None:
        yield from _wrong_standing(one, scope, place, told, known)
    principal = told.operator.principal
    if decided.approver == principal or one.fingerprint in known.keys.get(principal or "", ()):
        yield f"approval: {name} is by the operator"
    for before, other in known.bound.items():
        if (
            scope is None and other.run != entry.run and before < place and other.plan == entry.plan
            and one.number in other.approvals and {*other.hosts} & {*entry.hosts}
            and {*other.chapters} & {*entry.chapters}
        ):  # fmt: skip
            yield f"approval: {name} was spent by run {other.run}"
    for refusal in known.given.values():
        late = decided.approver == refusal.decided.approver and refusal.number < one.number
        if (
            refusal.decided.decision == "refuse" and refusal.decided.plan == entry.plan
            and known.taken_in[refusal.number] < place and not late and told.review_by is None
        ):  # fmt: skip
            yield f"approval: {refusal.decided.approver} had refused this plan"


def _wrong_standing(one: Given, scope: Scope, place: int, told: Statement, known: Decisions) -> Iterator[str]:
    name, entry = f"{approvals.NAME}{one.number}", known.bound[place]
    if told.operator.principal not in (
        None,
        scope.operator,
    ):  # None: nobody signed it, which is told by itself
        yield f"approval: {name} is for runs of {scope.operator}"
    yield from (f"approval: {name} is not about {host}" for host in entry.hosts if not scope.covers(host))
    before = [given for given in known.given.values() if known.taken_in[given.number] < place]
    if ended := approvals.ended_by(one, before):
        yield f"approval: {ended.decided.approver} had ended {name}"
    done = approvals.good_at(known.root, one, entry.at, known.allowed) if known.allowed else None
    if done is None or not done.good:  # it has to be good at each run that is made by it
        yield f"approval: {name} was not good when the run began"


def not_approved(folder: Path, found: RunIndex, told: Statement, known: Decisions) -> Iterator[str]:
    """What a run made beside the plan that it was bound to, or that plan has beside what a standing approval lets be.

    Args:
        known: what the chain says of approvals.
    """
    if told.approval is None or told.kind != "apply":
        return
    try:
        plan = planned.read(folder)
    except RunbookError as error:
        yield f"approval: {error.problem}"
        return
    if plan.sha256 != told.approval.plan:
        yield "approval: the plan beside its records is another"
    scopes = [
        one.decided.standing
        for number in told.approval.standing
        if (one := known.given.get(number)) and one.decided.standing
    ]
    if scopes:
        new_key = all(scope.new_key for scope in scopes)
        for name, of_host in plan.hosts.items():
            yield from (f"approval: {name}: {line}" for line in standing.outside(of_host, new_key=new_key))
    for entry in found.entries:
        made = {step.digest for step in entry.record.steps if isinstance(step, ApplyStep) and step.done}
        host = plan.hosts.get(entry.record.host)
        for step in entry.record.plans:
            if step.digest in made:
                changes = tuple(Planned.of(change) for change in step.changes)
                there = host.changes_of(entry.record.chapter) if host else ()
                if why := told_against(there, changes):
                    yield f"approval: {entry.path}: {why}"


def to_review(sums: str, told: Statement, known: Decisions) -> str:
    """Until when a run is to be reviewed that waited for no approval; '' where it need not be, or was.

    Args:
        sums: digest of the run's SHA256SUMS, which is what a person reviewed.
    """
    if told.review_by is None:
        return ""
    mine = known.keys.get(told.operator.principal or "", frozenset())
    for one in known.given.values():
        decided = one.decided
        is_other = decided.approver != told.operator.principal and one.fingerprint not in mine
        if (decided.run, decided.sums) == (told.run, sums) and is_other:
            return ""
    return told.review_by


def is_over(moment: str, now: datetime) -> bool:
    """Whether that was before now."""
    return datetime.fromisoformat(moment) < now
