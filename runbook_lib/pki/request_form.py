"""What a public CA's order form asks beside the CSR, and what it will ask next: answered from the CSR itself."""

from collections.abc import Sequence

from cryptography import x509
from cryptography.x509.oid import NameOID

from runbook_lib.inventory.names import shown
from runbook_lib.messages import joined, message
from runbook_lib.pki.csr import CheckedCsr
from runbook_lib.pki.names import printable

# CA/Browser Forum Baseline Requirements 6.3.2 after ballot SC-081v3 (April 2025): from when, days at most.
LIFETIMES = (("2026-03-15", 200), ("2027-03-15", 100), ("2029-03-15", 47))
# The same, 3.2.2.4.4: the only five mailboxes to which a CA may write about a domain without asking its registry.
MAILBOXES = ("admin", "administrator", "webmaster", "hostmaster", "postmaster")
_ORGANISATION = (
    (NameOID.ORGANIZATION_NAME, message("organisation")),
    (NameOID.ORGANIZATIONAL_UNIT_NAME, message("unit")),
    (NameOID.LOCALITY_NAME, message("locality")),
    (NameOID.STATE_OR_PROVINCE_NAME, message("state")),
    (NameOID.COUNTRY_NAME, message("country")),
)


def rows(csr: CheckedCsr, domains: Sequence[str], today: str) -> list[tuple[str, str]]:
    """What to fill in, to compare and to have ready, as (what, answer).

    Args:
        csr: checked.
        domains: those that the names belong to, as far as it is known here.
        today: as 2026-12-31; it decides which lifetime is sold.
    Source: CA/Browser Forum, Baseline Requirements 3.2.2.4 (domain control), 3.2.2.8 (CAA), 6.3.2 (lifetime).
    """
    subject = csr.request.subject
    written = [
        joined(" ", (label, printable(str(value.value))))
        for oid, label in _ORGANISATION
        for value in subject.get_attributes_for_oid(oid)
    ]
    mailboxes = ", ".join(f"{mailbox}@" for mailbox in MAILBOXES)
    return [
        (message("common name"), _common_name(subject)),
        (message("names (SAN), all of them"), ", ".join(shown(name) for name in csr.names)),
        (message("key"), csr.key),
        (message("signature of the CSR"), message("good, {hash}", hash=_hash_name(csr.request))),
        (
            message("organisation"),
            joined(", ", written)
            or message(
                "none in the CSR: a domain-validated certificate needs none, for another the CA's form asks"
            ),
        ),
        (
            message("server software"),
            message("Postfix; in a list without it 'other' (or OpenSSL, Apache: the same PEM)"),
        ),
        (
            message("kind"),
            message("TLS server certificate (SSL); not S/MIME, not code signing, no client certificate"),
        ),
        (message("hash"), message("SHA-256, for the whole chain")),
        (message("SHA-256 of the CSR's file"), csr.csr_sha256),
        (message("SHA-256 of its public key"), csr.public_key_sha256),
        (message("lifetime"), _lifetimes(today)),
        (
            message("how control of the domain is proven"),
            message(
                "one of: a record in the DNS (TXT or CNAME) of {domains}; a mail to one of {mailboxes} there (see that "
                "it is read); a file on a web server under http://NAME/.well-known/pki-validation/ (for each name, on "
                "port 80)",
                domains=", ".join(domains),
                mailboxes=mailboxes,
            ),
        ),
        (
            message("CAA records in the DNS"),
            message("where the domain has any, they have to name this CA"),
        ),
        (
            message("what to have sent back"),
            message("PEM or PKCS #7, with all intermediates; never PKCS #12, never a key"),
        ),
        (
            message("what never to send"),
            message(
                "the private key: no CA needs it, and none may make it for you (the CSR is all it takes)"
            ),
        ),
    ]


def _common_name(subject: x509.Name) -> str:
    names = subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return shown(str(names[0].value)) if names else message("none")


def _hash_name(request: x509.CertificateSigningRequest) -> str:
    algorithm = request.signature_hash_algorithm
    return algorithm.name.upper() if algorithm else message("a hash of its own")


def _lifetimes(today: str) -> str:
    sold = [days for begins, days in LIFETIMES if begins <= today]
    coming = [
        message("{days} from {begins}", days=days, begins=begins)
        for begins, days in LIFETIMES
        if begins > today
    ]
    most = sold[-1] if sold else 398
    if not coming:
        return message(
            "at most {days} days from a public CA; the inventory's valid_days does not bind it", days=most
        )
    return message(
        "at most {days} days from a public CA ({later}); the inventory's valid_days does not bind it",
        days=most,
        later=joined(", ", coming),
    )
