"""What a CA returned, made into the one chain that a server shows: read, put in order, proven, compared.

`canonical` is the whole way. What it returns is clean PEM, leaf first, that OpenSSL was seen to read and that a client
with the given roots accepts; else it raises, and says which file, what is missing, and where to get it.
"""

import ssl
from collections.abc import Sequence
from datetime import datetime, timedelta

from cryptography import x509

from runbook_lib.errors import CertificateRefused
from runbook_lib.messages import joined, message
from runbook_lib.pki import certificate, chain, returned
from runbook_lib.pki.certificate import shown_dn, shown_name
from runbook_lib.pki.chain import Chain
from runbook_lib.x509.certificate import demands_stapling

_STAPLING = message(
    "it demands a stapled OCSP answer ('must-staple'), and Postfix staples none: programs that heed that refuse the "
    "server; order one without"
)


def canonical(
    files: Sequence[tuple[str, bytes]],
    public_key_sha256: str,
    roots_pem: bytes,
    names: Sequence[str],
    also_named: Sequence[str],
    renew_days: int,
    at: datetime,
    where: str,
    field: str = "certificate",
) -> Chain:
    """The chain to install, out of the files that came back.

    Args:
        files: name and content of each, in any form that `returned.read` takes.
        public_key_sha256: of the server's key (SPKI, hex).
        roots_pem: what clients trust.
        names: DNS names of the inventory, A-labels.
        also_named: further SAN entries that somebody has decided to accept.
        renew_days: a certificate with this many days left, or fewer, is said to end soon.
        at: the time to judge by, aware.
        where: the host, for messages.
        field: where the inventory has the certificate, under the host.
    Raises:
        PrivateKeyReturned: a file carries a private key.
        CertificateRefused: anything else; the message ends with what the files held.
    """
    came = returned.read(files, where)
    try:
        arranged = chain.arrange(came, public_key_sha256, where)
        proven = chain.verify(arranged, roots_pem, names, at, where)
        check_names(proven.leaf, names, also_named, where, field)
        check_openssl_reads(proven, where)
    except CertificateRefused as refusal:
        raise CertificateRefused(
            message("{problem}\n  What came back:{held}", problem=refusal.problem, held=_held(came)),
            where,
            refusal.remedy,
            refusal.changed,
        ) from refusal
    if demands_stapling(proven.leaf):
        proven = chain.noted(proven, _STAPLING)
    left = proven.leaf.not_valid_after_utc - at
    if left <= timedelta(days=renew_days):
        ends = proven.leaf.not_valid_after_utc
        note = message(
            "it ends in {days} days ({day}): order the next one now", days=left.days, day=f"{ends:%Y-%m-%d}"
        )
        return chain.noted(proven, note)
    return proven


def check_names(
    leaf: x509.Certificate, names: Sequence[str], also_named: Sequence[str], where: str, field: str
) -> None:
    """The certificate bears the inventory's names and no others, but those that somebody decided to accept.

    A name more is a door more: whoever has this server's key speaks for it.

    Raises:
        CertificateRefused: with the difference, line by line.
    """
    wanted = {name.lower() for name in names}
    known = wanted | {name.lower() for name in also_named}
    has = certificate.alternatives(leaf)
    further = [name for name in has if name.lower() not in known]
    if not further:
        return
    lines = [
        *(f"   {name}" for name in has if name.lower() in known),
        *(f" + {name}" for name in further),
        *(message(" - {name} (covered by a wildcard)", name=name) for name in sorted(wanted - set(has))),
    ]
    decided = ", ".join(f'"{name}"' for name in (*also_named, *further))
    raise CertificateRefused(
        message(
            "its names are not those of the inventory (+ in the certificate alone, - in the inventory "
            "alone):\n   {names}",
            names=joined("\n   ", lines),
        ),
        where,
        message(
            "somebody has to decide. Whoever has this server's key can speak for these names: if "
            "that is meant, write {field}.also_named: [{decided}] in the inventory; else ask the "
            "CA for a certificate without them.",
            field=field,
            decided=decided,
        ),
    )


def check_openssl_reads(proven: Chain, where: str) -> None:
    """OpenSSL, which is what Postfix reads with, finds exactly these certificates in the clean file.

    Raises:
        CertificateRefused: it does not.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=proven.pem.decode("ascii"))
    except ssl.SSLError as error:
        raise CertificateRefused(
            message("OpenSSL cannot read it ({reason})", reason=error.reason or str(error)),
            where,
            message("ask the CA for the file again."),
        ) from error
    read = context.cert_store_stats()["x509"]
    if read != len(proven.certificates):
        raise CertificateRefused(
            message(
                "OpenSSL reads {read} certificates where {count} are",
                read=read,
                count=len(proven.certificates),
            ),
            where,
            message("ask the CA for the file again."),
        )


def _held(came: Chain) -> str:
    told = [
        message(
            "{place}: {name}, issued by {issuer}, {begin} to {end}",
            place=place,
            name=shown_name(one),
            issuer=shown_dn(one.issuer),
            begin=f"{one.not_valid_before_utc:%Y-%m-%d}",
            end=f"{one.not_valid_after_utc:%Y-%m-%d}",
        )
        for one, place in came.places
    ]
    return joined("\n  - ", ("", *told)) if told else ""
