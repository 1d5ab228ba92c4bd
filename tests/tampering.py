"""A site's records with every kind of run, signed; and somebody who alters them, alone or with digests made to fit."""

import hashlib
import json
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

import nbformat
import sample_record
import time_stamps
from format_one import made_of_before

from runbook_lib.inventory.models import Timestamp
from runbook_lib.records import (
    Record,
    approvals,
    chain,
    export,
    planned,
    seal,
    signers,
    signing,
    stamping,
    undone,
    verification,
)
from runbook_lib.records.planned import Document, OfHost
from runbook_lib.records.publish import publish

BEFORE = "20261001T000000Z-0001"  # of version 0.1.0
SAMPLE = sample_record.RUN
PLAN = "20261126T010000Z-aaaa"
CUT_OFF = "20261126T020000Z-bbbb"
ELSEWHERE = "20261126T030000Z-cccc"  # another controller's
LAST = "20261126T040000Z-dddd"
KANRI, KANSA, SUZUKI = "kanri@example.test", "kansa@example.test", "suzuki@example.test"
ZERO = "0" * 64


@dataclass(frozen=True)
class Site:
    """Records, and what is kept elsewhere of them: the list of signers, the heads, the roots of time-stamps."""

    root: Path
    keys: Path
    signers: Path
    heads: tuple[verification.Head, ...]
    tsa: Path | None = None

    def check(self) -> verification.Site:
        """As an auditor checks it, who has all of that."""
        return verification.check_all(self.root, self.signers, self.heads, self.tsa)

    def told(self) -> str:
        """What is found wrong, a line each."""
        found = self.check()
        runs = [run.report() for run in found.runs if not run.holds]
        return "\n".join([*found.wrong, *runs])

    def copy(self, to: Path) -> "Site":
        """The same, to be altered."""
        shutil.copytree(self.root, to, symlinks=True)
        return Site(to, self.keys, self.signers, self.heads, self.tsa)


@contextmanager
def signing_with(key: Path) -> Iterator[None]:
    """A key to sign with."""
    with mock.patch.dict("os.environ", RUNBOOK_SIGN_KEY=str(key)):
        yield


def make_key(path: Path) -> str:
    """A key pair without a passphrase; returns the public half."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", path], check=True)
    return path.with_suffix(".pub").read_text(encoding="ascii").strip()


def record(
    root: Path, run: str, host: str = "mail12", mode: str = "plan", end: bool = True, **more: object
) -> Record:
    """A small run of one chapter."""
    fields = sample_record.COMMON | {"facts": {}, "title": "1-1 Key", "mode": mode} | more
    made = Record.begin(root, run, host, "11-key-and-csr", **fields)  # type: ignore[arg-type]
    made.add_plan("The key", "aa11", [sample_record.change("mail.key", "key", "+RSA 3072")], "umask 077\n")
    if end:
        made.finish("planned" if mode == "plan" else "passed", "Done.")
    return made


def sign(root: Path, run: str) -> None:
    """Publish a run, sealed and signed."""
    key = signing.find_key(root)
    publish(root, run, principal=key.principal)
    signing.sign(root, run, key)


def unpacked(root: Path, folder: Path) -> Path:
    """The archive for an audit of these records, unpacked below a folder."""
    folder.mkdir(exist_ok=True)
    archive = folder / "records.tar"
    export.write(root, archive)
    subprocess.run(["tar", "-xf", archive, "-C", folder], check=True)
    return folder / "records-for-audit"


def checked(folder: Path, signers: Path | str, *heads: verification.Head) -> subprocess.CompletedProcess[str]:
    """What the archive's own script says of it."""
    kept = [f"{head.stream}:{head.n}:{head.sha256}" for head in heads]
    return subprocess.run(
        ["sh", folder / "check.sh", signers, *kept], capture_output=True, text=True, check=False, cwd="/"
    )


