"""Imports go down only, as the house is drawn; the check names a line that breaks it."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]


def lint_imports(checkout: Path) -> subprocess.CompletedProcess[str]:
    """What the linter says about a checkout."""
    linter = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [linter, "--no-logo", "--no-cache"], cwd=checkout, capture_output=True, text=True, check=False
    )


def test_imports_go_down_only() -> None:
    """Every module of the library has a place in the house, and none looks up."""
    seen = lint_imports(CHECKOUT)
    assert seen.returncode == 0, seen.stdout


def packages_imported_from_inside(checkout: Path) -> list[str]:
    """Modules that import a package that they lie in: it hands on to others what they have themselves."""
    found = []
    for path in (checkout / "runbook_lib").rglob("*.py"):
        if path.name == "__init__.py":
            continue
        above = {
            ".".join(one.relative_to(checkout).parts) for one in path.parents if one.is_relative_to(checkout)
        }
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module in above:
                folder = checkout.joinpath(*node.module.split("."))
                parts = {one.stem for one in folder.iterdir()}
                found += [f"{path.name}: {one.name}" for one in node.names if one.name not in parts]
    return found


def test_no_module_imports_the_package_that_it_lies_in() -> None:
    assert packages_imported_from_inside(CHECKOUT) == []


def test_one_that_does_would_be_found(tmp_path: Path) -> None:
    package = tmp_path / "runbook_lib" / "mail"
    package.mkdir(parents=True)
    (package / "row.py").write_text("from runbook_lib.mail import parse, Survey\n")
    (package / "parse.py").write_text("")
    assert packages_imported_from_inside(tmp_path) == ["row.py: Survey"]


@pytest.mark.parametrize(
    ("file", "line", "said"),
    [
        ("runbook_lib/inventory/names.py", "import runbook_lib.pki.ledger", "runbook_lib.inventory.names ->"),
        (
            "runbook_lib/pki/ledger.py",
            "import runbook_lib.mail",
            "runbook_lib.pki.ledger -> runbook_lib.mail",
        ),
        (
            "runbook_lib/mail/configuration/parse.py",
            "import runbook_lib.mail.target.wanted",
            "runbook_lib.mail.configuration.parse -> runbook_lib.mail.target.wanted",
        ),
        ("runbook_lib/pki/pem.py", "import runbook_lib.pki.chain", "No circle, at any depth BROKEN"),
        ("runbook_lib/mail/helpers.py", "", "helpers"),
        ("runbook_lib/errors.py", "import runbook_lib.display", "runbook_lib.errors -> runbook_lib.display"),
        ("lab/state.py", "import runbook_lib.remote", "lab.state -> runbook_lib.remote"),
        ("runbook_lib/helpers.py", "", "helpers"),
    ],
)
def test_an_import_upward_is_named(tmp_path: Path, file: str, line: str, said: str) -> None:
    """So that the green check above means something: each planted fault is found."""
    for name in ("runbook_lib", "lab"):
        shutil.copytree(CHECKOUT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(CHECKOUT / "pyproject.toml", tmp_path)
    with (tmp_path / file).open("a") as planted:
        planted.write(f"\n{line}\n")
    seen = lint_imports(tmp_path)
    assert seen.returncode == 1
    assert said in seen.stdout
