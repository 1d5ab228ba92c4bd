"""What a cell shows in spite of all masking never reaches the folder of records."""

import base64
from pathlib import Path

import pytest
from fake_chapters import OPEN, PASSWORD, SUMMARY, WHOLE, run_batch

from runbook_lib.records import Record, verification

AUTH_PLAIN = base64.b64encode(f"\0kensa\0{PASSWORD}".encode()).decode()
LEAKS = {  # by host: how a cell shows what it should not
    "printed": "print(secret)",
    "shown": "display({'text': secret})",
    "encoded": r"print(base64.b64encode(f'\0kensa\0{secret}'.encode()).decode())",
    "failed": "raise ValueError(secret)",
    "drawn": "display(HTML('<b>' + secret + '</b>'))",
    "armour": "print('-----BEGIN ' + 'PRIVATE KEY-----')",
    "clean": "print(len(secret))",
}


@pytest.fixture(autouse=True)
def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RUNBOOK_RECORDS", str(tmp_path / "records"))
    return tmp_path / "records"


def test_a_notebook_that_shows_a_secret_is_not_kept_and_its_chapter_failed(
    tmp_path: Path, records: Path
) -> None:
    imports = "import base64\nfrom IPython.display import HTML, display"
    read = f"{imports}\nsecret = open({str(tmp_path / 'kensa')!r}).read()"
    result = run_batch(tmp_path, list(LEAKS), {"11-key": (OPEN, read, f"exec({LEAKS!r}[host])", SUMMARY)})
    for host in result.hosts:
        folder = records / result.run / host.host
        clean = host.host == "clean"
        assert host.state == ("passed" if clean else "failed")
        assert Record.open(folder / "11-key.json").data.outcome == host.state
        assert (folder / "11-key.ipynb").exists() == (folder / "11-key.notebook.html").exists() == clean
        assert clean or "see that no cell shows it" in host.told() or host.host == "failed"
    written = {path: path.read_text(encoding="utf-8") for path in records.rglob("*") if path.is_file()}
    assert len(written) > 2 * len(LEAKS)
    for path, text in written.items():
        for secret in (PASSWORD, AUTH_PLAIN, PASSWORD.split()[-1], "BEGIN PRIVATE"):
            assert secret not in text, path
    assert PASSWORD not in str(result.document())
    assert verification.check(records / result.run).holds


def test_a_notebook_without_secrets_is_kept_as_it_ran(tmp_path: Path, records: Path) -> None:
    show = "print('Postfix', 3.7)"
    result = run_batch(tmp_path, ["mail1"], {"11-key": (*WHOLE, show)})
    folder = records / result.run / "mail1"
    assert "print('Postfix', 3.7)" in (folder / "11-key.ipynb").read_text(encoding="utf-8")
    assert "Postfix 3.7" in (folder / "11-key.notebook.html").read_text(encoding="utf-8")
