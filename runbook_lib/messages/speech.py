"""In which language this process says what it shows; the catalogues are those of gettext."""

import functools
import gettext
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runbook_lib.messages.template import Message

ENGLISH = "en"
CATALOGUES = Path(__file__).parent / "catalogues"

# What stands behind a text that another one is joined to, where English has a semicolon: no word, so in no catalogue.
_SEMICOLON = "; "
_STOPS = {"ja": "。"}

_language = ENGLISH


def languages() -> tuple[str, ...]:
    """What can be spoken: English, and each language that has a catalogue."""
    return (ENGLISH, *sorted(path.name for path in CATALOGUES.iterdir() if path.is_dir()))


def speak(language: str) -> None:
    """From now on what this process shows is said in this language.

    Raises: ValueError: there is no catalogue of it.
    """
    global _language
    if language not in languages():
        raise ValueError(language)
    _language = language


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Say what is shown meanwhile in another language than this process speaks.

    Raises: ValueError: there is no catalogue of it.
    """
    before = _language
    speak(language)
    try:
        yield
    finally:
        speak(before)


def said(text: str, language: str | None = None) -> str:
    """A text as it is shown: a message in a language, any other text as it is.

    Args:
        language: one of `languages`; None: that which this process speaks.
    """
    spoken = _language if language is None else language
    if spoken == ENGLISH or not isinstance(text, Message):
        return str(text)
    fields = {name: said(one, spoken) if isinstance(one, str) else one for name, one in text.fields.items()}
    if spoken in _STOPS and _is_joined(text):
        *first, last = map(str, fields.values())  # a text that is a sentence ends in a stop already
        return _STOPS[spoken].join([*(one.removesuffix(_STOPS[spoken]) for one in first), last])
    return template_of(text, spoken).format_map(fields)


def template_of(text: Message, language: str) -> str:
    """The template of a message in a language."""
    if language == ENGLISH or not text.template:
        return text.template
    if language in _STOPS and _is_joined(text):
        return text.template.replace(_SEMICOLON, _STOPS[language])
    return _catalogue(language).gettext(text.template)


def _is_joined(text: Message) -> bool:
    """Whether it is texts with a semicolon between them, and nothing else."""
    parts = text.template.split(_SEMICOLON)
    return len(parts) > 1 and parts == [f"{{p{number}}}" for number in range(len(parts))]


@functools.cache
def _catalogue(language: str) -> gettext.NullTranslations:
    return gettext.translation("runbook", CATALOGUES, [language])
