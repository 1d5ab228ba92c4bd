"""Asks a mail server once a second whether it takes mail: a program of its own, started by its path.

    python flow_sampler.py ADDRESS PORT…

It stops at RCPT TO, where a server has decided whether it takes the message: what goes further leaves a message, and
would leave one for ever if this machine lost its power. `postmaster` has to be taken everywhere (RFC 5321, 4.5.1).
Each line of its output is one answer, as JSON. It ends when its input does, so that it cannot outlive who started it.

Python's own parts alone: it must be there before the first change, and each import takes time.
"""

import json
import smtplib
import ssl
import sys
import threading
import time

INTERVAL_S = 1.0
TIMEOUT_S = 10.0
LONGEST_S = 1800.0  # a notebook that nobody goes on with is no reason to ask for a day
_IMPLICIT_TLS = 465
_SUBMISSION = 587


class Refused(Exception):
    """The server answered, and the answer is no."""


def ask(address: str, port: int, context: ssl.SSLContext, *, to_rcpt: bool) -> str:
    """One conversation. Returns: how far it went, 'RCPT' or 'EHLO'.

    Args:
        to_rcpt: go on to MAIL and RCPT.

    Raises:
        Refused: a reply of 4xx or 5xx, in the server's words.
        OSError, smtplib.SMTPServerDisconnected: no answer, or it broke off.
    """
    client: smtplib.SMTP
    try:
        own = "[127.0.0.1]"  # smtplib would ask DNS for a name; the right literal is known once there is a connection
        if port == _IMPLICIT_TLS:
            client = smtplib.SMTP_SSL(address, port, own, timeout=TIMEOUT_S, context=context)
        else:
            client = smtplib.SMTP(address, port, own, timeout=TIMEOUT_S)
    except smtplib.SMTPConnectError as error:
        raise _refused("greeting", error.smtp_code, error.smtp_error) from error
    with client:
        assert client.sock is not None
        here = client.sock.getsockname()[0]
        client.local_hostname = f"[IPv6:{here}]" if ":" in here else f"[{here}]"
        _expect("EHLO", *client.ehlo())
        if port == _SUBMISSION and client.has_extn("starttls"):
            _expect("STARTTLS", *client.starttls(context=context))
            _expect("EHLO", *client.ehlo())
        if not to_rcpt:
            return "EHLO"
        _expect("MAIL", *client.docmd("MAIL", "FROM:<>"))
        _expect("RCPT", *client.docmd("RCPT", "TO:<postmaster>"))
        client.rset()
        return "RCPT"


def _expect(step: str, code: int, words: bytes) -> None:
    if code not in (220, 250, 251):
        raise _refused(step, code, words)


def _refused(step: str, code: int, words: bytes | str) -> Refused:
    text = words.decode(errors="backslashreplace") if isinstance(words, bytes) else words
    return Refused(f"{step}: {code} {text.splitlines()[0][:100] if text else ''}".rstrip())


def answer(address: str, port: int, context: ssl.SSLContext, *, to_rcpt: bool) -> dict[str, object]:
    """One answer as data: `result` is 'taken', 'refused' or 'no answer'."""
    began = time.time()
    try:
        result, seen = "taken", ask(address, port, context, to_rcpt=to_rcpt)
    except Refused as error:
        result, seen = "refused", str(error)
    except (OSError, smtplib.SMTPException) as error:  # ssl.SSLError is an OSError
        result, seen = "no answer", f"{type(error).__name__}: {error}"[:120]
    return {"port": port, "at": began, "ended_at": time.time(), "result": result, "seen": seen}


def sample(
    address: str, port: int, context: ssl.SSLContext, over: threading.Event, say: threading.Lock
) -> None:
    """Ask once a second until it is over, and once more at the end.

    A port 25 that refuses MAIL or RCPT at first (it may want TLS, or a client with a name) is asked as far as EHLO.
    """
    end = time.monotonic() + LONGEST_S
    to_rcpt = port == 25 and answer(address, port, context, to_rcpt=True)["result"] != "refused"
    while True:
        last = over.is_set() or time.monotonic() > end
        due = time.monotonic() + INTERVAL_S
        line = json.dumps(answer(address, port, context, to_rcpt=to_rcpt))
        with say:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
        if last:
            return
        over.wait(max(0.0, due - time.monotonic()))


def main(address: str, *ports: str) -> None:
    """Ask each port in a thread of its own until standard input ends."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = (
        False,
        ssl.CERT_NONE,
    )  # whether it flows, not whom one can trust
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    over, say = threading.Event(), threading.Lock()
    threads = [
        threading.Thread(target=sample, args=(address, int(port), context, over, say)) for port in ports
    ]
    for thread in threads:
        thread.start()
    sys.stdin.buffer.read()
    over.set()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
