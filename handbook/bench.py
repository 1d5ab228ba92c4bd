"""A lab host on which faults are made and cured: proven to be the lab's, broken, asked, mended, and asked again."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from handbook.fault import Fault, Said, story
from handbook.lab_host import proven
from handbook.steady import steady
from lab import Lab, Prepared
from lab.releases import DOMAIN
from runbook_lib.display import Parts, Text
from runbook_lib.errors import RunbookError
from runbook_lib.remote import Host

STATE = Prepared(
    "handbook", "applied", script=Path(__file__).with_name("prepared.sh").read_text(encoding="utf-8")
)
_TIMEOUT_S = 300.0  # of a busy machine; a fault takes seconds
_TRIAL = Path(__file__).with_name("trial.sh").read_text(encoding="utf-8")


class NotAsTold(RunbookError):
    """A fault did not show what the handbook says of it, or its cure did not mend it."""


@dataclass(frozen=True)
class Bench:
    """A lab host as the chapters leave it, with the programs of a client.

    Args:
        host: the connection.
        mail_name: the name that users type.
        own_name: what the server calls itself, and takes mail for.
        password: of the account for checks, which is kensa.
    """

    host: Host
    mail_name: str
    own_name: str
    password: str

    def __repr__(self) -> str:
        return f"{self.host.name} is a lab host: it is as the chapters leave it, and may be broken."

    def show(self, fault: Fault) -> Parts:
        """Make a fault, ask, read the log, cure it, and ask again.

        Returns: what was said, with cause and cure.
        Raises: NotAsTold where something else was said; the host then is as it is: open it anew.
        """
        first = [self._named(ask.command) for ask in fault.asked]
        second = [self._named(ask.then or ask.command) for ask in fault.asked if ask.proves]
        made, cure = self._named(fault.made), self._named(fault.cure)
        steps = [
            ("whole", ""),
            ("line", made),
            *(("ask", command) for command in first),
            ("log", fault.log),
            ("line", cure),
            *(("ask", command) for command in second),
            ("whole", ""),
        ]
        ran = self.host.run(
            "\n".join([_TRIAL, *(f"{function} {shlex.quote(text)}" for function, text in steps), ""]),
            root=True,
            timeout_s=_TIMEOUT_S,
            stdin=f"{self.password}\n".encode(),
        )
        outputs = [steady(part).strip("\n") for part in ran.stdout.decode(errors="replace").split("\0")[:-1]]
        asked = len(first)
        before = [Said(*pair) for pair in zip(first, outputs[2:][:asked], strict=True)]
        log = outputs[2 + asked]
        after = [Said(*pair) for pair in zip(second, outputs[4 + asked : -1], strict=True)]
        self._judge(fault, before, log, after)
        if outputs[0] != outputs[-1]:
            raise self._wrong(fault, "the cure left other files in /etc than there were before")
        return story(fault, made, cure, before, log, after)

    def give_back(self) -> Text:
        """The host is bare again."""
        Lab.load().reset(self.host.name, "bare")
        return Text(f"{self.host.name} is bare again.")

    def _named(self, command: str) -> str:
        return command.replace("MAILHOST", self.mail_name).replace("MAILNAME", self.own_name)

    def _judge(self, fault: Fault, before: list[Said], log: str, after: list[Said]) -> None:
        for ask, said in zip(fault.asked, before, strict=True):
            self._require(fault, ask.shows, said)
        proofs = [ask for ask in fault.asked if ask.proves]
        for ask, said in zip(proofs, after, strict=True):
            self._require(fault, ask.proves, said)
        last = fault.log.rpartition("|")[2]
        if not re.search(last, log) or bool(log) != bool(fault.log):
            raise self._wrong(fault, f"the log has {log!r}, and {last or 'nothing'!r} was expected last")

    def _require(self, fault: Fault, pattern: str, said: Said) -> None:
        if not re.search(pattern, said.output, re.MULTILINE):
            raise self._wrong(fault, f"{pattern!r} was expected of\n{said}")

    def _wrong(self, fault: Fault, what: str) -> NotAsTold:
        return NotAsTold(
            f"{fault.message}: {what}",
            self.host.name,
            "mend the handbook; open the host anew before the next fault",
            "The host may be broken.",
        )


def open(inventory_name: str, host_name: str) -> Bench:  # noqa: A001  # as every chapter begins
    """Prove that a host is the lab's, and give it back as the chapters leave it.

    Args:
        inventory_name: 'lab', or a path.
        host_name: a host of it.
    Raises: ApplyRefused for any other host than the lab's; nothing was changed.
    """
    connected = proven(inventory_name, host_name)
    lab = Lab.load()
    lab.reset(connected.name, STATE)
    connected.close()
    release = lab.host(connected.name).release
    return Bench(connected, f"mail{release.number}.{DOMAIN}", release.hostname, lab.secret("kensa"))
