"""Journals of runs, made up in a folder, and a stand-in for a host: this machine's own sh, with that folder."""

import functools
import subprocess
from pathlib import Path
from typing import Any, cast

from runbook_lib.remote.connection import Host
from runbook_lib.remote.held import Held
from runbook_lib.remote.journal import FUNCTIONS, ROOT, WORK_LOCK, Journal
from runbook_lib.remote.script import Result


class StandIn(Host):
    """Runs each script here, where the journals' folder is another: no SSH, no root, no Postfix."""

    def __init__(self, folder: Path) -> None:
        super().__init__(cast(Any, None), cast(Any, type("Named", (), {"name": "mail1"})))
        self.folder = folder
        self.journals = folder / "journals"

    @property
    def user(self) -> str:
        return "root"

    def run(self, script: str | bytes, **_: Any) -> Result:
        text = script if isinstance(script, str) else script.decode()
        for there, here in ((ROOT, self.journals), (WORK_LOCK, self.folder / "work")):
            text = text.replace(str(there), str(here))
        done = subprocess.run(["sh"], input=text.encode(), capture_output=True, timeout=300, check=False)
        return Result(done.returncode, done.stdout, done.stderr)

    def journal(self, run: str) -> Journal:
        """The journal of a run that holds the host's lock."""
        return Journal(self, run, "kanri", _lock=cast(Held, object()))

    def add(
        self, number: int, *paths: Path, undone: bool = False, is_open: bool = False, more: str = ""
    ) -> str:
        """A run that changed these paths, each in a change of its own, and left them as they are now.

        Args:
            more: a line more of each undo.
        """
        run = f"20260101T{number:06}Z-abcd"
        folder = self.journals / run
        folder.mkdir(parents=True)
        (folder / "sequence").write_text(f"{number}\n")
        for n, path in enumerate(paths, 1):
            parts = {
                "title": f"{path.name} is written", "chapter": "20-postfix-debian", "commands": "true",
                "0.path": str(path), "0.was": "absent", "0.is": _state(path, path.stat().st_mtime_ns),
                "undo": f"paths_back {n:03}\n{more}",
                "begun": "", **({} if is_open else {"done": ""}), **({"undone": ""} if undone else {}),
            }  # fmt: skip
            for part, text in parts.items():
                (folder / f"{n:03}.{part}").write_text(f"{text}\n" if text else "")
        return run


@functools.cache
def _state(path: Path, _written_at: int) -> str:
    script = f"{FUNCTIONS}\nstate '{path}'\n"
    return subprocess.run(["sh"], input=script, capture_output=True, text=True, check=True).stdout.strip()
