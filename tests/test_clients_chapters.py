"""The client chapters say what the server shows, and notice when page and server part ways."""

import json
from pathlib import Path

import pytest
from applied_host import applied
from ruamel.yaml import YAML

from lab import Lab
from runbook_lib.chapters import thunderbird, windows_live_mail
from runbook_lib.errors import NameNotCovered, VerificationFailed
from runbook_lib.mail import probes

HOST = "debian12"


@pytest.fixture(scope="module")
def applied_host(lab: Lab) -> str:
    """A host with every chapter applied."""
    applied(lab, HOST)
    return HOST


@pytest.fixture(autouse=True)
def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RUNBOOK_RECORDS", str(tmp_path / "records"))
    return tmp_path / "records"


def changed_inventory(lab: Lab, folder: Path, host: str, **changed: object) -> str:
    """A copy of the lab's inventory with some blocks of one host replaced."""
    yaml = YAML()
    book = yaml.load(lab.inventory)
    book["hosts"][host].update(changed)
    path = folder / "changed.yaml"
    yaml.dump(book, path)
    return str(path)


def test_live_mail_s_chapter_passes_on_an_applied_host(applied_host: str) -> None:
    chapter = windows_live_mail.open("lab", applied_host)
    assert "pass" in chapter.ask_names().text()
    assert "AUTH PLAIN LOGIN" in chapter.ask(probes.auth_after_tls).text()
    assert "agreed on ECDHE-RSA" in chapter.ask_old_windows().text()
    assert "passed" in chapter.summary().text()


def test_files_for_users_stand_beside_the_record_and_hold_no_secret(
    lab: Lab, applied_host: str, records: Path
) -> None:
    chapter = thunderbird.open("lab", applied_host)
    shown = chapter.write_files().text()
    (folder,) = records.glob(f"*/{applied_host}/for-users")
    written = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert set(written) == {"thunderbird.html", "lab-ca.cer", "config-v1.1.xml"}
    assert all(name in shown for name in written)
    assert "one alone can be served: autoconfig.example.test" in shown  # the lab has more hosts of one domain
    for secret in (lab.folder / "secrets").iterdir():
        assert not any(secret.read_bytes().rstrip(b"\n") in content for content in written.values())


def test_a_client_that_nobody_has_gets_no_page(
    lab: Lab, applied_host: str, records: Path, tmp_path: Path
) -> None:
    book = changed_inventory(lab, tmp_path, applied_host, clients=["thunderbird"])
    chapter = windows_live_mail.open(book, applied_host)
    assert "No page was written" in chapter.write_files().text()
    assert not list(records.glob("*/*/for-users"))


def test_old_windows_let_in_against_the_inventory_is_a_fail(
    lab: Lab, applied_host: str, tmp_path: Path
) -> None:
    """The inventory says strict, the server still takes CBC: somebody believes in a list that is not there."""
    book = changed_inventory(lab, tmp_path, applied_host, submission={"ciphers": "strict"})
    chapter = windows_live_mail.open(book, applied_host, "apply")
    assert "submission.ciphers: base" in chapter.findings().text()
    with pytest.raises(VerificationFailed, match="to be shut out"):
        chapter.ask_old_windows()


def test_a_page_is_refused_while_the_server_s_certificate_lacks_its_name(
    lab: Lab, applied_host: str, records: Path, tmp_path: Path
) -> None:
    """The inventory grants a name since; the certificate is the old one."""
    names = {"smtp": "mail12.example.test", "pop": "pop13.example.test"}
    book = changed_inventory(lab, tmp_path, applied_host, names=names)
    with pytest.raises(NameNotCovered, match=r"pop13\.example\.test, which the certificate does not name"):
        thunderbird.open(book, applied_host, "apply")
    (record,) = records.glob(f"*/{applied_host}/32-thunderbird.json")
    assert json.loads(record.read_text())["outcome"] == "failed"


def test_a_plan_on_a_bare_host_shows_what_users_will_set(lab: Lab) -> None:
    lab.reset("debian13", "bare")
    chapter = thunderbird.open("lab", "debian13", "plan")
    assert "mail13.example.test" in chapter.values().text()
    assert "could not test" in chapter.ask_names().text()
    assert "none is shown yet" in chapter.text()


def test_before_there_is_a_ca_the_chapter_says_so_and_goes_on(
    lab: Lab, records: Path, tmp_path: Path
) -> None:
    yaml = YAML()
    book = yaml.load(lab.inventory)
    book["site"]["ca"]["directory"] = str(tmp_path / "no-ca")
    yaml.dump(book, tmp_path / "no-ca.yaml")
    chapter = windows_live_mail.open(str(tmp_path / "no-ca.yaml"), "debian13", "plan")
    for shown in (chapter.values(), chapter.trust(), chapter.findings(), chapter.write_files()):
        assert "there is no CA. Chapter 1-2 makes it" in shown.text()
    assert not list(records.glob("*/*/for-users"))
