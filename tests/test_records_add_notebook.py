"""A notebook executed by hand becomes part of the record of the chapter that it ran."""

import asyncio
import contextlib
import html
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
import sample_record
import tampering
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from tornado.web import HTTPError
from traitlets.config import Configurable

from runbook_lib import inventory, places
from runbook_lib.errors import RecordError, SecretUnavailable, UsageError
from runbook_lib.records import chain, on_save, origin, saved, signing, verification
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
    sample_record.run_with(tmp_path / "records", INVENTORY)
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
    entry = add_notebook(notebook, root).entry
    folder = root / sample_record.RUN
    assert entry.notebook.as_posix() == "mail12/20-postfix-debian.ipynb"
    assert nbformat.read(folder / entry.notebook, 4) == nbformat.read(notebook, 4)
    assert "235 2.7.0" in (folder / entry.notebook_page).read_text(encoding="utf-8")
    assert entry.notebook_page.name in (folder / entry.page).read_text(encoding="utf-8")
    found = verification.check(folder)
    assert found.holds
    assert entry.notebook.as_posix() in found.unchanged


def test_a_notebook_saved_again_takes_the_place_of_the_first(root: Path) -> None:
    add_notebook(executed(root), root)
    entry = add_notebook(executed(root, shown="saved again"), root).entry
    folder = root / sample_record.RUN
    assert "saved again" in (folder / entry.notebook).read_text(encoding="utf-8")
    assert verification.check(folder).holds


def test_what_papermill_wrote_elsewhere_is_found_by_the_notebook_it_read(root: Path) -> None:
    path = executed(root, "out.ipynb")
    notebook = nbformat.read(path, 4)
    notebook.metadata["papermill"] = {"input_path": "notebooks/90-verification.ipynb"}
    nbformat.write(notebook, path)
    assert add_notebook(path, root).entry.record.chapter == "90-verification"


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        (f"{places.NOTEBOOKS}/20-postfix-debian.ipynb", "notebooks/20-postfix-debian.ipynb"),
        (f"{Path.home()}/work/20-postfix-debian.ipynb", "~/work/20-postfix-debian.ipynb"),
        ("/home/tanaka/20-postfix-debian.ipynb", "~/20-postfix-debian.ipynb"),
        ("/srv/mail/home/tanaka/20-postfix-debian.ipynb", "/srv/mail/home/tanaka/20-postfix-debian.ipynb"),
    ],
)
def test_the_metadata_of_a_notebook_name_nobodys_home(path: str, kept: str, root: Path) -> None:
    made = executed(root, "out.ipynb")
    notebook = nbformat.read(made, 4)
    notebook.metadata["papermill"] = {
        "input_path": path,
        "output_path": path,
        "parameters": {"inventory": path},
    }
    notebook.cells[2].metadata["papermill"] = {"exception": False, "status": f"read {path}"}
    nbformat.write(notebook, made)
    entry = add_notebook(made, root).entry
    there = nbformat.read(root / sample_record.RUN / entry.notebook, 4)
    said = {"input_path": kept, "output_path": kept, "parameters": {"inventory": kept}}
    assert there.metadata["papermill"] == said
    assert there.cells[2].metadata["papermill"] == {"exception": False, "status": f"read {kept}"}
    assert [cell.source for cell in there.cells] == [cell.source for cell in notebook.cells]


def test_the_newest_run_of_this_chapter_and_host_is_meant(root: Path) -> None:
    newer = root / "20261201T000000Z-0000"
    (root / sample_record.RUN).rename(newer)
    for path in newer.glob("*/*.json"):
        path.write_text(
            path.read_text(encoding="utf-8").replace(sample_record.RUN, newer.name), encoding="utf-8"
        )
    (newer / "mail12" / "90-verification.json").unlink()
    sample_record.run_with(root, INVENTORY)
    assert add_notebook(executed(root), root).entry.record.run == newer.name
    assert add_notebook(executed(root, "90-verification.ipynb"), root).entry.record.run == sample_record.RUN
    assert add_notebook(executed(root), root, run=sample_record.RUN).entry.record.run == sample_record.RUN


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


def test_halves_of_a_secret_on_two_streams_are_found(root: Path) -> None:
    path = executed(root)
    notebook = nbformat.read(path, 4)
    halves = [new_output("stream", name="stdout", text=f"see {PASSWORD[:8]}"),
              new_output("stream", name="stderr", text=f"{PASSWORD[8:]}\n")]  # fmt: skip
    notebook.cells[2].outputs = halves
    nbformat.write(notebook, path)
    with pytest.raises(RecordError, match="a secret that this run resolved"):
        add_notebook(path, root)


