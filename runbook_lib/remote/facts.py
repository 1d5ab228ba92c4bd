"""Facts: what is seen on a host, all of them in one round trip. Adding a fact is adding a line.

A fact carries the exit status of its command, so that 'could not look' is never 'is not there'.
"""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, cast

from runbook_lib import display
from runbook_lib.errors import CommandFailed
from runbook_lib.families.known import MANAGERS_FACT
from runbook_lib.messages import message
from runbook_lib.remote.connection import Host

NOT_INSTALLED = 127  # POSIX 2.8.2: the command was not found
TIMED_OUT = 124  # what timeout(1) says
_AS_USER = "does the look need root"

FACTS = {  # name: a read-only command, safe at any moment
    "os_release": "cat /etc/os-release",
    "hostname": "hostname -f",
    "machine_id": "cat /etc/machine-id",
    "time_utc": "date -u +%s.%N",
    "architecture": "uname -m",
    "runs": "ls -1t /var/lib/runbook",  # the run that wrote last comes first
    "lab_mark": "cat /etc/runbook-lab",
    "package_managers": MANAGERS_FACT,
    "selinux": "getenforce",
    "crypto_policy": "update-crypto-policies --show 2>/dev/null || cat /etc/crypto-policies/state/current",
}


@dataclass(frozen=True)
class Fact:
    """What one command said.

    Args:
        value: its stdout without newlines at its end; bytes that are not UTF-8 are shown as backslash, x, NN.
        status: 127: the program is not installed, which is not the same as an empty answer; 124: too slow.
    """

    value: str
    status: int


def gather(
    host: Host,
    facts: Mapping[str, str] = FACTS,
    *,
    root: bool = False,
    timeout_s: float = 60.0,
    fact_timeout_s: int = 10,
    functions: str = "",
    ahead: str = "",
) -> dict[str, Fact]:
    """Run every command in one script; name, exit status and output come back with NUL between them.

    Args:
        host: where to look.
        facts: name to POSIX sh command; each has a shell of its own.
        root: look as root.
        timeout_s: seconds for all of them.
        fact_timeout_s: seconds for each, where the host has timeout(1). All are asked in one shell first, which saves
            a host some hundreds of processes a look; on a host where that took twice as long, each has its own.
        functions: shell functions that the commands use.
        ahead: lines that set variables and functions for them, run once where all are asked in one shell and as the one
            user. Without these the commands say the same, with more programs.
    Returns: a fact for each name, in the order of `facts`.
    Raises:
        CommandFailed: the answer is not one for each name.
        DeadlineExceeded, SudoRefused, HostUnreachable: as with `Host.run`.
    """
    question = (tuple(facts.items()), root)
    kept = host.kept_answer(question)
    if kept is not None:
        answered, needed_then = cast(tuple[dict[str, Fact], dict[str, str]], kept)
        if host.needed_root is not None:
            host.needed_root |= needed_then
        return dict(answered)
    tried: Mapping[str, str] = facts
    if root and host.needed_root is not None:
        # What one chapter of a batch has just tried as the user the next one need not try again.
        for name, command in facts.items():
            told = host.kept_answer((_AS_USER, command, functions))
            if name not in host.needed_root and isinstance(told, str):
                host.needed_root[name] = told
        tried = dict(host.needed_root)
    compared = {name: command for name, command in facts.items() if name not in tried}

    def ask(*passes: tuple[Mapping[str, str], str]) -> list[_Said]:
        """What is seen in each pass: its looks, and the account that it is made as; '': who is there."""

        def answers(each_s: int, all_s: int) -> list[_Said]:
            parts = [_pass(looks, user, functions, ahead, each_s, all_s) for looks, user in passes]
            return _said(host.run(" && ".join(parts), root=root, timeout_s=timeout_s, look=True).stdout)

        if not host.looks_slowly:
            try:
                return answers(0, 2 * fact_timeout_s)
            except CommandFailed as error:
                if error.status != TIMED_OUT:
                    raise
                host.looks_slowly = True
        return answers(fact_timeout_s, 0)

    said = ask((facts, ""), *([(compared, host.user)] if compared else []))
    seen, by_account = said[: len(facts)], {one.name: one for one in said[len(facts) :]}
    are_numbers = all(re.fullmatch("[0-9]{1,3}", one.status) for one in said)
    if [one.name for one in seen] != list(facts) or not are_numbers:
        raise CommandFailed(
            message(
                "{facts} facts were asked for, and the answer has {words}{more}",
                facts=len(facts),
                words=len(seen),
                more="" if are_numbers else message(", and a status that is no number"),
            ),
            host.name,
            message("see whether sh on the host is a POSIX shell"),
        )
    if host.needed_root is not None:
        other = {
            one.name: facts[one.name]
            for one in seen
            if one.name in compared and by_account.get(one.name) != one
        }
        # What root now sees otherwise too differs by the time that passed.
        again = set(ask((other, ""))) if other else set()
        for one in seen:
            if one.name in compared:
                needed = facts[one.name] if one.name in other and one in again else ""
                host.needed_root[one.name] = needed
                host.keep_answer((_AS_USER, facts[one.name], functions), needed)
    found = {one.name: Fact(display.escape_bytes(one.value), int(one.status)) for one in seen}
    known = host.needed_root or {}
    host.keep_answer(question, (found, {name: known[name] for name in facts if name in known}))
    return dict(found)


