"""People with keys: who runs, who approves, who does both, who keeps the list; and what each of them decides."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import tampering
from fake_chapters import write_inventory
from tampering import KANRI, KANSA

from runbook_lib import inventory
from runbook_lib.records import approvals, origin, signers, signing
from runbook_lib.records.planned import Document, InChapter, OfHost, Planned

SUZUKI, TANAKA = "suzuki@example.test", "tanaka@example.test"
BOTH = f"{signers.RUN},{signers.APPROVE}"
# Of kanri each key, and the first one under another name, too.
PEOPLE = {
    "kanri": (KANRI, BOTH),
    "kanri-2": (KANRI, BOTH),
    "suzuki": (SUZUKI, signers.APPROVE),
    "tanaka": (TANAKA, BOTH),
    "only-runs": ("nakata@example.test", signers.RUN),
    "kansa": (KANSA, signers.CHANGE),
}
CHANGE = Planned(kind="FileChange", thing="/etc/x", before="", after="y", commands="echo y > /etc/x")


@dataclass(frozen=True)
class Site:
    """Records with a list of signers."""

    root: Path
    keys: Path
    listed: Path

    def key(self, name: str, namespace: str = signers.APPROVE) -> signing.Key:
        """The key of one of PEOPLE."""
        with tampering.signing_with(self.keys / name):
            return signing.key_for(self.root, namespace)

    def sent(
        self,
        name: str,
        plan: str,
        *,
        decision: str = "approve",
        days: int = 7,
        ago_days: float = 0,
        **fields: str,
    ) -> Path:
        """What somebody signed, as it was sent, so many days ago."""
        at = datetime.now(UTC) - timedelta(days=ago_days)
        told = {
            "approver": PEOPLE[name][0], "at": at.isoformat(timespec="milliseconds"), "comment": "MAIL-1",
            "decision": decision, "plan": plan,
            "until": (at + timedelta(days=days)).isoformat(timespec="milliseconds"), **fields,
        }  # fmt: skip
        if decision == "review":
            del told["plan"], told["until"]
        return self._sent(name, told)

    def _sent(self, name: str, told: Mapping[str, object]) -> Path:
        decided = approvals.Approval.model_validate(told)
        public = " ".join((self.keys / f"{name}.pub").read_text(encoding="ascii").split()[:2])
        key = signing.Key(decided.approver, public, self.keys / name)
        content, sig = approvals.signed(decided, key)
        path = self.root.parent / f"sent-{len(list(self.root.parent.glob('sent-*')))}.json"
        path.write_bytes(content)
        path.with_name(f"{path.name}.sig").write_bytes(sig)
        return path

    def stands(
        self,
        name: str,
        *hosts: str,
        operator: str = KANRI,
        new_key: bool = False,
        days: int = 300,
        ago_days: float = 0,
        approver: str = "",
    ) -> approvals.Given:
        """A standing approval that somebody signed so many days ago, taken in.

        Args:
            hosts: none: all of them.
        """
        at = datetime.now(UTC) - timedelta(days=ago_days)
        told = {
            "approver": approver or PEOPLE[name][0],
            "at": at.isoformat(timespec="milliseconds"),
            "comment": "MAIL-1",
            "decision": "standing",
            "until": (at + timedelta(days=days)).isoformat(timespec="milliseconds"),
            "standing": {"hosts": hosts or "all", "operator": operator, "new_key": new_key},
        }
        return approvals.take_in(self.root, self._sent(name, told))

    def ends(self, name: str, given: approvals.Given) -> approvals.Given:
        """The end of a standing approval, signed by somebody and taken in."""
        told = {
            "approver": PEOPLE[name][0],
            "at": origin.now_text(),
            "comment": "",
            "decision": "refuse",
            "ends": given.entry.sha256,
        }
        return approvals.take_in(self.root, self._sent(name, told))

    def given(self, *about: str, **fields: object) -> approvals.Given:
        """The same, taken in."""
        return approvals.take_in(self.root, self.sent(*about, **fields))  # type: ignore[arg-type]


def make(folder: Path) -> Site:
    """A site whose list has all of PEOPLE, and 'doppel', who has kanri's key."""
    keys = folder / "keys"
    keys.mkdir(parents=True)
    lines = [
        f'{who} namespaces="{may}",valid-after="20200101000000" {tampering.make_key(keys / name)}'
        for name, (who, may) in PEOPLE.items()
    ]
    tampering.make_key(keys / "stranger")
    same = (keys / "kanri.pub").read_text(encoding="ascii").strip()
    lines.append(f'doppel@example.test namespaces="{signers.APPROVE}" {same}')
    listed = folder / "list"
    listed.write_text("\n".join(lines) + "\n", encoding="ascii")
    with tampering.signing_with(keys / "kansa"):
        signing.replace_signers(folder / "records", listed)
    return Site(folder / "records", keys, listed)


def plan(*hosts: str, change: Planned = CHANGE) -> Document:
    """A plan of one change on each host."""
    of_host = OfHost(
        host_key="", machine="", packages={}, chapters=(InChapter(chapter="11-key", changes=(change,)),)
    )
    return Document.of(
        dict.fromkeys(hosts, of_host),
        inventory="0" * 64, commit="", library=origin.library_sha256(), chapters={"11-key": "0" * 64}, parameters=(),
    )  # fmt: skip


@contextmanager
def wanting(folder: Path, said: str) -> Iterator[None]:
    """An inventory is in use that says this of records."""
    path = write_inventory(folder, "mail1", site=f"records: {{{said}}}")
    origin.use(inventory.load(str(path)))
    try:
        yield
    finally:
        path = write_inventory(folder, "mail1")
        origin.use(inventory.load(str(path)))
