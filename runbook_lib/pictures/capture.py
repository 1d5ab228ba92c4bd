"""What somebody on the way sees of a login, before and after: two packet captures side by side."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from runbook_lib.messages import joined, message
from runbook_lib.pictures.drawing import CLEAR, MARKED, PLAIN, SECRET, Colours, Picture, box, words

_COLUMN, _LINE, _TOP, _CHARACTERS = 400, 22, 64, 44


@dataclass(frozen=True)
class CaptureLine:
    """One line of a conversation as it passed by.

    Args:
        sender: who sent it.
        shown: the bytes as text: a line of SMTP, or what of a TLS record can be printed.
        readable: whether it can be read on the way.
    """

    sender: Literal["client", "server"]
    shown: str
    readable: bool


def capture(before: Sequence[CaptureLine], after: Sequence[CaptureLine]) -> Picture:
    """Both captures side by side; a password that can be read is decoded and marked.

    Args:
        before: the login in clear text.
        after: the same login with TLS.
    """
    left, right = _written_out(before), _written_out(after)
    height = _TOP + _LINE * max(len(left), len(right)) + 16
    body = [
        *_column(10, height, message("before: port 25, in clear text"), CLEAR, left),
        *_column(_COLUMN + 20, height, message("after: the same login with TLS"), SECRET, right),
    ]
    seen = sum(line.decoded for line in (*left, *right))
    return Picture(
        message("The same login on the wire, before and after"),
        message(
            "Two captures side by side. Before, every line can be read, and the login with it ({number} marked). "
            "After, what passes once TLS has begun cannot be read.",
            number=seen,
        ),
        2 * _COLUMN + 30,
        height,
        "".join(body),
        joined("\n", (message("before"), *map(_plain, left), "", message("after"), *map(_plain, right))),
    )


@dataclass(frozen=True)
class _Drawn:
    sender: str
    shown: str
    readable: bool
    decoded: bool


def _written_out(lines: Sequence[CaptureLine]) -> list[_Drawn]:
    """The lines, and below each readable one that carries a login in base64, what it says."""
    drawn = []
    asked = False
    for line in lines:
        drawn.append(_Drawn(line.sender, line.shown, line.readable, decoded=False))
        carries_login = line.sender == "client" and (asked or line.shown.upper().startswith("AUTH "))
        said = _decoded(line.shown) if line.readable and carries_login else ""
        if said:
            drawn.append(_Drawn("", f"= {said}", readable=True, decoded=True))
        asked = line.sender == "server" and line.shown.startswith("334")
    return drawn


def _decoded(shown: str) -> str:
    """What the base64 at the end of a line says (RFC 4616: identity, name, password with NUL between)."""
    try:
        said = base64.b64decode(shown.rpartition(" ")[2], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
    parts = [part for part in said.split("\0") if part]
    return "  ".join(parts) if all(part.isprintable() for part in parts) else ""


def _column(x: float, height: int, title: str, colours: Colours, lines: Sequence[_Drawn]) -> list[str]:
    drawn = [
        box(x, 8, _COLUMN, height - 16, PLAIN),
        box(x, 8, _COLUMN, 34, colours, (title,)),
    ]
    for number, line in enumerate(lines):
        y = _TOP + _LINE * number
        if line.decoded:
            drawn.append(box(x + 62, y - 14, 7.25 * min(len(line.shown), _CHARACTERS) + 12, 20, MARKED))
        own = MARKED if line.decoded else CLEAR if line.readable else SECRET
        drawn.append(words(x + 10, y, _ARROW.get(line.sender, ""), own, size=12))
        drawn.append(
            words(x + 68, y, _short(line.shown), own, size=12, mono=True, weight=600 if line.decoded else 400)
        )
    return drawn


_ARROW = {"client": message("client →"), "server": message("server ←")}


def _short(shown: str) -> str:
    return shown if len(shown) <= _CHARACTERS else shown[: _CHARACTERS - 1] + "…"


def _plain(line: _Drawn) -> str:
    who = {"client": message("  client > "), "server": message("  server < ")}.get(line.sender, "           ")
    remark = "" if line.readable else message("   (not readable)")
    if line.decoded:
        remark = message("   <== anybody can read this")
    return joined("", (who, _short(line.shown), remark))
