"""Becoming root through sudo, first try right: the password goes to sudo, the script to root's shell alone.

The password is written at once, and nothing else until root's shell has said that it is there. Where sudo
asks for none (NOPASSWD), that line reaches the shell, which throws away everything before the mark. Where
sudo asks twice, the password is wrong, and closing its input keeps it at one failed attempt in the host's
log.

No PTY: it would echo the password, mix both streams and know no end of input. Where sudo wants a terminal
(`requiretty`), script(1) runs it: that gives it one which nobody reads or writes, and its streams stay pipes.

Holds with `timestamp_timeout=0`, `use_pty`, `requiretty`, a lecture and insults. Needs the right to run sh as root.
Source: sudoers(5), requiretty; script(1), -e, -c, and its use of $SHELL.
"""

import re
import shlex
from collections.abc import Callable, Mapping

from runbook_lib import display
from runbook_lib.credentials import Secret
from runbook_lib.errors import DeadlineExceeded, SudoRefused
from runbook_lib.messages import Message, message
from runbook_lib.remote.exchange import Deadline, Exchange
from runbook_lib.remote.script import Script, reading

ASK_TIMEOUT_S = 30.0  # PAM may ask a slow directory, and waits 2 s after a wrong password

_WANTS_TERMINAL = "must have a tty"
_NO_SCRIPT = "no script(1) here"
_NOTHING = "nothing"
_LINE = re.compile(r"^(/[^:\n]+):([0-9]+):(.*)$", re.MULTILINE)  # as grep -Hn prints one
_GREP = "grep -rniE '{}' /etc/sudoers /etc/sudoers.d"
_OF_ACCOUNT = (
    r"(?i)password (is )?expired|account (has )?expired|account validation failure|change expired password"
)
_REMEDIES: Mapping[str, Callable[[str], Message]] = {  # what sudo says in the C locale: what to do
    r"^env: .*No such file": lambda _: message("install sudo on the host, or log in as root"),
    r"not in the sudoers file|may not run sudo": lambda user: message(
        "add this line to sudoers (visudo): {user} ALL=(ALL) ALL", user=user
    ),
    # pam_acct_mgmt(3), by sudo's own words (auth/pam.c): of the user, or of whose password is asked for
    _OF_ACCOUNT: lambda user: message(
        "as root on the host: `chage -l {user}` and `chage -l root` say whose; `passwd` sets another, "
        "`chage -E -1 NAME` lets the account go on",
        user=user,
    ),
    r"not allowed to execute": lambda user: message(
        "sh is run as root; allow it in sudoers (visudo): {user} ALL=(ALL) ALL", user=user
    ),
}


class _TerminalWanted(SudoRefused):
    """sudo is not run without a terminal (`requiretty`)."""


class NotHeard(SudoRefused):
    """Nothing that came back is sudo's own word: perhaps it was not sudo that was run."""


class _NothingSaid(NotHeard):
    """Neither sudo nor root's shell said a word."""


class Sudo:
    """How root is become on a host; it remembers that a terminal is wanted."""

    def __init__(self) -> None:
        self._through_terminal = False

    def start(
        self,
        begin: Callable[[str], Exchange],
        script: Script,
        user: str,
        password: Secret | None,
        reference: str | None,
    ) -> Exchange:
        """Start a script as root; afterwards the exchange is as one without sudo.

        Args:
            begin: starts a line for the login shell.
            script: what will be sent behind.
            user: who asks, for messages.
            password: sudo's password, None where the inventory names none.
            reference: where the password is, for messages.
        Raises:
            SudoRefused: wrong or missing password, no right, no sudo; at most one failed attempt was made.
        """
        while True:
            line, first = with_terminal(script) if self._through_terminal else (command(script), b"")
            exchange = begin(line)
            exchange.send(first)
            try:
                become_root(exchange, user, password, reference)
            except _TerminalWanted:
                exchange.close()
                if self._through_terminal:
                    raise
                self._through_terminal = True
            except _NothingSaid as refused:
                exchange.close()
                if not self._through_terminal:
                    raise
                raise SudoRefused(
                    message(
                        "sudo wants a terminal of {user} (requiretty), and script(1) on the host gives it none",
                        user=user,
                    ),
                    refused.where,
                    _no_terminal(user),
                ) from None
            except BaseException:
                exchange.close()
                raise
            else:
                return exchange


def command(script: Script) -> str:
    """The line for the login shell.

    The prompt is a word of ours, so that sudo's questions can be counted, with the name of whose password it asks for
    (sudo(8), %p).
    """
    wait = f'while IFS= read -r x; do [ "$x" = {script.mark} ] && break; done'
    inner = f"{script.greeting}; {wait}; {script.reading}"
    return f"exec env LC_ALL=C sudo -S -p {_question(script)}%p: -- sh -c '{inner}'"


