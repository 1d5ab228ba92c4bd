"""The line that a person types to see what a row says. None holds a secret.

`swaks` and `openssl s_client` are what administrators have; `nc` where swaks would refuse to say it.
"""

import shlex

from runbook_lib.mail.probes.asker import IMPLICIT_TLS_PORT
from runbook_lib.mail.probes.sight import MADE_UP_LOGIN, PROBE_SENDER
from runbook_lib.mail.probes.target import Account, Endpoint, Target


def dig(name: str, kind: str, resolver: str | None) -> str:
    """Ask the DNS."""
    server = f"@{resolver} " if resolver else ""
    return f"dig {server}{shlex.quote(name)} {kind}"


def reverse(address: str, resolver: str | None) -> str:
    """Ask the DNS for the name of an address."""
    server = f"@{resolver} " if resolver else ""
    return f"dig {server}-x {address}"


def connection(endpoint: Endpoint) -> str:
    """Connect, and hang up."""
    return f"nc -vz -w 9 {endpoint.address} {endpoint.port}"


def dialogue(endpoint: Endpoint, *lines: str) -> str:
    """Say SMTP lines in clear, a second apart (a server may refuse a client that does not wait)."""
    said = "sleep 1; ".join(f"printf '{line}\\r\\n'; " for line in (*lines, "QUIT"))
    return f"{{ sleep 1; {said}sleep 1; }} | nc -w 9 {endpoint.address} {endpoint.port}"


def clear_hello(endpoint: Endpoint) -> str:
    """EHLO in clear."""
    return dialogue(endpoint, "EHLO runbook-probe.example")


def clear_auth(endpoint: Endpoint) -> str:
    """EHLO, then a made-up login in clear."""
    return dialogue(endpoint, "EHLO runbook-probe.example", f"AUTH PLAIN {MADE_UP_LOGIN}")


def clear_mail(endpoint: Endpoint, target: Target) -> str:
    """EHLO, then MAIL before STARTTLS."""
    return dialogue(endpoint, "EHLO runbook-probe.example", f"MAIL FROM:<{PROBE_SENDER}@{target.domain}>")


def s_client(endpoint: Endpoint, target: Target, *options: str, then: str = "") -> str:
    """A handshake by openssl, as the port wants it."""
    words = ["openssl", "s_client", "-connect", endpoint.socket_name]
    words += [] if target.is_address else ["-servername", target.name]  # RFC 6066, 3: never an address
    if endpoint.port != IMPLICIT_TLS_PORT:
        words += ["-starttls", "smtp"]
    return shlex.join([*words, *options]) + " </dev/null" + (f" | {then}" if then else "")


def validation(endpoint: Endpoint, target: Target) -> str:
    """Name and chain, with the users' root alone."""
    trust = ["-CAfile", target.ca_file, "-no-CApath", "-no-CAstore"] if target.ca_pem else []
    kind = "-verify_ip" if target.is_address else "-verify_hostname"
    return s_client(endpoint, target, *trust, kind, target.name, "-verify_return_error")


def certificate(endpoint: Endpoint, target: Target, *wanted: str) -> str:
    """A field of the certificate that the port shows."""
    return s_client(endpoint, target, then=shlex.join(["openssl", "x509", "-noout", *wanted]))


def version(endpoint: Endpoint, target: Target, spelled: str) -> str:
    """One TLS version ('TLS 1.1'); the old ones need the ciphers that OpenSSL bars by default."""
    old = ["-cipher", "ALL:@SECLEVEL=0"] if spelled in ("TLS 1.0", "TLS 1.1") else []
    return s_client(endpoint, target, _option(spelled), *old)


def one_kind(endpoint: Endpoint, target: Target, spelled: str, kind: str) -> str:
    """One TLS version, by a client that takes signatures of one kind alone; TLS 1.3 has PSS where 1.2 has both."""
    signatures = {"RSA": "RSA-PSS+SHA256:RSA+SHA256", "EC": "ECDSA+SHA256"}[kind]
    return s_client(endpoint, target, _option(spelled), "-sigalgs", signatures)


def _option(spelled: str) -> str:
    return "-" + spelled.lower().replace(" ", "").replace(".", "_").removesuffix("_0")


def swaks(endpoint: Endpoint, target: Target, *options: str) -> str:
    """A conversation by swaks, with TLS as the port wants it."""
    # An address of IPv6 needs swaks's option for it; the brackets of a URL are not understood.
    words = ["swaks", "-6"] if endpoint.is_v6 else ["swaks"]
    words += ["--server", endpoint.address, "--port", str(endpoint.port)]
    words += ["--tls-on-connect" if endpoint.port == IMPLICIT_TLS_PORT else "--tls"]
    if target.ehlo:
        words += ["--helo", target.ehlo]
    return shlex.join([*words, *options])


def hello(endpoint: Endpoint, target: Target) -> str:
    """What EHLO offers after TLS began."""
    return swaks(endpoint, target, "--quit-after", "EHLO")


def relay(endpoint: Endpoint, target: Target) -> str:
    """A foreign recipient without a login, up to RCPT."""
    sender, recipient = f"{PROBE_SENDER}@{target.foreign_domain}", f"nobody@{target.foreign_domain}"
    return swaks(endpoint, target, "--from", sender, "--to", recipient, "--quit-after", "RCPT")


def login(endpoint: Endpoint, target: Target, user: str, mechanism: str) -> str:
    """A login; the password comes from the environment, so that no argument shows it."""
    options = ("--auth", mechanism, "--auth-user", user, "--quit-after", "AUTH")
    return f'SWAKS_OPT_auth_password="$PW" {swaks(endpoint, target, *options)}'


def message(endpoint: Endpoint, target: Target, account: Account) -> str:
    """A message of the account to itself."""
    address = account.address_in(target.domain)
    options = ("--auth", "PLAIN", "--auth-user", account.user, "--from", address, "--to", address)
    return f'SWAKS_OPT_auth_password="$PW" {swaks(endpoint, target, *options)}'
