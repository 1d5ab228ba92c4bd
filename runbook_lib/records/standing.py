"""Standing approvals: that a server's certificate may be renewed by itself, on which hosts, and in whose runs.

What a renewal is, is judged by kind, thing and values of each planned change, never by its words: so the same rules
hold before a change is made, and years later, for whoever checks the records.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from runbook_lib.messages import message
from runbook_lib.records.planned import OfHost, Planned

DAYS_MAX = 400  # from its signature on: a person looks at it again at least once in so long
_CERTIFICATE, _CSR, _KEY, _JOINED, _TAKEN_UP = (
    "CertificateToIssue",
    "CsrChange",
    "KeyPairChange",
    "MadeOnHost",
    "TakenUp",
)
SAME_ROOT = (
    "root "  # begins the line of a certificate that the root signed which signs now; its fingerprint follows
)
_JOINED_FILE, _CSR_FILE = "file 600 root:root ", "file 644 root:root "


class Scope(BaseModel):
    """What a standing approval lets be made.

    Args:
        hosts: names of the inventory; 'all': each that it has at the time.
        operator: whose key signs the runs, by the list of signers.
        new_key: whether a key may be replaced, too.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    what: Literal["renewal"] = "renewal"
    hosts: Annotated[tuple[str, ...], Field(min_length=1)] | Literal["all"]
    operator: str = Field(min_length=1)
    new_key: bool

    def covers(self, host: str) -> bool:
        """Whether it is about a host."""
        return self.hosts == "all" or host in self.hosts


def outside(host: OfHost, *, new_key: bool) -> tuple[str, ...]:
    """What the plan for a host has beside the renewal of its certificates, a line each; none where it has nothing else.

    Args:
        new_key: whether a key may be replaced, too.
    """
    changes = tuple(change for one in host.chapters for change in one.changes)
    return tuple(
        message("{kind} {thing}: {why}", kind=one.kind, thing=one.thing, why=why)
        for one in changes
        for why in _outside(one, changes, new_key=new_key)
    )


def _outside(change: Planned, all_of_host: Sequence[Planned], *, new_key: bool) -> Iterator[str]:
    if change.kind == _CERTIFICATE:
        yield from _another_certificate(change)
    elif change.kind == _CSR:
        yield from _another_request(change, all_of_host, new_key=new_key)
    elif change.kind == _KEY:
        if not new_key:
            yield message("a new key is not in the standing approval")
        elif "absent" in change.before.split("\n"):
            yield message("there is no key yet that it would replace")
    elif change.kind == _JOINED:
        if not change.before.startswith(_JOINED_FILE):
            yield message("there is no such file yet that it would replace")
    elif change.kind == _TAKEN_UP:
        if change.after != "reload":
            yield message("it is more than a reload")
    else:
        yield message("is no part of a renewal")


def _another_certificate(change: Planned) -> Iterator[str]:
    """Why a certificate is not the same one again, with other days."""
    signed_by, before = _certificate_there(change)
    after = _lower(change.after.split("\n")[2:])
    if not change.before.startswith("file "):
        yield message("there is no certificate yet that it would replace")
    elif not signed_by.startswith(SAME_ROOT):
        yield message("another root would sign than signed the one that is there")
    elif before != after:
        names = {"before": ", ".join(sorted(before)), "after": ", ".join(sorted(after))}
        yield message("other names: {before} before, {after} after", **names)


def _another_request(change: Planned, all_of_host: Sequence[Planned], *, new_key: bool) -> Iterator[str]:
    """Why a CSR is not one for the certificate that is there."""
    names = [_certificate_there(one)[1] for one in all_of_host if one.kind == _CERTIFICATE]
    makes_key = any(one.kind == _KEY for one in all_of_host)
    if _lower(change.after.split("\n")) not in names:
        yield message("no certificate that is renewed has exactly the names that it asks for")
    elif change.before != "absent" and not change.before.startswith(_CSR_FILE):
        yield message("another file is in its place")
    elif change.before != "absent" and not makes_key and not new_key:
        yield message("it is for another key, which is not in the standing approval")


def _certificate_there(change: Planned) -> tuple[str, frozenset[str]]:
    """Of a certificate to be issued: who signed the one that is there, and the names of that one."""
    _, *there = change.before.split("\n")
    return (there[0], _lower(there[1:])) if there else ("", frozenset())


def _lower(names: Iterable[str]) -> frozenset[str]:
    return frozenset(name.lower() for name in names)
