"""What a host's certificates are for: each port shows that of one purpose.

Postfix tells them apart by the port, since that is what each client says: `-o smtpd_tls_chain_files` of a service in
master.cf goes before main.cf (postconf(5), master(5)). It could go by the name that a client sends, too
(tls_server_sni_maps, Postfix 3.4 and later), but old clients send none, and before 3.4 there is no such thing.
"""

from typing import Literal

Purpose = Literal["mail", "mx"]
MAIL: Purpose = "mail"  # what users' programs meet; port 25 too, where that has none of its own
MX: Purpose = "mx"  # what other servers meet at port 25


def field_of(purpose: str) -> str:
    """Where the inventory has the certificate of a purpose, under a host or the defaults."""
    return "certificate" if purpose == MAIL else f"further_certificates.{purpose}"
