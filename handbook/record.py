"""What is particular to the chapter about the record: who is at which machine, and what stands in a run's folder."""

import csv
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lxml import html  # type: ignore[import-untyped]

from handbook.desk import Answer, Desk, NotAsTold
from runbook_lib.display import Diff, Parts, Shown, Table, Text
from runbook_lib.records.index import read_run
from runbook_lib.records.seal import parse_sums

_DOMAIN = "example.test"
_PROMPT = "digits of its digest: "
_PROGRAMS = Path(sys.executable).parent
# Who, what for, and what the list of signers lets them sign.
_SIGNERS = (
    ("kanri", "runs changes on servers", "run@runbook"),
    ("suzuki", "approves changes", "approve@runbook"),
    ("kansa", "keeps the list of signers", "signers@runbook"),
)
# What stands in a run's folder, by its path there.
_FILES = (
    (r"run\.json", "what the run was, on one page: who, when, which plan, what came of it"),
    (r"order\.json", "what was ordered: which hosts, which chapters; a run that was cut off goes on by it"),
    (r"plan\.json", "the plan that the run is bound to, as it was approved"),
    (r"[^/]+/[^/]+\.ipynb", "the notebook as it was executed"),
    (r"[^/]+/[^/]+\.json", "the record of a chapter, step by step"),
    (r"[^/]+/[^/]+\.notebook\.html", "the executed notebook, to read"),
    (r"[^/]+/[^/]+\.html", "the record of the chapter, to read"),
    (r"index\.html", "the run, to read"),
    (r"SHA256SUMS", "the seal: each file that vouches for something, with its digest"),
    (r"SHA256SUMS\.sig", "who signed the seal"),
)
# What of run.json answers which question.
_FIELDS = (
    ("operator", "who ran it, and whose key signs it"),
    ("reason", "why"),
    ("started_at", "from when"),
    ("ended_at", "to when"),
    ("kind", "what kind of run it was"),
    ("plan", "which plan it made"),
    ("approval", "who approved that, beside the operator"),
    ("hosts", "what came of it on each host: the worst outcome, changes, claims by how they ended"),
    ("undoes", "which run it put back"),
    ("chain", "where its seal stands in the chain, and the digest of the line before"),
)


@dataclass(frozen=True)
class Person:
    """Somebody of the site, or its auditor.

    Args:
        folder: what this person has: on the controller the desk's, else that of a machine elsewhere.
        machine: what the machine is called.
    """

    desk: Desk
    name: str
    folder: Path
    machine: str

    def __repr__(self) -> str:
        return f"{self.name} is at: {self.machine}."

    @property
    def principal(self) -> str:
        """What the list of signers calls this person."""
        return f"{self.name}@{_DOMAIN}"

    @property
    def _own(self) -> dict[str, str]:
        """The key that signs, and the login: root behind sudo is who called it."""
        return {"RUNBOOK_SIGN_KEY": str(self.folder / "id_ed25519"), "SUDO_USER": self.name}

    def runbook(self, *words: str, code: int = 0) -> Answer:
        """A command of the product at the controller, with this person's key."""
        return self.desk.runbook(*words, code=code, environment=self._own)

    def run(self, *words: str) -> Answer:
        """The same, of a command that makes a run: it is the desk's `run` from here on.

        Runs sort by the second in which they began. `apply --plan` plans once more, as a run of its own, and that one
        is to have a later second.
        """
        self.desk.begin()
        time.sleep(1)
        return self.desk.runbook(*words, environment={**self._own, "RUNBOOK_RUN": self.desk.run})

    def typed(self, line: str, *, digits: str = "", code: int = 0) -> Answer:
        """What this person types into a shell, and what is said. No inventory and no records are named there.

        Args:
            line: sh, of one line or more.
            digits: what is typed where a digest's first digits are asked for.
            code: the exit status that is expected.
        Raises: NotAsTold where it ends otherwise.
        """
        others = {name: value for name, value in os.environ.items() if not name.startswith("RUNBOOK_")}
        path = f"{_PROGRAMS}:{os.environ['PATH']}"
        environment = {**others, **self._own, "PATH": path, "LC_ALL": "C.UTF-8"}
        said = self.desk.ended(["sh", "-c", line], line, self.folder, environment, code, f"{digits}\n")
        if digits:
            whole = re.findall(rf"\b{digits}[0-9a-f]{{56}}\b", said)[0]
            shown = self.desk.steady(whole)
            said = said.replace(_PROMPT, f"{_PROMPT}{shown[:4]}{shown[-4:]}\n", 1)
        return self.desk.answer(self.machine, line, said, code)

    def gives(self, other: "Person", *paths: str) -> Text:
        """Copies go to another person, and lie in that one's folder."""
        found = [one for path in paths for one in sorted(self.folder.glob(path))]
        if len(found) < len(paths):
            raise NotAsTold(f"{', '.join(paths)}: not all of them are there", self.name, "mend the handbook")
        for one in found:
            shutil.copy(one, other.folder)
        names = ", ".join(self.desk.steady(one.name) for one in found)
        return Text(f"{other.name} has from {self.name}: {names}")

    def tries(self, alteration: str, check: str, *, code: int) -> Answer:
        """Alter a copy of the unpacked archive, and have that checked; the copy goes.

        Args:
            alteration, check: sh, typed in the archive's folder.
            code: the exit status that is expected.
        """
        copy = self.folder / "copy"
        shutil.copytree(self.folder / "records-for-audit", copy)
        at_copy = Person(self.desk, self.name, copy, self.machine)
        try:
            return at_copy.typed(f"{alteration}\n{check}", code=code)
        finally:
            shutil.rmtree(copy)


