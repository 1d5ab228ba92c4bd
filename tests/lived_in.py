"""What the people of a lived-in server rely on, path by path, by mail that is really sent: before, during and after.

Each path is a function that sends or asks, and fails where the server does not do any more what it did. Its old lines
for submission are apart: what becomes of them is chapter 2's to decide.
"""

import secrets
import smtplib
import socketserver
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from lab import Lab

BLIND = ssl.create_default_context()
BLIND.check_hostname, BLIND.verify_mode = False, ssl.CERT_NONE  # its certificate is one of 2013
QUEUED = 240  # mails to a partner's server that nobody reaches, and how many of them are held
HELD = 40
_FRIEND = "friend.example.test"
_DELIVERY_TIMEOUT_S = 30.0


class _Friend(socketserver.StreamRequestHandler):
    """A stand-in for a mail server of outside: it takes every message and keeps it."""

    def handle(self) -> None:
        self.wfile.write(b"220 friend.example.test ESMTP\r\n")
        while line := self.rfile.readline():
            verb = line[:4].upper()
            if verb == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                body = b""
                while (part := self.rfile.readline()) not in (b".\r\n", b""):
                    body += part
                self.server.messages.append(body)  # type: ignore[attr-defined]
            self.wfile.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 ok\r\n")
            if verb == b"QUIT":
                return


@dataclass(frozen=True)
class LivedIn:
    """A lived-in host, and who talks to it.

    Args:
        lab: the lab.
        host: name of the host.
        stranger: an address outside all networks of the host.
        arrived: the messages that the host has brought to a server of outside.
    """

    lab: Lab
    host: str
    stranger: str
    arrived: list[bytes]

    @property
    def fqdn(self) -> str:
        """What the host calls itself."""
        return self.lab.host(self.host).release.hostname

    def talk(self, port: int = 25, *, stranger: bool = False) -> smtplib.SMTP:
        """Connect as a stranger, or from this machine, which is inside mynetworks."""
        address, source = self.lab.host(self.host).address, (self.stranger, 0) if stranger else None
        if port == 465:
            return smtplib.SMTP_SSL(address, port, timeout=30, context=BLIND, source_address=source)
        return smtplib.SMTP(address, port, timeout=30, source_address=source)

    def send(self, to: str, port: int = 25, *, stranger: bool = False) -> str:
        """Hand over a message. Returns: the word that tells it from others."""
        token = secrets.token_hex(8)
        sender = "someone@example.org" if stranger else "hanako@example.test"
        letter = f"From: {sender}\nTo: {to}\nSubject: {token}\n\nhello\n"
        with self.talk(port, stranger=stranger) as client:
            client.ehlo("mail.example.org")
            assert client.sendmail(sender, [to], letter) == {}
        return token

    def found(self, token: str, place: str) -> str:
        """The message as it lies on the host.

        Args:
            token: of the message.
            place: a mailbox, or a pattern of files.
        """
        deadline = time.monotonic() + _DELIVERY_TIMEOUT_S
        while True:
            lying = self.lab.exec(self.host, f"cat {place} 2>/dev/null || :").decode(errors="replace")
            for message in ("\n" + lying).split("\nFrom "):
                if f"Subject: {token}\n" in message:
                    return message
            assert time.monotonic() < deadline, f"{token} is not in {place} after {_DELIVERY_TIMEOUT_S:g} s"
            time.sleep(0.2)

    def brought(self, token: str) -> bytes:
        """The message as a server of outside got it."""
        deadline = time.monotonic() + _DELIVERY_TIMEOUT_S
        while True:
            for message in self.arrived:
                if f"Subject: {token}".encode() in message:
                    return message
            assert time.monotonic() < deadline, f"{token} did not leave in {_DELIVERY_TIMEOUT_S:g} s"
            time.sleep(0.2)


