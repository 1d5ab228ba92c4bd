"""Wrong values told to a person: place, field, what stands there, what was expected, what to write.

What was expected is read from the JSON schema of the models, so that the message, the editor's completion and
the check are one source.
"""

import difflib
import functools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from runbook_lib.inventory.source import Location, Place
from runbook_lib.messages import Message, message
from runbook_lib.messages.words import either

Schema = Mapping[str, Any]
Sentence = Callable[[Place], str]

_SHOWN_CHARACTERS = 60  # of what stands at a place
HOST_NAME_IN_WORDS = message("1 to 63 lower-case letters, digits, '.', '_' and '-', first a letter or digit")


def refusals(error: ValidationError, model: type[BaseModel]) -> Iterator[tuple[Location, Sentence]]:
    """What is wrong with one model's values: the location in the model, and the sentence about its place."""
    schema = _schema(model)
    for detail in error.errors(include_url=False, include_input=False):
        yield tuple(detail["loc"]), _sentence(detail, schema, tuple(detail["loc"]))


@functools.cache
def _schema(model: type[BaseModel]) -> Schema:
    """Once for all hosts: a default that is wrong is so at each of them."""
    return model.model_json_schema()


def _sentence(detail: Mapping[str, Any], schema: Schema, location: Location) -> Sentence:
    field = _at(schema, location)
    form = _form(field)
    wanted = (
        message("expected {form} ({description})", form=form, description=field["description"])
        if "description" in field
        else message("expected {form}", form=form)
    )
    example = (
        message("; for example {field}: {example}", field=location[-1], example=field["examples"][0])
        if location and "examples" in field
        else ""
    )
    match detail["type"]:
        case "missing":
            return _always(message("is missing; {wanted}{example}", wanted=wanted, example=example))
        case "extra_forbidden":
            return _always(unknown(str(location[-1]), known(_at(schema, location[:-1]))))
        case "value_error":
            error = detail["ctx"]["error"]
            return _always(next((one for one in error.args if isinstance(one, Message)), str(error)))
    if _is_secret(field) or "properties" in field:
        # What stands here may be the secret itself.
        return lambda place: message(
            "is {kind}; {wanted}{example}", kind=place.kind, wanted=wanted, example=example
        )
    return lambda place: message(
        "is {written}; {wanted}{example}",
        written=_written(place),
        wanted=wanted,
        example=_instead(field, place) or example,
    )


def _always(sentence: str) -> Sentence:
    return lambda _: sentence


def known(schema: Schema) -> list[str]:
    """The fields that a block of the file may have."""
    return [name for name, field in schema.get("properties", {}).items() if not field.get("readOnly")]


def unknown(name: str, names: Sequence[str]) -> str:
    """The sentence about a field that no model has."""
    return message("is not a field; {hint}", hint=instead(name, names))


def instead(name: str, names: Sequence[str]) -> str:
    """What is expected in place of a name that there is not: the one that is like it, else any of them."""
    close = difflib.get_close_matches(name, names, n=1)
    if close:
        return message("did you mean {close}?", close=close[0])
    return message("expected one of {names}", names=", ".join(names))


def _form(field: Schema) -> str:
    """What a field takes, in words."""
    if "anyOf" in field:
        return message("{form}, or nothing", form=_form(_without_null(field)))
    if "enum" in field:
        return either(map(str, field["enum"]))
    if _is_secret(field):
        return message("a reference: env:NAME, file:PATH, keyring:SERVICE/USER or cmd:COMMAND")
    match field.get("type"):
        case "integer":
            return message(
                "a whole number from {least} to {most}", least=field["minimum"], most=field["maximum"]
            )
        case "string":
            return (
                message("a text of at most {most} characters", most=field["maxLength"])
                if "maxLength" in field
                else message("a text")
            )
        case "boolean":
            return message("true or false")
        case "array" if "$ref" in field["items"]:
            return message("a list of blocks [{{…}}, {{…}}]")
        case "array":
            return message("a list [A, B] with {form} in each place", form=_form(field["items"]))
        case _:
            return message("a block with {fields}", fields=", ".join(known(field)))


def _instead(field: Schema, place: Place) -> str:
    """What to write instead, where the text in the file can only mean one thing."""
    text, wanted = place.written, _without_null(field)
    if not text or len(text) > _SHOWN_CHARACTERS:
        return ""
    is_number = wanted.get("type") == "integer" or isinstance(wanted.get("enum", [""])[0], int)
    if is_number and place.kind == "text" and re.fullmatch("[0-9]+", text):
        return message("; write {number} without quotes", number=int(text))
    if (
        is_number
        and re.fullmatch(r"[+-]?[0-9]+(\.0*)?([eE]\+?[0-9])?", text)
        and str(int(float(text))) != text
    ):
        return message("; write {value}", value=int(float(text)))
    if wanted.get("type") == "boolean" and text.lower() in ("yes", "on", "y", "no", "off", "n"):
        return message("; write {value}", value="true" if text.lower() in ("yes", "on", "y") else "false")
    if wanted.get("type") == "string" and place.kind != "text":
        return message('; write "{text}" in quotes', text=text)
    if wanted.get("type") == "array" and "$ref" not in wanted["items"]:
        return message("; write [{text}]", text=text)
    return ""


def _written(place: Place) -> str:
    """What stands at a place: its text where that is short, and its kind."""
    if not place.written:
        return place.kind
    text = place.written
    text = text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 3]}..."
    return message("{written}, {kind}", written=repr(text) if place.kind == "text" else text, kind=place.kind)


def _is_secret(field: Schema) -> bool:
    return _without_null(field).get("format") == "secret-reference"


def _without_null(field: Schema) -> Schema:
    return next((option for option in field.get("anyOf", ()) if option.get("type") != "null"), field)


def _at(schema: Schema, location: Sequence[str | int]) -> Schema:
    """The part of a JSON schema that a location leads to; an item has the description of its list."""
    node: Schema = schema
    for step in location:
        if isinstance(step, int):
            described = {"description": node["description"]} if "description" in node else {}
            node = _resolved(schema, {**described, **node.get("items", {})})
        else:
            named = node.get("additionalProperties") or {}  # blocks under names that the file gives
            node = _resolved(schema, node.get("properties", {}).get(step, named))
    return node


def _resolved(schema: Schema, node: Schema) -> Schema:
    """`node` with what its $ref names, also where null is the other choice; its own description wins."""
    reference = _without_null(node).get("$ref")
    if reference is None:
        return node
    target = schema["$defs"][reference.rpartition("/")[2]]
    return {**target, **{key: value for key, value in node.items() if key not in ("$ref", "anyOf")}}
