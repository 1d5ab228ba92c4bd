"""Pages of a record: made from its data, readable with no network and no script.

Everything that a server said is text here: it is escaped by the template engine, and characters that would
act on a terminal or reorder a line (controls, bidirectional overrides) are spelled out. A message is said in the page's
language: those of the templates, and what a record says of how its texts were made.
"""

import functools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from runbook_lib.messages import Message, message, speech
from runbook_lib.messages.words import worded
from runbook_lib.records import files, index, words
from runbook_lib.records.index import Entry, HostLine, RunIndex
from runbook_lib.records.model import ApplyStep, NoteStep, Outcome, PlanStep, RecordData, Step
from runbook_lib.visible import visible

# No script, no frame, no form, no request: what is shown is in the file.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
_MOST_AT_ONCE = 12  # hosts; of more a page begins with a line for each, and what each did is folded
TEMPLATES = Path(__file__).parent / "templates"

# Word and sign: colour never carries the meaning alone.
OUTCOMES: dict[Outcome, tuple[str, str, str]] = {
    "passed": ("pass", "✓", message("passed")),
    "planned": ("plan", "◇", message("planned, nothing made")),
    "not proven": ("unsure", "?", message("applied, not proven")),
    "failed": ("fail", "✕", message("failed")),
    "interrupted": ("fail", "■", message("interrupted")),
    "running": ("unsure", "…", message("not finished")),
}
VERDICTS: dict[str, tuple[str, str]] = {
    "pass": ("pass", "✓"),
    "warning": ("unsure", "!"),
    "fail": ("fail", "✕"),
    "could not test": ("unsure", "?"),
    "not asked": ("plan", "◇"),
    "not verified": ("plan", "◇"),
    "not tested": ("plan", "◇"),
}


@dataclass(frozen=True)
class DiffLine:
    """A line of a diff and what it is: added, removed, place, name or same."""

    text: str
    kind: str


def chapter_page(entry: Entry, run: RunIndex, language: str = speech.ENGLISH) -> str:
    """The page of one record, in a language of `speech.languages`."""
    notebook_page = (run.folder / entry.notebook_page).exists()
    return rendered(
        "chapter.html.j2", language, entry=entry, record=entry.record, notebook_page=notebook_page
    )


def plan_script(record: RecordData) -> str:
    """What a chapter planned, as the commands that a person types at a root shell instead; empty where it made them."""
    scripts = [plan.script for plan in record.plans if plan.changes]
    if record.mode != "plan" or not scripts:
        return ""
    head = (
        f"# {record.title}\n# Planned for {record.host} in run {record.run}, and not made.\n"
        "# To be typed at a root shell, in this order; what is not for the server says so.\n\n"
    )
    return head + "\n".join(scripts)


def index_page(run: RunIndex, language: str = speech.ENGLISH) -> str:
    """The page of a run: every host and chapter, and what to type next; in a language of `speech.languages`."""
    return rendered("index.html.j2", language, run=run)


def write(run: RunIndex, folder: Path, language: str) -> Path:
    """The pages of a run in a language, into a folder of their own.

    Returns: that of the run.
    Raises: RecordNotWritten: the disk is full, or takes nothing.
    """
    for entry in run.entries:
        files.write_atomically(folder / entry.page, chapter_page(entry, run, language).encode())
    files.write_atomically(folder / index.PAGE, index_page(run, language).encode())
    return folder / index.PAGE


def rendered(template: str, language: str = speech.ENGLISH, **values: object) -> str:
    """A page by its template; all that it is given is text there, but for Markup."""
    return _environment(language).get_template(template).render(policy=POLICY, **values)