@contextmanager
def stamped_by(authority: time_stamps.Authority) -> Iterator[None]:
    """An inventory that names this authority."""
    named = Timestamp(url=authority.url, root=str(authority.root))
    with mock.patch("runbook_lib.records.origin.timestamp", return_value=named):
        yield


def make(folder: Path) -> Site:
    """A site: a run of before, one with all that a run can have, a plan, one cut off, another controller's, a last.

    Who signs the runs has a key that ends within a year, and so have the certificates of the authority that stamps two
    of them: what they signed must be good for longer.
    """
    root, keys = folder / "records", folder / "keys"
    keys.mkdir(parents=True)
    ends = f"{datetime.now(UTC) + timedelta(days=360):%Y%m%d}"
    times = f'valid-after="20200101000000",valid-before="{ends}000000"'
    lines = [
        f'{SUZUKI} namespaces="approve@runbook",valid-after="20200101000000" {make_key(keys / "suzuki")}',
        f'{KANRI} namespaces="run@runbook",{times} {make_key(keys / "kanri")}',
        f'{KANSA} namespaces="signers@runbook",valid-after="20200101000000" {make_key(keys / "kansa")}',
    ]
    make_key(keys / "stranger")
    given = folder / "list"
    given.write_text("\n".join(lines) + "\n", encoding="ascii")
    record(root, BEFORE)
    made_of_before(root / BEFORE)
    with signing_with(keys / "kansa"):
        signing.replace_signers(root, given)
    with (
        signing_with(keys / "kanri"),
        time_stamps.authority(folder / "tsa") as authority,
        stamped_by(authority),
    ):
        _runs(root)
    heads = tuple(verification.Head.parse(head) for head in verification.check_all(root).heads)
    return Site(root, keys, given, heads, authority.root)


def _runs(root: Path) -> None:
    run = sample_record.whole_run(root)
    cells = [
        nbformat.v4.new_code_cell(
            "chapter.apply(plan)", outputs=[nbformat.v4.new_output("stream", text="9 of 9")]
        )
    ]
    notebook = nbformat.v4.new_notebook(cells=cells)
    (run / "mail12" / "20-postfix-debian.ipynb").write_text(nbformat.writes(notebook), encoding="utf-8")
    (run / "mail12" / "for-users").mkdir()
    (run / "mail12" / "for-users" / "settings.html").write_text("<p>mail.example.test</p>\n")
    sign(root, SAMPLE)
    stamping.stamp(root, SAMPLE)
    sample_record.postfix_chapter(root)  # it went on, and is sealed a second time
    sign(root, SAMPLE)
    stamping.stamp(root, SAMPLE)
    plan = Document.of(
        {"mail12": OfHost.of([record(root, PLAN).data])},
        inventory="0" * 64, commit="", library="0" * 64, chapters={"11-key-and-csr": "0" * 64}, parameters=(),
    )  # fmt: skip
    planned.keep(root / PLAN, plan)
    sign(root, PLAN)
    record(root, CUT_OFF, mode="apply", end=False)
    with mock.patch("runbook_lib.records.chain.stream_here", return_value="elsewhere-kanri"):
        record(root, ELSEWHERE, mode="apply")
        sign(root, ELSEWHERE)
    bound = _approved(root, plan)
    last = record(
        root, LAST, mode="apply", end=False, approval=bound.approval
    )  # seals the one that was cut off
    bound.spend(root, LAST, ["mail12"], ["11-key-and-csr"])
    planned.keep(root / LAST, plan)
    last.add_apply("aa11", ["mail.key"], "/var/lib/runbook/x")
    last.finish("passed", "Done.")
    undone.note(root, SAMPLE, "mail12", complete=True, rollback=LAST)
    sign(root, LAST)
    stamping.stamp(root, LAST)
    sign(root, CUT_OFF)


