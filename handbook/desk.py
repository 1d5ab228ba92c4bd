"""An administrator's desk beside a lab host: an inventory, records and a CA of its own, and the product's commands."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ruamel.yaml import YAML

from handbook.fault import Terminal
from handbook.lab_host import proven
from handbook.steady import StandIns
from lab import Lab
from runbook_lib.chapters.chapter import Chapter
from runbook_lib.display import Diff, Parts, Shown, Text, unified_diff
from runbook_lib.errors import RunbookError
from runbook_lib.records.chain import stream_here
from runbook_lib.records.origin import run_id
from runbook_lib.remote import Host

_RUNBOOK = Path(sys.executable).with_name("runbook")
_TIMEOUT_S = 900.0  # of a busy machine
_COLUMNS = 110
_VARIABLES = ("RUNBOOK_RECORDS", "RUNBOOK_RUN")
_COLOURS = ("CLICOLOR_FORCE", "FORCE_COLOR")  # a kernel's, by which programs draw as on a terminal


class NotAsTold(RunbookError):
    """A command, or a step, did not end as the handbook says."""


@dataclass(frozen=True, repr=False)
class Seen(Shown):
    """What was shown, with the same days, runs and serials at each run of the handbook."""

    shown: Shown
    put: Callable[[str], str]

    def text(self) -> str:
        return self.put(self.shown.text())

    def html(self) -> str:
        return self.put(self.shown.html())


@dataclass(frozen=True, repr=False)
class Answer(Terminal):
    """What was typed, and what came of it.

    Args:
        raw: what came, as it was said.
    """

    raw: str


@dataclass
class Desk:
    """What an administrator of one host has in front of him.

    Args:
        host: the connection, for what is done there by hand.
        mail_name: the name that users type.
        address: where it is reached.
        folder: the desk's own, which goes when the host is given back.
    """

    host: Host
    mail_name: str
    address: str
    folder: Path
    stand_ins: StandIns
    runs: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    _before: Mapping[str, str | None] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"{self.host.name} is a lab host, and this desk has an inventory, records and a CA of its own."

    @property
    def inventory(self) -> str:
        """The path of the desk's inventory."""
        return str(self.folder / "site.yaml")

    @property
    def run(self) -> str:
        """The id of the run that was begun last."""
        return self.runs[-1]

    def key_name(self, key: str) -> str:
        """Keys are told apart by the order in which they were seen."""
        if key not in self.keys:
            self.keys.append(key)
        return f"key {self.keys.index(key) + 1}"

    def day(self, days: int) -> str:
        """The day so many days from today, as an inventory has it."""
        return str(datetime.now(UTC).date() + timedelta(days=days))

    def begin(self) -> None:
        """From here on what is done by hand in chapters belongs to a new run."""
        self.runs.append(run_id(datetime.now(UTC)))
        os.environ["RUNBOOK_RUN"] = self.run
        self.stand_ins.put(self.run)  # runs are counted from the first, shown or not

    def show(self, shown: Shown) -> Seen:
        """What a chapter shows, steady."""
        return Seen(shown, self.steady)

    def steady(self, text: str) -> str:
        """The desk's folder is where its commands are typed; the lab's has another path on each machine."""
        text = text.replace(f" --inventory {self.inventory}", "").replace(f"{self.folder}/", "")
        text = re.sub(rf"\b{re.escape(stream_here())}(?![\w-])", "controller-kanri", text)
        return self.stand_ins.put(text.replace(str(Lab.load().folder), ".lab"))

    def carry_out(self, chapter: Chapter, *steps: str) -> Shown:
        """Apply a chapter's plans, one after the other.

        Args:
            steps: names of the methods that plan.
        Returns: the plans that were not empty.
        """
        shown: list[Shown] = []
        for step in steps:
            plan = getattr(chapter, step)()
            if not plan.is_empty:
                shown.append(plan)
            chapter.apply(plan)
        return self.show(Parts(shown or [Text(f"{chapter.title}: nothing to do.")]))

    def whole(self, chapter: Chapter, *steps: str) -> Shown:
        """As `carry_out`, and the chapter's record is complete with it."""
        shown = self.carry_out(chapter, *steps)
        chapter.summary()
        return shown

    def refused(self, step: Callable[..., object], *given: Any) -> Shown:
        """What a step says that refuses.

        Raises: NotAsTold where it does not refuse.
        """
        try:
            step(*given)
        except RunbookError as error:
            return self.show(Terminal(type(error).__name__, str(error)))
        raise NotAsTold(
            "it was to refuse, and did not", self.host.name, "mend the handbook", "It may be broken."
        )

    def runbook(
        self, *words: str, code: int = 0, environment: Mapping[str, str] = MappingProxyType({})
    ) -> Answer:
        """A command of the product, as it is typed on the controller; the desk's inventory is named behind it.

        Args:
            code: the exit status that is expected.
            environment: what this command has beside that of the desk, where RUNBOOK_RUN is left out.
        Raises: NotAsTold where it ends otherwise.
        """
        given = {name: value for name, value in os.environ.items() if name != "RUNBOOK_RUN"}
        line = f"runbook {' '.join(words)}"
        said = self.ended(
            [str(_RUNBOOK), *words, "--inventory", self.inventory],
            line, self.folder, {**given, **environment, "COLUMNS": str(_COLUMNS)}, code,
        )  # fmt: skip
        self.host.forget_answers()
        return self.answer("The controller", line, said, code)

    def ended(
        self,
        command: Sequence[str],
        line: str,
        folder: Path,
        environment: Mapping[str, str],
        code: int,
        typed: str = "",
    ) -> str:
        """What a command says to its end.

        Args:
            line: how a person types it.
            folder: where it is typed.
            code: the exit status that is expected.
            typed: what is typed when it asks.
        Raises: NotAsTold where it ends otherwise.
        """
        done = subprocess.run(
            command, env={name: environment[name] for name in environment if name not in _COLOURS}, cwd=folder,
            input=typed.encode(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=_TIMEOUT_S, check=False,
        )  # fmt: skip
        said = done.stdout.decode(errors="replace")
        if done.returncode != code:
            raise NotAsTold(
                f"`{line}` ended with {done.returncode}, not {code}:\n{said}",
                self.host.name, "mend the handbook", "The host may be broken.",
            )  # fmt: skip
        return said

    def answer(self, title: str, line: str, said: str, code: int) -> Answer:
        """A command of one line or more, and what it said, as they are shown."""
        typed = "\n".join(f"$ {one}" for one in line.split("\n"))
        ended = f"\n[exit status {code}]" if code else ""
        return Answer(title, self.steady(f"{typed}\n{said.rstrip()}{ended}".rstrip()), said)

    def by_hand(self, command: str) -> Terminal:
        """What an administrator types at a root shell of the host."""
        script = command + "\ntouch -d '9 seconds ago' /etc/postfix/main.cf /etc/postfix/master.cf"
        ran = self.host.run(f"({script}) 2>&1", root=True, timeout_s=_TIMEOUT_S)
        self.host.forget_answers()
        lines = [*(f"# {line}" for line in command.split("\n")), *ran.text.splitlines()]
        return Terminal("The server, as root", self.steady("\n".join(lines)))

    def change(self, **blocks: object) -> Seen:
        """Change the host's part of the inventory, and show what differs."""
        return self._change(("hosts", self.host.name), blocks)

    def change_site(self, **blocks: object) -> Seen:
        """Change the site's part of the inventory, and show what differs."""
        return self._change(("site",), blocks)

    def _change(self, part: Sequence[str], blocks: Mapping[str, object]) -> Seen:
        path, yaml = Path(self.inventory), YAML()
        before = path.read_bytes()
        book = yaml.load(before)
        ours = book
        for name in part:
            ours = ours[name]
        for name, value in blocks.items():
            if isinstance(value, Mapping):
                ours.setdefault(name, {}).update(value)
            else:
                ours[name] = value
        with path.open("wb") as file:
            yaml.dump(book, file)
        return self.show(Diff(unified_diff("site.yaml", before, path.read_bytes())))

    def decide(self, decisions: Sequence[tuple[str, str, str]]) -> Seen:
        """Write decisions into the inventory: about what, which answer, and why."""
        return self.change(
            decisions=[
                {"about": about, "decide": decide, "reason": reason} for about, decide, reason in decisions
            ]
        )

    def give_back(self) -> Text:
        """The host is bare again, and the desk's folder goes."""
        Lab.load().reset(self.host.name, "bare")
        shutil.rmtree(self.folder)
        for name, value in self._before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        return Text(f"{self.host.name} is bare again.")


def open(inventory_name: str, host_name: str, state: str) -> Desk:  # noqa: A001  # as every chapter begins
    """Prove that a host is the lab's, give it back in a state, and lay a desk beside it.

    Args:
        inventory_name: 'lab', or a path.
        host_name: a host of it.
        state: a state of the lab's.
    Raises: ApplyRefused for any other host than the lab's; nothing was changed.
    """
    connected = proven(inventory_name, host_name)
    lab = Lab.load()
    lab.reset(connected.name, state)
    connected.close()
    folder = Path(tempfile.mkdtemp(prefix="handbook-"))
    yaml = YAML()
    book = yaml.load(lab.inventory)
    book["site"]["ca"]["directory"] = str(folder / "ca")
    book["site"]["ca"]["common_name"] = "Example mail CA"
    book["hosts"] = {host_name: book["hosts"][host_name]}
    with (folder / "site.yaml").open("wb") as file:
        yaml.dump(book, file)
    desk = Desk(
        connected,
        book["hosts"][host_name]["names"]["smtp"],
        lab.host(host_name).address,
        folder,
        StandIns(datetime.now(UTC).date()),
        _before={name: os.environ.get(name) for name in _VARIABLES},
    )
    os.environ["RUNBOOK_RECORDS"] = str(folder / "records")
    desk.begin()
    return desk