def with_terminal(script: Script) -> tuple[str, bytes]:
    """The same where sudo wants a terminal: the line for the login shell, and what its shell reads first.

    Where there is no script(1), the lines of sudoers that ask for a terminal are named, if the user may read them.
    """
    line = shlex.quote(f"{command(script)} <&3 >&4 2>&5 3<&- 4>&- 5>&-")
    first = (
        f"command -v script >/dev/null || {{ echo {shlex.quote(_NO_SCRIPT)} >&2\n"
        "  grep -Hns '^[^#]*requiretty' /etc/sudoers /etc/sudoers.d/* >&2; exit 1; }\n"
        "SHELL=/bin/sh; export SHELL; exec 3<&0 4>&1 5>&2\n"
        f"exec script -qec {line} /dev/null </dev/null >/dev/null 2>&1\n"
    ).encode()
    return f"exec sh -c '{reading(first, script.unread)}'", first


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
        answered = exchange.pump(
            # sudo goes on to have a password changed that is expired, which is nobody's to answer here.
            lambda: (
                exchange.begun
                or exchange.err.count(question) > allowed
                or re.search(_OF_ACCOUNT.encode(), exchange.err) is not None
            )
        )
    except DeadlineExceeded:
        raise SudoRefused(
            message(
                "sudo did not make {user} root in {seconds} s; it said: {said}",
                user=user,
                seconds=f"{exchange.deadline.timeout_s:g}",
                said=_said(exchange),
            ),
            exchange.where,
            message(
                "log in as {user} and try `sudo sh`: only a password can be given from here, no code or "
                "finger",
                user=user,
            ),
        ) from None
    if exchange.begun:
        exchange.deadline = whole
        exchange.send(exchange.script.mark.encode() + b"\n")
        return
    if answered:
        exchange.finish(ASK_TIMEOUT_S)
    raise _refusal(exchange, user, reference)


def _said(exchange: Exchange) -> str:
    asked = re.escape(_question(exchange.script)) + r"[^:\n]*:"
    return re.sub(asked, "", exchange.said).strip() or _NOTHING


def _refusal(exchange: Exchange, user: str, reference: str | None) -> SudoRefused:
    said, asked = _said(exchange), exchange.err.count(_question(exchange.script).encode())
    if _WANTS_TERMINAL in said:
        return _TerminalWanted(said.splitlines()[-1], exchange.where, _no_terminal(user))
    if _NO_SCRIPT in said:
        lines = [f"{path} line {number} (`{line.strip()}`)" for path, number, line in _LINE.findall(said)]
        return SudoRefused(
            message(
                "sudo wants a terminal of {user} (requiretty{by}), and the host has no script(1), "
                "which gives it one",
                user=user,
                by=message(", by {lines}", lines=", ".join(lines)) if lines else "",
            ),
            exchange.where,
            message(
                "{remedy}; or install script(1) (package util-linux, or bsdutils)",
                remedy=_no_terminal(user, bool(lines)),
            ),
        )
    for pattern, remedy in _REMEDIES.items():
        # The cause, and not what sudo says of it last ('a password is required').
        cause = next((line for line in said.splitlines() if re.search(pattern, line)), "")
        if cause:
            return SudoRefused(cause, exchange.where, remedy(user))
    whose = _asked_for(exchange)
    if whose not in ("", user):
        return SudoRefused(
            message(
                "sudo asks {user} for the password of {whose} (targetpw, rootpw or runaspw in "
                "sudoers){not_that}",
                user=user,
                whose=whose,
                not_that=message(", and the one that {reference} names is not that", reference=reference)
                if reference
                else "",
            ),
            exchange.where,
            message(
                "add this line to sudoers on the host (visudo), behind that: Defaults:{user} !targetpw, "
                "!rootpw, !runaspw; root sees which line it is: {command}",
                user=user,
                command=_GREP.format("targetpw|rootpw|runaspw"),
            ),
        )
    if asked and reference is None:
        return SudoRefused(
            message("sudo asks {user} for a password, and the inventory names none", user=user),
            exchange.where,
            message(
                "say where it is as hosts.{where}.sudo.password, or allow NOPASSWD", where=exchange.where
            ),
        )
    if asked > 1:
        return SudoRefused(
            message(
                "sudo refuses {user}'s password, the one that {reference} names; the host's log has one "
                "failed attempt",
                user=user,
                reference=reference,
            ),
            exchange.where,
            message("put the right password where {reference} points", reference=reference),
        )
    kind = (
        _NothingSaid
        if said == _NOTHING
        else SudoRefused
        if re.search(r"^sudo: ", said, re.MULTILINE)
        else NotHeard
    )
    return kind(
        f"sudo does not make {user} root; it said: {said}", exchange.where, "try `sudo sh` on the host"
    )


def _asked_for(exchange: Exchange) -> str:
    """Whose password sudo asks for; '' where it did not ask, or by a prompt of its own."""
    asked = re.search(
        re.escape(_question(exchange.script)) + r"([^:\n]*):", display.escape_bytes(bytes(exchange.err))
    )
    return asked[1] if asked else ""


def starts_nothing(exchange: Exchange, user: str) -> SudoRefused:
    """The refusal where root's shell began, and may start no program."""
    said = exchange.said.rpartition(exchange.script.mark)[0].rpartition(exchange.script.mark)[2]
    said = said.removesuffix("unread-").strip()
    return SudoRefused(
        message(
            "sudo makes {user} root, and no program that root's shell starts may run (noexec in "
            "sudoers); it said: {said}",
            user=user,
            said=said,
        ),
        exchange.where,
        message(
            "add this line to sudoers on the host (visudo), behind that: Defaults:{user} !noexec; or "
            "the tag EXEC: before the commands of {user}; root sees which line it is: {command}",
            user=user,
            command=_GREP.format("noexec"),
        ),
    )


def _no_terminal(user: str, is_named: bool = False) -> str:
    """The line of sudoers to add, behind the one that asks for a terminal."""
    line = message(
        "add this line to sudoers on the host (visudo), behind that: Defaults:{user} !requiretty", user=user
    )
    if is_named:
        return line
    return message(
        "{line}; root sees which line asks for it: grep -rn requiretty /etc/sudoers /etc/sudoers.d", line=line
    )
