"""The lists of revoked certificates that lie beside a CA. What they know counts, though its ledger may have lost it.

A ledger that was brought back from a back-up is older than the newest list, which programs elsewhere have by then: a
number that was given out is not given out again (RFC 5280 5.2.3), and who was revoked stays so.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from runbook_lib.errors import AuthorityError
from runbook_lib.messages import message
from runbook_lib.pki import certificate, storage
from runbook_lib.x509.certificate import spelled_serial


@dataclass(frozen=True)
class Entry:
    """A certificate in a list: its serial, since when it is revoked, and why."""

    serial: str
    at: datetime
    reason: str


@dataclass(frozen=True)
class ListOnDisk:
    """The newest list of a root, as its file has it."""

    number: int
    generation: int
    entries: tuple[Entry, ...]


def on_disk(directory: Path) -> tuple[ListOnDisk, ...]:
    """The list of each root that has one in the CA's directory, the first root's first.

    Raises:
        AuthorityError: a file that is no list, or not of the root that its name says.
    """
    found = []
    for path in directory.glob("crl*.crl"):
        told = path.stem.removeprefix("crl").removeprefix("-")
        if told and not told.isdecimal():
            continue  # a copy that a person named
        generation = int(told) if told else storage.FIRST
        found.append(_read(path, generation))
    return tuple(sorted(found, key=lambda one: one.generation))


def _read(path: Path, generation: int) -> ListOnDisk:
    root = path.with_name(storage.certificate_name(generation))
    key = certificate.load(
        storage.read(root), message("CA {directory}, {name}", directory=path.parent, name=root.name)
    ).public_key()
    try:
        made = x509.load_der_x509_crl(storage.read(path))
        number = made.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
        entries = tuple(map(_entry, made))
    except (ValueError, x509.ExtensionNotFound) as error:
        raise _damaged(
            path, message("is no list of revoked certificates ({error})", error=str(error))
        ) from error
    if not isinstance(key, rsa.RSAPublicKey) or not made.is_signature_valid(key):
        raise _damaged(path, message("was not signed by {name}", name=root.name))
    return ListOnDisk(number, generation, entries)


def _entry(one: x509.RevokedCertificate) -> Entry:
    try:
        reason = one.extensions.get_extension_for_class(x509.CRLReason).value.reason
    except x509.ExtensionNotFound:
        reason = x509.ReasonFlags.unspecified
    return Entry(spelled_serial(one.serial_number), one.revocation_date_utc, reason.value)


def _damaged(path: Path, what: str) -> AuthorityError:
    return AuthorityError(
        message("{name} {what}", name=path.name, what=what),
        message("CA {directory}", directory=path.parent),
        message(
            "bring that file back from a backup, or from where it was published: it may know of a "
            "revocation that the ledger does not."
        ),
    )
