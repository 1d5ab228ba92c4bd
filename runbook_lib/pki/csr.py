"""A CSR, checked: whatever it asks for, a server gets only what the inventory grants it."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

from runbook_lib.errors import CsrRefused
from runbook_lib.messages import joined, message
from runbook_lib.pki import csr_rules, odd_strings
from runbook_lib.pki.pem import read as read_framing
from runbook_lib.x509 import keys

_IN_UTF8 = message("write what is not ASCII as UTF-8 (`openssl req -utf8`, string_mask = utf8only)")
NOTHING_SIGNED = message("Nothing was signed; the issuance table is unchanged.")
SIZE_BYTES_MAX = 64 * 1024
# OpenSSL reads both; the second is what old Netscape and Microsoft tools wrote (RFC 7468 7).
_LABELS = ("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST")


@dataclass(frozen=True)
class CheckedCsr:
    """A CSR that may be signed; made by `check_csr` only."""

    request: x509.CertificateSigningRequest
    public_key: CertificatePublicKeyTypes
    public_key_sha256: str  # of the SPKI, hex
    key: str  # 'RSA 2048', 'P-256'
    names: tuple[str, ...]  # what it asks for, lower case, the common name included
    csr_sha256: str  # of the file as it came, hex


def check_csr(pem: bytes, granted: Sequence[str], where: str, *, key_bits_min: int = 2048) -> CheckedCsr:
    """Check a CSR that came back from a host. Touches nothing.

    Args:
        pem: the file.
        granted: the DNS names that the inventory grants this host, A-labels (a wildcard, if written so).
        where: host and file, for messages.
        key_bits_min: the smallest RSA key taken, in bits.
    Returns: the CSR; its key is the only thing of it that ends in a certificate.
    Raises:
        CsrRefused: with every reason at once.
    Source: RFC 2986 (PKCS #10), RFC 2985 5.4.2 (extension request), RFC 5280 4.2.1 (extensions).
    """
    request = _read(pem, where)
    key, reasons = _key_and_reasons(request, key_bits_min)
    reasons += csr_rules.signature_reasons(request)
    reasons += csr_rules.attribute_reasons(request)
    names, name_reasons = csr_rules.names_and_reasons(request, granted)
    reasons += name_reasons
    if reasons or key is None:
        extra = csr_rules.not_granted(names, granted)
        again = message("make the CSR again with chapter 1-1, which asks only for what is granted.")
        raise refused(
            reasons,
            where,
            message(
                "add {names} to this host's names in the inventory, or {again}",
                names=", ".join(extra),
                again=again,
            )
            if 1 <= len(extra) <= 5
            else again,
        )
    return CheckedCsr(
        request,
        key,
        keys.public_key_sha256(key),
        keys.describe_key(key),
        names,
        hashlib.sha256(pem).hexdigest(),
    )


def refused(reasons: Sequence[str], where: str, remedy: str) -> CsrRefused:
    """The refusal for one or more reasons."""
    problem = (
        reasons[0]
        if len(reasons) == 1
        else message(
            "refused for {count} reasons:{reasons}",
            count=len(reasons),
            reasons=joined("\n  - ", ("", *reasons)),
        )
    )
    return CsrRefused(problem, where, remedy, NOTHING_SIGNED)


def _read(content: bytes, where: str) -> x509.CertificateSigningRequest:
    again = message("make the CSR again with chapter 1-1, and bring back the file as it is.")
    framing = read_framing(content, "CERTIFICATE REQUEST", SIZE_BYTES_MAX)
    faults = list(framing.faults)
    faults += [
        message("line {line}: holds a {label}, not a CERTIFICATE REQUEST", line=block.line, label=block.label)
        for block in framing.blocks
        if block.label not in _LABELS
    ]
    if len(framing.blocks) > 1 and not faults:
        faults.append(message("holds {count} CSRs; one file has one", count=len(framing.blocks)))
    if faults:
        raise refused(faults, where, again)
    try:
        request = x509.load_der_x509_csr(framing.blocks[0].der)
        _ = request.subject  # read only when it is asked for, and garbled perhaps
        return request
    except (ValueError, TypeError, x509.InvalidVersion) as error:  # TypeError: a bit string in a name
        if odd := odd_strings.first(framing.blocks[0].der):
            raise refused(
                [message("its subject has {odd}", odd=odd)],
                where,
                message("{in_utf8}, or {again}", in_utf8=_IN_UTF8, again=again),
            ) from error
        raise refused(
            [message("the framing is right, and the content is no CSR: cut or altered")], where, again
        ) from error


def _key_and_reasons(
    request: x509.CertificateSigningRequest, key_bits_min: int
) -> tuple[CertificatePublicKeyTypes | None, list[str]]:
    try:
        key = request.public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        return None, [
            message(
                "has a key that cannot be used ({error}); make it RSA 2048 or more, or P-256",
                error=str(error),
            )
        ]
    reasons = list(keys.key_faults(key, key_bits_min))
    # cryptography writes such a key plainly: the certificate would not fit the server's key file.
    if not reasons and keys.spki(key) not in request.tbs_certrequest_bytes:
        reasons.append(
            message(
                "has a key in an odd form (RSA-PSS only, or a spelled-out curve); make it plain RSA or P-256"
            )
        )
    return key, reasons
