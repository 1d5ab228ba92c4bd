"""The proof from outside that floor, pyinfra and Ansible share: handshakes, no AUTH in clear, logins, no relay.

usage: probe.py ADDRESS NAME    ($FLEET is the folder that benchmarks/fleet.py made)
"""

import json
import os
import smtplib
import socket
import ssl
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(os.environ["FLEET"])
ACCOUNT = json.loads((FOLDER / "account.json").read_bytes())
_TIMEOUT_S = 30
_OUR_NAME = "probe.example.test"


class _Plain(smtplib.SMTP):
    """By the name, at the address."""

    address = ""

    def _get_socket(self, _host: str, port: int, timeout: float) -> socket.socket:  # type: ignore[override]
        return socket.create_connection((self.address, port), timeout)


class _Encrypted(smtplib.SMTP_SSL):
    address = ""

    def _get_socket(self, host: str, port: int, timeout: float) -> ssl.SSLSocket:  # type: ignore[override]
        there = socket.create_connection((self.address, port), timeout)
        return self.context.wrap_socket(there, server_hostname=host)


def _login(server: smtplib.SMTP, password: str) -> int:
    """One AUTH PLAIN; `login` would try LOGIN after a refusal, two seconds more."""
    server.ehlo()
    server.user, server.password = ACCOUNT["user"], password  # type: ignore[attr-defined]
    try:
        return server.auth("PLAIN", server.auth_plain)[0]
    except smtplib.SMTPAuthenticationError as error:
        return int(error.smtp_code)


def _relays(server: smtplib.SMTP) -> int:
    server.ehlo()
    server.mail("a@outside.example")
    return server.rcpt("b@elsewhere.example")[0]


def faults(address: str, name: str) -> dict[str, Any]:
    """What is not as it should be; empty for a good server."""
    context = ssl.create_default_context(cafile=str(FOLDER / "ca" / "root.crt"))
    seen: dict[str, tuple[Any, Any]] = {}  # what: as it should be, as it is
    plain = type("Plain", (_Plain,), {"address": address})
    encrypted = type("Encrypted", (_Encrypted,), {"address": address})
    given: dict[str, Any] = {"local_hostname": _OUR_NAME, "timeout": _TIMEOUT_S}
    with encrypted(name, 465, context=context, **given) as server:
        seen["login on 465"] = 235, _login(server, ACCOUNT["password"])
    with plain(name, 587, **given) as server:
        server.ehlo()
        seen["AUTH in clear on 587"] = False, server.has_extn("auth")
        server.starttls(context=context)
        seen["relay by 587"] = 554, _relays(server)
        server.rset()
        seen["wrong password on 587"] = 535, _login(server, "wrong-password")
        seen["login on 587"] = 235, _login(server, ACCOUNT["password"])
    with plain(name, 25, **given) as server:
        seen["relay by 25"] = 454, _relays(server)
    return {what: there for what, (wanted, there) in seen.items() if wanted != there}


if __name__ == "__main__":
    found = faults(*sys.argv[1:3])
    raise SystemExit(str(found) if found else 0)
