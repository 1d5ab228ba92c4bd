"""Facts: what is seen on a host, all of them in one round trip. Adding a fact is adding a line.

A fact carries the exit status of its command, so that 'could not look' is never 'is not there'.
"""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

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
    calls = "\n".join(
        f"fact {shlex.quote(name)} {shlex.quote(command)} {'' if name in tried else shlex.quote(host.user)}"
        for name, command in facts.items()
    )
    begin = f"functions={shlex.quote(functions)}\n"
    if not host.looks_slowly:
        once = f"{{ :; {ahead}\n}} 2>/dev/null </dev/null\n"
        together = f"{_TOGETHER.format(seconds=2 * fact_timeout_s)}{begin}{_LOOK}{once}{calls}\n{_END}\n"
        try:
            result = host.run(together, root=root, timeout_s=timeout_s, look=True)
        except CommandFailed as error:
            if error.status != TIMED_OUT:
                raise
            host.looks_slowly = True
    if host.looks_slowly:
        each = f"limit='timeout {fact_timeout_s}'; command -v timeout >/dev/null || limit=\n"
        result = host.run(f"{each}{begin}{_LOOK}{calls}", root=root, timeout_s=timeout_s, look=True)
    words = result.stdout.split(b"\0")[:-1]
    names = [display.escape_bytes(word) for word in words[::4]]
    statuses = [word.decode("ascii", "replace") for word in words[1::4]]
    are_numbers = all(re.fullmatch("[0-9]{1,3}", status) for status in statuses)
    if len(words) % 4 or names != list(facts) or not are_numbers:
        raise CommandFailed(
            message(
                "{facts} facts were asked for, and the answer has {words}{more}",
                facts=len(facts),
                words=f"{len(words) / 4:g}",
                more="" if are_numbers else message(", and a status that is no number"),
            ),
            host.name,
            message("see whether sh on the host is a POSIX shell"),
        )
    for name, needed in zip(names, words[3::4], strict=True):
        if name not in tried and host.needed_root is not None:
            host.needed_root[name] = facts[name] if needed else ""
            host.keep_answer((_AS_USER, facts[name], functions), host.needed_root[name])
    found = {
        name: Fact(display.escape_bytes(value), int(status))
        for name, status, value in zip(names, statuses, words[2::4], strict=True)
    }
    known = host.needed_root or {}
    host.keep_answer(question, (found, {name: known[name] for name in names if name in known}))
    return dict(found)


# What is read is a script of its own, since the shell that reads it is the one to be ended.
_END = "all-facts-were-asked"
_TOGETHER = f"limit= run='timeout {{seconds}}'; command -v timeout >/dev/null || run=\n$run sh <<'{_END}'\n"

# Where a user is named, the look is made as that user too: it needed root when the user sees something else, and root
# sees the same again (so that it is not the time that passed). setpriv, since runuser writes to the login logs.
_LOOK = r"""eval "$functions"
look() {
  if [ -n "${as:-}${limit:-}" ]; then
    value=$($as ${limit:-} sh -c "$functions
$1" 2>/dev/null </dev/null) && status=0 || status=$?
  else
    value=$(eval "$1" 2>/dev/null </dev/null) && status=0 || status=$?
  fi
}
fact() {
  as= needed=
  look "$2"
  root_value=$value root_status=$status
  if [ -n "${3:-}" ]; then
    user=${user:-"setpriv --reuid=$(id -u "$3") --regid=$(id -g "$3") --init-groups"}
    as=$user
    look "$2"
    if [ "$status $value" != "$root_status $root_value" ]; then
      as=
      look "$2"
      if [ "$status $value" = "$root_status $root_value" ]; then needed=yes; fi
    fi
  fi
  printf '%s\0%s\0%s\0%s\0' "$1" "$root_status" "$root_value" "$needed"
}
"""
