"""Inputs that are nearly right: what each parser expects, built by its grammar, then bent.

Plain random bytes end at a parser's first line. These come further: DER with a wrong length, PEM with a lost line, a
main.cf with an open brace, a reply of 64 KiB, YAML that says one thing twice.
"""

import base64
import json
from collections.abc import Callable

from hostile_words import FIELDS, PARAMETERS, RESTRICTIONS, SCALARS
from hypothesis import strategies as st

# Markup, a control, a bidirectional override, a character without width, a lone CR, a byte that is not UTF-8.
EVIL = (
    "<img src=x onerror=alert(1)>",
    "\x1b[2J\x1b]0;owned\x07",
    "\u202egpj.exe",
    "a\u200bb\ufeff",
    "one\rtwo",
    "\udcff",
    "\x9b31m",
    "\u2028",
    "${HOME}$(id)`id`",
    "'\"\\",
    "%s%n{0}{x}",
    "メール 管理者",
    "²٣",
)

evil = st.sampled_from(EVIL)
words = st.one_of(
    st.text("abcdefghijklmnopqrstuvwxyz0123456789_-./:=,{}#$", max_size=12), evil, st.text(max_size=6)
)
numbers = st.one_of(
    st.integers(-2, 70000).map(str),
    st.sampled_from(
        ("0587", "1e2", "9" * 400, "9" * 5000, "0x1f", "1_000", "²", "٣", "-0", "1e9999", ".inf")
    ),
)


def encoded(text: str) -> bytes:
    """UTF-8, with lone surrogates as the bytes that they stand for, or as what no decoder takes."""
    return text.encode("utf-8", errors="surrogatepass")


