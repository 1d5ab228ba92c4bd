"""Real clients of ports 465 and 587: what openssl and what Python's ssl say of the server's certificate."""

import re
import smtplib
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509

from handbook.desk import Desk, NotAsTold
from runbook_lib.display import Shown, Table, Text
from runbook_lib.x509.certificate import spelled_serial

PORTS = (465, 587)
_TIMEOUT_S = 60.0
_PAUSE_S = 0.1
_IN_A_ROW = 5


@dataclass(frozen=True)
class Trust:
    """What a client goes by.

    Args:
        words: for a person.
        roots: which of the CA's roots it has, by their numbers.
        asks_list: whether it has the CA's list of revoked certificates, and looks into it.
    """

    words: str
    roots: tuple[int, ...] = (1,)
    asks_list: bool = False


OLD = Trust("the old root")
NEW = Trust("the new root", (2,))
BOTH = Trust("both roots", (1, 2))
ROOT = Trust("the root")
ROOT_AND_LIST = Trust("the root, and its list", asks_list=True)


def ask(desk: Desk, *trusts: Trust) -> Shown:
    """Connect to each port as clients of each trust, with openssl and with Python."""
    rows = []
    for trust in trusts:
        store = _store(desk, trust)
        for port in PORTS:
            rows.append(
                (
                    trust.words,
                    str(port),
                    _openssl(desk, port, store, trust),
                    _python(desk, port, store, trust),
                )
            )
    return desk.show(Table(("the client trusts", "port", "openssl s_client", "Python's ssl"), rows))


def serial(desk: Desk) -> str:
    """The serial of the certificate that 465 shows."""
    return spelled_serial(_shown(desk, 465).serial_number)


def served(desk: Desk) -> Shown:
    """What each port shows, read by a client that believes nothing."""
    rows = [(str(port), *_told(desk, _shown(desk, port))) for port in PORTS]
    return desk.show(Table(("port", "serial", "issuer", "ends", "key"), rows))


def _told(desk: Desk, one: x509.Certificate) -> tuple[str, str, str, str]:
    key = x509.SubjectKeyIdentifier.from_public_key(one.public_key()).digest.hex().upper()
    return (
        spelled_serial(one.serial_number),
        one.issuer.rfc4514_string(),
        f"{one.not_valid_after_utc:%Y-%m-%d}",
        desk.key_name(key),
    )


def _file(folder: Path, name: str, number: int, ending: str) -> bytes:
    return (folder / f"{name}{'' if number == 1 else f'-{number}'}.{ending}").read_bytes()


def _store(desk: Desk, trust: Trust) -> Path:
    """The file of roots that a client is given; with the list, where it asks that."""
    store = desk.folder / "client.pem"
    parts = [_file(desk.folder / "ca", "ca", number, "pem") for number in trust.roots]
    if trust.asks_list:
        parts += [_file(desk.folder / "ca", "crl", number, "pem") for number in trust.roots]
    store.write_bytes(b"".join(parts))
    return store


def _openssl(desk: Desk, port: int, store: Path, trust: Trust) -> str:
    """The line that ends what `openssl s_client` says."""
    how = ["-starttls", "smtp"] if port == 587 else []
    how += ["-crl_check"] if trust.asks_list else []
    said = subprocess.run(
        ["openssl", "s_client", "-connect", f"{desk.address}:{port}", "-servername", desk.mail_name, *how,
         "-CAfile", str(store), "-no-CApath", "-no-CAstore", "-verify_hostname", desk.mail_name],
        input=b"QUIT\n", capture_output=True, timeout=_TIMEOUT_S, check=False,
    ).stdout.decode(errors="replace")  # fmt: skip
    codes = re.findall(r"Verify return code: (.*)", said)
    if not codes:
        raise NotAsTold(
            f"openssl had no handshake with port {port}:\n{said}", desk.host.name, "look at the server"
        )
    return str(codes[-1])


def _python(desk: Desk, port: int, store: Path, trust: Trust) -> str:
    """'accepted', or what the error says."""
    context = ssl.create_default_context(cafile=str(store))
    if trust.asks_list:
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    try:
        with _handshake(desk, port, context):
            return "accepted"
    except ssl.SSLCertVerificationError as error:
        return f"refused: {error.verify_message}"


@contextmanager
def _handshake(desk: Desk, port: int, context: ssl.SSLContext) -> Iterator[ssl.SSLSocket]:
    with socket.create_connection((desk.address, port), timeout=_TIMEOUT_S) as plain:
        if port == 587:
            client = smtplib.SMTP()
            client.sock = plain
            client.getreply()
            client.ehlo("client.example.test")
            client.docmd("STARTTLS")
        with context.wrap_socket(plain, server_hostname=desk.mail_name) as inside:
            yield inside


def _shown(desk: Desk, port: int) -> x509.Certificate:
    blind = ssl.create_default_context()
    blind.check_hostname, blind.verify_mode = False, ssl.CERT_NONE
    with _handshake(desk, port, blind) as inside:
        return x509.load_der_x509_certificate(inside.getpeercert(binary_form=True) or b"")


@dataclass
class Meanwhile:
    """A user whose program connects again and again while something is done."""

    desk: Desk
    root: Path
    serials: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def _once(self) -> None:
        context = ssl.create_default_context(cafile=str(self.root))
        for port in PORTS:
            try:
                with _handshake(self.desk, port, context) as inside:
                    one = x509.load_der_x509_certificate(inside.getpeercert(binary_form=True) or b"")
                    self.serials.append(spelled_serial(one.serial_number))
            except OSError as error:
                self.failures.append(f"{port}: {error}")

    def until_new(self) -> None:
        """Go on until each port shows another certificate than in the beginning.

        An smtpd that waits when Postfix is reloaded takes one connection more.

        Raises: NotAsTold where one goes on showing it.
        """
        deadline, in_a_row = time.monotonic() + _TIMEOUT_S, 0
        while in_a_row < _IN_A_ROW:
            if time.monotonic() > deadline:
                raise NotAsTold(
                    "the old certificate is still shown", self.desk.host.name, "look at the server"
                )
            self._once()
            in_a_row = 0 if self.serials[0] in self.serials[-len(PORTS) :] else in_a_row + 1

    def told(self) -> Text:
        """What this user saw."""
        if self.failures:
            raise NotAsTold("\n".join(self.failures), self.desk.host.name, "look at the server")
        seen = ", then ".join(dict.fromkeys(self.serials))
        return Text(
            "Meanwhile a client connected to 465 and 587 again and again. No handshake failed; it saw these serials: "
            f"{seen}."
        )


def watched(desk: Desk, trust: Trust, work: Callable[[], Shown]) -> tuple[Shown, Text]:
    """Do something while a client of a trust connects again and again: once before it, all along, once after it.

    Returns: what the work showed, and what the client saw.
    Raises: NotAsTold where a handshake failed.
    """
    root = desk.folder / "meanwhile.pem"
    root.write_bytes(_store(desk, trust).read_bytes())
    user, over = Meanwhile(desk, root), threading.Event()
    user._once()

    def connects() -> None:
        while not over.wait(_PAUSE_S):
            user._once()

    thread = threading.Thread(target=connects)
    thread.start()
    try:
        shown = work()
    finally:
        over.set()
        thread.join()
    user.until_new()
    return shown, user.told()