@pytest.mark.parametrize("where", ["output", "text"])
def test_a_secret_in_several_colours_is_found(where: str, root: Path) -> None:
    """As rich shows digits and words: the reader sees one word, the file has tags in it."""
    path = executed(root)
    notebook = nbformat.read(path, 4)
    shown = (
        f"<pre>{html.escape(PASSWORD[:5])}<span style='color: blue'>{html.escape(PASSWORD[5:])}</span></pre>"
    )
    if where == "output":
        notebook.cells[2].outputs = [new_output("display_data", data={"text/html": shown})]
    else:
        notebook.cells.append(new_markdown_cell(shown))
    nbformat.write(notebook, path)
    with pytest.raises(RecordError, match="a secret that this run resolved"):
        add_notebook(path, root)


def commanding(folder: Path) -> tuple[Path, str]:
    """An inventory that names a command, which leaves a file behind; and the file."""
    ran = folder / "ran"
    text = INVENTORY.replace('"file:kensa"', f"cmd:sh -c 'touch {ran}; echo {ran}'")
    (folder / "site.yaml").write_text(text)
    return ran, text


def test_a_notebook_that_names_another_inventory_runs_nothing(root: Path) -> None:
    ran, _ = commanding(root.parent)
    with pytest.raises(RecordError, match=r"is not .* the one that run"):
        add_notebook(executed(root), root)
    assert not ran.exists()


