"""What forms and reports say, in the two languages of the document: data, in `words.toml`."""

import functools
import tomllib
from collections.abc import Mapping
from pathlib import Path

from markupsafe import Markup, escape

LANGUAGES = ("en", "ja")
_FILE = Path(__file__).with_name("words.toml")


@functools.cache
def catalogue() -> dict[str, dict[str, str]]:
    """Each key's words, by language."""
    return tomllib.loads(_FILE.read_text(encoding="utf-8"))


def say(key: str, language: str) -> str:
    """A word of the catalogue.

    Raises: KeyError: there is none of this key, or not in this language.
    """
    return catalogue()[key][language]


def both(key: str, **values: int) -> Markup:
    """A word in both languages, Japanese first, as a form of a site in Japan has it.

    Args:
        values: numbers that stand in the sentence, by name.
    """
    return in_both({language: say(key, language).format(**values) for language in LANGUAGES})


def in_both(texts: Mapping[str, str]) -> Markup:
    """A text in both languages, in the same way; once where it is the same in both.

    Args:
        texts: by language.
    """
    if len(set(texts.values())) == 1:
        return escape(texts["en"])
    parts = [
        Markup('<span lang="{}">{}</span>').format(language, texts[language])
        for language in reversed(LANGUAGES)
    ]
    return Markup('<span class="both">{}</span>').format(Markup(" ").join(parts))