@functools.cache
def _environment(page_language: str) -> Environment:
    environment = Environment(
        loader=PackageLoader("runbook_lib.records"),
        autoescape=True,
        finalize=functools.partial(_finalized, page_language),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters.update(
        changes=index.changes,
        decisions=index.decisions,
        diff_lines=diff_lines,
        fact_name=fact_name,
        group_of=group_of,
        language=language,
        local=local,
        paired=paired,
        span=span,
        spoken=spoken,
        summary=summary,
        utc=utc,
        worded=worded,
    )
    environment.globals.update(
        outcomes=OUTCOMES,
        verdicts=VERDICTS,
        both=words.both,
        code=code,
        message=message,
        page_language=page_language,
        most_at_once=_MOST_AT_ONCE,
        style_of=style_of,
    )
    return environment


def code(text: str) -> Markup:
    """A name or a digest that stands in a sentence."""
    return Markup("<code>{}</code>").format(visible(text))


def group_of(lines: Sequence[HostLine]) -> tuple[Outcome, Sequence[HostLine]]:
    """Hosts on which a run came out alike, and how."""
    return lines[0].outcome, lines


def style_of(outcome: Outcome) -> str:
    """The class of what is shown of a host that came out so."""
    return f"came-{outcome.replace(' ', '-')}"


def _finalized(language: str, value: object) -> object:
    """What a template puts out: a message in the page's language, with markup where a field has any."""
    if isinstance(value, Message):
        if not any(isinstance(one, Markup) for one in value.fields.values()):
            return visible(speech.said(value, language))
        fields = {name: escape(_finalized(language, one)) for name, one in value.fields.items()}
        return escape(speech.template_of(value, language)).format_map(fields)
    return visible(value) if type(value) is str else value


def paired(steps: Sequence[Step]) -> Iterator[tuple[int, Step, ApplyStep | None]]:
    """Each step with its number, a plan of changes with what was made of it, which then is no step of its own.

    A note may stand between the two: it is said when the first change is made.
    """
    shown = set[int]()
    for number, step in enumerate(steps, 1):
        made = None
        if isinstance(step, PlanStep) and step.changes:
            later = (
                (n, one) for n, one in enumerate(steps[number:], number + 1) if not isinstance(one, NoteStep)
            )
            at, following = next(later, (0, None))
            if isinstance(following, ApplyStep):
                made = following
                shown.add(at)
        if number not in shown:
            yield number, step, made


def diff_lines(diff: str) -> Iterator[DiffLine]:
    """The lines of a unified diff, each with what it is."""
    in_hunk = False
    for line in diff.rstrip("\n").split("\n"):
        in_hunk = in_hunk or line.startswith("@@")
        if line.startswith("@@"):
            kind = "place"
        elif not in_hunk and re.match(r"(---|\+\+\+) ", line):
            kind = "name"
        else:
            kind = {"+": "added", "-": "removed", "\\": "place"}.get(line[:1], "same")
        yield DiffLine(line, kind)


def language(text: str) -> str:
    """Japanese where kana or kanji stand in it, so that browsers take Japanese glyphs; else English."""
    return "ja" if re.search(r"[\u3040-\u30ff\u4e00-\u9fff]", text) else "en"


def summary(text: str) -> Iterator[str | list[tuple[str, str]]]:
    """The parts of a summary: sentences, and tables of two columns as pairs, without the lines that rule them."""
    pairs: list[tuple[str, str]] = []
    for line in text.splitlines():
        columns = re.split(r" {2,}", line.strip(), maxsplit=1)
        if len(columns) == 2 and columns[0].strip("-"):
            pairs.append((columns[0], columns[1]))
        elif line.strip("- "):
            if pairs:
                yield pairs
                pairs = []
            yield line.strip()
    if pairs:
        yield pairs


def spoken(kind: str) -> str:
    """The kind of a change in words: FileChange is a file, MadeOnHost is made on host."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", kind).lower().removesuffix(" change")
    return _KINDS.get(words, words)


_KINDS = {
    str(kind): kind
    for kind in (
        message("alternative"),
        message("certificate to issue"),
        message("certificate to order"),
        message("csr"),
        message("directory"),
        message("file"),
        message("firewalld"),
        message("key pair"),
        message("labelled"),
        message("made on host"),
        message("membership"),
        message("packages"),
        message("services"),
        message("settings"),
        message("taken up"),
        message("unit"),
        message("variables"),
    )
}


def fact_name(name: str) -> str:
    """The name of a fact in words: those of the library as messages, a chapter's own as it gives them."""
    words = name.replace("_", " ")
    return _FACTS.get(words, words)


_FACTS = {
    str(fact): fact
    for fact in (
        message("candidates"),
        message("certificate on 25"),
        message("certificate stays"),
        message("crypto policy"),
        message("decisions"),
        message("family"),
        message("host key"),
        message("key bits"),
        message("key type"),
        message("looked after by"),
        message("machine"),
        message("maintenance"),
        message("names"),
        message("ports"),
        message("release"),
        message("server"),
        message("system"),
        message("valid days"),
        message("variant"),
    )
}


def span(record: RecordData) -> str:
    """How long a chapter worked, in seconds, or minutes and seconds; and whether the clock was set meanwhile.

    A record without `took_s` is told by its times, where these can be true.
    """
    if record.ended_at is None:
        return ""
    seconds = record.took_s
    if seconds is None:
        ended, started = map(datetime.fromisoformat, (record.ended_at, record.started_at))
        seconds = (ended - started).total_seconds()
        if seconds < 0:
            return message("not known: the clock was set")
    if record.clock_set_by_s:
        times = {"took": _spelled(seconds), "by": _spelled(abs(record.clock_set_by_s))}
        return (
            message("{took}; the clock was set forward by {by} meanwhile", **times)
            if record.clock_set_by_s > 0
            else message("{took}; the clock was set back by {by} meanwhile", **times)
        )
    return _spelled(seconds)


def _spelled(seconds: float) -> str:
    if seconds < 60:
        return message("{seconds} s", seconds=f"{seconds:.1f}")
    return message(
        "{minutes} min {seconds} s", minutes=int(seconds // 60), seconds=f"{int(seconds % 60):02d}"
    )


def utc(moment: str) -> str:
    """A time of the record as a person reads it, in UTC."""
    return f"{datetime.fromisoformat(moment):%Y-%m-%d %H:%M:%S} UTC"


def local(moment: str) -> str:
    """The same time on the clock of the machine that made the page, with its offset; empty if UTC."""
    there = datetime.fromisoformat(moment).astimezone()
    offset = there.utcoffset()
    return f"{there:%H:%M:%S} (UTC{there:%z})" if offset else ""
