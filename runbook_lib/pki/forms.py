"""What kind of thing a file is that somebody calls 'the certificate': told from its first bytes.

Nothing of a private key is ever shown, copied or parsed: that one is there is all that is said.
"""

import base64
import binascii
import re

from runbook_lib.messages import message

_PEM_KEY = re.compile(rb"PRIVATE\s+KEY|PuTTY-User-Key-File")
# RFC 5208 5 and RFC 5915 3, RFC 8017 A.1.2: SEQUENCE, then version 0 or 1, then what no PKCS #12 file has there.
_DER_KEY = re.compile(rb"\x30(?:[\x00-\x7f]|\x81.|\x82..)\x02\x01[\x00\x01][\x02\x04\x30]", re.DOTALL)
# RFC 5208 6: SEQUENCE of an algorithm out of PKCS #5 or PKCS #12's own, then the encrypted key.
_DER_ENCRYPTED_KEY = re.compile(
    rb"\x30(?:[\x00-\x7f]|\x81.|\x82..)\x30(?:[\x00-\x7f]|\x81.)\x06[\x09\x0a]\x2a\x86\x48\x86\xf7\x0d\x01(?:\x05|\x0c\x01)",
    re.DOTALL,
)
_PKCS12 = re.compile(
    rb"\x30(?:[\x00-\x7f]|\x80|\x81.|\x82..|\x83...)\x02\x01\x03\x30", re.DOTALL
)  # RFC 7292 4
_HTML = re.compile(rb"\s*<(!doctype\s+html|html|head|body)", re.IGNORECASE)

# '-----BEGIN ' in base64, with what follows; in YAML and mail its lines may be broken.
_PEM_IN_BASE64 = re.compile(
    rb"LS0tLS1CRUdJTi[A-Za-z0-9+/]*={0,2}(?:\r?\n[ \t]*[A-Za-z0-9+/]+={0,2}(?=[ \t]*\r?(?:\n|\Z)))*"
)
_BASE64 = re.compile(rb"[A-Za-z0-9+/\s]+={0,2}\s*")
_ESCAPED_LINE_END = re.compile(rb"(?:\\+r)?\\+n")

PRIVATE_KEY = message("a private key")
PKCS12 = message("a PKCS #12 file (.pfx, .p12), which is made to carry a private key")
KEY_STORE = message("a Java key store, which is made to carry a private key")

_WAS_UTF_16 = message("was UTF-16 text; read as such")
_HAD_ESCAPED_LINE_ENDS = message(
    r"had line ends that were the two characters \n (JSON, a variable); read as such"
)
_WAS_BASE64 = message("was base64 of the file (as `base64 -d` undoes it); decoded")
_HOLDS_BASE64 = message("holds base64 of PEM (a secret of Kubernetes has such values); decoded")

# What carries no certificate that could be read here, and what to do with it instead.
_FOREIGN: tuple[tuple[bytes, str, str], ...] = (
    (b"\x1f\x8b", message("a gzip archive"), message("unpack it, and bring the files in it")),
    (b"BZh", message("a bzip2 archive"), message("unpack it, and bring the files in it")),
    (b"\xfd7zXZ", message("an xz archive"), message("unpack it, and bring the files in it")),
    (b"7z\xbc\xaf\x27\x1c", message("a 7-Zip archive"), message("unpack it, and bring the files in it")),
    (b"Rar!", message("a RAR archive"), message("unpack it, and bring the files in it")),
    (
        b"%PDF",
        message("a PDF document"),
        message("bring the certificate's own file; a PDF shows it only to people"),
    ),
    (b"{\\rtf", message("a word processor's document"), message("save the certificate's text as plain text")),
    (
        b"\xd0\xcf\x11\xe0",
        message("an Office document or an Outlook mail"),
        message("save the attachment, or its text as plain text"),
    ),
    (b"\x89PNG", message("a picture"), message("bring the certificate's own file")),
    (b"\xff\xd8\xff", message("a picture"), message("bring the certificate's own file")),
)


