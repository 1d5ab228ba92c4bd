"""Which run this is, where its record goes, who works, and from which state of the code."""

import functools
import getpass
import importlib.metadata
import os
import re
import secrets
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from runbook_lib.errors import UsageError

CHECKOUT = Path(__file__).resolve().parents[2]
_GIT_TIMEOUT_S = 10.0
_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True)
class CodeState:
    """The commit that ran and whether the tree held nothing else; both None where git cannot say."""

    commit: str | None
    clean_tree: bool | None


def run_id(now: datetime) -> str:
    """A new run id: the time in UTC, so that runs sort, and four hex digits, so that two never meet.

    Args:
        now: an aware time.
    """
    return f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"


def current_run() -> str:
    """The run that this process belongs to: $RUNBOOK_RUN, else a new one, the same until the process ends.

    Raises: UsageError when the variable holds what cannot be a folder's name.
    """
    given = os.environ.get("RUNBOOK_RUN")
    return plain_name(given, "RUNBOOK_RUN") if given else _process_run()


@functools.cache
def _process_run() -> str:
    return run_id(datetime.now(UTC))


def root() -> Path:
    """The folder of all records: $RUNBOOK_RECORDS, else records/ of the checkout."""
    given = os.environ.get("RUNBOOK_RECORDS")
    return Path(given).absolute() if given else CHECKOUT / "records"


def operator() -> str:
    """The login name of the person at work; behind sudo, of the one who called it."""
    return os.environ.get("SUDO_USER") or getpass.getuser()


def plain_name(name: str, what: str) -> str:
    """Return `name` when it can be a file's name on every system, and never leaves its folder.

    Args:
        name: a run, a host or a chapter.
        what: where the name comes from, for the message.
    Raises: UsageError.
    """
    if not _PLAIN_NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot name a folder of records", what,
            "use letters, digits, '.', '_' and '-', beginning with a letter or a digit",
        )  # fmt: skip
    return name


def folder_of(server: str) -> str:
    """The folder of a server that is known by its name or address only; an IPv6 address has colons in it."""
    return plain_name(server.replace(":", "-").strip("-"), "name")


def now_text() -> str:
    """This moment as every record spells it: ISO 8601, UTC, with its offset."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def library_version() -> str:
    """The version of runbook_lib that runs."""
    return importlib.metadata.version("runbook-lib")


@functools.cache
def code_state(checkout: Path = CHECKOUT) -> CodeState:
    """Commit and cleanness of the checkout, asked once a process; None without git or a repository."""
    commit = _git(checkout, "rev-parse", "--verify", "HEAD")
    if commit is None:
        return CodeState(None, None)
    changes = _git(checkout, "status", "--porcelain")
    return CodeState(commit.strip(), None if changes is None else not changes.strip())


def _git(checkout: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(checkout), *arguments],
            capture_output=True, text=True, timeout=_GIT_TIMEOUT_S, check=False,
            # A look must not take the index's lock from somebody who commits.
            env=os.environ | {"GIT_OPTIONAL_LOCKS": "0"},
        )  # fmt: skip
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
