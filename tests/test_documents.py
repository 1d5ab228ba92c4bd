"""What README.md and docs/ say is so: commands, links, tables, names."""

import dataclasses
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from runbook_lib.cli import app
from runbook_lib.families import Family
from runbook_lib.mail.probes import CLAIMS
from runbook_lib.records.model import ApplyStep, NoteStep, PlanStep, RecordData, VerifyStep
from runbook_lib.remote.change import Change

CHECKOUT = Path(__file__).resolve().parents[1]
README = CHECKOUT / "README.md"
DOCUMENTS = (README, CHECKOUT / "CHANGELOG.md", *sorted((CHECKOUT / "docs").glob("*.md")))
NOTEBOOKS = sorted((CHECKOUT / "notebooks").glob("[0-9][0-9]-*.ipynb"))


def markdown(notebook: Path) -> str:
    cells = json.loads(notebook.read_bytes())["cells"]
    return "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")


def texts() -> Iterator[tuple[str, str]]:
    for path in DOCUMENTS:
        yield path.name, path.read_text(encoding="utf-8")
    for path in NOTEBOOKS:
        yield path.name, markdown(path)


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


def test_the_readme_lists_every_chapter_by_its_title_in_order() -> None:
    shown = re.findall(r"^\| \[(.+?)\]\(notebooks/(.+?)\)", README.read_text(encoding="utf-8"), re.MULTILINE)
    titles = [re.search(r"^# (.+)", markdown(path), re.MULTILINE) for path in NOTEBOOKS]
    assert shown == [
        (title[1], path.name) for title, path in zip(titles, NOTEBOOKS, strict=True) if title is not None
    ]


def test_the_number_of_claims_is_the_one_that_is_told() -> None:
    assert "twenty claims" in README.read_text(encoding="utf-8")
    assert len(CLAIMS) == 20


def test_the_first_screen_has_the_picture_and_the_two_commands() -> None:
    first = README.read_text(encoding="utf-8").split("\n")[:20]
    assert any("docs/record.png" in line for line in first)
    assert [line.split("#")[0].strip() for line in first if line.startswith("    make ")] == [
        "make demo",
        "make test",
    ]


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
    for _module in ("chapters.signing", "mail.postconf", "remote.keys", "remote.system", "remote.variables"):
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
