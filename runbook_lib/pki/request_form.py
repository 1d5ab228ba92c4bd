"""What a public CA's order form asks beside the CSR, and what it will ask next: answered from the CSR itself."""

from collections.abc import Sequence

from cryptography import x509
from cryptography.x509.oid import NameOID

from runbook_lib.inventory.names import shown
from runbook_lib.pki.csr import CheckedCsr
from runbook_lib.pki.names import printable

# CA/Browser Forum Baseline Requirements 6.3.2 after ballot SC-081v3 (April 2025): from when, days at most.
LIFETIMES = (("2026-03-15", 200), ("2027-03-15", 100), ("2029-03-15", 47))
# The same, 3.2.2.4.4: the only five mailboxes to which a CA may write about a domain without asking its registry.
MAILBOXES = ("admin", "administrator", "webmaster", "hostmaster", "postmaster")
_ORGANISATION = (
    (NameOID.ORGANIZATION_NAME, "organisation"),
    (NameOID.ORGANIZATIONAL_UNIT_NAME, "unit"),
    (NameOID.LOCALITY_NAME, "locality"),
    (NameOID.STATE_OR_PROVINCE_NAME, "state"),
    (NameOID.COUNTRY_NAME, "country"),
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
        f"{label} {printable(str(value.value))}"
        for oid, label in _ORGANISATION
        for value in subject.get_attributes_for_oid(oid)
    ]
    mailboxes = ", ".join(f"{mailbox}@" for mailbox in MAILBOXES)
    return [
        ("common name", _common_name(subject)),
        ("names (SAN), all of them", ", ".join(shown(name) for name in csr.names)),
        ("key", csr.key),
        ("signature of the CSR", f"good, {_hash_name(csr.request)}"),
        (
            "organisation",
            ", ".join(written)
            or "none in the CSR: a domain-validated certificate needs none, for another the CA's form asks",
        ),
        ("server software", "Postfix; in a list without it 'other' (or OpenSSL, Apache: the same PEM)"),
        ("kind", "TLS server certificate (SSL); not S/MIME, not code signing, no client certificate"),
        ("hash", "SHA-256, for the whole chain"),
        ("SHA-256 of the CSR's file", csr.csr_sha256),
        ("SHA-256 of its public key", csr.public_key_sha256),
        ("lifetime", _lifetimes(today)),
        (
            "how control of the domain is proven",
            f"one of: a record in the DNS (TXT or CNAME) of {', '.join(domains)}; a mail to one of {mailboxes} there "
            "(see that it is read); a file on a web server under http://NAME/.well-known/pki-validation/ (for each "
            "name, on port 80)",
        ),
        ("CAA records in the DNS", "where the domain has any, they have to name this CA"),
        ("what to have sent back", "PEM or PKCS #7, with all intermediates; never PKCS #12, never a key"),
        (
            "what never to send",
            "the private key: no CA needs it, and none may make it for you (the CSR is all it takes)",
        ),
    ]


def _common_name(subject: x509.Name) -> str:
    names = subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return shown(str(names[0].value)) if names else "none"


def _hash_name(request: x509.CertificateSigningRequest) -> str:
    algorithm = request.signature_hash_algorithm
    return algorithm.name.upper() if algorithm else "a hash of its own"


def _lifetimes(today: str) -> str:
    sold = [days for begins, days in LIFETIMES if begins <= today]
    coming = [f"{days} from {begins}" for begins, days in LIFETIMES if begins > today]
    most = f"at most {sold[-1]} days" if sold else "at most 398 days"
    then = f" ({', '.join(coming)})" if coming else ""
    return f"{most} from a public CA{then}; the inventory's valid_days does not bind it"