def _approved(root: Path, plan: Document) -> approvals.Binding:
    """A plan that suzuki approved, and kanri makes."""
    path = root.parent / "approval.json"
    now = datetime.now(UTC)
    decided = approvals.Approval(
        approver=SUZUKI, at=now.isoformat(timespec="milliseconds"), comment="MAIL-1184", decision="approve",
        plan=plan.sha256, until=(now + timedelta(days=7)).isoformat(timespec="milliseconds"),
    )  # fmt: skip
    with signing_with(root.parent / "keys" / "suzuki"):
        content, sig = approvals.signed(decided, signing.key_for(root, signers.APPROVE))
    path.write_bytes(content)
    path.with_name(f"{path.name}.sig").write_bytes(sig)
    approvals.take_in(root, path)
    return approvals.bind(root, plan, ["mail12"])


def stream(root: Path) -> Path:
    """The chain of this controller."""
    return root / f"{chain.stream_here()}{chain.SUFFIX}"


def refit_sums(folder: Path) -> None:
    """SHA256SUMS of a run as its files are now."""
    sums = [
        f"{hashlib.sha256((folder / path).read_bytes()).hexdigest()}  {path}\n"
        for path in seal.paths(folder)
        if not seal.is_page(path, seal.paths(folder)) and (folder / path).is_file()
    ]
    (folder / seal.SUMS).write_text("".join(sums), encoding="utf-8")


def forge(root: Path) -> None:
    """Every digest made to fit what is there now, to the end of each stream: no line of it breaks."""
    for path in root.glob(f"*{chain.SUFFIX}"):
        entries = [json.loads(line[65:]) for line in path.read_bytes().splitlines()]
        last = {one["run"]: n for n, one in enumerate(entries) if one["kind"] == "seal"}
        prev, content = ZERO, b""
        for n, entry in enumerate(entries):
            entry["n"] = n + 1
            folder = root / str(entry.get("run"))
            if entry["kind"] == "seal" and last[entry["run"]] == n and (folder / seal.STATEMENT).is_file():
                told = json.loads((folder / seal.STATEMENT).read_bytes())
                told["chain"] = {"stream": path.name.removesuffix(chain.SUFFIX), "n": n + 1, "prev": prev}
                (folder / seal.STATEMENT).write_bytes(canonical(told))
                refit_sums(folder)
                entry["sums"] = hashlib.sha256((folder / seal.SUMS).read_bytes()).hexdigest()
            if entry["kind"] == "signed" and (folder / seal.SIGNATURE).is_file():
                entry["sig"] = hashlib.sha256((folder / seal.SIGNATURE).read_bytes()).hexdigest()
            if entry["kind"] == "stamped" and (folder / seal.STAMP).is_file():
                entry["tsr"] = hashlib.sha256((folder / seal.STAMP).read_bytes()).hexdigest()
            line = f"{prev} ".encode() + canonical(entry)
            prev, content = hashlib.sha256(line).hexdigest(), content + line
        path.write_bytes(content)


def canonical(value: object) -> bytes:
    """Said here once more, so that what is checked is not made by the very code that checks it."""
    return f"{json.dumps(value, sort_keys=True, separators=(',', ':'), ensure_ascii=False)}\n".encode()


def resign(site: Site, run: str, key: str = "stranger") -> None:
    """Sign a run with another key, in the name that it has."""
    folder = site.root / run
    command = ["ssh-keygen", "-Y", "sign", "-q", "-f", str(site.keys / key), "-n", "run@runbook"]
    with (folder / seal.SUMS).open("rb") as content:
        made = subprocess.run(command, stdin=content, capture_output=True, check=True).stdout
    (folder / seal.SIGNATURE).write_bytes(made)


def pages(site: "Site") -> frozenset[str]:
    """The pages of a site that nobody altered: they are made from the data, and not sealed."""
    names = (path.relative_to(site.root).as_posix() for path in site.root.rglob("*.html"))
    return frozenset(name for name in names if "for-users" not in name and not name.startswith(BEFORE))


