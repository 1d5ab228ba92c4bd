"""What a mail client needs to know about one server, as a value.

It is made from plain values, so that a settings page can be made without a host: the chapters take
them from the inventory and from the certificate that was issued.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal, Self

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from runbook_lib.errors import NameNotCovered, UsageError
from runbook_lib.inventory.models import Host, Site
from runbook_lib.messages import message
from runbook_lib.x509 import dns_id

Security = Literal["SSL/TLS", "STARTTLS"]
BareNewlines = Literal["taken", "normalized", "refused", "cut off"]

# 465 is TLS from the first byte (RFC 8314 7.3), 587 begins in clear text, then STARTTLS (RFC 6409, 3207).
SECURITY: dict[int, Security] = {465: "SSL/TLS", 587: "STARTTLS"}
# POP3 with TLS from the first byte (RFC 8314 3.1). POP3 is not set up by this runbook.
POP_PORT = 995


@dataclass(frozen=True)
class CaFile:
    """The certificate of the own CA, as the file that users get.

    The file is DER on purpose: what a user hashes (`certutil -hashfile`, `sha256sum`) is then the
    fingerprint that certificate viewers show. The hash of a PEM file is another number.

    Args:
        name: file name; `.cer`, since Windows opens that by a double click.
        content: the certificate in DER.
    """

    name: str
    content: bytes

    @classmethod
    def from_pem(cls, pem: bytes, site: str) -> Self:
        """The file for the CA certificate in `pem`, named after the site."""
        stem = _stem(site)
        certificate = x509.load_pem_x509_certificate(pem)
        return cls(f"{stem or 'mail'}-ca.cer", certificate.public_bytes(Encoding.DER))

    @classmethod
    def all_from_pem(cls, pem: bytes, site: str) -> tuple[Self, ...]:
        """A file for each CA certificate in `pem`. While there are two, each is named after its common name."""
        certificates = x509.load_pem_x509_certificates(pem)
        if len(certificates) == 1:
            return (cls.from_pem(pem, site),)
        plain = [cls("", one.public_bytes(Encoding.DER)) for one in certificates]
        return tuple(cls(f"{_stem(one.common_name) or 'ca'}.cer", one.content) for one in plain)

    @property
    def sha256(self) -> str:
        """Fingerprint as certificate viewers print it: pairs of upper-case hex digits with colons."""
        return hashlib.sha256(self.content).digest().hex(":").upper()

    @property
    def common_name(self) -> str:
        """The name under which the certificate stands in a client's list."""
        subject = x509.load_der_x509_certificate(self.content).subject
        names = subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return str(names[0].value) if names else subject.rfc4514_string()

    @property
    def last_day(self) -> date:
        """The last day (UTC) of the CA; users import its successor before."""
        return x509.load_der_x509_certificate(self.content).not_valid_after_utc.date()


@dataclass(frozen=True)
class Server:
    """One outgoing server as a client has it: port, and when TLS begins on it."""

    port: int
    security: Security