def secret_in(content: bytes) -> str | None:
    """What in a file is, or may carry, a private key; None: nothing that is known to."""
    if _PEM_KEY.search(content):
        return PRIVATE_KEY
    if _DER_KEY.match(content) or _DER_ENCRYPTED_KEY.match(content):
        return PRIVATE_KEY
    if _PKCS12.match(content):
        return PKCS12
    if content[:4] in (b"\xfe\xed\xfe\xed", b"\xce\xce\xce\xce"):
        return KEY_STORE
    return None


def foreign(content: bytes) -> tuple[str, str] | None:
    """What a file is that holds no certificate for us, and what to do; None: it may hold one."""
    for magic, what, remedy in _FOREIGN:
        if content.startswith(magic):
            return what, remedy
    if _HTML.match(content) and b"-----BEGIN" not in content:
        return message("a web page (of a download that needed a login, perhaps)"), message(
            "download the certificate again"
        )
    return None


def is_zip(content: bytes) -> bool:
    """Whether a file is a zip archive (APPNOTE.TXT 4.3.7 and 4.3.16)."""
    return content[:4] in (b"PK\x03\x04", b"PK\x05\x06")


def plain_text(content: bytes) -> tuple[bytes, str]:
    """UTF-16, as Windows' editors and shells write it, as UTF-8; and what was done ('': nothing)."""
    for mark, encoding in ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if content.startswith(mark):
            return content.decode(encoding, errors="replace").encode(), _WAS_UTF_16
    for start, encoding in ((b"-\0-\0", "utf-16-le"), (b"\0-\0-", "utf-16-be")):
        if content.startswith(start):
            return content.decode(encoding, errors="replace").encode(), _WAS_UTF_16
    return content, ""


def unwrapped(content: bytes) -> tuple[bytes, str]:
    r"""What programs wrapped once more, taken out of that; and what was done ('': nothing).

    Base64 of a bare certificate has no framing that says what it is, and stays refused; of a private key it is known.

    Line ends that are the two characters \n, as JSON and variables of an environment have them; base64 of PEM,
    alone or in the values of a Kubernetes secret (tls.crt, tls.key).
    """
    if b"-----BEGIN" in content:
        if not _ESCAPED_LINE_END.search(content):
            return content, ""
        lines = _ESCAPED_LINE_END.sub(b"\n", content).replace(b"\\/", b"/")
        framed = re.sub(rb"(-----BEGIN [^-\n]+-----)", rb"\n\1", lines)
        framed = re.sub(rb"(-----END [^-\n]+-----)", rb"\1\n", framed)
        return framed, _HAD_ESCAPED_LINE_ENDS
    if _BASE64.fullmatch(content):
        whole = _decoded(content)
        if b"-----BEGIN" in whole or secret_in(whole):
            return whole, _WAS_BASE64
    values = [_decoded(value) for value in _PEM_IN_BASE64.findall(content)]
    if values:
        return b"\n".join(values), _HOLDS_BASE64
    return content, ""


def _decoded(text: bytes) -> bytes:
    """The bytes, b'' where it is no base64."""
    try:
        return base64.b64decode(b"".join(text.split()), validate=True)
    except binascii.Error:
        return b""


def der_elements(content: bytes) -> list[bytes]:
    """The DER elements that stand one after the other in a file; blank bytes at its end are dropped.

    What cannot be walked (a length past the end, BER's open one) is one last element, as it is.
    Source: X.690 8.1.3 (lengths).
    """
    elements: list[bytes] = []
    rest = content
    while rest:
        size = _size(rest)
        if size is None or size > len(rest):
            return [*elements, rest]
        elements.append(rest[:size])
        rest = rest[size:]
        if not rest.strip():
            rest = b""
    return elements


def _size(content: bytes) -> int | None:
    if len(content) < 2:
        return None
    first = content[1]
    if first < 0x80:
        return 2 + first
    count = first & 0x7F
    if not 1 <= count <= 4 or len(content) < 2 + count:
        return None
    return 2 + count + int.from_bytes(content[2 : 2 + count])