def test_saving_a_notebook_runs_no_command(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person who saves has asked for nothing to be run; who adds the notebook has."""
    monkeypatch.setenv("RUNBOOK_RECORDS", str(root))
    ran, text = commanding(root.parent)
    for path in (root / sample_record.RUN).glob("*/*.json"):
        path.unlink()
    sample_record.run_with(root, text)
    path = executed(root)
    (event,) = told_by_saving(path)
    assert not ran.exists()
    assert (event["outcome"], event["notebook"]) == ("waits", path.name)
    assert "'cmd:' is not followed when a notebook is saved" in event["reason"]
    assert "runbook records add" in event["to_do"]
    assert list(root.rglob("*.ipynb")) == []
    add_notebook(path, root)
    assert ran.exists()


def test_saving_says_where_it_was_attached(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RUNBOOK_RECORDS", str(root))
    path = executed(root)
    on_save.Notebooks(root_dir=str(path.parent)).run_post_save_hooks({"type": "notebook"}, str(path))
    (attached,) = (root / sample_record.RUN).glob("*/20-postfix-debian.ipynb")
    said = f"Saved, and attached to its record: {attached}\nSeal: {chain.head(root)}\n"
    assert capsys.readouterr().err == said


def test_a_shown_secret_is_no_unexpected_error(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNBOOK_RECORDS", str(root))
    path = executed(root, shown=PASSWORD)
    with pytest.raises(HTTPError) as refusal:
        on_save.Notebooks(root_dir=str(path.parent)).run_post_save_hooks({"type": "notebook"}, str(path))
    told = str(refusal.value.log_message)
    assert told.startswith("20-postfix-debian.ipynb is saved. It was not attached to its record: ")
    assert "a secret that this run resolved" in told
    assert "nexpected" not in told
    assert refusal.value.status_code == 422


def test_jupyterlab_is_told_where_it_was_attached(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNBOOK_RECORDS", str(root))
    monkeypatch.setenv("HOME", str(root.parent))
    assert told_by_saving(executed(root)) == [
        {
            "outcome": "attached",
            "notebook": "20-postfix-debian.ipynb",
            "run": sample_record.RUN,
            "host": "mail12",
            "chapter": "20-postfix-debian",
            "records": "~/records",
            "page": f"~/records/{sample_record.RUN}/mail12/20-postfix-debian.html",
            "seal": chain.head(root),
        }
    ]


SIGNS = INVENTORY.replace("  ca:", "  records: {signing: offered}\n  ca:")


@pytest.fixture
def signs(root: Path) -> Iterator[Path]:
    """A site that signs: who signs its runs has a key in this folder."""
    keys = root.parent / "keys"
    keys.mkdir()
    lines = [
        f'kanri@example.test namespaces="run@runbook" {tampering.make_key(keys / "kanri")}\n',
        f'kansa@example.test namespaces="signers@runbook" {tampering.make_key(keys / "kansa")}\n',
    ]
    (keys / "list").write_text("".join(lines))
    with tampering.signing_with(keys / "kansa"):
        signing.replace_signers(root, keys / "list")
    (root.parent / "site.yaml").write_text(SIGNS)
    shutil.rmtree(root / sample_record.RUN)
    sample_record.run_with(root, SIGNS)
    yield keys
    (root.parent / "site.yaml").write_text(INVENTORY)
    origin.use(inventory.load(str(root.parent / "site.yaml")))


def test_a_run_that_takes_a_notebook_is_signed_anew(root: Path, signs: Path) -> None:
    with tampering.signing_with(signs / "kanri"):
        attached = add_notebook(executed(root), root)
    assert attached.kept.told == f"{chain.head(root)}, signed by kanri@example.test"
    assert verification.check(root / sample_record.RUN).signed_by.startswith("kanri@example.test with ")


@pytest.mark.parametrize("name", ["kanri", "nobody"])
def test_saving_signs_or_says_which_command_does(
    name: str, root: Path, signs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RUNBOOK_RECORDS", str(root))
    told = {
        "kanri": "signed by kanri@example.test",
        "nobody": f"runbook records sign {sample_record.RUN} does it later",
    }
    with tampering.signing_with(signs / name):
        (event,) = told_by_saving(executed(root))
    assert told[name] in event["seal"]
    assert told[name] in capsys.readouterr().err


def test_jupyterlab_is_told_why_it_was_not_attached_and_what_to_do(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNBOOK_RECORDS", str(root))
    monkeypatch.setenv("HOME", str(root.parent))
    path = executed(root, "x\u202e.ipynb", shown=PASSWORD)
    notebook = nbformat.read(path, 4)
    notebook.metadata["papermill"] = {"input_path": "notebooks/20-postfix-debian.ipynb"}
    nbformat.write(notebook, path)
    (event,) = told_by_saving(path)
    assert (event["outcome"], event["notebook"]) == ("refused", r"x\u202e.ipynb")
    assert "a secret that this run resolved" in event["reason"]
    assert event["to_do"].startswith(r"destroy ~/x\u202e.ipynb; see that no cell shows it")
    assert PASSWORD not in str(event)
    assert str(root.parent) not in str(event)


def test_jupyterlab_is_told_nothing_of_what_has_no_record_yet(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNBOOK_RECORDS", str(root))
    path = executed(root)
    for record in root.rglob("20-postfix-debian.json"):
        record.unlink()
    assert told_by_saving(path) == []


@pytest.mark.parametrize("parent", [None, Configurable()], ids=["alone", "without"])
def test_a_server_without_events_attaches_all_the_same(
    parent: Configurable | None, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNBOOK_RECORDS", str(root))
    path = executed(root)
    server = on_save.Notebooks(root_dir=str(path.parent), parent=parent)
    server.run_post_save_hooks({"type": "notebook"}, str(path))
    assert len(list(root.rglob("20-postfix-debian.ipynb"))) == 1


def test_two_of_them_in_one_server_share_its_events(root: Path) -> None:
    first = on_save.Notebooks(root_dir=str(root))
    second = on_save.Notebooks(root_dir=str(root), event_logger=first.event_logger)
    assert saved.SCHEMA_ID in second.event_logger.schemas


def told_by_saving(path: Path) -> list[dict[str, str]]:
    """What the server's events say, to one who listens as JupyterLab's window does: to all that it knows by then."""
    heard = []

    async def listen(logger: object, schema_id: str, data: dict[str, str]) -> None:  # noqa: ARG001  # by name
        heard.append((schema_id, data))

    async def save() -> None:
        server = on_save.Notebooks(root_dir=str(path.parent))
        server.event_logger.add_listener(listener=listen)
        with contextlib.suppress(HTTPError):
            server.run_post_save_hooks({"type": "notebook"}, str(path))
        await server.event_logger.gather_listeners()

    asyncio.run(save())
    return [data for schema, data in heard if schema == saved.SCHEMA_ID]


def test_free_text_that_begins_like_a_reference_is_text(root: Path) -> None:
    ran = root.parent / "ran"
    decided = f"    decisions: [{{about: 'main.cf, mynetworks', decide: keep, reason: 'cmd:touch {ran}'}}]\n"
    (root.parent / "site.yaml").write_text(INVENTORY + decided)
    (root / sample_record.RUN / "mail12" / "20-postfix-debian.json").unlink()
    sample_record.run_with(root, INVENTORY + decided)
    add_notebook(executed(root), root)
    assert not ran.exists()
