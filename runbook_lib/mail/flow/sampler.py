"""Asks a mail server once a second whether it takes mail: a program of its own, started by its path.

    python sampler.py ADDRESS RECIPIENT PORT…

It stops at RCPT TO, where a server has decided whether it takes the message: what goes further leaves a message, and
would leave one for ever if this machine lost its power. The recipient is a real one: the bare `postmaster` is taken
whatever a server's restrictions say (RFC 5321, 4.5.1; smtpd(8) of Postfix leaves it out of them).
Each line of its output is one answer, as JSON. It ends when its input does, so that it cannot outlive who started it.

Python's own parts alone: it must be there before the first change, and each import takes time. What it reads is bounded
in bytes, and each conversation by one deadline, since anybody may sit between it and the server.
"""

import contextlib
import json
import socket
import ssl
import sys
import threading
import time

INTERVAL_S = 1.0
TIMEOUT_S = 10.0  # of one conversation
LONGEST_S = 1800.0  # a notebook that nobody goes on with is no reason to ask for a day
ANSWER_BYTES_MAX = 65536
_MX, _IMPLICIT_TLS, _SUBMISSION = 25, 465, 587


class Refused(Exception):
    """The server answered, and the answer is no."""


class NoAnswer(Exception):
    """What came is no answer of a mail server, or nothing came."""


class Conversation:
    """One connection, until one deadline, with no more in memory than one answer may have."""

    def __init__(self, address: str, port: int, timeout_s: float = TIMEOUT_S) -> None:
        self._deadline = time.monotonic() + timeout_s
        self._pending = b""
        self._socket: socket.socket = socket.create_connection((address, port), timeout_s)
        self.own = self._socket.getsockname()[0]

    def close(self) -> None:
        """Hang up, with a QUIT where that is still possible; its answer is of no use to anybody."""
        with contextlib.suppress(OSError):
            self._in_time()
            self._socket.sendall(b"QUIT\r\n")
        self._socket.close()

    def begin_tls(self, context: ssl.SSLContext) -> None:
        """Start TLS now."""
        self._in_time()
        self._pending = b""
        self._socket = context.wrap_socket(self._socket)

    def say(self, step: str, line: str) -> list[str]:
        """Send a line and return those of the answer.

        Raises:
            Refused: a reply of 4xx or 5xx, in the server's words.
        """
        self._in_time()
        self._socket.sendall(line.encode() + b"\r\n")
        return self.hear(step)

    def hear(self, step: str) -> list[str]:
        """The lines of an answer, without their code."""
        lines: list[str] = []
        size = 0
        while True:
            line = self._line()
            size += len(line)
            text = line.decode(errors="backslashreplace").rstrip("\r\n")
            if size > ANSWER_BYTES_MAX or not (text[:3].isdigit() and text[3:4] in ("", " ", "-")):
                raise NoAnswer(f"{step}: the answer is no SMTP")
            lines.append(text[4:])
            if text[3:4] != "-":
                break
        if int(text[:3]) not in (220, 250, 251):
            raise Refused(f"{step}: {text[:3]} {lines[0][:100]}".rstrip())
        return lines

    def _line(self) -> bytes:
        while b"\n" not in self._pending:
            if len(self._pending) > ANSWER_BYTES_MAX:
                raise NoAnswer("the answer is no SMTP")
            self._in_time()
            received = self._socket.recv(4096)
            if not received:
                raise NoAnswer("the connection is closed")
            self._pending += received
        line, _, self._pending = self._pending.partition(b"\n")
        return line

    def _in_time(self) -> None:
        left_s = self._deadline - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("timed out")
        self._socket.settimeout(left_s)


def ask(address: str, port: int, context: ssl.SSLContext, recipient: str) -> str:
    """One conversation. Returns: how far it went, 'EHLO' or 'RCPT for RECIPIENT'.

    Args:
        recipient: go on to MAIL, and RCPT for this one; empty: end after EHLO.

    Raises:
        Refused: a reply of 4xx or 5xx, in the server's words.
        NoAnswer, OSError: no answer, or it broke off.
    """
    talk = Conversation(address, port)
    try:
        hello = f"EHLO [IPv6:{talk.own}]" if ":" in talk.own else f"EHLO [{talk.own}]"
        if port == _IMPLICIT_TLS:
            talk.begin_tls(context)
        talk.hear("greeting")
        offered = talk.say("EHLO", hello)
        if port == _SUBMISSION and "STARTTLS" in (line.upper().strip() for line in offered):
            talk.say("STARTTLS", "STARTTLS")
            talk.begin_tls(context)
            talk.say("EHLO", hello)
        if recipient:
            talk.say("MAIL", "MAIL FROM:<>")
            talk.say(f"RCPT for {recipient}", f"RCPT TO:<{recipient}>")
            talk.say("RSET", "RSET")
    finally:
        talk.close()
    return f"RCPT for {recipient}" if recipient else "EHLO"


def answer(address: str, port: int, context: ssl.SSLContext, recipient: str) -> dict[str, object]:
    """One answer as data: `result` is 'taken', 'refused' or 'no answer'."""
    began = time.monotonic()  # a clock that is set makes no gap
    try:
        result, seen = "taken", ask(address, port, context, recipient)
    except Refused as error:
        result, seen = "refused", str(error)
    except (OSError, NoAnswer) as error:  # ssl.SSLError is an OSError
        result, seen = "no answer", f"{type(error).__name__}: {error}"[:120]
    return {"port": port, "at": began, "ended_at": time.monotonic(), "result": result, "seen": seen}


def sample(
    address: str,
    port: int,
    context: ssl.SSLContext,
    recipient: str,
    over: threading.Event,
    say: threading.Lock,
) -> None:
    """Ask once a second until it is over, and once more at the end.

    Where the recipient is refused at first, which is then no matter of what changes meanwhile, the bare postmaster is
    asked for, and where that is refused too (25 may want TLS, or a client with a name) the server as far as EHLO; the
    answers say so.
    """
    end = time.monotonic() + LONGEST_S
    asked, refused = "", ""
    for candidate in (recipient, "postmaster") if port == _MX else ():
        first = answer(address, port, context, candidate)
        if first["result"] != "refused":
            asked = candidate
            break
        refused = refused or str(first["seen"])
    while True:
        last = over.is_set() or time.monotonic() > end
        due = time.monotonic() + INTERVAL_S
        one = answer(address, port, context, asked)
        if one["result"] == "taken":
            one |= {"recipient": asked, "refused_at_first": refused}
        line = json.dumps(one)
        with say:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
        if last:
            return
        over.wait(max(0.0, due - time.monotonic()))


def main(address: str, recipient: str, *ports: str) -> None:
    """Ask each port in a thread of its own until standard input ends."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = (
        False,
        ssl.CERT_NONE,
    )  # whether it flows, not whom one can trust
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    over, say = threading.Event(), threading.Lock()
    threads = [
        threading.Thread(target=sample, args=(address, int(port), context, recipient, over, say))
        for port in ports
    ]
    for thread in threads:
        thread.start()
    sys.stdin.buffer.read()
    over.set()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
