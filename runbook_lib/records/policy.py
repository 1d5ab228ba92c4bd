"""What a site wants before changes are made: in force is the stricter of the inventory and the chain.

So whoever edits the inventory can ask for more and never for less. Less takes a signature of somebody who may change
the list of signers, which nobody may who makes changes.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from runbook_lib.errors import UsageError
from runbook_lib.messages import message
from runbook_lib.records import canonical, chain, files, origin, seal, signers
from runbook_lib.records.model import Time
from runbook_lib.records.signers import CHANGE

NAME = "policy."
APPROVAL_DAYS, REVIEW_DAYS = 7, 3  # where nobody says


@dataclass(frozen=True)
class Policy:
    """What is wanted.

    Args:
        approvals: by so many people other than the operator.
        approval_days: how long an approval is good at most.
        review_days: within how many days an emergency is to be reviewed.
    """

    approvals: int = 0
    approval_days: int = APPROVAL_DAYS
    review_days: int = REVIEW_DAYS


class Wanted(BaseModel):
    """As it is said somewhere; None: nothing is said."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    approvals: int = 0
    approval_days: int | None = None
    review_days: int | None = None

    def stricter(self, other: "Wanted") -> "Wanted":
        """The stricter of both, field by field."""
        return Wanted(
            approvals=max(self.approvals, other.approvals),
            approval_days=_least(self.approval_days, other.approval_days),
            review_days=_least(self.review_days, other.review_days),
        )


class Lowered(Wanted):
    """Another policy than before, to be signed. Times are UTC with their offset."""

    format: Literal[1] = 1
    at: Time


def _just_after(moment: str) -> str:
    return (datetime.fromisoformat(moment) + timedelta(milliseconds=1)).isoformat(timespec="milliseconds")


def _least(one: int | None, other: int | None) -> int | None:
    return min((days for days in (one, other) if days is not None), default=None)


def of_inventory() -> Wanted:
    """What the inventory in use says."""
    said = origin.records_of_site()
    if said is None:
        return Wanted()
    return Wanted(
        approvals=said.approvals, approval_days=said.approval_days, review_days=said.emergency_review_days
    )


def of_chain(root: Path) -> Wanted:
    """What the chain says: each entry can only ask for more, unless it is signed by who may change the list."""
    found = Wanted()
    for entry in chain.policies(root):
        said = Wanted(
            approvals=entry.approvals, approval_days=entry.approval_days, review_days=entry.review_days
        )
        found = said if entry.number is not None and not told_against(root, entry) else found.stricter(said)
    return found


def told_against(root: Path, entry: chain.Policy, allowed: Path | None = None) -> str:
    """What is wrong with an entry that somebody signed; '' where nothing is.

    Args:
        allowed: a list of signers; None: the last one of the records.
    """
    from runbook_lib.records import (
        signing,  # every chapter asks what is wanted, and few sites ever asked for less
    )

    path = root / f"{NAME}{entry.number}"
    sig = path.with_name(f"{path.name}.sig")
    try:
        content, made = seal.read_regular(path, 1 << 16), seal.read_regular(sig, 1 << 16)
        said = Lowered.model_validate(canonical.from_bytes(content))
    except ValueError as error:  # pydantic's is one
        return f"{path.name}: {str(error).splitlines()[0]}"
    if (seal.sha256(content), seal.sha256(made)) != (entry.sha256, entry.sig):
        return f"{path.name}: is not the one of the chain"
    if (said.approvals, said.approval_days, said.review_days) != (
        entry.approvals, entry.approval_days, entry.review_days,
    ):  # fmt: skip
        return f"{path.name}: the chain says otherwise"
    before = [one.at for one in takewhile(lambda one: one != entry, chain.policies(root))]
    if before and said.at <= max(before):
        return f"{path.name}: is older than what it would replace"
    allowed = allowed or next(reversed(signers.lists(root)), None)
    done = signing.verify(content, sig, entry.by or "", said.at, allowed, CHANGE) if allowed else None
    return (
        "" if done and done.good else f"{path.name}: {done.told if done else 'there is no list of signers'}"
    )


def in_force(root: Path) -> Policy:
    """What holds now."""
    found = of_chain(root).stricter(of_inventory())
    return Policy(
        found.approvals,
        APPROVAL_DAYS if found.approval_days is None else found.approval_days,
        REVIEW_DAYS if found.review_days is None else found.review_days,
    )


def note(root: Path) -> None:
    """Write into the chain what the inventory asks for, where that is more.

    Raises: RecordError, RecordNotWritten: as `chain.append`.
    """
    before = of_chain(root)
    wanted = before.stricter(of_inventory())
    if wanted != before:
        with chain.locked(root):
            chain.append(root, {"kind": "policy", **wanted.model_dump()})


def lower(root: Path, wanted: Wanted) -> str:
    """Let another policy follow, signed by somebody who may change the list of signers.

    Returns: who signed.
    Raises:
        RecordNotSigned: no key is there that may.
        UsageError: another policy came into force while this one was signed.
        RecordNotWritten: nothing can be written there.
    """
    from runbook_lib.records import signing

    before = chain.policies(root)
    last = max((entry.at for entry in before), default="")
    at = max(origin.now_text(), _just_after(last) if last else "")  # a clock may be set back
    content = canonical.to_bytes(Lowered(**wanted.model_dump(), at=at).model_dump())
    key = signing.key_for(root, CHANGE)
    made = signing.signature(content, key, CHANGE)
    files.prepare_root(root)
    with chain.locked(root):
        if chain.policies(root) != before:
            raise UsageError(
                message("another policy came into force meanwhile. Nothing was written"),
                str(root),
                message("see whether this one is still wanted, and type it again"),
            )
        number = max((entry.number or 0 for entry in chain.policies(root)), default=0) + 1
        path = root / f"{NAME}{number}"
        files.write_atomically(path, content)
        files.write_atomically(path.with_name(f"{path.name}.sig"), made)
        entry = {
            "number": number,
            "sha256": seal.sha256(content),
            "sig": seal.sha256(made),
            "by": key.principal,
        }
        chain.append(root, {"kind": "policy", **wanted.model_dump(), **entry})
    return key.principal
