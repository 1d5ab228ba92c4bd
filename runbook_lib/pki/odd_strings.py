"""Strings of a name whose bytes their type does not allow: OpenSSL takes them, cryptography and RFC 5280 do not.

Old tools wrote Latin-1 into a PrintableString or a T61String; the whole file then looks as if it were cut.

Source: X.680 8.4 and 41 (types and what they hold); RFC 5280 4.1.2.4 (UTF8String or PrintableString in a name).
"""

from collections.abc import Iterator

from runbook_lib import display
from runbook_lib.messages import message

_ASCII = {0x13: "PrintableString", 0x16: "IA5String", 0x12: "NumericString", 0x1A: "VisibleString"}
_UTF8, _T61, _BMP, _UNIVERSAL = 0x0C, 0x14, 0x1E, 0x1C
_DEPTH_MAX = 12
_SHOWN_BYTES = 60


def first(der: bytes) -> str:
    """The first such string, with its type and its bytes; '' where there is none."""
    return next((told for told in map(_told, _strings(der, 0)) if told), "")


def _told(string: tuple[int, bytes]) -> str:
    tag, content = string
    shown = display.escape_bytes(content[:_SHOWN_BYTES])
    if tag in _ASCII and not content.isascii():
        return message(
            "a {ascii} with bytes that are not ASCII ('{shown}'), which that type does not hold",
            ascii=_ASCII[tag],
            shown=shown,
        )
    if tag == _T61 and not content.isascii():
        return message(
            "a T61String (TeletexString) with bytes that are not ASCII ('{shown}'), in whatever encoding",
            shown=shown,
        )
    if tag == _UTF8:
        try:
            content.decode()
        except UnicodeDecodeError:
            return message("a UTF8String that is no UTF-8 ('{shown}')", shown=shown)
    if (tag == _BMP and len(content) % 2) or (tag == _UNIVERSAL and len(content) % 4):
        kind = "BMPString" if tag == _BMP else "UniversalString"
        return message(
            "a {kind} of {count} bytes, which is no whole number of characters", kind=kind, count=len(content)
        )
    return ""


def _strings(der: bytes, depth: int) -> Iterator[tuple[int, bytes]]:
    """Tag and content of each element that holds no others, as far as the DER can be walked (X.690 8.1)."""
    at = 0
    while at + 2 <= len(der) and depth < _DEPTH_MAX:
        tag, size, begin = der[at], der[at + 1], at + 2
        if size & 0x80:
            count = size & 0x7F
            if not 1 <= count <= 4:
                return
            begin += count
            size = int.from_bytes(der[at + 2 : begin])
        content = der[begin : begin + size]
        if tag & 0x20:
            yield from _strings(content, depth + 1)
        else:
            yield tag, content
        at = begin + size
