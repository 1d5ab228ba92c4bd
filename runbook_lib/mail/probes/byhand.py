"""The line that a person types to see what a row says. None holds a secret.

`swaks` and `openssl s_client` are what administrators have; `nc` where swaks would refuse to say it.
"""

import shlex

from runbook_lib.mail.probes.asker import IMPLICIT_TLS_PORT
from runbook_lib.mail.probes.sight import MADE_UP_LOGIN, PROBE_SENDER, RAW_EHLO
from runbook_lib.mail.probes.target import Account, Endpoint, Target
from runbook_lib.mail.probes.tls import ANONYMOUS_CIPHERS

_MADE_UP = '"$(openssl rand -hex 12)"'


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


def clear_hello(endpoint: Endpoint, target: Target, own: str = "") -> str:
    """EHLO in clear; `own` is the address that was asked from, here as below."""
    return dialogue(endpoint, f"EHLO {_helo(target, own)}")


def clear_auth(endpoint: Endpoint, target: Target, own: str) -> str:
    """EHLO, then a made-up login in clear."""
    return dialogue(endpoint, f"EHLO {_helo(target, own)}", f"AUTH PLAIN {MADE_UP_LOGIN}")


def clear_mail(endpoint: Endpoint, target: Target, own: str) -> str:
    """EHLO, then MAIL before STARTTLS."""
    return dialogue(endpoint, f"EHLO {_helo(target, own)}", f"MAIL FROM:<{PROBE_SENDER}@{target.domain}>")


def _helo(target: Target, own: str) -> str:
    """What EHLO says: the target's name for it, else the address that was asked from (RFC 5321, 4.1.3)."""
    literal = f"[IPv6:{own}]" if ":" in own else f"[{own}]"
    return target.ehlo or (literal if own else RAW_EHLO)


def s_client(endpoint: Endpoint, target: Target, *options: str, then: str = "", name: str | None = "") -> str:
    """A handshake by openssl, as the port wants it.

    Args:
        then: what its output goes through.
        name: whom to ask for in place of the target's name; None: nobody.
    """
    asked = _s_client(endpoint, target, *options, name=name)
    return asked + " </dev/null" + (f" | {then}" if then else "")


def _s_client(endpoint: Endpoint, target: Target, *options: str, name: str | None = "") -> str:
    words = ["openssl", "s_client", "-connect", endpoint.socket_name]
    if name is None or target.is_address:  # RFC 6066, 3: never an address
        words += ["-noservername"]
    else:
        words += ["-servername", name or target.name]
    if endpoint.port != IMPLICIT_TLS_PORT:
        words += ["-starttls", "smtp"]
    return shlex.join([*words, *options])


def dialogue_in_tls(endpoint: Endpoint, target: Target, own: str, *lines: str) -> str:
    """Say SMTP lines after TLS began, a second apart; `line` and `login_lines` make them.

    Args:
        own: the address that was asked from.
        lines: as `printf` takes them; each may have its argument behind it.
    """
    said = "".join(f"sleep 1; printf {line}; " for line in (f"'EHLO {_helo(target, own)}\\r\\n'", *lines))
    talk = _s_client(endpoint, target, "-quiet")
    return f"{{ {said}sleep 2; printf 'QUIT\\r\\n'; sleep 1; }} | {talk}"


def line(text: str) -> str:
    """A line for `dialogue_in_tls`."""
    return f"'{text}\\r\\n'"


def login_lines(user: str, mechanism: str, *, otherwise: bool) -> tuple[str, ...]:
    """The account's login for `dialogue_in_tls`, with the password from $PW; `otherwise` as for `authenticate`."""
    name = shlex.quote(user)
    plain = f"'\\0%s\\0%s' {name} \"$PW\""
    answers = [plain] if mechanism == "PLAIN" else [f"%s {name}", '%s "$PW"']
    encoded = [f'"$(printf {answer} | base64 -w0)"' for answer in answers]
    if (mechanism == "PLAIN") is otherwise:
        first = [line(f"AUTH {mechanism}")]
    else:
        first = [f"'AUTH {mechanism} %s\\r\\n' {encoded.pop(0)}"]
    return (*first, *(f"'%s\\r\\n' {one}" for one in encoded))


def validation(endpoint: Endpoint, target: Target) -> str:
    """Name and chain, with the users' root alone."""
    trust = ["-CAfile", target.ca_file, "-no-CApath", "-no-CAstore"] if target.ca_pem else []
    kind = "-verify_ip" if target.is_address else "-verify_hostname"
    return s_client(endpoint, target, *trust, kind, target.name, "-verify_return_error")


def chain(endpoint: Endpoint, target: Target, ca_file: str) -> str:
    """The chain alone, with the roots of a file and no others."""
    trust = ["-CAfile", ca_file, "-no-CApath", "-no-CAstore"]
    return s_client(endpoint, target, *trust, "-verify_return_error")


