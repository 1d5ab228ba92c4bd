"""Whatever a CA sent back: several files in any form, read into the certificates that are in them.

Taken: PEM (with any text around it), DER, PKCS #7 in both, zip archives of these, UTF-16 text, base64 of PEM. Refused,
each with its file and line: what carries a private key, what holds no certificate, framing that nobody can be sure of.
Every file is read before anything is said, so that all faults come at once. Nothing is fetched, and nothing is written.
"""

import hashlib
import io
import warnings
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization.pkcs7 import load_der_pkcs7_certificates

from runbook_lib.errors import CertificateRefused, PrivateKeyReturned
from runbook_lib.messages import joined, message
from runbook_lib.pki import certificate, forms, pem
from runbook_lib.pki.chain import Chain, Original
from runbook_lib.x509 import keys

ARCHIVE_BYTES_MAX = 4 * 1024 * 1024
ARCHIVE_FILES_MAX = 100
_FAULTS_SHOWN = 20  # who sent something else altogether is not helped by hundreds
_UNREADABLE = (
    ValueError,
    TypeError,  # a bit string in a name, where X.520 has none
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
_PKCS7 = ("PKCS7", "PKCS #7 SIGNED DATA", "CMS")
_BEGIN = "-----BEGIN CERTIFICATE-----"
_READ_BY_HAND = message(
    "openssl pkcs7 -inform DER -print_certs -in FILE -out NEW (or -inform PEM) may read it; bring NEW"
)
_AGAIN = message(
    "bring the file as the CA made it: attached or downloaded, not copied through a word "
    "processor. A block is the lines from {begin} to -----END CERTIFICATE-----, each by "
    "itself, as they were.",
    begin=_BEGIN,
)
_EXPOSED = message(
    "the server's key was made on the server and never left it, so nothing here needs a key. "
    "Whoever passed this file on had the one in it: treat that key as exposed if any server "
    "uses it, replace it there and have its certificate revoked. Delete the file here, and "
    "wherever it was kept on the way. Bring the certificates alone, as PEM or PKCS #7"
)


class _Encrypted(zipfile.BadZipFile):
    """An archive that asks for a password."""


@dataclass
class _Reading:
    """What was found in all the files so far."""

    found: list[tuple[x509.Certificate, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    remedies: list[str] = field(default_factory=list)
    secrets: list[tuple[str, str]] = field(default_factory=list)

    def fault(self, place: str, words: str, remedy: str = _AGAIN) -> None:
        self.faults.append(message("{place}: {words}", place=place, words=words))
        self.remedies.append(remedy)


def read(files: Sequence[tuple[str, bytes]], where: str) -> Chain:
    """Every certificate in the files, in their order, each with the place where it stood.

    Args:
        files: name and content of each.
        where: the host they are for, for the message.
    Raises:
        PrivateKeyReturned: a file is, or is made to carry, a private key. Nothing of it is told.
        CertificateRefused: with every fault of every file at once.
    Source: RFC 7468 (PEM), RFC 2315 and 5652 (PKCS #7, CMS), RFC 7292 (PKCS #12), APPNOTE.TXT (zip).
    """
    reading = _Reading()
    for name, content in files:
        before = len(reading.found), len(reading.faults), len(reading.secrets)
        _read_file(reading, name, content)
        if before == (len(reading.found), len(reading.faults), len(reading.secrets)):
            reading.fault(name, message("no certificate is in it"))
    if reading.secrets:
        told = joined(
            "; ",
            (
                message("{place} is or holds {what}", place=place, what=what)
                for place, what in reading.secrets
            ),
        )
        pkcs12 = any(what == forms.PKCS12 for _, what in reading.secrets)
        alone = message(" (of a PKCS #12 file: openssl pkcs12 -nokeys -in FILE -out NEW)") if pkcs12 else ""
        raise PrivateKeyReturned(
            told,
            where,
            message("{exposed}{alone}.", exposed=_EXPOSED, alone=alone),
            message("It was not opened, shown or copied. Nothing was changed."),
        )
    if not files:
        reading.fault(
            message("nothing"), message("no file was given"), message("name the files that the CA returned.")
        )
    if reading.faults:
        shown = reading.faults[:_FAULTS_SHOWN]
        if more := len(reading.faults) - len(shown):
            shown.append(message("and {more} more", more=more))
        problem = reading.faults[0] if len(reading.faults) == 1 else joined("\n  - ", ("", *shown))
        raise CertificateRefused(problem, where, joined(" ", dict.fromkeys(reading.remedies)))
    return Chain(
        tuple(one for one, _ in reading.found),
        tuple(reading.notes),
        tuple(Original(name, hashlib.sha256(content).hexdigest()) for name, content in files),
        tuple(dict(reversed(reading.found)).items()),
    )


def _read_file(reading: _Reading, name: str, content: bytes, *, in_archive: bool = False) -> None:
    if forms.is_zip(content):
        if in_archive:
            reading.fault(
                name, message("an archive in an archive"), message("unpack it, and bring the files in it.")
            )
        else:
            _read_zip(reading, name, content)
        return
    if len(content) > certificate.FILE_BYTES_MAX:
        reading.fault(
            name,
            message(
                "has {count} bytes; at most {most} are read",
                count=len(content),
                most=certificate.FILE_BYTES_MAX,
            ),
        )
        return
    content, decoded = forms.plain_text(content)
    content, unwrapped = forms.unwrapped(content)
    decoded = joined("; ", filter(None, (decoded, unwrapped)))
    secret = forms.secret_in(content)
    if secret:
        reading.secrets.append((name, secret))
    elif other := forms.foreign(content):
        reading.fault(name, message("is {what}", what=other[0]), message("{remedy}.", remedy=other[1]))
    else:
        if decoded:
            reading.notes.append(message("{file} {what_was_done}", file=name, what_was_done=decoded))
        if content[:1] == b"\x30" and b"-----BEGIN" not in content:
            _read_der(reading, name, content)
        else:
            _read_pem(reading, name, content)


def _read_zip(reading: _Reading, name: str, content: bytes) -> None:
    """The files of an archive; one that is no certificate (instructions, a licence) is left out, and said."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [
                one
                for one in archive.infolist()
                if one.filename and not one.is_dir() and not one.filename.startswith("__MACOSX/")
            ]
            if any(one.filename in ("[Content_Types].xml", "mimetype") for one in members):
                reading.fault(
                    name,
                    message("is a word processor's document"),
                    message("save the certificate's text as plain text."),
                )
                return
            size = sum(one.file_size for one in members)
            if len(members) > ARCHIVE_FILES_MAX or size > ARCHIVE_BYTES_MAX:
                reading.fault(
                    name,
                    message(
                        "holds {count} files with {size} bytes; at most {files_max} with "
                        "{bytes_max} are read",
                        count=len(members),
                        size=size,
                        files_max=ARCHIVE_FILES_MAX,
                        bytes_max=ARCHIVE_BYTES_MAX,
                    ),
                    message("unpack it, and bring the certificates alone."),
                )
                return
            for one in members:
                if one.flag_bits & 1:
                    raise _Encrypted
                with archive.open(one) as file:
                    _read_member(reading, f"{name}/{one.filename}", file.read(ARCHIVE_BYTES_MAX + 1))
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError) as error:
        reading.fault(
            name,
            message(
                "cannot be unpacked ({error})",
                error=message("it is encrypted") if isinstance(error, _Encrypted) else str(error),
            ),
            message("unpack it yourself, and bring the files in it."),
        )


def is_something_else(content: bytes) -> bool:
    """Whether a file that lies beside certificates has nothing to do with them: a text to read, a desktop's own."""
    apart = _Reading()
    _read_file(apart, "", content)
    return _has_nothing(apart, content)


def _has_nothing(read: _Reading, content: bytes) -> bool:
    tried = read.found or read.secrets or b"-----BEGIN" in content or content[:1] == b"\x30"
    return bool(read.faults) and not tried


def left_out(place: str) -> str:
    """What is said of such a file."""
    return message("{place} left out: no certificate is in it", place=place)


def _read_member(reading: _Reading, place: str, content: bytes) -> None:
    apart = _Reading()
    _read_file(apart, place, content, in_archive=True)
    if _has_nothing(apart, content):
        reading.notes.append(left_out(place))
        return
    reading.found += apart.found
    reading.secrets += apart.secrets
    reading.notes += apart.notes
    reading.faults += apart.faults
    reading.remedies += apart.remedies


def _read_der(reading: _Reading, name: str, content: bytes) -> None:
    elements = forms.der_elements(content)
    for number, element in enumerate(elements, start=1):
        place = name if len(elements) == 1 else message("{name}, part {number}", name=name, number=number)
        if secret := forms.secret_in(element):
            reading.secrets.append((place, secret))
            continue
        found = _certificates(element)
        if found:
            reading.found += [(one, place) for one in found]
        elif what := _other_der(element):
            reading.fault(place, message("is {what}, not a certificate", what=what))
        else:
            reading.fault(
                place,
                message(
                    "is binary (DER), and neither a certificate nor PKCS #7 that can be read: cut, or "
                    "altered on its way"
                ),
                message("ask the CA for the file again; {read_by_hand}.", read_by_hand=_READ_BY_HAND),
            )


def _certificates(der: bytes) -> list[x509.Certificate]:
    """The certificate, or those of the PKCS #7 message; none where it is neither, or one cannot be read through."""
    for load in (_one, load_der_pkcs7_certificates):
        try:
            with warnings.catch_warnings():
                # PKCS #7 in BER, and serials that RFC 5280 forbids: OpenSSL reads both, and what is written is DER.
                warnings.simplefilter("ignore", UserWarning)
                found = list(load(der))
                for one in found:
                    _read_through(one)
        except _UNREADABLE:
            continue
        return found
    return []


def _one(der: bytes) -> list[x509.Certificate]:
    return [x509.load_der_x509_certificate(der)]


def _read_through(one: x509.Certificate) -> None:
    """Touch each part that is looked at later: cryptography parses them only then."""
    keys.public_key_sha256(one.public_key())
    certificate.alternatives(one)
    for _extension in one.extensions:
        pass
    for name in (one.subject, one.issuer):
        name.rfc4514_string()


def _other_der(der: bytes) -> str | None:
    for what, load in (
        (message("the signing request (CSR) that was sent"), x509.load_der_x509_csr),
        (message("a revocation list (CRL)"), x509.load_der_x509_crl),
    ):
        try:
            load(der)
        except _UNREADABLE:
            continue
        return what
    return None


def _read_pem(reading: _Reading, name: str, content: bytes) -> None:
    framing = pem.read(content, "CERTIFICATE", certificate.FILE_BYTES_MAX)
    reading.notes += [joined(", ", (name, note)) for note in framing.notes]
    for fault in framing.faults:
        reading.fault(name, fault)
    for block in framing.blocks:
        _read_block(reading, message("{name}, line {line}", name=name, line=block.line), block)


def _read_block(reading: _Reading, place: str, block: pem.Block) -> None:
    match block.label:
        case "CERTIFICATE" | "X509 CERTIFICATE" | "PKCS7" | "PKCS #7 SIGNED DATA" | "CMS":
            found = _certificates(block.der)
            reading.found += [(one, place) for one in found]
            if not found:
                reading.fault(
                    place,
                    message(
                        "the framing is right, and the content is no {label}: cut or altered",
                        label=block.label,
                    ),
                    message("ask the CA for the file again; {read_by_hand}.", read_by_hand=_READ_BY_HAND)
                    if block.label in _PKCS7
                    else message("ask the CA for the file again."),
                )
            elif len(found) > 1 and block.label not in _PKCS7:
                reading.notes.append(
                    message("{place}: PKCS #7 under the name of a certificate; read as PKCS #7", place=place)
                )
        case "TRUSTED CERTIFICATE":
            # The certificate, then OpenSSL's own words about whom to trust (openssl-x509(1), -trustout).
            reading.found += [(one, place) for one in _certificates(forms.der_elements(block.der)[0])]
            reading.notes.append(
                message("{place}: OpenSSL's 'trusted' form; its trust settings left out", place=place)
            )
        case "X509 CRL":
            reading.notes.append(message("{place}: a revocation list (CRL), left out", place=place))
        case "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST":
            reading.fault(
                place, message("the signing request (CSR) that was sent, not what the CA made of it")
            )
        case _:
            reading.fault(place, message("holds a {label}, not a CERTIFICATE", label=block.label))
