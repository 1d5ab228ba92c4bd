"""What README.md and docs/ say is so: commands, links, tables, names."""

import dataclasses
import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.version import Version
from typer.testing import CliRunner

from runbook_lib.cli import app
from runbook_lib.families import Family, PackageManager
from runbook_lib.mail.probes import CLAIMS
from runbook_lib.pki.clock import WRITTEN_AT
from runbook_lib.records.model import ApplyStep, NoteStep, PlanStep, RecordData, VerifyStep
from runbook_lib.remote.change import Change

CHECKOUT = Path(__file__).resolve().parents[1]
README = CHECKOUT / "README.md"
OWN_SERVERS = CHECKOUT / "docs" / "your-own-servers.md"
README_JA = CHECKOUT / "README.ja.md"
DOCUMENTS = (
    README,
    README_JA,
    *(CHECKOUT / name for name in ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "tests/README.md")),
    *sorted((CHECKOUT / "docs").glob("*.md")),
)
NOTEBOOKS = sorted((CHECKOUT / "notebooks").glob("[0-9][0-9]-*.ipynb"))
JAPANESE = sorted((CHECKOUT / "notebooks" / "ja").glob("[0-9][0-9]-*.ipynb"))


def markdown(notebook: Path) -> str:
    cells = json.loads(notebook.read_bytes())["cells"]
    return "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")


def texts() -> Iterator[tuple[str, str]]:
    for path in DOCUMENTS:
        yield path.name, path.read_text(encoding="utf-8")
    for path in (*NOTEBOOKS, *JAPANESE):
        yield str(path.relative_to(CHECKOUT / "notebooks")), markdown(path)


def commands(text: str, program: str) -> list[list[str]]:
    """Every line that begins with a program, in a block or between backticks, without its comment."""
    lines = re.findall(rf"(?:^ {{4}}|`)({program} [^`\n]*)", text, flags=re.MULTILINE)
    return [shlex.split(line, comments=True)[1:] for line in lines]


RUNBOOK_COMMANDS = [
    pytest.param(words, id=f"{name}: runbook {' '.join(words)}")
    for name, text in texts()
    for words in commands(text, "runbook")
    if words[0] not in ("…", "plan|apply")
]


@pytest.mark.parametrize("words", RUNBOOK_COMMANDS)
def test_every_runbook_command_that_is_shown_is_one(words: list[str]) -> None:
    """Parsed by the program, and with --help not run; `< FILE` and `> FILE` are the shell's."""
    words = [word for word in words if word not in ("<", ">") and not word.endswith(".pem")]
    done = CliRunner().invoke(app, [*words, "--help"])
    assert done.exit_code == 0, done.output


def test_a_command_that_is_none_would_be_found() -> None:
    assert CliRunner().invoke(app, ["plan", "--hots", "mail1", "--help"]).exit_code == 2


def test_no_text_has_a_character_that_nobody_sees() -> None:
    """A backslash that was lost on the way turns a command into another one."""
    assert [name for name, text in texts() if re.search(r"[\x00-\x08\x0b-\x1f\x7f]", text)] == []


def test_there_are_such_commands() -> None:
    assert len(RUNBOOK_COMMANDS) > 10


