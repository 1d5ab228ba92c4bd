"""Whoever may write the folder one stands in gets nothing of ours run: no module, no program is taken from there.

`python -c`, which multiprocessing starts its processes by, looks for modules in the working directory first of all; a
PATH with an empty or a relative word does the same for programs.
"""

import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path

import pytest
from fake_chapters import write_chapter, write_inventory

pytestmark = pytest.mark.programs
RUNBOOK = Path(sys.executable).with_name("runbook")
# What is imported before anybody could look elsewhere, or is no module that a file could stand for.
_STANDARD = {name for name in sys.stdlib_module_names if name not in sys.builtin_module_names}
_PROGRAMS = ("git", "ssh", "ssh-keygen", "sh", "env", "python", "python3", "true")
IMPORTS = "import idna, json, paramiko\nprint('here')"
CHILD = "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'import beside'], check=True)"
COMMANDS = {
    "plan": ("plan", "--inventory", "SITE", "--notebooks", "NOTEBOOKS"),
    "apply": ("apply", "--inventory", "SITE", "--notebooks", "NOTEBOOKS", "--reason", "MAIL-1"),
    "resume": ("resume", "20261129T000000Z-0000"),
    "doctor": ("doctor", "--inventory", "SITE"),
    "status": ("status", "--inventory", "SITE"),
    "verify": ("verify", "127.0.0.1", "--port", "587"),
    "rollback": ("rollback", "20261129T000000Z-0000", "--inventory", "SITE"),
    "ca": ("ca", "init", "--inventory", "SITE"),
    "records": ("records", "list"),
    "certificate": ("certificate", "check", "FILE", "--inventory", "SITE", "--host", "mail1"),
    "schema": ("schema",),
}


@pytest.fixture(scope="module")
def trapped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a module for each name that could be imported, and programs; each leaves a mark when it runs."""
    folder = tmp_path_factory.mktemp("shared")
    marks = folder / "marks"
    marks.mkdir()
    for name in _STANDARD | set(importlib.metadata.packages_distributions()) | {"runbook_lib", "lab"}:
        if name.isidentifier():
            stub = f"import posix\nposix.close(posix.open({str(marks / name)!r}, posix.O_CREAT | posix.O_WRONLY))\n"
            (folder / f"{name}.py").write_text(stub)
    for name in _PROGRAMS:
        program = folder / name
        program.write_text(f"#!/bin/sh\n: > {marks}/program-{name}\n")
        program.chmod(0o755)
    return folder


@pytest.mark.parametrize("command", COMMANDS)
def test_nothing_in_the_working_directory_is_run(command: str, trapped: Path, tmp_path: Path) -> None:
    """The host's address leads nowhere; what a command needs of this machine it has loaded or started before."""
    write_chapter(tmp_path / "notebooks", "11-key", IMPORTS)
    site = write_inventory(tmp_path, "mail1")
    assert "192.0.2.0" in site.read_text()
    site.write_text(site.read_text().replace("192.0.2.0", "127.0.0.1").replace("kanri", "kanri\n    port: 1"))
    words = {"SITE": str(site), "NOTEBOOKS": str(tmp_path / "notebooks"), "FILE": str(site)}
    environment = os.environ | {
        "RUNBOOK_RECORDS": str(tmp_path / "records"),
        "HOME": str(tmp_path),
        "PATH": f":.:{os.environ['PATH']}",
    }
    marks = trapped / "marks"
    for mark in marks.iterdir():
        mark.unlink()
    ran = subprocess.run(
        [RUNBOOK, *(words.get(word, word) for word in COMMANDS[command])],
        cwd=trapped, env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert sorted(path.name for path in marks.iterdir()) == [], ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_path_of_relative_words_alone_is_no_path(trapped: Path, tmp_path: Path) -> None:
    """An empty PATH would be the working directory again."""
    environment = os.environ | {"PATH": ".", "HOME": str(tmp_path)}
    ran = subprocess.run(
        [RUNBOOK, "doctor", "--inventory", str(write_inventory(tmp_path, "mail1"))],
        cwd=trapped, env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert list((trapped / "marks").iterdir()) == []
    assert "Traceback" not in ran.stderr


def test_a_child_of_a_chapter_has_the_environment_that_a_person_gave(tmp_path: Path) -> None:
    """Where modules are looked for is our workers' own matter: a program that an inventory names finds its own."""
    (tmp_path / "beside.py").write_text("")
    write_chapter(tmp_path / "notebooks", "11-key", CHILD)
    site = write_inventory(tmp_path, "mail1")
    words = ("plan", "--inventory", str(site), "--notebooks", str(tmp_path / "notebooks"))
    environment = os.environ | {"RUNBOOK_RECORDS": str(tmp_path / "records")}
    ran = subprocess.run(
        [RUNBOOK, *words],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert "CalledProcessError" not in ran.stdout + ran.stderr, ran.stdout
    assert "left no record" in ran.stdout, ran.stdout