def state(root: Path, left_out: frozenset[str]) -> dict[str, bytes]:
    """All that is sealed or vouches for it: no page."""
    found = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_symlink():
            found[name] = b"-> " + str(path.readlink()).encode()
        elif path.is_file() and path.name != ".lock" and name not in left_out:
            found[name] = path.read_bytes()
    return found


def mutate(site: Site, chance: random.Random) -> str:
    """Alter something, at random; returns in words what."""
    told = []
    for _ in range(chance.choice((1, 1, 1, 2))):
        told.append(chance.choice(_MUTATIONS)(site, chance))
    fit = chance.choice(("", "", "sums", "forge", "sign"))
    try:
        if fit == "sums":
            refit_sums(site.root / chance.choice(_SEALED))
        if fit in ("forge", "sign"):
            forge(site.root)
        if fit == "sign":
            run = chance.choice(_SEALED)
            resign(site, run)
            forge(site.root)
    except (ValueError, OSError, KeyError, TypeError, AttributeError):
        fit += ", as far as it went"  # what was altered before is no JSON any more, or gone
    return f"{', '.join(told)}; {fit}"


_SEALED = (SAMPLE, PLAN, CUT_OFF, ELSEWHERE, LAST)


def _file(site: Site, chance: random.Random) -> Path:
    names = [name for name in state(site.root, pages(site)) if not name.endswith(".gitattributes")]
    return site.root / chance.choice(names)


def _byte(site: Site, chance: random.Random) -> str:
    path = _file(site, chance)
    content = bytearray(path.read_bytes())
    if content:
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(content)
    return f"a byte of {path.name}"


def _cut(site: Site, chance: random.Random) -> str:
    path = _file(site, chance)
    content = path.read_bytes()
    path.write_bytes(content[: chance.randrange(len(content) or 1)])
    return f"{path.name} cut"


def _gone(site: Site, chance: random.Random) -> str:
    path = _file(site, chance)
    path.unlink()
    return f"{path.name} gone"


def _added(site: Site, chance: random.Random) -> str:
    folder = _file(site, chance).parent
    name = chance.choice(("x.json", "20-postfix-debian.json", "evil.html", "x", "SHA256SUMS.9", "y.ipynb"))
    (folder / name).write_text(chance.choice(("{}\n", "x")))
    return f"{name} added in {folder.name}"


def _swapped(site: Site, chance: random.Random) -> str:
    one, other = _file(site, chance), _file(site, chance)
    content = one.read_bytes(), other.read_bytes()
    one.write_bytes(content[1])
    other.write_bytes(content[0])
    return f"{one.name} and {other.name} swapped"


def _linked(site: Site, chance: random.Random) -> str:
    path = _file(site, chance)
    kept = site.root.parent / f"kept-{chance.randrange(10**9)}"
    path.rename(kept)
    path.symlink_to(kept)
    return f"{path.name} a link"


def _run_gone(site: Site, chance: random.Random) -> str:
    run = chance.choice((*_SEALED, BEFORE))
    shutil.rmtree(site.root / run)
    return f"run {run} gone"


def _run_more(site: Site, chance: random.Random) -> str:
    run = chance.choice((*_SEALED, BEFORE))
    shutil.copytree(
        site.root / run, site.root / f"20261127T000000Z-{chance.randrange(4096):04x}", symlinks=True
    )
    return f"run {run} twice"


def _run_named(site: Site, chance: random.Random) -> str:
    run = chance.choice((*_SEALED, BEFORE))
    (site.root / run).rename(site.root / f"20261127T000000Z-{chance.randrange(4096):04x}")
    return f"run {run} named otherwise"


