"""pyproject.toml, environment.yml and requirements.lock say the same, and what is imported is among it."""

import ast
import importlib.metadata
import json
import re
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from ruamel.yaml import YAML

CHECKOUT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())
LOCK = (CHECKOUT / "requirements.lock").read_text()
RUNTIME_LOCK = (CHECKOUT / "requirements-runtime.lock").read_text()
FUZZ_LOCK = (CHECKOUT / "requirements-fuzz.lock").read_text()
SITE_LOCK = (CHECKOUT / "requirements-site.lock").read_text()
BENCH_LOCK = (CHECKOUT / "requirements-bench.lock").read_text()


def declared(*texts: str) -> dict[str, str]:
    """Name to version, as a requirement states it."""
    requirements = [Requirement(text) for text in texts]
    return {canonicalize_name(requirement.name): str(requirement.specifier) for requirement in requirements}


RUNTIME = declared(*PROJECT["project"]["dependencies"])
EXTRAS = declared(*(text for extra in PROJECT["project"]["optional-dependencies"].values() for text in extra))
INSTALL = declared(*PROJECT["dependency-groups"]["install"])
SITE = declared(*PROJECT["dependency-groups"]["site"])
DEV = INSTALL | declared(*(text for text in PROJECT["dependency-groups"]["dev"] if isinstance(text, str)))


def test_environment_yml_has_what_pyproject_has() -> None:
    """Whoever uses conda gets the same versions of the same packages."""
    listed = YAML(typ="safe").load(CHECKOUT / "environment.yml")["dependencies"]
    by_pip = next(item["pip"] for item in listed if isinstance(item, dict))
    by_conda = declared(*(item for item in listed if isinstance(item, str)))
    assert by_conda.pop("python") == PROJECT["project"]["requires-python"]
    assert by_conda.pop("pip") == ""
    assert by_conda | declared(*by_pip) == RUNTIME | EXTRAS | DEV


def locked(lock: str = LOCK) -> dict[str, str]:
    """Name to the one version that the lock has."""
    return {
        canonicalize_name(name): version
        for name, version in re.findall(r"^(\S+)==(\S+) \\$", lock, re.MULTILINE)
    }


@pytest.mark.parametrize("name", sorted(RUNTIME | EXTRAS | DEV))
def test_the_lock_satisfies_pyproject(name: str) -> None:
    """No requirement was raised without making the lock anew. To do when red: make lock."""
    wanted = Requirement(f"{name}{(RUNTIME | EXTRAS | DEV)[name]}")
    assert name in locked()
    assert wanted.specifier.contains(locked()[name])


@pytest.mark.parametrize("lock", [LOCK, RUNTIME_LOCK], ids=["all", "runtime"])
def test_the_lock_is_made_as_overrides_txt_says(lock: str) -> None:
    """Everything has a hash, no index is named, and the slow package stays out."""
    entries = [
        entry for entry in re.split(r"^(?=\S)", lock, flags=re.MULTILINE) if entry.strip() and entry[0] != "#"
    ]
    assert len(entries) == len(locked(lock)) > 100
    for entry in entries:
        assert re.match(r"\S+==\S+ \\\n    --hash=sha256:[0-9a-f]{64}", entry), entry
    assert not re.search(r"://|--(extra-)?index|--find-links|file:", lock)
    assert "rfc3987-syntax" not in locked(lock)
    assert "--override overrides.txt" in lock.split("\n")[1]


def test_an_operator_gets_what_the_runbook_needs_and_nothing_is_built() -> None:
    """`make install` takes a lock of its own: wheels alone, of the versions that are tested, no tool of the tests."""
    runtime, everything = locked(RUNTIME_LOCK), locked()
    assert "--only-binary :all:" in RUNTIME_LOCK.split("\n")[1]
    assert runtime.items() < everything.items()
    assert runtime.keys() >= RUNTIME.keys() | EXTRAS.keys() | INSTALL.keys()
    assert not runtime.keys() & {
        "marionette-driver",
        "mozprofile",
        "playwright",
        "pytest",
        "hypothesis",
        "mypy",
    }
    make = (CHECKOUT / "Makefile").read_text()
    installed = re.findall(r"^\.venv/\.runtime: (.*)$", make, re.MULTILINE)
    assert installed == [
        "LOCK = requirements-runtime.lock",
        "WHEELS = --only-binary :all:",
        "requirements-runtime.lock pyproject.toml",
    ]
    assert re.search(r"^install: \$\(INSTALLED\)", make, re.MULTILINE)
    assert re.search(r"^\.venv/\.installed: \.venv/\.runtime ", make, re.MULTILINE)


