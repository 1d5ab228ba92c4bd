"""What a client's settings page says, as data: each sentence in English and in Japanese.

A client module makes one `Guide`; the notebook shows its tables, and `page.py` writes it as a page for
users. So the two never say different things.
"""

import html
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

from runbook_lib.display import Shown, Table
from runbook_lib.messages import Message, message
from runbook_lib.messages.speech import said


class Said(Message):
    """One thing said in both languages: a message that brings its Japanese along.

    Users get both on one page, whatever language the notebook is shown in.

    Args:
        template, fields: as `Message` has them.
        japanese: the same in Japanese, with the same fields.
    """

    japanese: str

    def __new__(cls, template: LiteralString, japanese: LiteralString, /, **fields: Any) -> "Said":
        made = super().__new__(cls, template, fields)
        assert isinstance(made, Said)
        made.japanese = japanese
        return made

    @property
    def en(self) -> str:
        """In English."""
        return str(self)

    @property
    def ja(self) -> str:
        """In Japanese; so is what stands in its fields and was said in both languages."""
        fields = {name: one.ja if isinstance(one, Said) else one for name, one in self.fields.items()}
        return self.japanese.format_map(fields)


@dataclass(frozen=True)
class Value:
    """A field of a dialogue: its label as the client shows it, and what to enter."""

    label: Said
    entry: Said


@dataclass(frozen=True)
class Compared:
    """What the document of 2013 says of a thing, what holds today, and who says so."""

    what: Said
    then: Said
    now: Said
    source: str


@dataclass(frozen=True)
class Trouble:
    """What the client says when something is wrong (in its own words), what it means, and what to do."""

    seen: Said
    means: Said
    remedy: Said


@dataclass(frozen=True, repr=False)
class Steps(Shown):
    """Steps one after the other, each in the notebook's language with the Japanese below it, where that is another."""

    steps: Sequence[Said]

    def text(self) -> str:
        """A numbered list, 100 columns wide."""
        lines = []
        for number, step in enumerate(self.steps, start=1):
            shown = said(step)
            lines.append(textwrap.fill(shown, 100, initial_indent=f"{number}. ", subsequent_indent="   "))
            if shown != step.ja:
                lines.append(f"   {step.ja}")
        return "\n".join(lines)

    def html(self) -> str:
        """An ordered list; the Japanese is marked as such for screen readers."""
        return f"<ol>{''.join(map(_item, self.steps))}</ol>"


def _item(step: Said) -> str:
    shown = said(step)
    below = f'<br><span lang="ja">{html.escape(step.ja)}</span>' if shown != step.ja else ""
    return f"<li>{html.escape(shown)}{below}</li>"


@dataclass(frozen=True)
class Guide:
    """The settings page of one client.

    Args:
        client: the client as the inventory names it.
        title: the document's title of the chapter.
        first: what to know before anything is set.
        values: fields and entries, in the order of the client's dialogue.
        ca: the own CA's certificate: what users compare before they trust it; empty where a public CA signed.
        trust: steps that make the client trust the own CA, or that there are none.
        steps: steps to the values, in the document's order and words.
        compared: 2013 against today.
        troubles: what users see, and what it means.
        instead: what took the client's place, with its settings; empty for a client that lives.
        sources: where statements about the client come from, and what was not tried.
    """

    client: str
    title: Said
    first: Sequence[Said]
    values: Sequence[Value]
    ca: Sequence[Value]
    trust: Sequence[Said]
    steps: Sequence[Said]
    compared: Sequence[Compared]
    troubles: Sequence[Trouble]
    sources: Sequence[Said]
    instead: Sequence[Value] = ()

    def values_shown(self) -> Shown:
        """The values to enter, with the labels of both languages."""
        rows = [(value.label, value.label.ja, value.entry) for value in self.values]
        return Table((message("field"), "表示", message("enter")), rows)

    def ca_shown(self) -> Shown:
        """The CA's file, name, last day and fingerprint."""
        return Table((message("the CA"), message("is")), [(item.label, item.entry) for item in self.ca])

    def trust_shown(self) -> Shown:
        """How the client comes to trust the CA, step by step."""
        return Steps(self.trust)

    def steps_shown(self) -> Shown:
        """The way to the values, step by step."""
        return Steps(self.steps)

    def compared_shown(self) -> Shown:
        """The document's value, today's, the source."""
        rows = [(item.what, item.then, item.now, item.source) for item in self.compared]
        return Table((message("what"), "2013", message("today"), message("source")), rows)

    def instead_shown(self) -> Shown:
        """What took the client's place, and what to set there."""
        return Table((message("client"), message("set")), [(item.label, item.entry) for item in self.instead])

    def troubles_shown(self) -> Shown:
        """What users see when something is wrong."""
        rows = [(item.seen, item.means, item.remedy) for item in self.troubles]
        return Table((message("the user sees"), message("it means"), message("do this")), rows)