class _Said(NamedTuple):
    """What one look came to: the fact's name, its command's exit status, and its stdout."""

    name: str
    status: str
    value: bytes


def _said(stdout: bytes) -> list[_Said]:
    words = stdout.split(b"\0")[:-1]
    said = [
        _Said(display.escape_bytes(name), status.decode("ascii", "replace"), value)
        for name, status, value in zip(words[::3], words[1::3], words[2::3], strict=False)
    ]
    return [*said, _Said("", "", b"")] if len(words) % 3 else said  # cut off: a status that is no number


def _pass(looks: Mapping[str, str], user: str, functions: str, ahead: str, each_s: int, all_s: int) -> str:
    """A script that makes these looks one after the other.

    What is read is a script of its own, since the shell that reads it is the one to be ended.

    Args:
        user: the account to make them as, by setpriv, since runuser writes to the login logs; '': who is there.
        each_s: seconds for each look, which then has a shell of its own; 0: all are made in one shell, after `ahead`.
        all_s: seconds for all of them; 0: as many as they take.
    """
    limit = f"limit='timeout {each_s}'; command -v timeout >/dev/null || limit=\n" if each_s else "limit=\n"
    once = "" if each_s else f"{{ :; {ahead}\n}} 2>/dev/null </dev/null\n"
    calls = "\n".join(f"fact {shlex.quote(name)} {shlex.quote(command)}" for name, command in looks.items())
    run = f"run='timeout {all_s}'; command -v timeout >/dev/null || run=\n" if all_s else "run=\n"
    script = f"{limit}functions={shlex.quote(functions)}\n{_LOOK}{once}{calls}"
    if not user:
        return f"{{\n{run}$run sh <<'{_END}'\n{script}\n{_END}\n}}"
    user = shlex.quote(user)
    as_user = f'$run setpriv --reuid="$(id -u {user})" --regid="$(id -g {user})" --init-groups'
    # An account that cannot look at all sees nothing, which is an answer; one that is slow is asked again, slowly.
    return (
        f"{{\n{run}{as_user} sh <<'{_END}'\n{script}\n{_END}\n"
        f'x=$?; [ "$x" != {TIMED_OUT} ] || (exit {TIMED_OUT})\n}}'
    )


_END = "all-facts-were-asked"
_LOOK = r"""eval "$functions"
look() {
  if [ -n "$limit" ]; then
    value=$($limit sh -c "$functions
$1" 2>/dev/null </dev/null) && status=0 || status=$?
  else
    value=$(eval "$1" 2>/dev/null </dev/null) && status=0 || status=$?
  fi
}
fact() {
  look "$2"
  printf '%s\0%s\0%s\0' "$1" "$status" "$value"
}
"""
