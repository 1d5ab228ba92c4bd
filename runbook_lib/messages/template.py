"""What people read: a template and its fields, so that the same data can be said in another language.

A message is English text, and whatever takes text takes it. What is cut from it or joined to it by hand is plain text:
join with `joined`, and put a message that stands within another one into a field of it.
"""

from collections.abc import Iterable, Mapping
from typing import Any, LiteralString


class Message(str):
    """A sentence, or a part of one, that knows how it was made.

    Args:
        template: English, with fields as `str.format` has them; a brace that is meant is doubled.
        fields: what stands in them. A message among them is said in the same language as the whole.
    """

    template: str
    fields: Mapping[str, object]

    def __new__(cls, template: str, fields: Mapping[str, object]) -> "Message":
        made = super().__new__(cls, template.format_map(fields))
        made.template, made.fields = template, fields
        return made

    def __reduce__(self) -> tuple[type["Message"], tuple[str, dict[str, object]]]:
        return Message, (self.template, dict(self.fields))


def message(template: LiteralString, /, **fields: Any) -> Message:
    """A message. Its template stands in the catalogue, so it is written out where this is called.

    Args:
        template, fields: as `Message` has them.
    """
    return Message(template, fields)


def joined(separator: str, parts: Iterable[str]) -> Message:
    """Texts one behind the other, each of which stays the message that it is.

    Args:
        separator: what stands between two of them, without a word.
    """
    fields = {f"p{number}": part for number, part in enumerate(parts)}
    between = separator.replace("{", "{{").replace("}", "}}")
    return Message(between.join(f"{{{name}}}" for name in fields), fields)
