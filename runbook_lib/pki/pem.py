"""PEM framing by OpenSSL's rules, a little stricter: what passes here is read by Postfix.

cryptography reads two certificates from a file in which END and BEGIN share a line; OpenSSL, and so Postfix,
reads none. What is read here is written anew (`block`), so that nobody's odd framing is ever passed on.
A message quotes a line only where it is a framing line: the file may hold a private key.
"""

import base64
import binascii
import re
import textwrap
from dataclasses import dataclass, field

from runbook_lib.messages import message

# PEM has 64 characters a line, MIME's base64 76 (RFC 7468 2; RFC 2045 6.8); not all readers take longer ones.
_LINE_CHARACTERS_MAX = 76
_FRAME = re.compile(r"-----(BEGIN|END) ([^-]+)-----")
_GLUED = re.compile(r"(-----END [^-]+-----)[ \t]*(?=-----BEGIN )")
_NEAR_MISS = re.compile(r"\b(begin|end)\b.{0,12}\b(certificate|x509|pkcs7|csr)", re.IGNORECASE)
_BASE64 = re.compile(r"(?=.)[A-Za-z0-9+/]*={0,2}")
_PRIVATE_KEY = re.compile(rb"PRIVATE\s+KEY")
_CLEAN = re.compile(
    rb"-----BEGIN ([^\n-]+)-----\n((?:[A-Za-z0-9+/]{64}\n)*[A-Za-z0-9+/]{1,64}={0,2}\n)-----END \1-----\n"
)


@dataclass(frozen=True)
class Block:
    """One block: what its BEGIN line names, its content, and the number of that line in the file."""

    label: str
    der: bytes
    line: int


@dataclass(frozen=True)
class Framing:
    """What the framing of a file says: blocks in its order, repairs made, and faults (none: it is sound)."""

    blocks: tuple[Block, ...]
    notes: tuple[str, ...]
    faults: tuple[str, ...]


def block(label: str, der: bytes) -> bytes:
    """A clean block: 64 characters a line, LF, a last newline (RFC 7468)."""
    body = "\n".join(textwrap.wrap(base64.b64encode(der).decode(), 64))
    return f"-----BEGIN {label}-----\n{body}\n-----END {label}-----\n".encode()


def read(content: bytes, expected: str, size_bytes_max: int) -> Framing:
    """Read the blocks of a file.

    Args:
        content: the file; text before, between and after the blocks, CRLF and a UTF-8 BOM are no fault.
        expected: the label that a message names, `CERTIFICATE` or `CERTIFICATE REQUEST`.
        size_bytes_max: a larger file is a fault, and not looked into.
    """
    clean = _clean(content) if len(content) <= size_bytes_max else None
    if clean is not None:
        return Framing((clean,), (), ())
    fault = _fault_of_the_whole(content, expected, size_bytes_max)
    if fault:
        return Framing((), (), (fault,))
    text = content.decode("utf-8", errors="backslashreplace").removeprefix("\ufeff")
    reading = _Reading(expected)
    for number, line in enumerate(text.split("\n"), start=1):
        parts = _GLUED.sub(r"\1\n", line.rstrip()).split("\n")
        if len(parts) > 1:
            reading.notes.append(
                message(
                    "line {number}: END and BEGIN shared a line (files joined without a last newline); parted",
                    number=number,
                )
            )
        for part in parts:
            reading.take(number, part)
    return reading.end()


def _clean(content: bytes) -> Block | None:
    """The one block of a file that is as `block` writes it, as each of a large ledger is; None where it is not so."""
    found = _CLEAN.fullmatch(content)
    if found is None or _PRIVATE_KEY.search(content):
        return None
    text = found[2].replace(b"\n", b"")
    try:
        der = base64.b64decode(text, validate=True)
    except binascii.Error:
        return None
    label = found[1].decode("utf-8", errors="backslashreplace")
    return Block(label, der, 1) if base64.b64encode(der) == text else None


