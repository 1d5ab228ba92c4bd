"""The command `runbook` in a process of its own, forked from one that has imported it: no second goes into a start.

It has its own environment, folder, arguments and streams, and ends with its status, as one that a person starts. So
have the workers of its batch, which are forked from one process, too, that all commands of a test run share. For what a
start itself does, start `.venv/bin/runbook`.
"""

import atexit
import contextlib
import functools
import importlib
import json
import multiprocessing
import os
import pkgutil
import select
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

RUNBOOK = Path(sys.executable).with_name("runbook")
_IMPORTED = ("batch", "chapters", "cli", "clients", "doctor", "mail", "pki", "records")
# Left to those who need them: what workers are forked from, kernels, and `python -m runbook_lib.…`.
_NOT_IMPORTED = ("preloaded", "worker", "kernel", "__main__", "flow_sampler")
_WITH_WORKERS = ("plan", "apply", "resume")
_READY = "ready"


def runbook(
    *words: str | Path,
    cwd: str | Path = "/",
    environment: Mapping[str, str] | None = None,
    stdin: str = "",
    timeout_s: float = 120,
) -> subprocess.CompletedProcess[str]:
    """`runbook WORDS`: `environment` is put into that of this process."""
    arguments = [str(RUNBOOK), *map(str, words)]
    with tempfile.TemporaryDirectory(prefix="runbook-test-command.") as folder:
        files = [Path(folder, name) for name in ("stdin", "stdout", "stderr")]
        files[0].write_text(stdin, encoding="utf-8")
        asked = {
            "words": arguments,
            "cwd": str(cwd),
            "environment": {**os.environ, **(environment or {})},
            "files": list(map(str, files)),
        }
        status = _ask(json.dumps(asked), timeout_s)
        said = [file.read_text(encoding="utf-8") for file in files[1:]]
    return subprocess.CompletedProcess(arguments, status, *said)


@functools.cache
def _ready() -> subprocess.Popen[str]:
    """The process that all are forked from; it ends with its standard input."""
    process = subprocess.Popen(
        [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    atexit.register(process.wait)
    atexit.register(process.stdin.close)
    assert process.stdout is not None
    assert process.stdout.readline() == f"{_READY}\n"  # so that no command's time goes into it
    return process


def _ask(asked: str, timeout_s: float) -> int:
    process = _ready()
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{asked}\n")
    process.stdin.flush()
    if not select.select([process.stdout], [], [], timeout_s)[0]:
        process.kill()
        _ready.cache_clear()
        raise subprocess.TimeoutExpired(asked, timeout_s)
    return int(process.stdout.readline())


def _serve() -> None:
    """Fork a process for each line that is read, and write with which status it ended."""
    for package in _IMPORTED:
        folder = importlib.import_module(f"runbook_lib.{package}").__path__
        for found in pkgutil.walk_packages(folder, f"runbook_lib.{package}."):
            if found.name.rpartition(".")[2] not in _NOT_IMPORTED:
                importlib.import_module(found.name)
    # Stretching a CA's passphrase takes a third of a second by design, at each command: a figure, not a part.
    importlib.import_module("runbook_lib.pki.key_file").ROUNDS = 2_048  # type: ignore[attr-defined]
    sys.stdout.write(f"{_READY}\n")
    sys.stdout.flush()
    for line in sys.stdin:
        asked = json.loads(line)
        if asked["words"][1:2] and asked["words"][1] in _WITH_WORKERS:
            _ready_for_workers()
        child = os.fork()
        if child == 0:
            os._exit(_run(**asked))
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        sys.stdout.write(f"{status}\n")
        sys.stdout.flush()


@functools.cache
def _ready_for_workers() -> None:
    """Start the process that workers are forked from, as a batch starts its own, which takes more than all the rest.

    A process that was forked takes the one of its parent, but for asking whether that lives: it is no child of its own.
    """
    rollout = importlib.import_module("runbook_lib.batch.rollout")
    interpreters = importlib.import_module("runbook_lib.batch.interpreters")
    multiprocessing.get_context("forkserver").set_forkserver_preload(rollout.PRELOADED)
    with interpreters.never_from_here():
        forkserver.ensure_running()
    forkserver._forkserver.ensure_running = _is_running  # type: ignore[method-assign]


def _is_running() -> None:
    """It lives as long as the process that all are forked from."""


class _Work:
    """What a worker does, in the folder and with the environment that its command has when it starts it."""

    def __init__(self, cwd: str = "", environment: Mapping[str, str] | None = None) -> None:
        self.cwd, self.environment = cwd, environment or {}

    def __reduce__(self) -> tuple[Callable[..., "_Work"], tuple[str, dict[str, str]]]:
        return _Work, (str(Path.cwd()), dict(os.environ))

    def __call__(self, job: Any, line: Connection) -> None:
        _be_in(self.cwd, self.environment)
        importlib.import_module("runbook_lib.batch.worker").work(job, line)


def _be_in(cwd: str, environment: Mapping[str, str]) -> None:
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()


def _run(words: list[str], cwd: str, environment: dict[str, str], files: list[str]) -> int:
    _be_in(cwd, environment)
    rollout = importlib.import_module("runbook_lib.batch.rollout")
    rollout._work = _Work()  # type: ignore[attr-defined]
    made = os.O_WRONLY | os.O_CREAT
    for descriptor, (file, flags) in enumerate(zip(files, (os.O_RDONLY, made, made), strict=True)):
        opened = os.open(file, flags, 0o600)
        os.dup2(opened, descriptor)
        os.close(opened)
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", 1, encoding="utf-8", errors="backslashreplace", closefd=False)
    sys.argv = words
    status = 0
    try:
        importlib.import_module("runbook_lib.cli").main()
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # noqa: BLE001 - as the interpreter itself would tell it
        sys.excepthook(*sys.exc_info())
        status = 1
    with contextlib.suppress(Exception):
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    return status


if __name__ == "__main__":
    _serve()
