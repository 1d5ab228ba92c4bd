"""Whatever a public CA sends back becomes one chain, or a message that says which file and what to do (C1 to C6, C10).

The CA is a stand-in: the small hierarchy of `pki_chains`, root, upper and lower intermediate, server.
"""

import base64
import io
import re
import zipfile
from collections.abc import Callable, Sequence

import pki_chains as chains
import pki_samples as samples
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7, pkcs12
from pki_chains import (
    LEAF,
    LOWER,
    NAME,
    NOW,
    OTHER_ROOT,
    ROOT,
    ROOT_PEM,
    SERVER_KEY,
    UPPER,
    certificate,
    file_of,
)

from runbook_lib.errors import CertificateRefused, PrivateKeyReturned
from runbook_lib.pki import pem
from runbook_lib.pki.chain import Chain
from runbook_lib.pki.importing import canonical

Files = Sequence[tuple[str, bytes]]
BEGIN, END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
ALL = file_of(LEAF, LOWER, UPPER)
CLEAN = ALL


def der(one: x509.Certificate) -> bytes:
    return one.public_bytes(Encoding.DER)


def p7(*certificates: x509.Certificate) -> bytes:
    return pkcs7.serialize_certificates(list(certificates), Encoding.DER)


def zipped(**files: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return target.getvalue()


def imported(
    files: Files, names: Sequence[str] = (NAME,), also: Sequence[str] = (), roots: bytes = ROOT_PEM
) -> Chain:
    return canonical(files, SERVER_KEY, roots, names, also, 7, NOW, "mail1")


def refusal(files: Files, **more: Sequence[str]) -> str:
    with pytest.raises(CertificateRefused) as refused:
        imported(files, **more)  # type: ignore[arg-type]
    return str(refused.value)


def one(content: bytes) -> Files:
    return (("back.pem", content),)


TEXT = samples.openssl("x509", "-text", stdin=file_of(LEAF)).encode()
OF_PKCS12 = (
    b"Bag Attributes\n    localKeyID: 01 02\n    friendlyName: mail\nsubject=CN = x\n\nissuer=CN = y\n"
)

TAKEN: dict[str, Files] = {
    "PEM": one(ALL),
    "leaf and bundle in two files": (("mail.crt", file_of(LEAF)), ("ca-bundle.crt", file_of(UPPER, LOWER, ROOT))),
    "each in a file, the root first": tuple((f"{n}.pem", file_of(c)) for n, c in enumerate((ROOT, UPPER, LOWER, LEAF))),
    "DER, each in a file": tuple((f"{n}.cer", der(c)) for n, c in enumerate((UPPER, LEAF, LOWER))),
    "DER with a line end behind it": (("a.cer", der(LEAF) + b"\r\n"), ("b.pem", file_of(LOWER, UPPER))),
    "DER, one behind the other": (("all.der", der(LEAF) + der(UPPER) + der(LOWER)),),
    "PKCS #7 in DER (.p7b)": (("back.p7b", p7(UPPER, LEAF, ROOT, LOWER)),),
    "PKCS #7 in PEM": one(pem.block("PKCS7", p7(LOWER, UPPER, LEAF))),
    "PKCS #7 in PEM, CRLF": one(pem.block("PKCS7", p7(LOWER, UPPER, LEAF)).replace(b"\n", b"\r\n")),
    "PKCS #7 under the name CMS": one(pem.block("CMS", p7(LEAF, UPPER, LOWER))),
    "PKCS #7 under the old name": one(pem.block("PKCS #7 SIGNED DATA", p7(LEAF, UPPER, LOWER))),
    "PKCS #7 under the name CERTIFICATE": one(pem.block("CERTIFICATE", p7(LEAF, UPPER, LOWER))),
    "text around the blocks of a PKCS #12 file": one(
        b"".join(OF_PKCS12 + file_of(c) for c in (LEAF, UPPER, LOWER)).replace(b"\n", b"\r\n")
    ),
    "a text dump before each": one(b"".join(TEXT + file_of(c) for c in (UPPER, LOWER))),
    "CRLF and a BOM": one(b"\xef\xbb\xbf" + ALL.replace(b"\n", b"\r\n")),
    "no newline at the end of each": (("a", file_of(LEAF).rstrip()), ("b", file_of(LOWER, UPPER).rstrip())),
    "END and BEGIN glued": one(b"".join(file_of(c).rstrip() for c in (LEAF, LOWER, UPPER))),
    "UTF-16 of a Windows shell": one(ALL.decode().replace("\n", "\r\n").encode("utf-16")),
    "UTF-16 with the high byte first": one(b"\xfe\xff" + ALL.decode().encode("utf-16-be")),
    "UTF-16 without a mark": one(ALL.decode().encode("utf-16-le")),
    "a mail's text around it": one(b"Dear customer,\nplease find below\n\n" + ALL + b"\nKind regards\n"),
    "OpenSSL's 'trusted' form": one(
        samples.openssl("x509", "-trustout", "-addtrust", "serverAuth", stdin=file_of(LEAF)).encode()
        + file_of(LOWER, UPPER)
    ),
    "a zip as CAs send it": (
        ("mail.zip", zipped(**{
            "mail/mail.crt": file_of(LEAF), "mail/bundle.ca-bundle": file_of(UPPER, LOWER).replace(b"\n", b"\r\n"),
            "mail/root.cer": der(ROOT), "README.txt": b"Thank you for your order", "install.pdf": b"%PDF-1.7 ...",
            "__MACOSX/mail/._mail.crt": b"\0\5\x16\7",
        })),
    ),
    "a zip beside a file": (("a.zip", zipped(**{"lower.p7b": p7(LOWER, UPPER)})), ("mail.cer", der(LEAF))),
    "the same twice": (("a.pem", ALL), ("b.p7b", p7(LEAF, LOWER, UPPER))),
    "an old leaf beside the new": (
        ("old.pem", file_of(certificate("server", "lower", ca=False, days=(-30, -1)))), ("new.pem", ALL),
    ),
    "a stranger's root beside it": one(file_of(OTHER_ROOT) + ALL),
}  # fmt: skip


@pytest.mark.parametrize("case", TAKEN)
def test_it_becomes_the_one_chain_in_clean_pem(case: str) -> None:
    chain = imported(TAKEN[case])
    assert chain.pem == CLEAN
    assert chains.read_by_openssl(chain.pem) == ["server", "lower", "upper"]
    assert [(one.name, one.sha256) for one in chain.originals] == [
        (name, samples.sha256(content)) for name, content in TAKEN[case]
    ]


SAID = {
    "leaf and bundle in two files": ("the root 'CN=root' left out", "order put right"),
    "END and BEGIN glued": ("back.pem, line 9: END and BEGIN shared a line",),
    "UTF-16 of a Windows shell": ("back.pem was UTF-16 text; read as such",),
    "PKCS #7 under the name CERTIFICATE": ("back.pem, line 1: PKCS #7 under the name of a certificate",),
    "a zip as CAs send it": (
        "mail.zip/README.txt left out: no certificate is in it", "mail.zip/install.pdf left out", "the root 'CN=root'",
    ),
    "the same twice": ("3 repeated certificates left out",),
    "a stranger's root beside it": ("'CN=other root' left out: it issued nothing here",),
    "OpenSSL's 'trusted' form": ("back.pem, line 1: OpenSSL's 'trusted' form",),
}  # fmt: skip


@pytest.mark.parametrize("case", SAID)
def test_what_was_put_right_is_said(case: str) -> None:
    told = "\n".join(imported(TAKEN[case]).notes)
    lines = len(file_of(LEAF).splitlines())
    for words in SAID[case]:
        assert words.replace("line 9", f"line {lines}") in told


def one_line(content: bytes) -> bytes:
    body = base64.b64encode(der(LEAF)).decode()
    return f"{BEGIN}\n{body}\n{END}\n".encode() + content


def crl() -> bytes:
    made = x509.CertificateRevocationListBuilder().issuer_name(ROOT.subject).last_update(NOW).next_update(NOW)
    return made.sign(samples.p256_key("root"), hashes.SHA256()).public_bytes(Encoding.DER)


CSR = samples.csr()
LINES = len(file_of(LEAF).splitlines())
REFUSED: dict[str, tuple[Files, str]] = {
    "base64 on one line": (one(one_line(file_of(LOWER))), f"back.pem: line 2: the framing is wrong.*{BEGIN}"),
    "dashes of a word processor": (one(ALL.replace(b"-----", "—–—".encode())), f"back.pem: line 1: .*{BEGIN}"),
    "dashes of a word processor in the second block": (
        one(file_of(LEAF) + file_of(LOWER).replace(b"-----", "–––––".encode())),
        f"back.pem: line {LINES + 1}: the framing is wrong",
    ),
    "base64 without its frame": (one(base64.encodebytes(der(LEAF))), f"back.pem: there is no line {BEGIN}"),
    "a quoted mail": (one(b"> " + ALL.replace(b"\n", b"\n> ")), f"back.pem: line 1: .*{BEGIN}"),
    "an empty file": ((("mail.pem", ALL), ("chain.pem", b"")), "chain.pem: the file is empty"),
    "no file": ((), "no file was given"),
    "a web page": (one(b"<!DOCTYPE html><html><body>Log in</body></html>"), "back.pem: is a web page"),
    "a PDF": (one(b"%PDF-1.7\n"), "back.pem: is a PDF document"),
    "a word processor's document": (
        one(zipped(**{"[Content_Types].xml": b"<x/>", "word/document.xml": ALL})), "is a word processor's document",
    ),
    "a gzip archive": (one(b"\x1f\x8b\x08" + b"\0" * 20), "is a gzip archive.*unpack it"),
    "a zip cut short": (one(zipped(a=ALL)[:-30]), "cannot be unpacked"),
    "a zip in a zip": (one(zipped(**{"a.zip": zipped(b=ALL)})), "no certificate is in it|an archive in an archive"),
    "a zip without a certificate": (one(zipped(**{"README.txt": b"hello"})), "back.pem: no certificate is in it"),
    "a zip that swells": (one(zipped(**{"a.pem": b"x" * 5_000_000})), "holds 1 files with 5000000 bytes"),
    "the CSR": (one(CSR), r"back.pem, line 1: the signing request \(CSR\) that was sent"),
    "the CSR in DER": (
        (("mail.csr", x509.load_pem_x509_csr(CSR).public_bytes(Encoding.DER)),), r"mail.csr: is the signing request",
    ),
    "a CRL in DER": ((("a.crl", crl()), ("b", ALL)), "a.crl: is a revocation list"),
    "a CRL alone": (one(pem.block("X509 CRL", crl())), "back.pem: no certificate is in it"),
    "DER cut short": ((("mail.cer", der(LEAF)[:-20]),), "mail.cer: is binary .DER., and neither"),
    "PKCS #7 cut short": ((("mail.p7b", p7(LEAF)[:-20]),), "mail.p7b: is binary .*openssl pkcs7"),
    "a public key": (
        one(samples.openssl("x509", "-pubkey", "-noout", stdin=ALL).encode()), "line 1: holds a PUBLIC KEY",
    ),
    "leaf alone (C4)": (one(file_of(LEAF)), r"the chain ends at 'CN=server': .*'CN=lower'.*get the certificate of"),
    "upper missing": (one(file_of(LEAF, LOWER)), r"ends at 'CN=lower': its issuer's certificate 'CN=upper'"),
    "lower missing": (one(file_of(LEAF, UPPER)), r"ends at 'CN=server': its issuer's certificate 'CN=lower'"),
    "another's certificate": (one(file_of(certificate("other", "lower", ca=False), LOWER, UPPER)), "for another key"),
    "intermediates alone": (one(file_of(LOWER, UPPER)), "is for another key"),
    "expired": (one(file_of(certificate("server", "lower", ca=False, days=(-9, -1)), LOWER, UPPER)), "expired at"),
    "not valid yet": (one(file_of(certificate("server", "lower", ca=False, days=(2, 9)), LOWER, UPPER)),
                      "is not valid before"),
    "an expired intermediate": (
        one(file_of(LEAF, certificate("lower", "upper", days=(-9, -1)), UPPER)), "'CN=lower' expired at",
    ),
    "signed by itself": (one(file_of(certificate("server", "server", ca=False))), "signed by its own key"),
    "of a CA nobody knows": (
        one(file_of(certificate("server", "other root", ca=False), OTHER_ROOT)), "nor a trusted root; clients say",
    ),
    "for clients, not servers": (
        one(file_of(chains.certificate("server", "lower", ca=False, purpose=chains.CLIENT_AUTH), LOWER, UPPER)),
        "lacks serverAuth",
    ),
    "a key that may not sign": (
        one(file_of(chains.certificate("server", "lower", ca=False, signs=False), LOWER, UPPER)),
        "lacks digitalSignature",
    ),
    "SHA-1": (one(chains.SHA1_LEAF + file_of(LOWER, UPPER)), "is signed with SHA1"),
    "a name more (C10)": (
        one(file_of(certificate("server", "lower", ca=False, name=f"{NAME},www.example.test"), LOWER, UPPER)),
        r"(?s) {3}mail\.example\.test\n.*\+ www\.example\.test.*certificate\.also_named: \[.www\.example\.test.\]",
    ),
    "a wildcard (C7)": (
        one(file_of(certificate("server", "lower", ca=False, name="*.example.test"), LOWER, UPPER)),
        r"(?s)\+ \*\.example\.test\n.*- mail\.example\.test \(covered by a wildcard\)",
    ),
    "a name less": (
        one(file_of(certificate("server", "lower", ca=False, name="www.example.test"), LOWER, UPPER)),
        r"mail\.example\.test is not covered",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_taken_is_refused_with_file_and_reason(case: str) -> None:
    files, words = REFUSED[case]
    told = refusal(files)
    assert re.search(words, told, re.DOTALL), told
    assert told.startswith("mail1: ")
    assert "Nothing was changed." in told
    assert "To do: " in told


def test_all_faults_of_all_files_come_at_once() -> None:
    told = refusal(
        (("a.pem", b"<html>"), ("b.pem", one_line(b"")), ("c.cer", der(LEAF)[:-1]), ("d.pem", CSR))
    )
    assert [name in told for name in ("- a.pem: ", "- b.pem: line 2", "- c.cer: ", "- d.pem, line 1")] == [
        True
    ] * 4


def test_a_refusal_of_the_chain_lists_what_came_with_its_places() -> None:
    told = refusal((("mail.crt", b"\n\n" + file_of(LEAF)), ("bundle.p7b", p7(UPPER))))
    assert f"- mail.crt, line 3: 'CN=server', issued by 'CN=lower', {NOW:%Y}" in told
    assert "- bundle.p7b: 'CN=upper', issued by 'CN=root'" in told


def test_where_the_missing_one_is_is_said_by_the_certificate_and_nothing_is_fetched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """RFC 5280 4.2.2.1: caIssuers. It may lead anywhere, so a person follows it."""
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("something was fetched"))
    leaf = certificate("server", "lower", ca=False, issuer_at="http://ca.example.test/lower.cer")
    told = refusal(one(file_of(leaf)))
    assert "To do: get the certificate of 'CN=lower' from http://ca.example.test/lower.cer" in told
    assert "nothing was fetched" in told
    assert imported((("a", file_of(leaf)), ("lower.cer", der(LOWER)), ("upper.cer", der(UPPER)))).leaf == leaf


KEY = samples.p256_key("server")
RSA = samples.rsa_key()
PLAIN = serialization.NoEncryption()
LOCKED = serialization.BestAvailableEncryption(b"x" * 12)
Format = serialization.PrivateFormat
SECRET: dict[str, Callable[[], bytes]] = {
    "PEM, PKCS #8": lambda: KEY.private_bytes(Encoding.PEM, Format.PKCS8, PLAIN),
    "PEM, encrypted": lambda: KEY.private_bytes(Encoding.PEM, Format.PKCS8, LOCKED),
    "PEM, of old": lambda: RSA.private_bytes(Encoding.PEM, Format.TraditionalOpenSSL, PLAIN),
    "PEM, EC of old": lambda: KEY.private_bytes(Encoding.PEM, Format.TraditionalOpenSSL, PLAIN),
    "PEM, OpenSSH": lambda: KEY.private_bytes(Encoding.PEM, Format.OpenSSH, PLAIN),
    "PEM behind the chain": lambda: ALL + KEY.private_bytes(Encoding.PEM, Format.PKCS8, PLAIN),
    "PEM in UTF-16": lambda: KEY.private_bytes(Encoding.PEM, Format.PKCS8, PLAIN).decode().encode("utf-16"),
    "PEM on one line": lambda: KEY.private_bytes(Encoding.PEM, Format.PKCS8, PLAIN).replace(b"\n", b""),
    "DER, PKCS #8": lambda: KEY.private_bytes(Encoding.DER, Format.PKCS8, PLAIN),
    "DER, encrypted": lambda: RSA.private_bytes(Encoding.DER, Format.PKCS8, LOCKED),
    "DER, RSA of old": lambda: RSA.private_bytes(Encoding.DER, Format.TraditionalOpenSSL, PLAIN),
    "DER, EC of old": lambda: KEY.private_bytes(Encoding.DER, Format.TraditionalOpenSSL, PLAIN),
    "DER behind a certificate": lambda: der(LEAF) + KEY.private_bytes(Encoding.DER, Format.PKCS8, PLAIN),
    "PKCS #12": lambda: pkcs12.serialize_key_and_certificates(b"mail", KEY, LEAF, [LOWER], LOCKED),
    "PKCS #12 in the clear": lambda: pkcs12.serialize_key_and_certificates(b"mail", KEY, LEAF, [LOWER], PLAIN),
    "PKCS #12 of RSA": lambda: pkcs12.serialize_key_and_certificates(b"mail", RSA, None, None, LOCKED),
    "PuTTY's": lambda: b"PuTTY-User-Key-File-3: ssh-rsa\nPrivate-Lines: 1\nAAAA\n",
    "a Java key store": lambda: b"\xfe\xed\xfe\xed\0\0\0\2",
    "in a zip": lambda: zipped(**{
        "mail.crt": ALL, "mail.key": KEY.private_bytes(Encoding.PEM, Format.PKCS8, PLAIN),
    }),
    "PKCS #12 in a zip": lambda: zipped(**{
        "mail.pfx": pkcs12.serialize_key_and_certificates(b"mail", KEY, LEAF, [LOWER], LOCKED),
    }),
}  # fmt: skip


@pytest.mark.parametrize("case", SECRET)
def test_a_private_key_is_refused_and_nothing_of_it_is_told(case: str) -> None:
    content = SECRET[case]()
    with pytest.raises(PrivateKeyReturned) as refused:
        imported((("mail.pem", ALL), ("oops.bin", content)))
    told = str(refused.value)
    assert "oops.bin" in told
    assert "treat that key as exposed" in told
    assert "Delete the file" in told
    encoded = base64.b64encode(KEY.private_bytes(Encoding.DER, Format.PKCS8, PLAIN)).decode()
    pieces = {encoded[at : at + 16] for at in range(40, len(encoded) - 16, 4)}
    assert not [piece for piece in pieces if piece in told]
    assert refused.value.__cause__ is None
    if "PKCS #12" in case:
        assert "openssl pkcs12 -nokeys" in told


def test_every_file_is_looked_through_for_a_key_even_after_a_fault() -> None:
    with pytest.raises(PrivateKeyReturned, match=r"b\.key is or holds a private key"):
        imported((("a.pem", b"<html>"), ("b.key", samples.private_pem(KEY))))


def test_a_name_that_somebody_decided_to_accept_is_no_difference() -> None:
    more = certificate("server", "lower", ca=False, name=f"{NAME},www.example.test")
    chain = imported(one(file_of(more, LOWER, UPPER)), also=("www.example.test",))
    assert chain.leaf == more
    wild = certificate("server", "lower", ca=False, name="*.example.test")
    assert imported(one(file_of(wild, LOWER, UPPER)), also=("*.example.test",)).leaf == wild
    told = refusal(one(file_of(wild, LOWER, UPPER)), names=("a.b.example.test",), also=("*.example.test",))
    assert "a.b.example.test is not covered" in told


def test_an_address_in_the_certificate_is_a_difference_too() -> None:
    """C12: it stands in a field of its own, and is told apart from a DNS name."""
    leaf = certificate("server", "lower", ca=False, name=f"{NAME},192.0.2.10,2001:db8::1")
    told = refusal(one(file_of(leaf, LOWER, UPPER)))
    assert "+ IP 192.0.2.10\n" in told
    assert "+ IP 2001:db8::1\n" in told
    assert imported(one(file_of(leaf, LOWER, UPPER)), also=("IP 192.0.2.10", "IP 2001:db8::1")).leaf == leaf


def test_an_end_that_is_near_and_one_that_comes_before_the_leafs_are_said() -> None:
    soon = certificate("server", "lower", ca=False, days=(-1, 5))
    assert "it ends in 5 days" in imported(one(file_of(soon, LOWER, UPPER))).notes[-1]
    short = certificate("lower", "upper", days=(-1, 10))
    (told,) = [
        note for note in imported(one(file_of(LEAF, short, UPPER))).notes if "before the certificate" in note
    ]
    assert told.startswith(f"'CN=lower' ends at {short.not_valid_after_utc.isoformat()}")


def test_of_a_cross_signed_root_the_path_of_the_new_root_is_kept() -> None:
    """C6: the new root, and the same key certified by an older root that clients may hold, too."""
    old = certificate("old root", "old root", days=(-30, 20))
    crossed = certificate("root", "old root", days=(-30, 15))
    came = one(file_of(LEAF, LOWER, UPPER, crossed))
    for roots in ((ROOT,), (old, ROOT), (ROOT, old)):
        assert imported(came, roots=file_of(*roots)).pem == CLEAN
    for_old_clients = imported(came, roots=file_of(old))
    assert for_old_clients.certificates == (LEAF, LOWER, UPPER, crossed)
    for roots in ((ROOT,), (old, ROOT), (old,)):
        for option in ((), ("-trusted_first",)):
            chains.verify_by_openssl(for_old_clients.pem, file_of(*roots), *option)
    for roots in ((ROOT,), (old, ROOT)):
        for option in ((), ("-trusted_first",)):
            chains.verify_by_openssl(CLEAN, file_of(*roots), *option)


def test_of_two_roots_that_are_both_good_the_one_that_lasts_is_chosen() -> None:
    """C6, the intermediate under both: whichever stands first in the store."""
    old = certificate("old root", "old root", days=(-30, 20))
    by_old, by_new = certificate("lower", "old root"), certificate("lower", "root")
    for roots in ((old, ROOT), (ROOT, old)):
        for order in ((by_old, by_new), (by_new, by_old)):
            assert imported(one(file_of(LEAF, *order)), roots=file_of(*roots)).certificates == (LEAF, by_new)


def test_a_weak_certificate_of_a_path_that_is_not_used_stops_nothing() -> None:
    crossed = x509.load_pem_x509_certificate(chains.SHA1_UPPER)
    assert imported(one(file_of(LEAF, LOWER, UPPER, crossed))).pem == CLEAN