def _line(site: Site, chance: random.Random) -> str:
    path = chance.choice(sorted(site.root.glob(f"*{chain.SUFFIX}")))
    lines = path.read_bytes().splitlines(keepends=True)
    n = chance.randrange(len(lines))
    how = chance.choice(("taken out", "twice", "moved", "and all behind it cut off"))
    if how == "taken out":
        lines = [*lines[:n], *lines[n + 1 :]]
    elif how == "twice":
        lines = [*lines[:n], lines[n], *lines[n:]]
    elif how == "moved":
        line = lines.pop(n)
        lines.insert(chance.randrange(len(lines) + 1), line)
    else:
        lines = lines[:n]
    path.write_bytes(b"".join(lines))
    return f"line {n + 1} of {path.name} {how}"


def _field(site: Site, chance: random.Random) -> str:
    path = site.root / chance.choice(_SEALED) / seal.STATEMENT
    if chance.random() < 0.5:
        path = chance.choice(sorted(site.root.glob("*/*/*.json")))
    told = json.loads(path.read_bytes())
    name = chance.choice(sorted(told))
    told[name] = chance.choice(
        (None, "", "x", 0, 1.5, [], {}, True, told.get("run"), "2026-01-01T00:00:00+00:00")
    )
    content = canonical(told) if path.name == seal.STATEMENT else json.dumps(told, indent=1).encode() + b"\n"
    path.write_bytes(content)
    return f"{name} of {path.name}"


def _signers(site: Site, chance: random.Random) -> str:
    path = site.root / "signers.1"
    stranger = (site.keys / "stranger.pub").read_text(encoding="ascii").strip()
    line = f'{KANRI} namespaces="run@runbook" {stranger}\n'
    path.write_text(path.read_text() + line if chance.random() < 0.5 else line)
    return "a stranger among the signers"


def _resigned(site: Site, chance: random.Random) -> str:
    run = chance.choice(_SEALED)
    resign(site, run)
    return f"run {run} signed by a stranger"


_MUTATIONS: tuple[Callable[[Site, random.Random], str], ...] = (
    _byte, _byte, _byte, _cut, _gone, _added, _swapped, _linked, _run_gone, _run_more, _run_named, _line, _line,
    _field, _field, _signers, _resigned,
)  # fmt: skip


_VERIFY = signing.verify
_answers: dict[tuple[object, ...], signing.Verified] = {}


def _remembered(
    content: bytes, sig: Path, principal: str, at: str, allowed: Path, namespace: str = "run@runbook"
) -> signing.Verified:
    """What ssh-keygen said of the very same bytes before: most of a site is not altered."""
    asked = (content, sig.read_bytes(), principal, at, allowed.read_bytes(), namespace)
    if asked not in _answers:
        _answers[asked] = _VERIFY(content, sig, principal, at, allowed, namespace)
    return _answers[asked]


_VERIFY_STAMP = stamping.verify
_stamps: dict[tuple[bytes, ...], stamping.Stamped] = {}


def _stamp_remembered(sig: Path, token: Path, roots: Path) -> stamping.Stamped:
    asked = tuple(path.read_bytes() if path.is_file() else b"" for path in (sig, token, roots))
    if asked not in _stamps:
        _stamps[asked] = _VERIFY_STAMP(sig, token, roots)
    return _stamps[asked]


def tried(site: Site, seed: bytes | int, folder: Path) -> tuple[bool, str]:
    """One mutation of a copy.

    Returns: whether it was found, and what it was; one that altered nothing is found where nothing is.
    """
    if seed == b"":  # nobody altered anything
        return site.check().holds, "nothing"
    copy = site.copy(folder / "records")
    try:
        told = "nothing"
        try:
            told = mutate(copy, random.Random(seed))  # noqa: S311 - no secret comes of it
        except (ValueError, OSError, TypeError):
            told = "what one alteration left, another could not alter"
        changed = state(copy.root, pages(site)) != state(site.root, pages(site))
        with (
            mock.patch("runbook_lib.records.signing.verify", _remembered),
            mock.patch("runbook_lib.records.stamping.verify", _stamp_remembered),
        ):
            return copy.check().holds != changed, told
    finally:
        shutil.rmtree(folder)
