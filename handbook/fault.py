"""A fault as data, and what a cell shows of it."""

import html
from collections.abc import Sequence
from dataclasses import dataclass

from runbook_lib.display import Parts, Shown, Text
from runbook_lib.visible import visible

_PRE = "white-space:pre-wrap;word-break:normal;overflow-wrap:anywhere"


@dataclass(frozen=True)
class Ask:
    """A line that a client types: MAILHOST is the name that users type, MAILNAME what the server calls itself.

    Args:
        command: sh.
        shows: a regular expression for what its output has while the fault is there.
        proves: the same, once it is cured; empty: the line is asked only while the fault is there.
        then: the line that proves the cure, where it is another one: the client was at fault.
    """

    command: str
    shows: str
    proves: str = ""
    then: str = ""


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong on a mail server, or in the program of a user.

    Args:
        message: the words that a person has, and looks for.
        made: sh that brings it about, as root; empty: nothing is wrong on the server.
        asked: what a client types.
        log: an extended regular expression for the lines of the log that tell, the line that comes last at its end;
            empty: the log is silent about it.
        cause: why it is so.
        cure: sh that mends it, as root; empty: nothing is mended on the server.
        to_do: the cure in words, with what to look at.
        elsewhere: how other versions or families say it; empty: alike.
    """

    message: str
    made: str
    asked: tuple[Ask, ...]
    log: str
    cause: str
    cure: str
    to_do: str
    elsewhere: str = ""


@dataclass(frozen=True)
class Said:
    """A command, and what came of it."""

    command: str
    output: str

    def __str__(self) -> str:
        return f"$ {self.command}\n{self.output}".rstrip()


@dataclass(frozen=True, repr=False)
class Terminal(Shown):
    """Lines of a terminal or of a log, under a few words that say which."""

    title: str
    lines: str

    def text(self) -> str:
        return "\n".join([f"{self.title}:", *(f"    {line}" for line in visible(self.lines).split("\n"))])

    def html(self) -> str:
        body = html.escape(visible(self.lines))
        return f'<p><strong>{html.escape(self.title)}</strong></p><pre style="{_PRE}">{body}</pre>'


def story(
    fault: Fault, made: str, cure: str, before: Sequence[Said], log: str, after: Sequence[Said]
) -> Parts:
    """A fault from how it came to the proof that it has gone."""
    parts: list[Shown] = [Terminal("Made by, as root", made)] if made else []
    parts += [
        Terminal("The client", "\n\n".join(map(str, before))),
        Terminal("The log", log) if log else Text("The log says nothing of it."),
        Text(f"Cause: {fault.cause}"),
        Text(f"Cure: {fault.to_do}"),
    ]
    parts += [Terminal("Cured by, as root", cure)] if cure else []
    parts.append(Terminal("The proof", "\n\n".join(map(str, after))))
    parts += [Text(f"Elsewhere: {fault.elsewhere}")] if fault.elsewhere else []
    return Parts(parts)
