"""`runbook records` and `runbook ca`, as a person types them."""

import json
import subprocess
from pathlib import Path

import command_line
import pytest
import sample_record
from fake_chapters import write_inventory

from runbook_lib.records.publish import publish


def runbook(folder: Path, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return command_line.runbook(
        *arguments,
        cwd=folder,
        environment={"RUNBOOK_RECORDS": str(folder / "records"), "RUNBOOK_RUN": ""},
        stdin=stdin,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    run = sample_record.whole_run(tmp_path / "records")
    publish(run.parent, run.name)
    return tmp_path


def test_records_are_listed_the_newest_first(folder: Path) -> None:
    newer = folder / "records" / "20261201T000000Z-0000" / "mail12"
    newer.mkdir(parents=True)
    record = folder / "records" / sample_record.RUN / "mail12" / "20-postfix-debian.json"
    (newer / record.name).write_bytes(record.read_bytes())
    done = runbook(folder, "records", "list")
    assert done.returncode == 0
    assert done.stdout.splitlines()[2:4] == [
        "20261201T000000Z-0000  1 host: 3 changes made; 9 of 9 claims proved",
        "20261125T043000Z-3f9a  mail13 failed at 1-1 Private key and CSR",
    ]
    assert [run["run"] for run in json.loads(runbook(folder, "records", "list", "--json").stdout)["runs"]] == [
        "20261201T000000Z-0000", sample_record.RUN,
    ]  # fmt: skip


def test_without_a_record_the_list_says_where_it_looked(tmp_path: Path) -> None:
    done = runbook(tmp_path, "records", "list")
    assert (done.returncode, done.stdout) == (0, f"There is no record yet under {tmp_path / 'records'}.\n")


def test_verify_tells_a_whole_record_from_an_altered_one(folder: Path) -> None:
    run = folder / "records" / sample_record.RUN
    assert runbook(folder, "records", "verify", sample_record.RUN).returncode == 0
    assert (
        runbook(folder, "records", "verify", str(run)).stdout
        == f"{run.name}: 5 files are as they were recorded (sealed, unsigned)\n"
    )
    sent = run / "mail13" / "11-key-and-csr.json"
    sent.write_bytes(sent.read_bytes().replace(b"\n", b"\r\n"))
    (run / "mail12" / "11-key-and-csr.json").unlink()
    done = runbook(folder, "records", "verify", sample_record.RUN)
    assert done.returncode == 1
    assert done.stdout.splitlines()[1:] == [
        "  line ends changed by transport: mail13/11-key-and-csr.json",
        "  missing: mail12/11-key-and-csr.json",
    ]
    told = json.loads(runbook(folder, "records", "verify", sample_record.RUN, "--json").stdout)
    assert (told["holds"], told["transported"]) == (False, ["mail13/11-key-and-csr.json"])


def test_a_run_that_is_not_there_is_told_in_words(folder: Path) -> None:
    done = runbook(folder, "records", "verify", "20990101T000000Z-0000")
    assert done.returncode == 1
    assert "there is no such run" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture
def site(tmp_path: Path) -> Path:
    path = write_inventory(tmp_path, "mail1")
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("ca: {", f"ca: {{directory: {tmp_path / 'ca'}, "), encoding="utf-8")
    return path


def csr(folder: Path, *names: str) -> str:
    """A CSR as a server makes it."""
    alternative = ",".join(f"DNS:{name}" for name in names)
    subprocess.run(
        ["openssl", "req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "csr.pem",
         "-subj", f"/CN={names[0]}", "-addext", f"subjectAltName={alternative}"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    return (folder / "csr.pem").read_text(encoding="ascii")


def test_the_ca_is_made_once(site: Path) -> None:
    first = runbook(site.parent, "ca", "init", "--inventory", str(site))
    assert first.returncode == 0, first.stderr
    assert f"{site.parent / 'ca'}: made" in first.stdout
    assert "already there" in runbook(site.parent, "ca", "init", "--inventory", str(site)).stdout


def test_a_csr_goes_in_and_a_certificate_that_openssl_accepts_comes_out(site: Path) -> None:
    folder = site.parent
    asked = csr(folder, "mail1.example.test")
    done = runbook(folder, "ca", "sign", "--host", "mail1", "--inventory", str(site), stdin=asked)
    assert done.returncode == 0, done.stderr
    (folder / "cert.pem").write_text(done.stdout, encoding="ascii")
    (root,) = (path for path in (folder / "ca").glob("*.pem") if "BEGIN CERTIFICATE" in path.read_text())
    seen = subprocess.run(
        ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", "mail1.example.test",
         "-CAfile", root, "cert.pem"],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert seen.stdout == "cert.pem: OK\n", seen.stderr
    serial = subprocess.check_output(
        ["openssl", "x509", "-noout", "-serial", "-in", "cert.pem"], cwd=folder, text=True
    )
    listed = runbook(folder, "ca", "list", "--inventory", str(site)).stdout
    assert serial.strip().partition("=")[2] in listed
    assert "1 issued" in listed
    assert serial.strip().partition("=")[2] in done.stderr


def test_a_csr_that_asks_for_more_is_refused_and_kept_among_the_refusals(site: Path) -> None:
    folder = site.parent
    asked = csr(folder, "mail1.example.test", "www.example.test", "*.example.test")
    done = runbook(folder, "ca", "sign", "--host", "mail1", "--inventory", str(site), stdin=asked)
    assert (done.returncode, done.stdout) == (1, "")
    assert "www.example.test" in done.stderr
    assert "wildcard not granted" in done.stderr
    listed = runbook(folder, "ca", "list", "--inventory", str(site)).stdout
    assert "0 issued" in listed
    assert "1 refused" in listed
    assert "www.example.test" in listed


def test_a_returned_file_on_one_line_is_refused_in_words_that_help(site: Path) -> None:
    """The line breaks went on the way; the host is not asked, since the CSR says which key it is for."""
    folder = site.parent
    (folder / "sent.pem").write_text(csr(folder, "mail1.example.test"), encoding="ascii")
    body = runbook(
        folder,
        "ca",
        "sign",
        "--host",
        "mail1",
        "--inventory",
        str(site),
        stdin=(folder / "sent.pem").read_text(),
    ).stdout.splitlines()
    (folder / "back.crt").write_text(f"{body[0]}\n{''.join(body[1:-1])}\n{body[-1]}\n", encoding="ascii")
    done = runbook(
        folder,
        "certificate",
        "check",
        "back.crt",
        "--host",
        "mail1",
        "--csr",
        "sent.pem",
        "--inventory",
        str(site),
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "back.crt: line 2: the framing is wrong, not the certificate" in done.stderr
    assert "-----BEGIN CERTIFICATE-----" in done.stderr
    assert "Nothing was changed." in done.stderr


def test_a_certificate_s_life_in_the_ca_as_it_is_typed(site: Path) -> None:
    """Signed, revoked by serial, listed; then a new root, switched to and the old one's end."""
    folder = site.parent

    def ca(*words: str, code: int = 0) -> str:
        done = runbook(folder, "ca", *words, "--inventory", str(site), stdin=asked)
        assert done.returncode == code, done.stderr
        return done.stdout + done.stderr

    asked = csr(folder, "mail1.example.test")
    ca("sign", "--host", "mail1")
    (one,) = json.loads(ca("list", "--json"))["issued"]
    assert (one["host"], one["state"], one["root"]) == ("mail1", "issued", 1)
    assert "give one of unspecified, keyCompromise" in ca("revoke", one["serial"], "--reason", "lost", code=2)
    assert f"{one['serial']} is revoked since " in ca(
        "revoke", one["serial"].lower(), "--reason", "superseded"
    )
    assert "crl.crl and crl.pem: number 1, 1 revoked" in ca("crl")
    ca("crl")
    shown = subprocess.check_output(
        ["openssl", "crl", "-inform", "DER", "-in", "ca/crl.crl", "-noout", "-text"], cwd=folder, text=True
    )
    assert f"Serial Number: {one['serial']}" in shown
    assert "X509v3 CRL Number: \n                2" in shown
    assert (folder / "ca" / "crl.pem").stat().st_mode & 0o777 == 0o600
    assert "mail CA 2" in ca("roll-over", "begin")
    assert "the new root was made 0 days ago" in ca("roll-over", "switch", code=1)
    ca("roll-over", "switch", "--handed-out")
    ca("sign", "--host", "mail1")
    told = json.loads(ca("list", "--host", "mail1", "--json"))
    assert [(one["state"], one["root"]) for one in told["issued"]] == [("revoked", 1), ("issued", 2)]
    assert [root["state"] for root in told["roots"]] == ["handed out, signs no more", "signs"]
    assert json.loads(ca("list", "--host", "mail2", "--json"))["issued"] == []
    assert ca("crl").count("number ") == 2
    ca("roll-over", "end")
    text = ca("list")
    assert "revoked" in text
    assert "ended" in text
