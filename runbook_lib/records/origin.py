"""Which run this is, where its record goes, who works, and from which state of the code."""

import functools
import grp
import hashlib
import importlib.metadata
import os
import pwd
import re
import secrets
import subprocess
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from runbook_lib import places
from runbook_lib.errors import InventoryError, UsageError
from runbook_lib.messages import message
from runbook_lib.records import files

if TYPE_CHECKING:  # models are slow to import
    from runbook_lib.inventory import Inventory
    from runbook_lib.inventory.models import Records, Timestamp

_GIT_TIMEOUT_S = 10.0
_ADJUSTED_S = 2.0  # adjtime(3) moves a clock by 0.9 s in half an hour, the longest that a cell may take
_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True)
class CodeState:
    """The commit that ran and whether the tree held nothing else; both None where git cannot say."""

    commit: str | None
    clean_tree: bool | None


def run_id(now: datetime) -> str:
    """A new run id: the time in UTC, so that runs sort, and four hex digits, so that two never meet.

    Of two that one process makes within a second the later one sorts behind, too.

    Args:
        now: an aware time.
    """
    global _made_last
    with _making:
        second, number = f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}", secrets.randbelow(_DRAWN)
        if _made_last.startswith(second):
            number = max(number, int(_made_last[-4:], 16) + 1)
        _made_last = f"{second}-{number:04x}"
        return _made_last


_DRAWN = 0xFF00  # the last 256 numbers of a second are for what follows within it
_made_last = ""
_making = threading.Lock()


def current_run() -> str:
    """The run that this process belongs to: $RUNBOOK_RUN, else a new one, the same until the process ends.

    Raises: UsageError when the variable holds what cannot be a folder's name.
    """
    given = os.environ.get("RUNBOOK_RUN")
    return plain_name(given, "RUNBOOK_RUN") if given else _process_run()


@functools.cache
def _process_run() -> str:
    return run_id(datetime.now(UTC))


def chapters_of_run() -> frozenset[str]:
    """The chapters that a batch runs on the host one after the other; none where a person runs them by hand."""
    return frozenset(os.environ.get("RUNBOOK_CHAPTERS", "").split())


Signing = Literal["off", "offered", "required"]

_said: "Records | None" = None  # by the inventory in use


def use(book: "Inventory") -> None:
    """From now on the records of this process lie where an inventory says, are for its group, and signed as it says.

    Raises:
        InventoryError: there is no such group here, or the person at work is not in it.
    """
    global _said
    said = book.site.records
    files.share_with(_group_id(said.group, book) if said.group else None)
    _said = said


def records_of_site() -> "Records | None":
    """What the inventory in use says of records; None where none is in use."""
    return _said


def signing() -> Signing:
    """Whether the inventory in use wants records to be signed."""
    return _said.signing if _said else "off"


def log_server() -> str | None:
    """Who keeps what hosts write to their syslog, by the inventory in use; None where it names nobody."""
    return _said.log_server if _said else None


def timestamp() -> "Timestamp | None":
    """The authority that gives time-stamps, by the inventory in use; None where it names none."""
    return _said.timestamp if _said else None


def _of_site() -> Path | None:
    return Path(_said.directory) if _said and _said.directory else None


def _group_id(name: str, book: "Inventory") -> int:
    try:
        number = grp.getgrnam(name).gr_gid
    except KeyError:
        problem = message("there is no group {name} on this machine", name=name)
        remedy = message("name one that `getent group` lists")
    else:
        if os.geteuid() == 0 or number in {os.getegid(), *os.getgroups()}:
            return number
        problem = message("you are not in the group {name}, so nothing can be shared with it", name=name)
        remedy = message("have yourself added to it and log in anew, or leave records.group out")
    raise InventoryError(
        message("{problem}. Nothing was written", problem=problem),
        book.where("site", "records", "group"),
        remedy,
    )


def root() -> Path:
    """The folder of all records, wherever one stands.

    It is $RUNBOOK_RECORDS, else what the inventory in use says; else records/ of the checkout, or of the user's data
    folder where the package is installed.
    """
    given = os.environ.get("RUNBOOK_RECORDS")
    return Path(given).absolute() if given else _of_site() or (places.CHECKOUT or places.data()) / "records"


