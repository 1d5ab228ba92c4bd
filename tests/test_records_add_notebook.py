"""A notebook executed by hand becomes part of the record of the chapter that it ran."""

import json
from pathlib import Path

import nbformat
import pytest
import sample_record
from nbformat.v4 import new_code_cell, new_notebook, new_output

from runbook_lib.errors import RecordError, SecretUnavailable, UsageError
from runbook_lib.records import manifest
from runbook_lib.records.attachment import add_notebook

PASSWORD = "a \"b' \\c&d;$e !f"
INVENTORY = """
site:
  name: Test
  domain: example.test
  ca: {passphrase: "file:ca-passphrase"}
hosts:
  mail12:
    address: 192.0.2.12
    user: kanri
    names: {smtp: mail12.example.test}
    certificate: {key_passphrase: "file:key-passphrase"}
    check_account: {user: kensa, password: "file:kensa"}
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("RUNBOOK_RUN", raising=False)
    for name in ("ca-passphrase", "key-passphrase", "kensa"):
        (tmp_path / name).write_text(PASSWORD if name == "kensa" else f"{name} of the test\n")
        (tmp_path / name).chmod(0o600)
    (tmp_path / "site.yaml").write_text(INVENTORY)
    sample_record.whole_run(tmp_path / "records")
    return tmp_path / "records"


def executed(root: Path, name: str = "20-postfix-debian.ipynb", shown: str = "235 2.7.0") -> Path:
    """A notebook as JupyterLab saves it, and a cell with the parameters that papermill would add."""
    output = new_output("execute_result", data={"text/plain": shown}, execution_count=2)
    given = f"host = 'mail12'\ninventory = {str(root.parent / 'site.yaml')!r}"
    cells = [
        new_code_cell('host: str = "debian12"', execution_count=1, metadata={"tags": ["parameters"]}),
        new_code_cell(given, execution_count=2, metadata={"tags": ["injected-parameters"]}),
        new_code_cell("chapter.verify(logins)", execution_count=3, outputs=[output]),
    ]
    path = root.parent / name
    nbformat.write(new_notebook(cells=cells), path)
    return path


def test_the_notebook_its_page_and_the_hashes_are_in_the_record(root: Path) -> None:
    notebook = executed(root)
    entry = add_notebook(notebook, root)
    folder = root / sample_record.RUN
    assert entry.notebook.as_posix() == "mail12/20-postfix-debian.ipynb"
    assert nbformat.read(folder / entry.notebook, 4) == nbformat.read(notebook, 4)
    assert "235 2.7.0" in (folder / entry.notebook_page).read_text(encoding="utf-8")
    assert entry.notebook_page.name in (folder / entry.page).read_text(encoding="utf-8")
    found = manifest.check(folder)
    assert found.holds
    assert {entry.notebook.as_posix(), entry.notebook_page.as_posix()} <= set(found.unchanged)


def test_a_notebook_saved_again_takes_the_place_of_the_first(root: Path) -> None:
    add_notebook(executed(root), root)
    entry = add_notebook(executed(root, shown="saved again"), root)
    folder = root / sample_record.RUN
    assert "saved again" in (folder / entry.notebook).read_text(encoding="utf-8")
    assert manifest.check(folder).holds


def test_what_papermill_wrote_elsewhere_is_found_by_the_notebook_it_read(root: Path) -> None:
    path = executed(root, "out.ipynb")
    notebook = nbformat.read(path, 4)
    notebook.metadata["papermill"] = {"input_path": "notebooks/90-verification.ipynb"}
    nbformat.write(notebook, path)
    assert add_notebook(path, root).record.chapter == "90-verification"


def test_the_newest_run_of_this_chapter_and_host_is_meant(root: Path) -> None:
    newer = root / "20261201T000000Z-0000"
    (root / sample_record.RUN).rename(newer)
    for path in newer.glob("*/*.json"):
        path.write_text(
            path.read_text(encoding="utf-8").replace(sample_record.RUN, newer.name), encoding="utf-8"
        )
    (newer / "mail12" / "90-verification.json").unlink()
    sample_record.whole_run(root)
    assert add_notebook(executed(root), root).record.run == newer.name
    assert add_notebook(executed(root, "90-verification.ipynb"), root).record.run == sample_record.RUN
    assert add_notebook(executed(root), root, run=sample_record.RUN).record.run == sample_record.RUN


@pytest.mark.parametrize("shown", [PASSWORD, json.dumps(PASSWORD), "AGtlbnNhAGEgImInIFxjJmQ7JGUgIWY="])
def test_a_notebook_that_shows_a_secret_of_its_host_is_refused(shown: str, root: Path) -> None:
    with pytest.raises(RecordError, match="a secret that this run resolved") as refusal:
        add_notebook(executed(root, shown=f"seen: {shown}"), root)
    assert shown not in str(refusal.value)
    assert list(root.rglob("*.ipynb")) == list(root.rglob("*.html")) == []


def test_a_notebook_is_refused_where_its_secrets_cannot_be_looked_for(root: Path) -> None:
    (root.parent / "kensa").unlink()
    with pytest.raises(SecretUnavailable, match="to search the record for it"):
        add_notebook(executed(root), root)
    assert list(root.rglob("*.ipynb")) == []


def test_a_chapter_without_a_record_takes_no_notebook(root: Path) -> None:
    with pytest.raises(RecordError, match="no record of chapter 12-signing on mail12"):
        add_notebook(executed(root, "12-signing.ipynb"), root)


@pytest.mark.parametrize("content", ["", "{}", "[1]", "\udce9"])
def test_what_is_not_a_notebook_is_bad_usage(content: str, root: Path, tmp_path: Path) -> None:
    path = tmp_path / "20-postfix-debian.ipynb"
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(UsageError, match=r"not a notebook|no parameter"):
        add_notebook(path, root)
    with pytest.raises(UsageError, match="no such file"):
        add_notebook(tmp_path / "missing.ipynb", root)