@dataclass(frozen=True)
class ClientSettings:
    """The values that a user types, or that a profile carries.

    Args:
        site: the site's name.
        domain: the mail domain, what stands behind the `@`.
        smtp_name: DNS name that clients connect to for sending, as an A-label.
        pop_name: DNS name for fetching mail, as an A-label; None where the inventory names none.
        ports: submission ports the server has, out of 465 and 587.
        realm: what stands behind the `@` of a login name; empty: the bare name logs in.
        cas: the files with the own CA's certificates: one, or two while a new root takes the old one's place; none: the
            server shows a public CA's, which programs trust as it is.
        certificate_names: DNS names in the certificate that the server shows.
        mechanisms: SASL mechanisms after TLS has begun.
        ciphers: the list of the inventory; "strict" shuts out the TLS library of Windows 7 and 8.1.
        key_type: kind of the certificate's key; it decides which suites are left to old clients.
        auth_on_25: whether port 25 still takes a login, as in 2013.
        bare_newlines: what becomes of a program that ends its lines with a newline alone.
    Raises:
        NameNotCovered: a name that clients would connect to is not in the certificate.
        UsageError: a port that is not a submission port, or none.
    Source: RFC 8314 3.3 and 7.3 (ports), RFC 9525 6.3 (which names a certificate covers).
    """

    site: str
    domain: str
    smtp_name: str
    pop_name: str | None
    ports: tuple[int, ...]
    realm: str
    cas: tuple[CaFile, ...]
    certificate_names: tuple[str, ...]
    mechanisms: tuple[str, ...] = ("PLAIN", "LOGIN")
    ciphers: Literal["base", "strict"] = "base"
    key_type: Literal["rsa", "p256"] = "rsa"
    auth_on_25: bool = False
    bare_newlines: BareNewlines = "taken"

    @property
    def ca(self) -> CaFile | None:
        """The file of the own CA's root that signs; None where a public CA does."""
        return self.cas[0] if self.cas else None

    @property
    def lets_windows_8_1_in(self) -> bool:
        """Whether the ciphers leave a suite to the TLS library of Windows 7 and 8.1.

        With RSA it has forward secrecy only by CBC suites, which the strict list excludes; with an elliptic
        curve it has GCM suites too. Source: Microsoft, TLS Cipher Suites in Windows 8.1.
        """
        return self.ciphers == "base" or self.key_type == "p256"

    def __post_init__(self) -> None:
        if not self.ports or not set(self.ports) <= set(SECURITY):
            raise UsageError(
                message(
                    "ports {ports} are not submission ports",
                    ports=", ".join(map(str, self.ports)) or message("(none)"),
                ),
                message("{smtp_name}, client settings", smtp_name=self.smtp_name),
                message("give 465, 587 or both under submission.ports in the inventory"),
            )
        for name in filter(None, (self.smtp_name, self.pop_name)):
            if not dns_id.cover(self.certificate_names, name):
                raise NameNotCovered(
                    message(
                        "clients would connect to {name}, which the certificate does not name (it names "
                        "{certificate_names}), and would warn their users",
                        name=name,
                        certificate_names=", ".join(self.certificate_names) or message("none"),
                    ),
                    message("{smtp_name}, client settings", smtp_name=self.smtp_name),
                    message(
                        "grant {name} under names in the inventory and sign again (chapter 1-2), or leave it out",
                        name=name,
                    ),
                )

    @property
    def servers(self) -> tuple[Server, ...]:
        """Outgoing servers, the one to prefer first: TLS from the first byte (RFC 8314 3.3)."""
        return tuple(Server(port, SECURITY[port]) for port in sorted(set(self.ports)))

    def login_name(self, user: str) -> str:
        """What the account `user` types as its user name."""
        return f"{user}@{self.realm}" if self.realm else user


def settings_for(
    site: Site,
    host: Host,
    ca_pem: bytes | None,
    certificate_names: Sequence[str],
    bare_newlines: BareNewlines = "taken",
) -> ClientSettings:
    """Client settings of one host of the inventory.

    Args:
        site, host: from the inventory.
        ca_pem: the certificates of the CA's roots that users are to trust, PEM, the one that signs first; None: the
            server shows one of a public CA.
        certificate_names: DNS names in the host's certificate, A-labels.
        bare_newlines: as the server has it.
    Returns: the settings.
    Raises:
        NameNotCovered: the inventory names a server that the certificate does not name.
    """
    return ClientSettings(
        site=site.name,
        domain=site.domain,
        smtp_name=host.names.smtp,
        pop_name=host.names.pop,
        ports=tuple(host.submission.ports),
        realm=host.sasl.realm,
        cas=CaFile.all_from_pem(ca_pem, site.name) if ca_pem else (),
        certificate_names=tuple(certificate_names),
        ciphers=host.submission.ciphers,
        key_type=host.certificate.key_type,
        auth_on_25=host.submission.auth_on_25,
        bare_newlines=bare_newlines,
    )


def _stem(text: str) -> str:
    return "-".join("".join(c if c.isascii() and c.isalnum() else " " for c in text.lower()).split())
