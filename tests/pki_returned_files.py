"""Files as CAs, people and programs between them leave them: those that are taken, those that are not, and keys."""

import base64
import io
import json
import zipfile
from collections.abc import Callable, Sequence

import pki_chains as chains
import pki_samples as samples
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7, pkcs12
from pki_chains import LEAF, LOWER, NAME, NOW, OTHER_ROOT, ROOT, UPPER, certificate, file_of

from runbook_lib.pki import pem

Files = Sequence[tuple[str, bytes]]
BEGIN, END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
ALL = file_of(LEAF, LOWER, UPPER)


def der(one: x509.Certificate) -> bytes:
    return one.public_bytes(Encoding.DER)


def p7(*certificates: x509.Certificate) -> bytes:
    return pkcs7.serialize_certificates(list(certificates), Encoding.DER)


def ber(content: bytes) -> bytes:
    """The outermost length left open (X.690 8.1.3.6), where DER spells it out."""
    assert content[:2] == b"\x30\x82"
    return b"\x30\x80" + content[4:] + b"\0\0"


def zipped(**files: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return target.getvalue()


def one(content: bytes) -> Files:
    return (("back.pem", content),)


def secret_of_kubernetes(**values: bytes) -> bytes:
    lines = "".join(f"  tls.{name}: {base64.b64encode(value).decode()}\n" for name, value in values.items())
    return f"apiVersion: v1\nkind: Secret\ntype: kubernetes.io/tls\ndata:\n{lines}metadata:\n  name: mail\n".encode()


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
    "PKCS #7 in BER, as some CAs' programs write it": (("back.p7b", ber(p7(UPPER, LEAF, LOWER))),),
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
    "line ends as two characters": one(ALL.replace(b"\n", b"\\n")),
    "line ends as two characters, CRLF, quoted": one(b'MAIL_CERT="' + ALL.replace(b"\n", b"\\r\\n") + b'"\n'),
    "a JSON document": one(
        json.dumps({"leaf": file_of(LEAF).decode(), "chain": file_of(LOWER, UPPER).decode()}).encode()
    ),
    "JSON in JSON": one(json.dumps(json.dumps({"chain": ALL.decode()})).encode()),
    "base64 of PEM": one(base64.b64encode(ALL)),
    "base64 of PEM, in lines": one(base64.encodebytes(ALL)),
    "a certificate of Kubernetes": one(secret_of_kubernetes(crt=ALL)),
    "the same, folded by an editor": one(
        b"data:\n  tls.crt: |\n" + b"".join(b"    " + line for line in base64.encodebytes(ALL).splitlines(True))
        + b"  other: 1\n"
    ),
    "a zip beside a file": (("a.zip", zipped(**{"lower.p7b": p7(LOWER, UPPER)})), ("mail.cer", der(LEAF))),
    "the same twice": (("a.pem", ALL), ("b.p7b", p7(LEAF, LOWER, UPPER))),
    "an old leaf beside the new": (
        ("old.pem", file_of(certificate("server", "lower", ca=False, days=(-30, -1)))), ("new.pem", ALL),
    ),
    "a stranger's root beside it": one(file_of(OTHER_ROOT) + ALL),
}  # fmt: skip


SAID = {
    "leaf and bundle in two files": ("the root 'CN=root' left out", "order put right"),
    "END and BEGIN glued": ("back.pem, line 9: END and BEGIN shared a line",),
    "UTF-16 of a Windows shell": ("back.pem was UTF-16 text; read as such",),
    "PKCS #7 under the name CERTIFICATE": ("back.pem, line 1: PKCS #7 under the name of a certificate",),
    "a zip as CAs send it": (
        "mail.zip/README.txt left out: no certificate is in it", "mail.zip/install.pdf left out", "the root 'CN=root'",
    ),
    "the same twice": ("3 repeated certificates left out",),
    "line ends as two characters": ("back.pem had line ends that were the two characters \\n",),
    "base64 of PEM": ("back.pem was base64 of the file (as `base64 -d` undoes it); decoded",),
    "a certificate of Kubernetes": ("back.pem holds base64 of PEM (a secret of Kubernetes has such values); decoded",),
    "a stranger's root beside it": ("'CN=other root' left out: it issued nothing here",),
    "OpenSSL's 'trusted' form": ("back.pem, line 1: OpenSSL's 'trusted' form",),
}  # fmt: skip


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
    "a version that no certificate has": (
        (("mail.cer", der(LEAF).replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x6e", 1)),), "mail.cer: is binary",
    ),
    "DER cut short": ((("mail.cer", der(LEAF)[:-20]),), "mail.cer: is binary .DER., and neither"),
    "PKCS #7 cut short": ((("mail.p7b", p7(LEAF)[:-20]),), "mail.p7b: is binary .*openssl pkcs7"),
    "a public key": (
        one(samples.openssl("x509", "-pubkey", "-noout", stdin=ALL).encode()), "line 1: holds a PUBLIC KEY",
    ),
    "leaf alone": (one(file_of(LEAF)), r"the chain ends at 'CN=server': .*'CN=lower'.*get the certificate of"),
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
        one(file_of(certificate("server", "other root", ca=False), OTHER_ROOT)),
        r"leads to 'CN=other root', which came with it and is no trusted root",
    ),
    "of a CA nobody knows, without its root": (
        one(file_of(certificate("server", "other root", ca=False))), "nor a trusted root; clients say",
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
    "a name more": (
        one(file_of(certificate("server", "lower", ca=False, name=f"{NAME},www.example.test"), LOWER, UPPER)),
        r"(?s) {3}mail\.example\.test\n.*\+ www\.example\.test.*certificate\.also_named: \[.www\.example\.test.\]",
    ),
    "a wildcard": (
        one(file_of(certificate("server", "lower", ca=False, name="*.example.test"), LOWER, UPPER)),
        r"(?s)\+ \*\.example\.test\n.*- mail\.example\.test \(covered by a wildcard\)",
    ),
    "a name less": (
        one(file_of(certificate("server", "lower", ca=False, name="www.example.test"), LOWER, UPPER)),
        r"mail\.example\.test is not covered",
    ),
}  # fmt: skip


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
    "a secret of Kubernetes": lambda: secret_of_kubernetes(
        crt=ALL, key=KEY.private_bytes(Encoding.PEM, Format.PKCS8, PLAIN)
    ),
    "the same as JSON": lambda: json.dumps({"kind": "Secret", "data": {
        "tls.key": base64.b64encode(RSA.private_bytes(Encoding.PEM, Format.TraditionalOpenSSL, PLAIN)).decode(),
    }}).encode(),
    "base64 of PEM": lambda: base64.b64encode(KEY.private_bytes(Encoding.PEM, Format.PKCS8, PLAIN)),
    "base64 of PEM, encrypted, in lines": lambda: base64.encodebytes(
        KEY.private_bytes(Encoding.PEM, Format.PKCS8, LOCKED)
    ),
    "base64 of the chain and the key": lambda: base64.b64encode(
        ALL + KEY.private_bytes(Encoding.PEM, Format.PKCS8, PLAIN)
    ),
    "base64 of DER": lambda: base64.b64encode(RSA.private_bytes(Encoding.DER, Format.PKCS8, PLAIN)),
    "base64 of PKCS #12": lambda: base64.encodebytes(
        pkcs12.serialize_key_and_certificates(b"mail", KEY, LEAF, [LOWER], LOCKED)
    ),
    "PKCS #12 in a zip": lambda: zipped(**{
        "mail.pfx": pkcs12.serialize_key_and_certificates(b"mail", KEY, LEAF, [LOWER], LOCKED),
    }),
}  # fmt: skip
