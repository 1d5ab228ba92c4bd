"""MTA-STS: what a mail domain promises about the certificates of its MX hosts (RFC 8461)."""

import io
import socket
import ssl
import time
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse

from runbook_lib.errors import RunbookError
from runbook_lib.mail.probes.names import look_up, records
from runbook_lib.messages import message
from runbook_lib.x509 import trusted_roots

_PORT = 443
_SIZE_BYTES_MAX = 64 * 1024  # RFC 8461, 3.2 and 3.3 leave the size to the sender and name this one
_PATH = "/.well-known/mta-sts.txt"


class Unanswered(Exception):
    """The policy could not be looked at.

    Args:
        why: what hindered it.
    """

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True)
class Policy:
    """A policy that was fetched.

    Args:
        mode: 'enforce', 'testing' or 'none'.
        mx: patterns of MX hosts, lower case; `*.` stands for one label.
    """

    mode: str
    mx: tuple[str, ...]

    def covers(self, name: str) -> bool:
        """Whether senders who heed the policy demand a public certificate of this MX host (RFC 8461, 4.1)."""
        return self.mode in ("enforce", "testing") and any(
            pattern in (name, f"*.{name.partition('.')[2]}") for pattern in self.mx
        )


def fetch(domain: str, resolver: str | None, deadline_s: float = 15.0) -> Policy | None:
    """Fetch the policy of a mail domain as a sender does, trusting the public roots of this machine.

    Args:
        domain: the mail domain, A-labels.
        resolver: address of the DNS server to ask; None: the system's.
        deadline_s: for all of it, in seconds.
    Returns: None where the DNS says that there is none.
    Raises:
        Unanswered: the DNS or the web server did not say, or what it said is no policy.
    """
    deadline = time.monotonic() + deadline_s
    texts, reason = records(f"_mta-sts.{domain}", "TXT", resolver, deadline_s / 3)
    if reason:
        raise Unanswered(reason)
    announced = [b"".join(record.strings) for record in texts]
    # More than one record is none (RFC 8461, 3.1).
    if sum(text.startswith(b"v=STSv1;") for text in announced) != 1:
        return None
    name = f"mta-sts.{domain}"
    addresses = [address for found in look_up(name, resolver, deadline_s / 3) for address in found.addresses]
    if not addresses:
        raise Unanswered(message("{name} has no address", name=name))
    return parse(_get(name, addresses[0], deadline))


def parse(text: str) -> Policy:
    """The policy in the text of its file (RFC 8461, 3.2).

    Raises:
        Unanswered: it is none.
    """
    pairs = [
        (key.strip().lower(), value.strip())
        for key, _, value in (line.partition(":") for line in text.splitlines())
    ]
    values = dict(reversed(pairs))  # the first of several counts, except for mx
    if values.get("version") != "STSv1" or values.get("mode") not in ("enforce", "testing", "none"):
        raise Unanswered(message("what the web server has is no policy of version STSv1"))
    return Policy(values["mode"], tuple(value.lower() for key, value in pairs if key == "mx"))


def _get(name: str, address: str, deadline: float) -> str:
    """One GET, without redirects (RFC 8461, 3.3)."""
    request = f"GET {_PATH} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n"
    try:
        context = trusted_roots.context()
    except RunbookError as error:
        raise Unanswered(f"{error.where}: {error.problem}") from error
    try:
        with (
            socket.create_connection((address, _PORT), _left(deadline)) as plain,
            context.wrap_socket(plain, server_hostname=name) as secured,
        ):
            secured.sendall(request.encode())
            response = HTTPResponse(_Received(_read(secured, deadline)))  # type: ignore[arg-type]
        response.begin()
        body = response.read()
    except (OSError, HTTPException) as error:
        raise Unanswered(
            message("{name} does not hand it out ({reason})", name=name, reason=str(error))
        ) from error
    if response.status != 200:
        raise Unanswered(
            message("{name} does not hand it out ({reason})", name=name, reason=f"HTTP {response.status}")
        )
    return body.decode("utf-8", errors="replace")


def _read(secured: ssl.SSLSocket, deadline: float) -> bytes:
    received = b""
    while len(received) < _SIZE_BYTES_MAX:
        secured.settimeout(_left(deadline))
        part = secured.recv(_SIZE_BYTES_MAX)
        if not part:
            return received
        received += part
    raise HTTPException(f"more than {_SIZE_BYTES_MAX} bytes")


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("too slow")
    return left


@dataclass(frozen=True)
class _Received:
    """What was received, as the socket that HTTPResponse wants to read from."""

    content: bytes

    def makefile(self, _mode: str) -> io.BytesIO:
        return io.BytesIO(self.content)