def _fault_of_the_whole(content: bytes, expected: str, size_bytes_max: int) -> str | None:
    frame = f"-----BEGIN {expected}-----"
    if not content.strip():
        return message("the file is empty; expected {frame}", frame=frame)
    if len(content) > size_bytes_max:
        return message(
            "the file has {count} bytes; at most {most} are read",
            count=len(content),
            most=size_bytes_max,
        )
    if _PRIVATE_KEY.search(content):
        return message("the file holds a private key, which must not leave its server (it is not shown here)")
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return message(
            "the file is UTF-16 text; save it as plain text (UTF-8), with {frame} at the start of a line",
            frame=frame,
        )
    if content[:1] == b"\x30" and b"-----BEGIN" not in content:
        return message("the file is DER (binary), not PEM; expected {frame}", frame=frame)
    if b"\0" in content:
        return message("the file is binary, not PEM; expected {frame}", frame=frame)
    if b"\r" in content.replace(b"\r\n", b""):
        return message(
            "lines end in a lone CR, so that {frame} is not at the start of a line; save it with LF or CRLF",
            frame=frame,
        )
    return None


@dataclass
class _Begun:
    """A block whose END line has not been seen yet."""

    label: str
    line: int
    body: list[str] = field(default_factory=list)


class _Reading:
    """The state while lines go by: what was found so far, and the block that is open."""

    def __init__(self, expected: str) -> None:
        self.expected = expected
        self.blocks: list[Block] = []
        self.notes: list[str] = []
        self.faults: list[str] = []
        self.begun: _Begun | None = None

    def take(self, number: int, line: str) -> None:
        frame = _FRAME.fullmatch(line)
        if frame is None:
            self._take_text(number, line)
        elif frame[1] == "BEGIN":
            if self.begun is not None:
                self.faults.append(
                    message(
                        "line {number}: a block begins, and that of line {line} has no END line",
                        number=number,
                        line=self.begun.line,
                    )
                )
            self.begun = _Begun(frame[2], number)
        else:
            self._take_end(number, frame[2])

    def end(self) -> Framing:
        if self.begun is not None:
            self.faults.append(
                message(
                    "line {line}: the block has no line -----END {label}-----",
                    line=self.begun.line,
                    label=self.begun.label,
                )
            )
        if not self.blocks and not self.faults:
            self.faults.append(
                message("there is no line -----BEGIN {expected}----- in the file", expected=self.expected)
            )
        return Framing(tuple(self.blocks), tuple(self.notes), tuple(self.faults))

    def _take_text(self, number: int, line: str) -> None:
        if not _BASE64.fullmatch(line) and (
            "-----BEGIN" in line or "-----END" in line or _NEAR_MISS.search(line)
        ):
            kind = "END" if self.begun is not None else "BEGIN"
            long = len(line) > _LINE_CHARACTERS_MAX
            lost = (
                message("its line ends are the two characters \\n")
                if r"\n" in line
                else message("its line breaks were lost")
            )
            seen = message("longer: {lost}", lost=lost) if long else f"'{ascii(line)[1:-1]}'"
            self.faults.append(
                message(
                    "line {number}: the framing is wrong, not the certificate: expected a line of its own "
                    "with exactly -----{kind} {expected}-----, and it is {seen}",
                    number=number,
                    kind=kind,
                    expected=self.expected,
                    seen=seen,
                )
            )
            self.begun = None
        elif self.begun is not None:
            self.begun.body.append(line)

    def _take_end(self, number: int, label: str) -> None:
        if self.begun is None or self.begun.label != label:
            self.faults.append(
                message(
                    "line {number}: an END line without its line -----BEGIN {expected}-----",
                    number=number,
                    expected=self.expected,
                )
            )
        else:
            body = _decode(self.begun)
            if isinstance(body, bytes):
                self.blocks.append(Block(label, body, self.begun.line))
            else:
                self.faults.append(body)
        self.begun = None


def _decode(begun: _Begun) -> bytes | str:
    """The content of a block, or the fault in it."""
    if not begun.body:
        return message("line {line}: the block is empty", line=begun.line)
    for number, line in enumerate(begun.body, start=begun.line + 1):
        if len(line) > _LINE_CHARACTERS_MAX:
            return message(
                "line {number}: the framing is wrong, not the certificate: {count} characters in it, "
                "where PEM has 64; its line breaks were lost. Expected are the lines as they were, from "
                "-----BEGIN {label}----- to -----END {label}-----",
                number=number,
                count=len(line),
                label=begun.label,
            )
        if not _BASE64.fullmatch(line):
            return message(
                "line {number}: not base64 (an empty line, a blank, a header or a foreign character)",
                number=number,
            )
    try:
        text = "".join(begun.body)
        der = base64.b64decode(text, validate=True)
        # A block that lost characters may pass, where its padding makes up for them: so there and back again.
        if base64.b64encode(der).decode() != text:
            raise binascii.Error
        return der
    except binascii.Error:
        return message("line {line}: the base64 of the block is cut short or altered", line=begun.line)
