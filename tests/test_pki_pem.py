"""A returned file is read as OpenSSL reads it, or refused with its line; what goes on is clean."""

import base64
import ssl
from collections.abc import Callable

import pki_chains as chains
import pki_samples as samples
import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st
from pki_chains import LEAF, LOWER, ROOT, UPPER, file_of

from runbook_lib.errors import CertificateRefused
from runbook_lib.pki import chain, pem

TWO = file_of(ROOT, chains.OTHER_ROOT)
BEGIN, END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
BODY = base64.b64encode(LEAF.public_bytes(Encoding.DER)).decode()


def openssl_in_process(content: bytes) -> set[bytes] | None:
    """DER of every certificate that OpenSSL's reader takes from a file; None when it fails on it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=content.decode("ascii"))
    except ssl.SSLError:
        return None
    return set(context.get_ca_certs(binary_form=True))


TAKEN: dict[str, tuple[bytes, int]] = {
    "clean": (TWO, 0),
    "CRLF": (TWO.replace(b"\n", b"\r\n"), 0),
    "a BOM": (b"\xef\xbb\xbf" + TWO, 0),
    "no last newline": (TWO.rstrip(b"\n"), 0),
    "blanks at line ends": (TWO.replace(b"\n", b"  \n"), 0),
    "subject lines between": (TWO.replace(b"-----BEGIN", b"subject=CN = root\n\n-----BEGIN"), 0),
    "bag attributes": (
        TWO.replace(
            b"-----BEGIN",
            b"Bag Attributes\n    localKeyID: 01 00 00 00\nKey Attributes: <No Attributes>\n-----BEGIN",
        ),
        0,
    ),
    "a text dump": (samples.openssl("x509", "-text", stdin=TWO).encode() + file_of(chains.OTHER_ROOT), 0),
    "other words in Latin-1": (b"Gr\xfc\xdfe\n" + TWO, 0),
    "lines of 76": (
        "\n".join([BEGIN, *(BODY[i : i + 76] for i in range(0, len(BODY), 76)), END]).encode(),
        0,
    ),
    "END and BEGIN on one line": (file_of(ROOT).rstrip() + file_of(chains.OTHER_ROOT), 1),
    "END and BEGIN on one line, a blank between": (
        file_of(ROOT).rstrip() + b" " + file_of(chains.OTHER_ROOT),
        1,
    ),
    "the frame of old programs": (TWO.replace(b"CERTIFICATE", b"X509 CERTIFICATE"), 0),
}


@pytest.mark.parametrize("case", TAKEN)
def test_a_sound_file_is_taken_and_written_clean(case: str) -> None:
    content, notes = TAKEN[case]
    read = chain.read_pem(content, "mail1, back.pem")
    assert len(read.notes) == notes
    assert [one.sha256 for one in read.originals] == [samples.sha256(content)]
    assert b"\r" not in read.pem
    assert read.pem.endswith(b"-----END CERTIFICATE-----\n")
    assert max(map(len, read.pem.splitlines())) == 64
    assert len(chains.read_by_openssl(read.pem)) == len(read.certificates) == read.pem.count(b"BEGIN")


def test_a_glued_file_is_repaired_and_said() -> None:
    """cryptography reads two certificates there, OpenSSL none."""
    glued = file_of(ROOT).rstrip() + file_of(chains.OTHER_ROOT)
    assert openssl_in_process(glued) is None
    read = chain.read_pem(glued, "mail1, back.pem")
    line = len(file_of(ROOT).splitlines())
    assert read.notes == (
        f"line {line}: END and BEGIN shared a line (files joined without a last newline); parted",
    )
    assert read.pem == TWO


def edited(change: Callable[[list[str]], object]) -> bytes:
    lines = file_of(LEAF, LOWER).decode().splitlines()
    change(lines)
    return "\n".join(lines).encode()


REFUSED: dict[str, tuple[bytes, str]] = {
    "empty": (b" \n", f"the file is empty; expected {BEGIN}"),
    "no block": (b"the certificate will follow\n", f"there is no line {BEGIN} in the file"),
    "base64 on one line": (
        f"{BEGIN}\n{BODY}\n{END}\n".encode(),
        "line 2: the framing is wrong",
    ),
    "all on one line": (
        f"{BEGIN}{BODY}{END}\n".encode(),
        f"line 1: .* exactly {BEGIN}, .*breaks were lost",
    ),
    "dashes of a word processor": (
        file_of(LEAF).replace(b"-----", "—–—".encode()),
        rf"line 1: the framing is wrong, not the certificate: .* exactly {BEGIN}, and it is '\\u2014",
    ),
    "four dashes": (file_of(LEAF).replace(b"-----BEGIN", b"----BEGIN"), f"line 1: .* exactly {BEGIN}"),
    "four dashes at the end": (
        file_of(LEAF).replace(b"-----END", b"----END"),
        f"line {len(file_of(LEAF).splitlines())}: .* exactly {END}",
    ),
    "lower case": (file_of(LEAF).lower(), f"line 1: .* exactly {BEGIN}"),
    "an indented block": (b"  " + file_of(LEAF).replace(b"\n", b"\n  "), f"line 1: .* exactly {BEGIN}"),
    "lone CRs": (TWO.replace(b"\n", b"\r"), "lines end in a lone CR"),
    "an empty line in a block": (edited(lambda lines: lines.insert(3, "")), "line 4: not base64"),
    "a header in a block": (edited(lambda lines: lines.insert(1, "Comment: x")), "line 2: not base64"),
    "a missing END": (edited(lambda lines: lines.remove(END)), r"and that of line 1 has no END line"),
    "a missing last END": (file_of(LEAF).replace(END.encode(), b""), "not base64|has no line -----END"),
    "a missing BEGIN": (edited(lambda lines: lines.remove(BEGIN)), f"an END line without its line {BEGIN}"),
    "an END of another kind": (
        edited(lambda lines: lines.__setitem__(lines.index(END), "-----END X509 CRL-----")),
        "an END line without its line",
    ),
    "an empty block": (f"{BEGIN}\n{END}\n".encode(), "line 1: the block is empty"),
    "a line lost": (
        edited(lambda lines: lines.pop(4)),
        "line 1: .*(cut short|the content is no certificate)",
    ),
    "base64 cut short": (
        edited(lambda lines: lines.__setitem__(2, lines[2][:-3])),
        "line 1: the base64 .* cut short",
    ),
    "DER": (LEAF.public_bytes(Encoding.DER), f"the file is DER .*, not PEM; expected {BEGIN}"),
    "binary": (b"PK\x03\x04\x00\x00" + TWO, "the file is binary"),
    "UTF-16": (TWO.decode().encode("utf-16"), "the file is UTF-16 text"),
    "PKCS #7": (
        pem.block("PKCS7", b"\x30\x00"),
        r"(?s)line 1: holds a PKCS7, not a CERTIFICATE.*openssl pkcs7 -print_certs",
    ),
    "a CSR": (samples.csr(), "line 1: holds a CERTIFICATE REQUEST, not a CERTIFICATE"),
    "OpenSSL's trusted form": (
        samples.openssl("x509", "-trustout", stdin=TWO).encode(),
        "line 1: an OpenSSL 'trusted' certificate",
    ),
    "too large": (TWO + b"\n" * 262_144, "at most 262144 are read"),
}


@pytest.mark.parametrize("padding", [0, 1, 2])
@pytest.mark.parametrize("lost", [1, 2, 3])
def test_lost_characters_are_found_however_the_block_is_padded(padding: int, lost: int) -> None:
    """What is left may be whole groups with the padding; the framing then says nothing, and the content does."""
    body = pem.block("CERTIFICATE", LEAF.public_bytes(Encoding.DER)[: 300 - padding]).decode().splitlines()
    body[2] = body[2][:-lost]
    with pytest.raises(CertificateRefused, match=r"line 1: .*(cut short|the content is no certificate)"):
        chain.read_pem("\n".join(body).encode(), "mail1, back.pem")
    if padding == 2 and lost == 3:  # `xxx==`: the lenient decoder of Python takes it
        with pytest.raises(CertificateRefused, match=r"line 1: the base64 .* cut short"):
            chain.read_pem("\n".join(body).encode(), "mail1, back.pem")


@pytest.mark.parametrize("case", REFUSED)
def test_an_odd_file_is_refused_with_its_place_and_what_to_do(case: str) -> None:
    content, words = REFUSED[case]
    with pytest.raises(CertificateRefused, match=words) as refused:
        chain.read_pem(content, "mail1, back.pem")
    assert str(refused.value).startswith("mail1, back.pem: ")
    assert "Nothing was changed." in str(refused.value)


@pytest.mark.parametrize("framed", [True, False])
def test_a_private_key_in_the_file_is_refused_and_never_shown(framed: bool) -> None:
    secret = samples.private_pem(samples.p256_key())
    content = TWO + (secret if framed else secret.replace(b"\n", b" "))
    with pytest.raises(CertificateRefused, match="holds a private key") as refused:
        chain.read_pem(content, "mail1, back.pem")
    assert not any(line.decode() in str(refused.value) for line in secret.splitlines()[1:-1])


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0\r\x1a"), max_size=40).filter(
    lambda text: "begin" not in text.lower() and "end" not in text.lower()
)


@settings(deadline=None)
@given(
    st.lists(TEXT, min_size=3, max_size=3),
    st.sampled_from([b"\n", b"\r\n"]),
    st.integers(min_value=1, max_value=76),
    st.booleans(),
    st.booleans(),
)
def test_whatever_stands_around_and_however_wide_the_blocks_are_read(
    texts: list[str], line_end: bytes, width: int, bom: bool, last_newline: bool
) -> None:
    blocks = []
    for one in (ROOT, UPPER):
        body = base64.b64encode(one.public_bytes(Encoding.DER)).decode()
        blocks.append("\n".join([BEGIN, *(body[i : i + width] for i in range(0, len(body), width)), END]))
    text = f"{texts[0]}\n{blocks[0]}\n{texts[1]}\n{blocks[1]}\n{texts[2]}" + ("\n" if last_newline else "")
    content = (b"\xef\xbb\xbf" if bom else b"") + text.encode().replace(b"\n", line_end)
    read = chain.read_pem(content, "back.pem")
    assert read.certificates == (ROOT, UPPER)
    assert read.pem == file_of(ROOT, UPPER)


EDITS: dict[str, Callable[[list[str], int], object]] = {
    "drop": lambda lines, at: lines.pop(at),
    "repeat": lambda lines, at: lines.insert(at, lines[at]),
    "join with the next": lambda lines, at: lines.__setitem__(
        slice(at, at + 2), ["".join(lines[at : at + 2])]
    ),
    "break": lambda lines, at: lines.__setitem__(slice(at, at + 1), [lines[at][:9], lines[at][9:]]),
    "indent": lambda lines, at: lines.__setitem__(at, f" {lines[at]}"),
    "trailing blank": lambda lines, at: lines.__setitem__(at, f"{lines[at]} "),
    "a dash less": lambda lines, at: lines.__setitem__(at, lines[at].replace("-", "", 1)),
    "empty line": lambda lines, at: lines.insert(at, ""),
    "a header": lambda lines, at: lines.insert(at, "Proc-Type: 4,ENCRYPTED"),
    "swap": lambda lines, at: lines.insert(at, lines.pop()),
}


@settings(deadline=None, max_examples=300)
@given(
    st.lists(st.tuples(st.sampled_from(sorted(EDITS)), st.integers(min_value=0, max_value=10**6)), max_size=3)
)
def test_a_garbled_file_is_refused_or_read_to_the_last_certificate(edits: list[tuple[str, int]]) -> None:
    """Nothing that OpenSSL reads is lost in silence, and what is passed on is what OpenSSL reads."""
    lines = TWO.decode().splitlines()
    for name, number in edits:
        EDITS[name](lines, number % len(lines))
    content = "\n".join(lines).encode()
    by_openssl = openssl_in_process(content)
    try:
        read = chain.read_pem(content, "back.pem")
    except CertificateRefused:
        return
    ours = {one.public_bytes(Encoding.DER) for one in read.certificates}
    assert openssl_in_process(read.pem) == ours
    if by_openssl is not None:
        assert by_openssl <= ours
    else:
        assert read.notes


GOOD = pem.block("CERTIFICATE", LEAF.public_bytes(Encoding.DER))
LINES = GOOD.split(b"\n")


def with_lines(first: int, last: int, *lines: bytes) -> bytes:
    """The block with other lines in place of some."""
    return b"\n".join([*LINES[:first], *lines, *LINES[last:]])


@pytest.mark.parametrize(
    "content",
    [
        GOOD, GOOD + GOOD, GOOD + b"\n", b"\n" + GOOD, GOOD.rstrip(b"\n"), GOOD.replace(b"\n", b"\r\n"),
        b"\xef\xbb\xbf" + GOOD, GOOD.replace(b"CERTIFICATE", b"X509 CERTIFICATE"),
        GOOD.replace(b"CERTIFICATE", b"PRIVATE KEY"), GOOD.replace(b"END CERTIFICATE", b"END X509 CRL"),
        GOOD.replace(b"CERTIFICATE", b"CERT-IFICATE"), GOOD.replace(b"CERTIFICATE", b"C\xe9"),
        with_lines(3, 4), with_lines(3, 4, LINES[3][:-1]), with_lines(3, 3, b""), with_lines(3, 4, LINES[3] + b" "),
        with_lines(-3, -2, LINES[-3][:-1]), with_lines(-3, -2, LINES[-3] + b"="), with_lines(-3, -2, b"*" + LINES[-3]),
        with_lines(1, -2), with_lines(1, -2, b"QQ=="), with_lines(1, -2, b"QR=="), with_lines(1, -2, b"QQ="),
        with_lines(1, -2, b"PRIVATE", b"KEY="),
    ],
)  # fmt: skip
def test_one_clean_block_is_read_in_one_go_and_to_the_same(
    content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = pem.read(content, "CERTIFICATE", 100_000)
    monkeypatch.setattr(pem, "_clean", lambda _: None)
    assert read == pem.read(content, "CERTIFICATE", 100_000)


def test_a_clean_block_is_what_we_write() -> None:
    made = pem._clean(GOOD)
    assert made == pem.Block("CERTIFICATE", LEAF.public_bytes(Encoding.DER), 1)
    assert pem._clean(GOOD + GOOD) is None