def certificate(endpoint: Endpoint, target: Target, *wanted: str, name: str | None = "") -> str:
    """A field of the certificate that the port shows to who asks by the target's name, another one, or none."""
    return s_client(endpoint, target, then=shlex.join(["openssl", "x509", "-noout", *wanted]), name=name)


def version(endpoint: Endpoint, target: Target, spelled: str, *, named: bool = True) -> str:
    """One TLS version ('TLS 1.1'); the old ones need the ciphers that OpenSSL bars by default."""
    old = ["-cipher", "ALL:@SECLEVEL=0"] if spelled in ("TLS 1.0", "TLS 1.1") else []
    return s_client(endpoint, target, _option(spelled), *old, name="" if named else None)


def one_kind(endpoint: Endpoint, target: Target, spelled: str, kind: str) -> str:
    """One TLS version, by a client that takes signatures of one kind alone; TLS 1.3 has PSS where 1.2 has both."""
    signatures = {"RSA": "RSA-PSS+SHA256:RSA+SHA256", "EC": "ECDSA+SHA256"}[kind]
    return s_client(endpoint, target, _option(spelled), "-sigalgs", signatures)


def anonymous(endpoint: Endpoint, target: Target) -> str:
    """TLS 1.2 by a client that takes no certificate at all."""
    return s_client(endpoint, target, "-tls1_2", "-cipher", ANONYMOUS_CIPHERS)


def _option(spelled: str) -> str:
    return "-" + spelled.lower().replace(" ", "").replace(".", "_").removesuffix("_0")


def swaks(endpoint: Endpoint, target: Target, *options: str, own: str = "", in_clear: bool = False) -> str:
    """A conversation by swaks, with TLS as the port wants it.

    Args:
        own: the address that was asked from, which EHLO gives where the target has no name for it.
        in_clear: without TLS.
    """
    # An address of IPv6 needs swaks's option for it; the brackets of a URL are not understood.
    words = ["swaks", "-6"] if endpoint.is_v6 else ["swaks"]
    words += ["--server", endpoint.address, "--port", str(endpoint.port)]
    if not in_clear:
        words += ["--tls-on-connect" if endpoint.port == IMPLICIT_TLS_PORT else "--tls"]
    if target.ehlo or own:
        words += ["--helo", _helo(target, own)]
    return shlex.join([*words, *options])


def hello(endpoint: Endpoint, target: Target, own: str) -> str:
    """What EHLO offers after TLS began."""
    return swaks(endpoint, target, "--quit-after", "EHLO", own=own)


def relay(
    endpoint: Endpoint, target: Target, *, own: str = "", sender_domain: str = "", in_clear: bool = False
) -> str:
    """A foreign recipient without a login, up to RCPT; the recipient is made up anew, as it was for the row.

    Args:
        own, in_clear: as for `swaks`.
        sender_domain: the sender's; empty: a foreign one.
    """
    sender = f"{PROBE_SENDER}@{sender_domain or target.foreign_domain}"
    options = ("--quit-after", "RCPT", "--from", sender, "--to")
    asked = swaks(endpoint, target, *options, own=own, in_clear=in_clear)
    return f"{asked} {_MADE_UP}@{shlex.quote(target.foreign_domain)}"


def own_recipient(endpoint: Endpoint, target: Target, own: str) -> str:
    """A recipient of the domain, as a server elsewhere names one, up to RCPT."""
    options = ("--quit-after", "RCPT", "--from", "<>", "--to", target.own_recipient)
    return swaks(endpoint, target, *options, own=own)


def login(
    endpoint: Endpoint, target: Target, user: str, mechanism: str, *, own: str, made_up: bool = False
) -> str:
    """A login; the password comes from the environment, so that no argument shows it.

    Args:
        made_up: with a password that is made up anew, as it was for the row; else with $PW.
    """
    options = ("--auth", mechanism, "--auth-user", user, "--quit-after", "AUTH")
    password = _MADE_UP if made_up else '"$PW"'
    return f"SWAKS_OPT_auth_password={password} {swaks(endpoint, target, *options, own=own)}"


def as_another(endpoint: Endpoint, target: Target, account: Account, own: str) -> str:
    """A login, then the domain's postmaster as sender; up to RCPT."""
    options = ["--auth", "PLAIN", "--auth-user", account.user, "--from", f"postmaster@{target.domain}"]
    options += ["--to", account.address_in(target.domain), "--quit-after", "RCPT"]
    return f'SWAKS_OPT_auth_password="$PW" {swaks(endpoint, target, *options, own=own)}'


def message(endpoint: Endpoint, target: Target, account: Account, own: str) -> str:
    """A message of the account to itself."""
    address = account.address_in(target.domain)
    options = ("--auth", "PLAIN", "--auth-user", account.user, "--from", address, "--to", address)
    return f'SWAKS_OPT_auth_password="$PW" {swaks(endpoint, target, *options, own=own)}'