def mostly(usual: str, other: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """The usual text, and one time in ten another one: where each of many parts is odd, the first ends it all."""
    return st.integers(0, 9).flatmap(lambda drawn: st.just(usual) if drawn else other)


_edits = st.lists(
    st.tuples(
        st.sampled_from(("set", "flip", "cut", "twice", "insert")), st.floats(0, 1), st.integers(0, 255)
    ),
    max_size=4,
)


@st.composite
def bent(draw: st.DrawFn, base: st.SearchStrategy[bytes]) -> bytes:
    """Bytes with up to four edits: one set, one bit flipped, a piece cut out, doubled or put in."""
    content = bytearray(draw(base))
    for kind, where, byte in draw(_edits):
        at = int(where * len(content))
        match kind:
            case "set" if at < len(content):
                content[at] = byte
            case "flip" if at < len(content):
                content[at] ^= 1 << byte % 8
            case "cut":
                del content[at : at + 1 + byte % 16]
            case "twice":
                content[at:at] = content[at : at + 1 + byte]
            case _:
                content[at:at] = bytes([byte])
    return bytes(content)


_frames: tuple[Callable[[list[str]], list[str]], ...] = (
    lambda lines: lines,
    lambda lines: ["subject=" + EVIL[0], *lines],
    lambda lines: ["\ufeff" + lines[0], *lines[1:]],
    lambda lines: [line + "\r" for line in lines],
    lambda lines: [line + " " for line in lines],
    lambda lines: [lines[0], "".join(lines[1:-1]), lines[-1]],
    lambda lines: [*lines[:-1], lines[-1].replace("END", "End")],
    lambda lines: [line[1:] for line in lines[:1]] + lines[1:],
    lambda lines: lines[:-1],
    lambda lines: lines[:2] + lines[3:],
    lambda lines: [lines[0], "Proc-Type: 4,ENCRYPTED", "", *lines[1:]],
    lambda lines: [lines[0].replace("CERTIFICATE", "TRUSTED CERTIFICATE"), *lines[1:]],
    lambda lines: [
        lines[0].replace("BEGIN ", "BEGIN X509 "),
        *lines[1:-1],
        lines[-1].replace("END ", "END X509 "),
    ],
    lambda lines: [
        lines[0].replace("BEGIN ", "BEGIN NEW "),
        *lines[1:-1],
        lines[-1].replace("END ", "END NEW "),
    ],
)


@st.composite
def pem(draw: st.DrawFn, label: str, contents: st.SearchStrategy[list[bytes]]) -> bytes:
    """Blocks of a PEM file, most of them framed right."""
    lines: list[str] = []
    for der in draw(contents):
        body = base64.b64encode(der).decode()
        width = draw(st.sampled_from((64, 64, 64, 64, 64, 64, 76, 63, 1000)))
        block = [f"-----BEGIN {label}-----", *(body[i : i + width] for i in range(0, len(body), width))]
        frame = draw(st.sampled_from((*_frames[:1] * 30, *_frames)))
        lines += frame([*block, f"-----END {label}-----"])
    glue = draw(st.sampled_from(("\n", "\n", "\n", "\n", "\r\n", "")))
    return encoded(glue.join(lines) + draw(st.sampled_from(("\n", "", "\n" + EVIL[1]))))


_os_release_line = st.one_of(
    st.sampled_from(
        ("ID=debian", 'VERSION_ID="12"', "ID=rocky", 'VERSION_ID="9.4"', 'ID_LIKE="rhel fedora"')
    ),
    st.builds(
        "{}={}{}{}".format,
        st.sampled_from(("ID", "VERSION_ID", "PRETTY_NAME", "ID_LIKE", "id", "X-Y")),
        st.sampled_from(("", '"', "'", "$'")),
        words,
        st.sampled_from(("", '"', "'", "\\")),
    ),
    words,
)
os_release = st.lists(_os_release_line, max_size=8).map(lambda lines: encoded("\n".join(lines)))

_code = st.one_of(
    *[st.sampled_from(("220", "250", "250", "354", "421", "454", "530", "535", "554"))] * 4, words
)
_reply_line = st.builds(
    "{}{}{}{}".format,
    _code,
    st.sampled_from((" ", " ", " ", "-", "", "\t")),
    st.one_of(
        st.sampled_from(("mail.example.test ESMTP", "AUTH PLAIN LOGIN", "STARTTLS", "SIZE 1")),
        words,
        st.just("x" * 70000),
    ),
    st.sampled_from(("\r\n", "\r\n", "\r\n", "\n", "\r", "")),
)
_begun = st.sampled_from(
    ("220 mail.example.test ESMTP\r\n", "220-a\r\n220 b\r\n250-mail.example.test\r\n250 AUTH PLAIN\r\n", "")
)
smtp = st.builds(
    lambda begun, lines: encoded(begun + "".join(lines)), _begun, st.lists(_reply_line, max_size=6)
)

_scalars = st.one_of(
    st.sampled_from(SCALARS),
    numbers,
    words.map(json.dumps),
    words,
)
_fields = st.sampled_from(FIELDS)
GOOD_INVENTORY = """site:
  name: Example
  domain: example.test
  ca: &ca
    passphrase: env:PW
defaults:
  user: kanri
  certificate:
    key_passphrase: env:PW
hosts:
  mail1:
    address: 192.0.2.25
    names:
      smtp: mail.example.test
"""


@st.composite
def inventory(draw: st.DrawFn) -> bytes:
    """An inventory that would be taken, with lines put in, exchanged and taken away."""
    lines = GOOD_INVENTORY.split("\n")
    for _ in range(draw(st.sampled_from((0, 1, 1, 1, 2, 2, 4)))):
        at = draw(st.integers(0, len(lines) - 1))
        indent = draw(st.sampled_from(("  ", "    ", "      ", "", "\t")))
        made = f"{indent}{draw(_fields)}: {draw(_scalars)}"
        match draw(st.sampled_from(("insert", "value", "value", "replace", "cut", "word", "alias"))):
            case "insert":
                lines.insert(at, made)
            case "replace":
                lines[at] = made
            case "cut":
                del lines[at : at + 1]
                lines = lines or [""]
            case "value":
                lines[at] = f"{lines[at].partition(':')[0]}: {draw(_scalars)}"
            case "word":
                lines[at] += draw(words)
            case _:
                lines.insert(at, f"{indent}x: &x [*x, {', '.join(['*x'] * 9)}]")
    return encoded("\n".join(lines))


_parameters = st.sampled_from(PARAMETERS)
restriction_words = st.sampled_from(RESTRICTIONS)
_values = st.lists(st.one_of(restriction_words, words), max_size=6).map(" ".join)
restriction_lists = _values.map(encoded)
_main_cf_line = st.one_of(
    st.builds("{} = {}".format, _parameters, _values),
    st.builds("{}{}{}".format, words, st.sampled_from(("=", " = ", "", " ")), _values),
)
main_cf = st.lists(_main_cf_line, max_size=6).map("\n".join)
_option = st.builds(
    " -o {}{}{}".format,
    st.sampled_from(("", "{ ", "{")),
    st.builds("{}={}".format, st.one_of(_parameters, words), _values),
    st.sampled_from(("", " }", "}")),
)
_service = st.builds(
    "{} {} {} {} {} {} {} {}{}".format,
    st.one_of(
        st.sampled_from(("smtp", "submission", "smtps", "465", "127.0.0.1:587", "[::1]:25", "pickup")), words
    ),
    st.sampled_from(("inet", "unix", "fifo", "pass")),
    *(st.sampled_from(("-", "y", "n")),) * 3,
    st.sampled_from(("-", "1", "60?")),
    st.sampled_from(("-", "1", "100")),
    st.sampled_from(("smtpd", "postscreen", "pickup")),
    st.lists(_option, max_size=3).map("".join),
)
master_cf = st.lists(st.one_of(_service, _values), max_size=5).map("\n".join)


def answers(*fields: st.SearchStrategy[str]) -> st.SearchStrategy[bytes]:
    """What a script prints with a NUL behind each word; now and then a word too few or too many."""
    return st.builds(
        lambda row, tail: encoded("".join(f"{word}\0" for word in row) + tail),
        st.one_of(st.tuples(*fields).map(list), st.lists(st.one_of(words, numbers), max_size=12)),
        st.sampled_from(("", "", "", "x", "\0")),
    )
