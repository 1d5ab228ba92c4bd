"""A real JupyterLab, started as somebody starts it, and ended; for a browser, a client, or an attacker."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

BROWSER = "/usr/bin/chromium"
PATIENCE = 150_000  # milliseconds; a first start compiles all of JupyterLab's Python beside a busy machine


def _listens(pid: int, port: int) -> bool:
    """Whether somebody does in the network of a process, which may be one of its own (proc(5), net/tcp)."""
    lines = (line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:])
    return any(words[1].endswith(f":{port:04X}") and words[3] == "0A" for words in lines)


@contextmanager
def started(
    words: Sequence[object], said: Path, cwd: Path, environment: Mapping[str, str], umask: int = -1
) -> Iterator[str]:
    """The address with the token in it.

    Args:
        words: the command that starts it, with `--no-browser --port=0`.
        said: a file for what it says.
    """
    with said.open("wb") as log:
        process = subprocess.Popen(
            list(map(str, words)),
            cwd=cwd,
            env=environment,
            umask=umask,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + PATIENCE / 1000
        while not (found := re.search(r"http://127\.0\.0\.1:(\d+)/lab\?token=\w+(?=\s)", said.read_text())):
            assert process.poll() is None, said.read_text()
            assert time.monotonic() < deadline, said.read_text()
            time.sleep(0.2)
        # It says the address before it listens there: jupyter_server binds the port in the loop that starts after.
        port = int(found[1])
        while not _listens(process.pid, port):
            assert process.poll() is None, said.read_text()
            assert time.monotonic() < deadline, said.read_text()
            time.sleep(0.1)
        yield found[0]
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=60)
