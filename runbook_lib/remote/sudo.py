"""Becoming root through sudo, first try right: the password goes to sudo, the script to root's shell alone.

The password is written at once, and nothing else until root's shell has said that it is there. Where sudo
asks for none (NOPASSWD), that line reaches the shell, which throws away everything before the mark. Where
sudo asks twice, the password is wrong, and closing its input keeps it at one failed attempt in the host's
log. No PTY: it would echo the password into the output.

Holds with `timestamp_timeout=0`, `use_pty`, a lecture and insults. Needs the right to run sh as root.
"""

import re

from runbook_lib.credentials import Secret
from runbook_lib.errors import DeadlineExceeded, SudoRefused
from runbook_lib.remote.exchange import Deadline, Exchange
from runbook_lib.remote.script import Script

ASK_TIMEOUT_S = 30.0  # PAM may ask a slow directory, and waits 2 s after a wrong password

_REMEDIES = {  # what sudo says in the C locale: what to do
    r"must have a tty": "add this line to sudoers on the host (visudo): Defaults:{user} !requiretty",
    r"^env: .*No such file": "install sudo on the host, or log in as root",
    r"not in the sudoers file|may not run sudo": "add this line to sudoers (visudo): {user} ALL=(ALL) ALL",
    r"not allowed to execute": "sh is run as root; allow it in sudoers (visudo): {user} ALL=(ALL) ALL",
}


def command(script: Script) -> str:
    """The line for the login shell. The prompt is a word of ours, so that sudo's questions can be counted."""
    wait = f'while IFS= read -r x; do [ "$x" = {script.mark} ] && break; done'
    inner = f"{script.greeting}; {wait}; {script.reading}"
    return f"exec env LC_ALL=C sudo -S -p {_question(script)} -- sh -c '{inner}'"


def _question(script: Script) -> str:
    return f"ask-{script.mark}:"


def become_root(exchange: Exchange, user: str, password: Secret | None, reference: str | None) -> None:
    """Answer sudo and wait for root's shell; afterwards the exchange is as one without sudo.

    Args:
        exchange: started with `command`.
        user: who asks, for messages.
        password: sudo's password, None where the inventory names none.
        reference: where the password is, for messages.
    Raises:
        SudoRefused: wrong or missing password, no right, no sudo; at most one failed attempt was made.
    """
    question = _question(exchange.script).encode()
    if password is not None:
        exchange.send(password.reveal().encode() + b"\n")
    allowed = 0 if password is None else 1
    whole, exchange.deadline = exchange.deadline, Deadline(min(ASK_TIMEOUT_S, exchange.deadline.left_s))
    try:
        answered = exchange.pump(lambda: exchange.begun or exchange.err.count(question) > allowed)
    except DeadlineExceeded:
        raise SudoRefused(
            f"sudo did not make {user} root in {exchange.deadline.timeout_s:g} s; it said: {_said(exchange)}",
            exchange.where,
            f"log in as {user} and try `sudo sh`: only a password can be given from here, no code or finger",
        ) from None
    if exchange.begun:
        exchange.deadline = whole
        exchange.send(exchange.script.mark.encode() + b"\n")
        return
    if answered:
        exchange.finish(ASK_TIMEOUT_S)
    raise _refusal(exchange, user, reference)


def _said(exchange: Exchange) -> str:
    return exchange.said.replace(_question(exchange.script), "").strip() or "nothing"


def _refusal(exchange: Exchange, user: str, reference: str | None) -> SudoRefused:
    said, asked = _said(exchange), exchange.err.count(_question(exchange.script).encode())
    for pattern, remedy in _REMEDIES.items():
        if re.search(pattern, said, re.MULTILINE):
            return SudoRefused(said.splitlines()[-1], exchange.where, remedy.format(user=user))
    if asked and reference is None:
        return SudoRefused(
            f"sudo asks {user} for a password, and the inventory names none",
            exchange.where,
            f"say where it is as hosts.{exchange.where}.sudo.password, or allow NOPASSWD",
        )
    if asked > 1:
        return SudoRefused(
            f"sudo refuses {user}'s password, the one that {reference} names; "
            "the host's log has one failed attempt",
            exchange.where,
            f"put the right password where {reference} points",
        )
    return SudoRefused(
        f"sudo does not make {user} root; it said: {said}", exchange.where, "try `sudo sh` on the host"
    )
