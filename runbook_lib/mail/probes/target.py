"""What is verified: a server as its users know it, and what is expected of it."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from cryptography import x509

SUBMISSION_PORTS = (465, 587)


class Revealable(Protocol):
    """A secret that shows itself only where it is used."""

    def reveal(self) -> str:
        """The secret's text."""
        ...


@dataclass(frozen=True)
class Account:
    """The account for checks: it logs in, and sends itself a message.

    Args:
        user: login name, as typed into a client.
        password: the right password.
        address: mail address; empty means `user@domain`, or `user` where that has an @.
        former_password: a password that was the account's until it was changed. Where given, it is the one
            wrong password that is tried, so that a credential cache is found out.
        unasked: why no wrong password of it is sent; empty: one is, right before the right one.
        other_form: the name as users may type it too, with a domain or without; tried once; empty: not tried.
    """

    user: str
    password: Revealable = field(repr=False)
    address: str = ""
    former_password: Revealable | None = field(default=None, repr=False)
    other_form: str = ""
    unasked: str = ""

    @property
    def mailbox(self) -> str:
        """The system user whose mailbox gets the message: the login name without a domain."""
        return self.user.partition("@")[0]

    def address_in(self, domain: str) -> str:
        """The account's mail address, at `domain` where nothing else is known."""
        return self.address or (self.user if "@" in self.user else f"{self.user}@{domain}")


@dataclass(frozen=True)
class Kept:
    """A certificate that was there before anything was signed, and stays.

    Args:
        leaves: the server's certificates, of which a handshake shows one (there are two with RSA and ECDSA).
        ports: the ports that show it.
        for_users: users' programs meet it, too, so it is judged by what they trust and by the names that they type.
            False: it is for other servers alone, and what holds it there is what counts.
        why: what holds it there, in words.
        ca_pem: the roots that others trust it by, PEM, where it is not for users; None: not named.
        ca_file: how the commands to repeat by hand call that file.
    """

    leaves: tuple[x509.Certificate, ...]
    ports: tuple[int, ...]
    for_users: bool
    why: str
    ca_pem: bytes | None = None
    ca_file: str = ""

    @property
    def named_root(self) -> bytes | None:
        """The roots, in the place of the users', by which it is judged."""
        return None if self.for_users else self.ca_pem


@dataclass(frozen=True)
class Versions:
    """Which TLS versions the configuration lets in on a port.

    Args:
        said: the list, with where it stands: 'main.cf says TLSv1.2'.
        left: the versions that it leaves, 'TLS 1.2' among them; None: Postfix cannot read the list.
        beside: what else is to be said of who decides; ''.
    """

    said: str
    left: frozenset[str] | None
    beside: str = ""


@dataclass(frozen=True)
class Target:
    """A server as its users know it: values only, nothing is asked while it is made.

    Args:
        name: the name that users type, lower case, A-labels. A literal address is taken as it is;
            claims about the name cannot be tested then.
        domain: mail domain of the account for checks.
        ports: TCP ports to ask, in the order of the rows.
        ca_pem: the users' root certificate, PEM; nothing else is trusted then. None: the system's roots.
        ca_file: how the commands to repeat by hand call that file.
        expected_serial: serial of the certificate that was signed, upper-case hex with an even number of
            digits; None: not known here.
        barred: serials of certificates, and SHA-256 of public keys, that shall serve no more, each to why.
        kept: a certificate that stays on some ports in the place of the one that was signed; None: there is none.
        expected_names: names that the certificate must cover beside `name`.
        warn_days: days left, of any certificate on the path, below which a row warns.
        resolver: address of the DNS server to ask; None: the system's.
        account: the account for checks; None: nobody logs in and nothing is sent.
        mechanisms: SASL mechanisms that must be offered after TLS, no more and no fewer; None: any that
            include PLAIN.
        tls_floor_on_25: 'TLSv1.2' where older versions must be refused on 25 too; 'as found' only shows it.
        auth_on_25: whether 25 should offer AUTH after TLS; None: only shown.
        source_v4, source_v6: own address to ask from; None: what the system picks.
        ehlo: name for EHLO; None: the own address as a literal (RFC 5321, 4.1.3), which needs no DNS.
        asks_at: the socket where smtpd asks whether a password is right; '' where that is not known here.
        versions: which TLS versions each port's configuration lets in, where that is known here.
        foreign_domain: a domain that the server does not serve, for the relay tests. Nothing is ever sent.
        apart: what is expected of the certificate of some ports that have one of their own, with other names; none:
            each port shows the one that is expected here.
        is_for_others: other servers come by its names, and no user types them.
    """

    name: str
    domain: str
    ports: tuple[int, ...] = (25, 465, 587)
    ca_pem: bytes | None = None
    ca_file: str = "ca.pem"
    expected_serial: str | None = None
    barred: Mapping[str, str] = field(default_factory=dict)
    kept: Kept | None = None
    expected_names: tuple[str, ...] = ()
    warn_days: int = 30
    resolver: str | None = None
    account: Account | None = None
    mechanisms: tuple[str, ...] | None = None
    tls_floor_on_25: Literal["as found", "TLSv1.2"] = "as found"
    auth_on_25: bool | None = None
    source_v4: str | None = None
    source_v6: str | None = None
    ehlo: str | None = None
    asks_at: str = ""
    versions: Mapping[int, Versions] = field(default_factory=dict)
    foreign_domain: str = "relay-test.example"
    apart: "tuple[Target, ...]" = ()
    is_for_others: bool = False

    @property
    def own_recipient(self) -> str:
        """Who is named where mail of others comes in: the account for checks, else the domain's postmaster."""
        address = self.account.address_in(self.domain) if self.account else ""
        return address if address and address.isascii() else f"postmaster@{self.domain}"

    def kept_on(self, port: int) -> Kept | None:
        """The certificate that stays on a port; None where the signed one is expected."""
        return self.kept if self.kept and port in self.kept.ports else None

    def is_for_users(self, port: int) -> bool:
        """Whether users' programs are to trust what the port shows."""
        kept = self.kept_on(port)
        return kept is None or kept.for_users

    @property
    def is_address(self) -> bool:
        """Whether an address stands where the name should: then nothing is known about names."""
        try:
            ipaddress.ip_address(self.name)
        except ValueError:
            return False
        return True


@dataclass(frozen=True)
class Endpoint:
    """One address and port of the server."""

    address: str
    port: int

    @property
    def is_v6(self) -> bool:
        return ":" in self.address

    @property
    def socket_name(self) -> str:
        """`address:port` as openssl and swaks take it."""
        return f"[{self.address}]:{self.port}" if self.is_v6 else f"{self.address}:{self.port}"