def people(desk: Desk) -> tuple[Person, Person, Person, Person]:
    """The operator at the controller, the approver, the keeper of the list of signers, the auditor.

    Each but the auditor gets a key, and the keeper writes the list of them.
    """
    kanri = Person(desk, "kanri", desk.folder, "The controller")
    suzuki, kansa, auditor = (
        Person(desk, name, desk.folder / name, machine)
        for name, machine in (
            ("suzuki", "The approver's machine"),
            ("kansa", "The keeper's machine"),
            ("auditor", "The auditor's machine"),
        )
    )
    lines = []
    for one, (_, _, may) in zip((kanri, suzuki, kansa), _SIGNERS, strict=True):
        one.folder.mkdir(exist_ok=True)
        make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", one.principal, "-f", "id_ed25519"]
        subprocess.run(make, cwd=one.folder, check=True)
        public = (one.folder / "id_ed25519.pub").read_text(encoding="ascii").split()
        begins = 'valid-after="20260101000000"'
        lines.append(f'{one.principal} namespaces="{may}",{begins} {public[0]} {public[1]}\n')
    (kansa.folder / "signers").write_text("".join(lines), encoding="ascii")
    auditor.folder.mkdir()
    return kanri, suzuki, kansa, auditor


def keys(*signers: Person) -> Shown:
    """Who has which key, by its fingerprint, and what for."""
    rows = []
    for one, (_, does, may) in zip(signers, _SIGNERS, strict=True):
        ask = ["ssh-keygen", "-lf", str(one.folder / "id_ed25519.pub")]
        told = subprocess.run(ask, capture_output=True, text=True, check=True).stdout
        rows.append((one.principal, does, may, one.desk.steady(told.split()[1])))
    return Table(("who", "what this person does", "may sign", "fingerprint of the key"), rows)


def digest(desk: Desk, path: str) -> str:
    """The SHA-256 of a file under the desk's records."""
    return hashlib.sha256((desk.folder / "records" / path).read_bytes()).hexdigest()


def head(exported: Answer) -> str:
    """The head of the chain that `runbook records export` named."""
    return _found(r"^Head, [^:]*: (\S+)$", exported)


def _found(pattern: str, answer: Answer) -> str:
    found = re.findall(pattern, answer.raw, re.MULTILINE)
    if len(found) != 1:
        raise NotAsTold(f"{pattern!r} is there {len(found)} times", answer.title, "mend the handbook")
    return str(found[0])


def files(desk: Desk, run: str) -> Shown:
    """What stands in a run's folder, what each file is, and whether the seal has it.

    Raises: NotAsTold where there is a file of which the chapter says nothing.
    """
    folder = desk.folder / "records" / run
    sealed = parse_sums((folder / "SHA256SUMS").read_bytes())
    paths = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    there = sorted((path for path in paths if not path.startswith(".")), key=lambda path: ("/" in path, path))
    rows = [(path, _told_of(path), "yes" if path in sealed else "no") for path in there]
    return Table(("file", "what it is", "sealed"), rows)


def _told_of(path: str) -> str:
    for pattern, told in _FILES:
        if re.fullmatch(pattern, path):
            return told
    raise NotAsTold(f"{path} is there, and nothing is said of it", "the handbook", "say it: _FILES")


def statement(desk: Desk, run: str) -> Shown:
    """What run.json says, field by field, and which question that answers."""
    told = json.loads((desk.folder / "records" / run / "run.json").read_bytes())
    rows = [
        (name, desk.steady(json.dumps(told[name], ensure_ascii=False, separators=(",", ":"))), answers)
        for name, answers in _FIELDS
    ]
    return Table(("run.json", "says", "which is"), rows)


def page(desk: Desk, run: str) -> Shown:
    """What a run's page says to somebody in a hurry: what was done, chapter by chapter, and what to type next."""
    tree = html.parse(str(desk.folder / "records" / run / "index.html"))
    for hidden in tree.xpath("//*[@aria-hidden='true']"):
        hidden.drop_tree()
    title = Text(desk.steady(_words(tree.xpath("//h1")[0])))
    rows = [
        [desk.steady(_words(cell)) for cell in row.xpath("th|td")[:4]]
        for row in tree.xpath("//section[@class='host']//tbody/tr")
    ]
    next_ones = tree.xpath("//aside/section[1]")[0]
    commands = zip(next_ones.xpath("p"), next_ones.xpath("pre"), strict=True)
    typed = [(_words(why), desk.steady(_words(command))) for why, command in commands]
    chapters = Table(("chapter", "outcome", "changes", "verified"), rows)
    return Parts([title, chapters, Table(("what to type next", ""), typed)])


def _words(node: html.HtmlElement) -> str:
    return " ".join(node.text_content().split())


def changes(desk: Desk, run: str) -> Shown:
    """Each change of a run, as its record has it: the title that the plan had, and the difference."""
    return desk.show(Parts(list(_changes(desk.folder / "records" / run))))


def _changes(folder: Path) -> Iterator[Shown]:
    for entry in read_run(folder).current:
        for plan in entry.record.last_plans:
            for change in plan.changes:
                yield Text(f"{entry.record.host}, {entry.record.chapter}: {change.title}")
                yield Diff(change.diff)


def population(desk: Desk, report: str, *runs: str) -> Shown:
    """What population.csv of a report has of these runs: each of its columns is a line."""
    with (desk.folder / report / "population.csv").open(encoding="utf-8-sig", newline="") as file:
        by_run = {row["run"]: row for row in csv.DictReader(file)}
    columns = list(by_run[runs[0]])
    rows = [[name, *(desk.steady(by_run[run][name]) for run in runs)] for name in columns]
    return Table(("column", *(f"run {number}" for number in range(1, 1 + len(runs)))), rows)
