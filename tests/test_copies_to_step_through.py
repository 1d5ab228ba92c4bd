"""`runbook jupyter` writes copies of the notebooks; one that somebody edited is not lost to the next."""

from pathlib import Path

import nbformat
from nbformat.v4 import new_output

from runbook_lib.chapters import copies
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