def test_what_is_installed_here_is_the_lock() -> None:
    """The other tests have run with the versions that a user gets."""
    installed = {name: importlib.metadata.version(name) for name in locked()}
    assert installed == locked()


def test_the_extension_of_jupyterlab_has_the_version_of_the_project() -> None:
    (package,) = (CHECKOUT / "runbook_lib" / "jupyter" / "labextensions").glob("*/package.json")
    assert json.loads(package.read_bytes())["version"] == PROJECT["project"]["version"]


def imported(folder: str) -> set[str]:
    """Top-level modules of others that the Python files of a folder import."""
    names: set[str] = set()
    for file in (CHECKOUT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.partition(".")[0])
    ours = {path.stem for path in (CHECKOUT / folder).glob("*.py")}
    return names - ours - {"runbook_lib", "lab", "handbook", "tests"} - set(sys.stdlib_module_names)


@pytest.mark.parametrize(
    ("folder", "allowed"),
    [
        ("runbook_lib", RUNTIME | EXTRAS),
        ("lab", RUNTIME),
        ("handbook", RUNTIME | EXTRAS | DEV),
        ("tests", RUNTIME | EXTRAS | DEV),
    ],
)
def test_what_is_imported_is_declared(folder: str, allowed: dict[str, str]) -> None:
    """Nothing comes by luck, as a dependency of a dependency."""
    providers = importlib.metadata.packages_distributions()
    undeclared = {
        module: providers.get(module, [])
        for module in imported(folder)
        if not {canonicalize_name(name) for name in providers.get(module, [])} & allowed.keys()
    }
    assert undeclared == {}


def test_the_fuzzer_has_a_lock_of_its_own() -> None:
    """It is large and not for every Python, so only `make fuzz` installs it; by its hashes all the same."""
    wanted = [Requirement(text) for text in PROJECT["dependency-groups"]["fuzz"]]
    found = dict(re.findall(r"^(\S+)==(\S+) \\\n    --hash=sha256:[0-9a-f]{64}", FUZZ_LOCK, re.MULTILINE))
    assert found.keys() == {requirement.name for requirement in wanted}
    assert all(requirement.specifier.contains(found[requirement.name]) for requirement in wanted)
    assert not found.keys() & locked().keys()
    assert not re.search(r"://|--(extra-)?index|--find-links|file:", FUZZ_LOCK)


def test_what_makes_the_site_has_a_lock_of_its_own() -> None:
    """Only `make site` and its test install it, by its hashes, and it changes the version of nothing else."""
    found = locked(SITE_LOCK)
    assert all(
        Requirement(f"{name}{version}").specifier.contains(found[name]) for name, version in SITE.items()
    )
    assert {name: version for name, version in found.items() if locked().get(name, version) != version} == {}
    assert not SITE.keys() & locked().keys()
    assert len(re.findall(r"^\S+==\S+ \\\n    --hash=sha256:[0-9a-f]{64}", SITE_LOCK, re.MULTILINE)) == len(
        found
    )
    assert not re.search(r"://|--(extra-)?index|--find-links|file:", SITE_LOCK)


def test_what_is_compared_with_has_a_lock_of_its_own() -> None:
    """Only `make bench` installs it, by its hashes, where nothing of ours is: pyinfra wants another paramiko."""
    found = locked(BENCH_LOCK)
    wanted = [Requirement(text) for text in PROJECT["dependency-groups"]["bench"]]
    assert all(requirement.specifier.contains(found[requirement.name]) for requirement in wanted)
    assert len(re.findall(r"^\S+==\S+ \\\n    --hash=sha256:[0-9a-f]{64}", BENCH_LOCK, re.MULTILINE)) == len(
        found
    )
    assert not re.search(r"://|--(extra-)?index|--find-links|file:", BENCH_LOCK)
    assert not {"pyinfra", "ansible-core"} & locked().keys()