def is_said_by_site() -> bool:
    """Whether the inventory in use says where the records lie: then who looks for them has to name it."""
    return _of_site() is not None and not os.environ.get("RUNBOOK_RECORDS")


def login() -> str:
    """The login name of this process's account, by its number: what the environment says is anybody's word."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:  # a number without a name, as in a container
        return str(os.geteuid())


def operator() -> str:
    """The login name of the person at work; of root behind sudo, of the one who called it."""
    return (os.environ.get("SUDO_USER") if os.geteuid() == 0 else None) or login()


def plain_name(name: str, what: str) -> str:
    """Return `name` when it can be a file's name on every system, and never leaves its folder.

    Args:
        name: a run, a host or a chapter.
        what: where the name comes from, for the message.
    Raises: UsageError.
    """
    if not _PLAIN_NAME.fullmatch(name):
        raise UsageError(
            message("{name} cannot name a folder of records", name=repr(name)),
            what,
            message("use letters, digits, '.', '_' and '-', beginning with a letter or a digit"),
        )
    return name


def folder_of(server: str) -> str:
    """The folder of a server that is known by its name or address only; an IPv6 address has colons in it."""
    return plain_name(server.replace(":", "-").strip("-"), "name")


def now_text() -> str:
    """This moment as every record spells it: ISO 8601, UTC, with its offset."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


@dataclass(frozen=True)
class Moment:
    """A moment by the clock on the wall, which may be set, and by one that only runs, whatever is set."""

    wall: float
    running: float

    @classmethod
    def now(cls) -> "Moment":
        """This moment."""
        return cls(time.time(), _running())

    def took_s(self) -> float:
        """How long it is ago, in seconds, whatever became of the clock on the wall."""
        return round(_running() - self.running, 3)

    def clock_set_by_s(self) -> float | None:
        """By how many seconds the clock on the wall was set since; None where it only ran, or was adjusted slowly."""
        moved = (time.time() - self.wall) - (_running() - self.running)
        return round(moved, 1) if abs(moved) > _ADJUSTED_S else None


def _running() -> float:
    # CLOCK_BOOTTIME runs on while a laptop sleeps, which CLOCK_MONOTONIC does not: a night would pass for a set clock.
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


def library_version() -> str:
    """The version of runbook_lib that runs."""
    return importlib.metadata.version("runbook-lib")


def library_sha256(folder: Path = places.PACKAGE) -> str:
    """SHA-256 over the names and bytes of the library's files as they are now, committed or not."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            digest.update(f"{path.relative_to(folder).as_posix()}\0{content}\n".encode())
    return digest.hexdigest()


@functools.cache
def code_state(checkout: Path | None = places.CHECKOUT) -> CodeState:
    """Commit and cleanness of the checkout, asked once a process; None where there is none, or no git or repository."""
    commit = _git(checkout, "rev-parse", "--verify", "HEAD") if checkout else None
    if checkout is None or commit is None:
        return CodeState(None, None)
    changes = _git(checkout, "status", "--porcelain")
    return CodeState(commit.strip(), None if changes is None else not changes.strip())


def _environment(checkout: Path) -> dict[str, str]:
    """What git is asked in: this checkout, whatever a hook left behind (GIT_DIR), and whoever owns it.

    Its code runs already, so git's fear of a repository that belongs to somebody else protects nothing here.
    Source: git(1), environment variables; git-config(1), safe.directory, which git heeds so since 2.38.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return kept | {
        "GIT_CEILING_DIRECTORIES": str(checkout.parent),  # no repository around it, where it is none itself
        "GIT_OPTIONAL_LOCKS": "0",  # a look must not take the index's lock from somebody who commits
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": str(checkout),
    }


def _git(checkout: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(checkout), *arguments],
            capture_output=True, text=True, timeout=_GIT_TIMEOUT_S, check=False,
            env=_environment(checkout),
        )  # fmt: skip
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
