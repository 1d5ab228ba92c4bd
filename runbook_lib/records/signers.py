"""Who may sign what, and from when to when: `signers.N` beside the records, as ssh-keygen(1) reads it, N from 1 on.

A list is never altered: another one follows it, signed by somebody whom the list before allows to change it. Nobody
who signs or approves runs may do that. A key that went out of use gets an end (`valid-before`), and stays, so that
what it signed before can be checked.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from runbook_lib.errors import UsageError
from runbook_lib.messages import message
from runbook_lib.records import chain

RUN = "run@runbook"
APPROVE = "approve@runbook"
CHANGE = "signers@runbook"
NAME = "signers."
KEY_TYPE = re.compile(r"(sk-)?(ssh|ecdsa)-[a-z0-9@.-]+|mldsa[a-z0-9@.-]+")
_LINE = re.compile(
    r'(?P<principal>[A-Za-z0-9][^\s,"!*?]*)[ \t]+(?P<options>(?:[a-z-]+(?:="[^"]*")?,?)+)[ \t]+'
    r"(?P<type>[a-z0-9@.-]+)[ \t]+(?P<key>[A-Za-z0-9+/=]+)(?:[ \t].*)?"
)
_OPTION = re.compile(r'(?P<name>[a-z-]+)="(?P<value>[^"]*)"')
_TIME = re.compile(r"[0-9]{8}(?:[0-9]{4}(?:[0-9]{2})?)?")


@dataclass(frozen=True)
class Signer:
    """A line of the list: whose key it is, what it may sign, and when. `begins`, `ends`: '' where it is not said."""

    principal: str
    blob: str
    namespaces: frozenset[str]
    begins: str
    ends: str

    def may(self, namespace: str, blob: str, now: datetime) -> bool:
        """Whether a key may sign this now."""
        moment = f"{now.astimezone(UTC):%Y%m%d%H%M%S}"
        in_time = _whole(self.begins) <= moment and (not self.ends or moment < _whole(self.ends))
        return blob == self.blob and namespace in self.namespaces and in_time


def _whole(time: str) -> str:
    return time.ljust(14, "0") if time else ""


def lists(root: Path) -> list[Path]:
    """The lists, the first first."""
    found = [path for path in root.glob(f"{NAME}*") if path.suffix[1:].isdigit()]
    return sorted(found, key=lambda path: int(path.suffix[1:]))


def in_force(root: Path) -> tuple[Signer, ...]:
    """The last list that the chain has; nothing where there is none.

    Raises: UsageError: it is none, or cannot be read.
    """
    last = chain.last_list(root)
    there = [path for path in lists(root) if int(path.suffix[1:]) <= last]
    return parse(read(there[-1]), str(there[-1])) if there else ()


def read(path: Path) -> bytes:
    """The bytes of a list.

    Raises: UsageError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(
            message("cannot be read: {reason}", reason=error.strerror),
            str(path),
            message("see whether it is a file, and yours to read"),
        ) from None


def parse(content: bytes, where: str) -> tuple[Signer, ...]:
    """The lines of a list.

    Raises: UsageError: a line is none; lets a key sign anything, or has a time with a zone; or somebody may both sign
        runs and change the list.
    """
    found: list[Signer] = []
    for number, line in enumerate(content.decode(errors="replace").splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            found.append(_signer(line.strip(), f"{where}, line {number}"))
    at_work = [one for one in found if {RUN, APPROVE} & one.namespaces]
    people, keys = {one.principal for one in at_work}, {one.blob for one in at_work}
    both = {
        s.principal for s in found if CHANGE in s.namespaces and (s.principal in people or s.blob in keys)
    }
    if both:
        raise UsageError(
            message("{both} may sign runs or approve them, and change who may", both=", ".join(sorted(both))),
            where,
            message(
                "give {change}, with a key of its own, to somebody who neither makes changes on servers "
                "nor approves them",
                change=CHANGE,
            ),
        )
    if not any(CHANGE in one.namespaces for one in found):
        raise UsageError(
            message("nobody in it may change it later ({change})", change=CHANGE),
            where,
            message("add a line for who keeps the list"),
        )
    return tuple(found)


def _signer(line: str, where: str) -> Signer:
    parts = _LINE.fullmatch(line)
    options = dict(_OPTION.findall(parts["options"])) if parts else {}
    known = {"namespaces", "valid-after", "valid-before"}
    words = _OPTION.sub("", parts["options"]).strip(",") if parts else "x"
    times = (options.get("valid-after", ""), options.get("valid-before", ""))
    if (
        parts is None or words or not KEY_TYPE.fullmatch(parts["type"]) or not options.keys() <= known
        or not options.get("namespaces") or any(time and not _TIME.fullmatch(time) for time in times)
    ):  # fmt: skip
        raise UsageError(
            message("is no line of a list of signers as it is wanted here"),
            where,
            message(
                'write PRINCIPAL namespaces="{run}",valid-after="20260101000000" KEYTYPE KEY: one '
                "principal a line, each with its namespaces, times in UTC and without a letter behind "
                "them",
                run=RUN,
            ),
        )
    names = frozenset(options["namespaces"].split(","))
    return Signer(parts["principal"], f"{parts['type']} {parts['key']}", names, *times)


def refuse_removal(before: tuple[Signer, ...], after: tuple[Signer, ...], where: str) -> None:
    """Refuse a list that has not every key of the one before: what it signed could not be checked any more.

    Raises: UsageError.
    """
    there = {(one.principal, one.blob) for one in after}
    gone = [one.principal for one in before if (one.principal, one.blob) not in there]
    if gone:
        raise UsageError(
            message(
                "a key of {gone} is not in it any more, so what it signed could not be checked",
                gone=", ".join(gone),
            ),
            where,
            message("keep the line, and give it an end: valid-before"),
        )
