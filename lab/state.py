"""The lab's state folder: `.lab/` of the checkout, or $RUNBOOK_LAB.

`state.json` is what proves a lab host (nothing in an inventory can claim to be one):

    {"format": 1,
     "lab_id": "16 hexadecimal digits, as in /etc/runbook-lab on each host",
     "subnet": N,
     "further": {"debian12": 5},
     "hosts": {"debian12": {"address": "10.77.N.12", "host_keys": ["ssh-ed25519 AAAA…", …], …}}}

`further` is there where a release has more than its own host: how many in all.
A host is of this lab when the SSH host key it shows is in `hosts.NAME.host_keys` and the host carries
/etc/runbook-lab with the same `lab_id`.
"""

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from runbook_lib.errors import LabError

CHECKOUT = Path(__file__).resolve().parent.parent
FORMAT = 1
# One lock for all labs of this machine: taken only while a subnet is chosen or a route set.
_MACHINE_LOCK = Path("/run/lock/runbook-lab.lock")


def folder_from_environment() -> Path:
    """The state folder: $RUNBOOK_LAB where it is set (an absolute path), else `.lab` of the checkout.

    Raises: LabError for a relative path, which would be another folder in every working directory.
    """
    given = os.environ.get("RUNBOOK_LAB")
    if not given:
        return CHECKOUT / ".lab"
    if not Path(given).is_absolute():
        raise LabError(f"{given!r} is not an absolute path", "RUNBOOK_LAB", "give the lab's folder from / on")
    return Path(given).resolve()


class State:
    """state.json and the files beside it; every write replaces the file in one step.

    Args:
        folder: the state folder; made (0700) by `create`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "state.json"

    @property
    def identity(self) -> str:
        """The id of the lab whose keys, passwords and CA this one has: its own, or the one's that it shares with."""
        owner = (self.folder / "id_ed25519").resolve().parent
        return str((self if owner == self.folder else State(owner)).read()["lab_id"])

    def share(self, other: "State") -> None:
        """Have another lab's keys, passwords and CA: hosts that either prepares are good for both.

        Args:
            other: is there, with all of them; it must stay as long as this one.
        """
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in ("id_ed25519", "id_ed25519.pub", "secrets", "hosts", "ca"):
            if not (self.folder / name).is_symlink():
                (self.folder / name).symlink_to(other.folder / name)

    @property
    def exists(self) -> bool:
        """Whether `up` has begun here."""
        return self.path.exists()

    def create(self) -> None:
        """Make folder and state.json with a new lab id, unless they are there."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._locked():
            if not self.exists:
                self._write({"format": FORMAT, "lab_id": secrets.token_hex(8), "subnet": None, "hosts": {}})

    def read(self) -> dict[str, Any]:
        """What is written there.

        Raises: LabError when there is no lab, or the file is of another format.
        """
        try:
            data: dict[str, Any] = json.loads(self.path.read_bytes())
        except FileNotFoundError as error:
            raise LabError("no lab is here", str(self.folder), "run `python -m lab up`") from error
        except json.JSONDecodeError as error:
            raise _unusable(self.path) from error
        if data.get("format") != FORMAT:
            raise _unusable(self.path)
        return data

    @contextmanager
    def change(self) -> Iterator[dict[str, Any]]:
        """Read, let the caller alter the value, write: one process at a time."""
        with self._locked():
            data = self.read()
            yield data
            self._write(data)

    def secret(self, name: str, value: str | None = None) -> str:
        """A secret kept in `secrets/NAME` (0600), made at the first call.

        Args:
            name: file name.
            value: what to keep where nothing is kept yet; None makes a random one.
        Returns: the secret without the file's line end.
        """
        path = self.secret_path(name)
        if not path.exists():
            path.parent.mkdir(mode=0o700, exist_ok=True)
            write_private(path, (secrets.token_urlsafe(18) if value is None else value) + "\n")
        return path.read_text(encoding="utf-8").removesuffix("\n")

    def secret_path(self, name: str) -> Path:
        """Where `secret` keeps it."""
        return self.folder / "secrets" / name

    @contextmanager
    def lock(self, name: str, timeout_s: float = 120.0) -> Iterator[None]:
        """One process at a time makes or resets a host, or is the outsider."""
        with _lock(self.folder / f"{name}.lock", timeout_s):
            yield

    @contextmanager
    def lab_lock(self, timeout_s: float = 900.0) -> Iterator[None]:
        """One `up` or `down` of a lab at a time; the others wait (images may be building)."""
        with _lock(self.folder / "up.lock", timeout_s):
            yield

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with _lock(self.folder / "state.lock", 30.0):
            yield

    def _write(self, data: dict[str, Any]) -> None:
        write_private(self.path, json.dumps(data, indent=2, ensure_ascii=False) + "\n")


@contextmanager
def machine_lock() -> Iterator[None]:
    """One process of all labs on this machine at a time."""
    _MACHINE_LOCK.parent.mkdir(parents=True, exist_ok=True)
    with _lock(_MACHINE_LOCK, 120.0):
        yield


def write_private(path: Path, text: str) -> None:
    """Replace a file in one step; only its owner can read it at any moment."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    temporary.replace(path)


@contextmanager
def _lock(path: Path, timeout_s: float) -> Iterator[None]:
    try:
        with FileLock(path, timeout=timeout_s):
            yield
    except Timeout as error:
        raise LabError(
            f"another process held the lock for {timeout_s:g} s",
            str(path),
            "wait for it to end, then try again",
        ) from error


def _unusable(path: Path) -> LabError:
    return LabError(
        "cannot be read as a lab's state",
        str(path),
        f"run `rm {path}` and then `python -m lab up`: it finds the rest",
    )
