"""A handshake as the TLS library of Windows 7 and 8.1 would make it; that of Live Mail's day."""

import smtplib
import ssl

from runbook_lib.clients.settings import Security

# What Windows 8.1 offers with forward secrecy, in OpenSSL's names and its own order. What the base list excludes
# (static RSA) and what needs a finite field is left out.
SUITES = (
    "ECDHE-RSA-AES256-SHA384:ECDHE-RSA-AES128-SHA256:ECDHE-RSA-AES256-SHA:ECDHE-RSA-AES128-SHA:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-SHA384:"
    "ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES256-SHA:ECDHE-ECDSA-AES128-SHA"
)


def offer_suites(address: str, port: int, security: Security, timeout_s: float = 20.0) -> str | None:
    """Offer a server TLS 1.2 with the suites of Windows 8.1. No login, no mail; the certificate is not judged.

    Args:
        address: IP address of the server.
        port: 465 or 587.
        security: when TLS begins on that port.
        timeout_s: deadline of each step.
    Returns: the suite that was agreed on, or None where the server has none in common.
    Raises:
        OSError: the server was not reached.
        smtplib.SMTPException: it does not offer STARTTLS.
    Source: Microsoft, TLS Cipher Suites in Windows 8.1.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(SUITES)
    if security == "SSL/TLS":
        try:
            client: smtplib.SMTP = smtplib.SMTP_SSL(address, port, timeout=timeout_s, context=context)
        except ssl.SSLError:
            return None
    else:
        client = smtplib.SMTP(address, port, timeout=timeout_s)
        try:
            client.starttls(context=context)
        except ssl.SSLError:
            client.close()
            return None
    with client:
        agreed = client.sock.cipher() if isinstance(client.sock, ssl.SSLSocket) else None
    return agreed[0] if agreed else None