@contextmanager
def lived_in(lab: Lab, host: str) -> Iterator[LivedIn]:
    """The people around a host: a stranger, and a friend's mail server that takes what the host brings."""
    with lab.outsider() as outside:
        record = f"host-record={_FRIEND},{outside.address4}"
        with (
            lab.also_in_dns(record),
            socketserver.ThreadingTCPServer((outside.address4, 25), _Friend) as friend,
        ):
            messages: list[bytes] = []
            friend.messages = messages  # type: ignore[attr-defined]
            friend.daemon_threads = True
            thread = threading.Thread(target=friend.serve_forever, args=(0.1,))
            thread.start()
            try:
                yield LivedIn(lab, host, outside.address4, messages)
            finally:
                friend.shutdown()
                thread.join()


def a_stranger_reaches_a_user(server: LivedIn) -> None:
    token = server.send(f"kensa@{server.fqdn}", stranger=True)
    assert "Received: from mail.example.org" in server.found(token, "/var/mail/kensa")


def a_stranger_reaches_both_behind_an_alias(server: LivedIn) -> None:
    token = server.send(f"office@{server.fqdn}", stranger=True)
    for user in ("hanako", "tarou"):
        server.found(token, f"/var/mail/{user}")


def a_stranger_reaches_a_virtual_address(server: LivedIn) -> None:
    token = server.send("kai@club.example.test", stranger=True)
    assert "X-Original-To: kai@club.example.test" in server.found(token, "/var/mail/tarou")


def the_transport_of_its_own_files_mail(server: LivedIn) -> None:
    server.found(server.send("2013@archive.example.test"), "/var/spool/archive/mail.*")


def the_milter_signs_what_comes_from_inside(server: LivedIn) -> None:
    seen = server.found(server.send(f"kensa@{server.fqdn}"), "/var/mail/kensa")
    assert "DKIM-Signature: " in seen
    assert "d=example.test" in seen


def mail_from_inside_goes_out(server: LivedIn) -> None:
    assert b"DKIM-Signature: " in server.brought(server.send(f"nao@{_FRIEND}"))


def a_stranger_does_not_relay(server: LivedIn) -> None:
    with server.talk(stranger=True) as client:
        client.ehlo("mail.example.org")
        client.mail("someone@example.org")
        assert client.rcpt(f"nao@{_FRIEND}")[0] in (454, 554)


def the_helo_rules_refuse(server: LivedIn) -> None:
    for name, code in (("pc", 504), ("..", 501)):
        with server.talk(stranger=True) as client:
            client.ehlo(name)
            client.mail("someone@example.org")
            assert client.rcpt(f"kensa@{server.fqdn}")[0] == code, name
    with server.talk() as client:  # the office's machines have no names
        client.ehlo("pc")
        client.mail("hanako@example.test")
        assert client.rcpt(f"kensa@{server.fqdn}")[0] == 250


def the_queue_has_its_mail(server: LivedIn) -> None:
    """Each to its own recipient, so that none is there twice; those that were held still are."""
    script = """cd /var/spool/postfix
        find hold -type f | wc -l
        postqueue -p | grep -o 'p[0-9]*@partner.example.test' | sort -u | wc -l"""
    held, queued = map(int, server.lab.exec(server.host, script).split())
    assert (held, queued) == (HELD, QUEUED)


PATHS = (
    a_stranger_reaches_a_user,
    a_stranger_reaches_both_behind_an_alias,
    a_stranger_reaches_a_virtual_address,
    the_transport_of_its_own_files_mail,
    the_milter_signs_what_comes_from_inside,
    mail_from_inside_goes_out,
    a_stranger_does_not_relay,
    the_helo_rules_refuse,
    the_queue_has_its_mail,
)


def everything_it_did(server: LivedIn) -> None:
    """Every path but those of its old submission."""
    for path in PATHS:
        path(server)


def its_old_submission(server: LivedIn) -> None:
    """What its lines of 2013 did: they take mail from inside without a login, and refuse everybody else."""
    for port in (465, 587):
        server.found(server.send(f"kensa@{server.fqdn}", port), "/var/mail/kensa")
        with server.talk(port, stranger=True) as client:
            client.ehlo("mail.example.org")
            assert not client.has_extn("auth")
            client.mail("someone@example.org")
            assert client.rcpt(f"kensa@{server.fqdn}")[0] == 554
