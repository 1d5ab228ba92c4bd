"""What a client's settings page says, as data: each sentence in English and in Japanese.

A client module makes one `Guide`; the notebook shows its tables, and `page.py` writes it as a page for
users. So the two never say different things.
"""

import html
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from runbook_lib.display import Shown, Table


@dataclass(frozen=True)
class Said:
    """One thing said in both languages."""

    en: str
    ja: str


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
    """Steps one after the other, each in English with the Japanese below it."""

    steps: Sequence[Said]

    def text(self) -> str:
        """A numbered list, 100 columns wide."""
        lines = []
        for number, step in enumerate(self.steps, start=1):
            lines.append(textwrap.fill(step.en, 100, initial_indent=f"{number}. ", subsequent_indent="   "))
            lines.append(f"   {step.ja}")
        return "\n".join(lines)

    def html(self) -> str:
        """An ordered list; the Japanese is marked as such for screen readers."""
        items = (
            f'<li>{html.escape(step.en)}<br><span lang="ja">{html.escape(step.ja)}</span></li>'
            for step in self.steps
        )
        return f"<ol>{''.join(items)}</ol>"


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
        rows = [(value.label.en, value.label.ja, value.entry.en) for value in self.values]
        return Table(("field", "表示", "enter"), rows)

    def ca_shown(self) -> Shown:
        """The CA's file, name, last day and fingerprint."""
        return Table(("the CA", "is"), [(item.label.en, item.entry.en) for item in self.ca])

    def trust_shown(self) -> Shown:
        """How the client comes to trust the CA, step by step."""
        return Steps(self.trust)

    def steps_shown(self) -> Shown:
        """The way to the values, step by step."""
        return Steps(self.steps)

    def compared_shown(self) -> Shown:
        """The document's value, today's, the source."""
        rows = [(item.what.en, item.then.en, item.now.en, item.source) for item in self.compared]
        return Table(("what", "2013", "today", "source"), rows)

    def instead_shown(self) -> Shown:
        """What took the client's place, and what to set there."""
        return Table(("client", "set"), [(item.label.en, item.entry.en) for item in self.instead])

    def troubles_shown(self) -> Shown:
        """What users see when something is wrong."""
        rows = [(item.seen.en, item.means.en, item.remedy.en) for item in self.troubles]
        return Table(("the user sees", "it means", "do this"), rows)
