"""JSON of which there is one spelling, so that it can be hashed, signed, and written again by anybody.

Keys in the order of their code points, no blanks, UTF-8, one line end at the end: what `jq -cS` writes. Strings, whole
numbers, true, false and null alone.
"""

import json

_WHOLE_NUMBER_MAX = (
    2**53
)  # above it programs that count in doubles, as jq, write another number (RFC 8785, 3.2.2.3)


def to_bytes(value: object) -> bytes:
    """The one spelling of a value.

    Raises: ValueError: it has a number that is not whole, or too long; or text that UTF-8 cannot hold.
    """
    _refuse_numbers(value)
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return f"{text}\n".encode()


def from_bytes(content: bytes) -> object:
    """The value that was written so.

    Raises: ValueError: it is not JSON, a key occurs twice, or it is spelled otherwise than `to_bytes` does.
    """
    try:
        value = json.loads(content, object_pairs_hook=_each_once)
        again = to_bytes(value)
    except RecursionError:
        raise ValueError("is nested too deep") from None
    if again != content:
        raise ValueError("is not spelled as canonical JSON")
    return value


def _each_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("has a key twice")
    return found


def _refuse_numbers(value: object) -> None:
    if isinstance(value, float) or (isinstance(value, int) and abs(value) > _WHOLE_NUMBER_MAX):
        raise ValueError("has a number that is not whole, or too long")
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    for part in parts:
        _refuse_numbers(part)
