"""`runbook jupyter` writes copies of the notebooks; one that somebody edited is not lost to the next."""

import re
from pathlib import Path

import nbformat
from nbformat.v4 import new_output
from typer.testing import CliRunner

from runbook_lib.chapters import copies
from runbook_lib.cli import app
from runbook_lib.places import NOTEBOOKS

SOURCE = NOTEBOOKS / "11-key-and-csr.ipynb"
MINE = 'mode = "apply"\nreason = "MAIL-12"'


def test_an_edited_copy_is_kept_beside_the_new_one(tmp_path: Path) -> None:
    copy = tmp_path / SOURCE.name
    assert copies.make(SOURCE, tmp_path, "lab", "debian12") is None
    as_made = nbformat.read(copy, 4)
    assert not any(cell.get("outputs") for cell in as_made.cells)
    assert "debian12" in injected(copy)
    for number in (1, 2):
        edited = nbformat.read(copy, 4)
        edited.cells[1].source = f"{MINE}  # {number}"
        nbformat.write(edited, copy)
        assert copies.make(SOURCE, tmp_path, "lab", "debian12") == copy.with_stem(
            f"{copy.stem}.edited-{number}"
        )
        kept = nbformat.read(copy.with_stem(f"{copy.stem}.edited-{number}"), 4)
        assert kept.cells[1].source == f"{MINE}  # {number}"
        assert MINE not in copy.read_text()


def test_what_somebody_wrote_in_its_place_is_kept_too(tmp_path: Path) -> None:
    copy = tmp_path / SOURCE.name
    copy.write_text("notes, no notebook")
    kept = copies.make(SOURCE, tmp_path, "lab", "debian12")
    assert kept is not None
    assert kept.read_text() == "notes, no notebook"


def test_a_copy_that_was_only_run_is_made_anew(tmp_path: Path) -> None:
    copy = tmp_path / SOURCE.name
    copies.make(SOURCE, tmp_path, "lab", "debian12")
    run = nbformat.read(copy, 4)
    code = next(cell for cell in run.cells if cell.cell_type == "code")
    code.outputs, code.execution_count = [new_output("stream", name="stdout", text="ran")], 1
    nbformat.write(run, copy)
    assert copies.make(SOURCE, tmp_path, "site", "debian13") is None
    assert "debian13" in injected(copy)
    assert [path.name for path in tmp_path.iterdir()] == [SOURCE.name]


def test_they_are_made_in_the_language_that_is_asked_for(tmp_path: Path) -> None:
    """An edited copy of the other language is kept, as any."""
    assert list(copies.make_all("lab", "debian12", tmp_path, "ja")) == []
    names = [path.name for path in sorted(NOTEBOOKS.glob("[0-9]*.ipynb"))]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    japanese = nbformat.read(tmp_path / SOURCE.name, 4)
    assert japanese.cells[0].source.startswith("# 1-1 サーバの秘密鍵")
    assert 'language: str = "ja"' in japanese.cells[2].source
    assert "debian12" in injected(tmp_path / SOURCE.name)
    japanese.cells[2].source += "\nreason = 'MAIL-12'"
    nbformat.write(japanese, tmp_path / SOURCE.name)
    assert [line.split(": ")[1] for line in copies.make_all("lab", "debian12", tmp_path)] == [
        "kept as 11-key-and-csr.edited-1.ipynb, beside the new copy"
    ]
    assert nbformat.read(tmp_path / SOURCE.name, 4).cells[0].source.startswith("# 1-1 Private key and CSR")


def test_each_language_that_there_is_can_be_asked_for() -> None:
    offered = CliRunner().invoke(app, ["jupyter", "mail1", "--language", "none"]).output
    others = [path.name for path in NOTEBOOKS.iterdir() if list(path.glob("[0-9]*.ipynb"))]
    assert sorted(re.findall(r"'([a-z]{2})'", offered)) == sorted(["en", *others])


def injected(copy: Path) -> str:
    """What papermill put into the copy."""
    (cell,) = [c for c in nbformat.read(copy, 4).cells if "injected-parameters" in c.metadata.get("tags", [])]
    return str(cell.source)


def test_copies_are_their_owners_alone(tmp_path: Path) -> None:
    """A chapter that was stepped through shows what its record shows."""
    folder = tmp_path / "work" / "mail1"
    folder.mkdir(parents=True, mode=0o777)
    folder.chmod(0o755)
    copies.make(SOURCE, folder, "site", "mail1")
    assert folder.stat().st_mode & 0o777 == 0o700