def test_every_make_target_that_is_shown_is_one() -> None:
    makefile = (CHECKOUT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, flags=re.MULTILINE))
    shown = {words[0] for _, text in texts() for words in commands(text, "make") if words[0].islower()}
    assert {"demo", "test", "install", "lab-up", "lab-down", "jupyter"} <= shown <= targets


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_to_a_file(document: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)", document.read_text(encoding="utf-8"))
    inside = [link for link in links if not link.startswith("https://")]
    assert [link for link in inside if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_link_of_a_notebook_leads_to_a_notebook(notebook: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)", markdown(notebook))
    assert [link for link in links if "://" not in link and not (notebook.parent / link).exists()] == []


@pytest.mark.parametrize(("readme", "notebooks"), [(README, NOTEBOOKS), (README_JA, JAPANESE)])
def test_the_readme_lists_every_chapter_by_its_title_in_order(readme: Path, notebooks: list[Path]) -> None:
    shown = re.findall(r"^\| \[(.+?)\]\((notebooks/.+?)\)", readme.read_text(encoding="utf-8"), re.MULTILINE)
    titles = [re.search(r"^# (.+)", markdown(path), re.MULTILINE) for path in notebooks]
    assert shown == [
        (title[1], str(path.relative_to(CHECKOUT)))
        for title, path in zip(titles, notebooks, strict=True)
        if title is not None
    ]


def test_the_number_of_claims_is_the_one_that_is_told() -> None:
    assert "twenty-five claims" in README.read_text(encoding="utf-8")
    assert "25の確認項目" in README_JA.read_text(encoding="utf-8")
    assert "Of twenty-five claims nineteen are asked" in OWN_SERVERS.read_text(encoding="utf-8")
    assert len(CLAIMS) == 25


@pytest.mark.parametrize(("readme", "other"), [(README, README_JA), (README_JA, README)])
def test_the_first_screen_has_the_picture_and_the_two_commands(readme: Path, other: Path) -> None:
    """And the way to the other language."""
    first = readme.read_text(encoding="utf-8").split("\n")[:20]
    assert any(f"]({other.name})" in line for line in first)
    assert any("docs/record.png" in line for line in first)
    assert [line.split("#")[0].strip() for line in first if line.startswith("    make ")] == [
        "make demo",
        "make test",
    ]


def test_the_japanese_readme_is_one_screen() -> None:
    assert len(README_JA.read_text(encoding="utf-8").splitlines()) <= 45


def test_the_format_of_a_record_names_every_field() -> None:
    text = (CHECKOUT / "docs" / "record-format.md").read_text(encoding="utf-8")
    fields = set(RecordData.model_fields)
    fields |= {name for step in (PlanStep, ApplyStep, VerifyStep, NoteStep) for name in step.model_fields}
    assert sorted(name for name in fields if f"`{name}`" not in text) == []


def test_every_field_of_a_family_is_explained() -> None:
    text = (CHECKOUT / "docs" / "adding-a-family.md").read_text(encoding="utf-8")
    named = {field.name for field in dataclasses.fields(Family)} - {"name", "releases"}
    assert sorted(name for name in named if f"`{name}`" not in text) == []


def test_every_kind_of_change_is_listed() -> None:
    """Two of them belong to a single chapter and are not offered to others."""
    for _module in (
        "chapters.signing",
        "mail.configuration.postconf",
        "remote.keys",
        "remote.system",
        "remote.variables",
    ):
        __import__(f"runbook_lib.{_module}")
    kinds = {kind.__name__ for kind in Change.__subclasses__() if kind.__module__.startswith("runbook_lib")}
    text = (CHECKOUT / "docs" / "adding-a-chapter.md").read_text(encoding="utf-8")
    assert kinds - {kind for kind in kinds if f"`{kind}`" in text} == {
        "CertificateToIssue",
        "CertificateToOrder",
    }


def test_errors_point_to_pages_and_sections_that_are_there() -> None:
    readme = README.read_text(encoding="utf-8")
    for path in [*(CHECKOUT / "runbook_lib").rglob("*.py"), *(CHECKOUT / "lab").glob("*")]:
        if path.suffix not in (".py", ""):
            continue
        if path.is_file():
            source = path.read_text(encoding="utf-8")
            for page in re.findall(r"docs/[a-z-]+\.md", source):
                assert (CHECKOUT / page).exists(), f"{path.name} points to {page}"
            for section in re.findall(r"'([A-Z][a-z ]+)' in README\.md", source):
                assert f"## {section}" in readme, f"{path.name} points to {section}"


def test_each_helper_of_the_tests_has_a_line() -> None:
    """Every module that is no test, and every folder; and no line is about what is not there."""
    folder = CHECKOUT / "tests"
    rows = re.findall(
        r"^\| (`.+?`) \|", (folder / "README.md").read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    named = [name for row in rows for name in re.findall(r"`([^`]+)`", row)]
    modules = {path.name for path in folder.glob("*.py") if not path.name.startswith("test_")}
    folders = {path.name for path in folder.iterdir() if path.is_dir() and path.name[0] not in "._"}
    assert len(set(named)) == len(named)
    assert modules | folders <= set(named)
    assert [name for name in named if not (folder / name).exists()] == []


def test_the_verification_asks_every_claim() -> None:
    (cells,) = [
        json.loads(path.read_bytes())["cells"] for path in NOTEBOOKS if path.stem == "90-verification"
    ]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    assert re.findall(r"chapter\.ask\(probes\.(\w+)\)", code) == [claim.__name__ for claim in CLAIMS]


def test_every_field_of_a_package_manager_is_explained() -> None:
    text = (CHECKOUT / "docs" / "adding-a-family.md").read_text(encoding="utf-8")
    fields = [field.name for field in dataclasses.fields(PackageManager)]
    assert [name for name in fields if f"`{name}`" not in text] == []


def test_files_that_are_named_to_whoever_adds_something_are_there() -> None:
    text = (CHECKOUT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:runbook_lib|tests|lab|docs|notebooks)/[a-z0-9_./-]+\.\w+)`", text)
    there = [name for name in named if (CHECKOUT / name).exists()]
    assert len(there) > 15
    assert named == there


def test_version_changelog_and_clock_are_of_one_release() -> None:
    """'X, unreleased' comes after the version that is there; once it is dated, version and clock are its own."""
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    changelog = (CHECKOUT / "CHANGELOG.md").read_text(encoding="utf-8")
    heading = re.search(
        r"^## (\d+\.\d+\.\d+)(?:, (unreleased)| \((\d{4}-\d\d-\d\d)\))$", changelog, re.MULTILINE
    )
    assert heading is not None
    newest, now = Version(heading[1]), Version(project["version"])
    if heading[2]:
        assert newest > now
    else:
        assert (newest, str(WRITTEN_AT.date())) == (now, heading[3])
