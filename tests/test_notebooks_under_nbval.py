"""`pytest --nbval` re-proves the stored outputs on a real host: from anywhere, alone, and red when one is wrong."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lab import Lab

CHECKOUT = Path(__file__).resolve().parents[1]
NOTEBOOKS = CHECKOUT / "notebooks"


def nbval(*words: str | Path, cwd: Path = CHECKOUT) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RUNBOOK_R")}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--color=no",
        "--nbval",
        *map(str, words),
    ]
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


def test_a_later_chapter_alone_finds_what_the_earlier_ones_leave(lab: Lab) -> None:
    lab.reset("debian12", "bare")
    done = nbval("12-signing.ipynb", cwd=NOTEBOOKS)
    assert done.returncode == 0, done.stdout
    assert b"mail-server.pem" in lab.exec("debian12", "ls /etc/ssl/certs/mail-server.pem")


def test_an_output_that_is_not_so_any_more_is_red(lab: Lab, tmp_path: Path) -> None:
    lab.reset("debian12", "bare")
    shutil.copytree(NOTEBOOKS, tmp_path / "notebooks", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "tests").mkdir()
    shutil.copy(CHECKOUT / "tests" / "nbval.cfg", tmp_path / "tests")
    notebook = tmp_path / "notebooks" / "00-preparation.ipynb"
    stored = notebook.read_text(encoding="utf-8")
    code = [cell for cell in json.loads(stored)["cells"] if cell["cell_type"] == "code"]
    (asks_for_mx,) = [
        n for n, cell in enumerate(code) if "mail13.example.test, another server" in json.dumps(cell)
    ]
    notebook.write_text(
        stored.replace("mail13.example.test, another server", "mail13.example.test, this server")
    )
    done = nbval("-c", CHECKOUT / "pyproject.toml", notebook)
    assert done.returncode == 1
    assert f"::Cell {asks_for_mx} - Notebook cell execution failed" in done.stdout
    assert "1 failed" in done.stdout


def test_collecting_alone_leaves_the_host_as_it_is(lab: Lab) -> None:
    lab.exec("debian12", "touch /root/here")
    done = nbval("--collect-only", "notebooks")
    assert done.returncode == 0
    assert "20-postfix-debian.ipynb" in done.stdout
    lab.exec("debian12", "test -e /root/here")


@pytest.mark.parametrize(
    "notebook", sorted(NOTEBOOKS.rglob("*.ipynb")), ids=lambda path: "-".join(path.parts[-2:])
)
def test_what_is_stored_is_clean(notebook: Path) -> None:
    """No path, run, operator or time of the machine that made it; each cell was run, and none failed."""
    text = notebook.read_text(encoding="utf-8")
    stored = json.loads(text)
    assert str(CHECKOUT) not in text
    assert set(stored["metadata"]) == {"kernelspec", "language_info"}
    for cell in stored["cells"]:
        assert set(cell["metadata"]) <= {"tags"}
        if cell["cell_type"] == "code" and "parameters" not in cell["metadata"].get("tags", []):
            assert cell["outputs"], cell["source"]
            assert {output["output_type"] for output in cell["outputs"]} == {"execute_result"}
