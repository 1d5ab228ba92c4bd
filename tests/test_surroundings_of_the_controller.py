"""What the operator's environment holds is never told as the server's fault, ends in no trace, and alters no record."""

import os
import re
import ssl
import subprocess
from pathlib import Path

import command_line
import pki_samples
import pytest
from applied_host import RUNBOOK, runbook
from certificates_on_25 import PUBLIC, PUBLIC_INTERMEDIATE
from fake_chapters import WHOLE, write_chapter, write_inventory
from probes_dns import answering
from shaped_host import WITH_SASL

from lab import Lab
from runbook_lib import places
from runbook_lib.errors import UsageError
from runbook_lib.mail.probes import resolv_conf
from runbook_lib.mail.probes.names import look_up
from runbook_lib.mail.probes.tls import trusting
from runbook_lib.records import Record, origin
from runbook_lib.records.model import VerifyStep
from runbook_lib.x509 import trusted_roots

LIBRARY = places.PACKAGE
NAMES = ("mail1.example.test",)
IDENTITY = ("-c", "user.name=t", "-c", "user.email=t@example.test")


# Of a name that is nobody's.
VERIFY = ("verify", "nobody.example.invalid", "--port", "587")


def made_repository(folder: Path) -> str:
    """A repository with one commit; its id."""
    folder.mkdir(exist_ok=True)
    for words in (("init", "-q"), ("commit", "-q", "--allow-empty", "-m", folder.name)):
        subprocess.run(["git", "-C", folder, *IDENTITY, *words], check=True, timeout=30)
    told = subprocess.check_output(["git", "-C", folder, "rev-parse", "HEAD"], text=True, timeout=30)
    return told.strip()


def code_state(checkout: Path) -> origin.CodeState:
    origin.code_state.cache_clear()
    return origin.code_state(checkout)


@pytest.mark.parametrize("roots", [None, b"a root"])
def test_no_keys_of_sessions_are_written_and_no_file_for_them_is_opened(
    roots: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pem = None if roots is None else ssl.DER_cert_to_PEM_cert(trusting(None).get_ca_certs(True)[0]).encode()
    for there in (tmp_path / "no-folder" / "keys", tmp_path, tmp_path / "keys"):
        monkeypatch.setenv("SSLKEYLOGFILE", str(there))
        assert trusting(pem).keylog_filename is None
    assert not (tmp_path / "keys").exists()


def test_contexts_are_made_where_the_environment_is_not_heeded() -> None:
    """`create_default_context` opens $SSLKEYLOGFILE; the sampler alone may call it, in an interpreter with -I."""
    calls = [
        path.name
        for path in LIBRARY.rglob("*.py")
        if re.search(r"ssl\.create_default_context\(", path.read_text())
    ]
    assert calls == ["sampler.py"]
    assert '"-I"' in (LIBRARY / "mail" / "flow" / "watched.py").read_text()


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_a_file_of_roots_that_is_none_is_named_with_its_variable(
    content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "cacert.pem"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with pytest.raises(UsageError, match=rf"(?s)SSL_CERT_FILE: names {file}, which .*unset SSL_CERT_FILE"):
        trusting(None)


def test_without_the_variable_the_roots_of_the_system_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Debian's own Python names a file that Debian does not have (/usr/lib/ssl/cert.pem)."""
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    assert len(trusted_roots.context().get_ca_certs()) > 50
    assert trusted_roots.pem().count(b"-----BEGIN CERTIFICATE-----") > 50


def test_verify_refuses_once_where_no_certificate_could_be_judged() -> None:
    refused = command_line.runbook(*VERIFY, environment={"SSL_CERT_FILE": "/nonexistent/cacert.pem"})
    assert refused.returncode == 2
    assert "SSL_CERT_FILE: names /nonexistent/cacert.pem, which cannot be read" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert "not trusted" not in refused.stdout


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, r"cannot be read \(No such file or directory\)"),
        (b"", "has no line 'nameserver ADDRESS'"),
        (b"search example.test\nnameserver\n", "none of its lines names one: 'nameserver'"),
        (b"nameserver localhost\nnameserver 300.1.2.3\n", "'nameserver localhost', 'nameserver 300.1.2.3'"),
    ],
)
def test_without_a_dns_server_nothing_is_found_wrong(content: bytes | None, why: str, tmp_path: Path) -> None:
    file = tmp_path / "resolv.conf"
    if content is not None:
        file.write_bytes(content)
    asker = resolv_conf.resolver(file)
    with pytest.raises(Exception, match=why) as raised:
        asker.resolve("mail.example.test", "A", lifetime=1.0, search=False)
    assert type(raised.value).__name__ == "NoResolverConfiguration"


def test_lines_that_can_be_read_are_used(tmp_path: Path) -> None:
    file = tmp_path / "resolv.conf"
    file.write_bytes(
        b"# r\xe9seau\nnameserver localhost\nnameserver 192.0.2.53\nnameserver fe80::1%lo\noptions ndots:1\n"
    )
    assert resolv_conf.resolver(file).nameservers == ["192.0.2.53", "fe80::1%lo"]


def test_a_server_that_is_named_is_asked_whatever_the_system_has() -> None:
    with answering({"mail.example.test": ("192.0.2.25",)}) as resolver:
        assert look_up("mail.example.test", resolver)[0].addresses == ("192.0.2.25",)


@pytest.mark.parametrize("line", ["", "nameserver localhost"])
def test_verify_says_that_this_machine_asks_nobody(line: str, tmp_path: Path) -> None:
    file = tmp_path / "resolv.conf"
    file.write_text(f"{line}\n")
    other = ("unshare", "-m", "sh", "-c", f'mount --bind {file} /etc/resolv.conf; exec "$@"', "-")
    told = subprocess.run(
        [*other, str(RUNBOOK), *VERIFY], capture_output=True, text=True, timeout=120, check=False
    )
    assert "Traceback" not in told.stderr
    assert "names no DNS server" in " ".join(told.stdout.split()), told.stdout + told.stderr
    assert " fail" not in told.stdout


def test_the_record_names_the_commit_of_this_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Variables that a hook of git left behind lead git to another repository, and so does a folder around ours."""
    other, own = made_repository(tmp_path / "other"), made_repository(tmp_path / "own")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other" / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(tmp_path))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "index"))
    assert code_state(tmp_path / "own") == origin.CodeState(own, True) != origin.CodeState(other, True)
    (tmp_path / "other" / "unpacked").mkdir()
    assert code_state(tmp_path / "other" / "unpacked") == origin.CodeState(None, None)


def test_a_checkout_of_another_user_has_its_commit_in_the_record(tmp_path: Path) -> None:
    commit = made_repository(tmp_path / "own")
    subprocess.run(["chown", "-R", "12345:12345", tmp_path / "own"], check=True, timeout=30)
    asked = ["git", "-C", str(tmp_path / "own"), "rev-parse", "HEAD"]
    assert subprocess.run(asked, capture_output=True, timeout=30, check=False).returncode == 128
    assert code_state(tmp_path / "own") == origin.CodeState(commit, True)


def test_a_key_log_of_sessions_alters_no_run_and_no_verification(lab: Lab, tmp_path: Path) -> None:
    """Neither where the file cannot be made, nor where it can: exit, standard error and rows are the same."""
    host, keys = "debian12", tmp_path / "keys"
    lab.reset(host, WITH_SASL)
    run = ("apply", "--host", host, "--only", "20-postfix-debian", "--reason", "MAIL-88")
    done = runbook(*run, SSLKEYLOGFILE="/nonexistent/keys")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    as_ever = runbook("verify", host)
    assert as_ever.returncode == 0, as_ever.stdout + as_ever.stderr
    for named in ("/nonexistent/keys", str(keys)):
        told = runbook("verify", host, SSLKEYLOGFILE=named)
        assert (told.returncode, told.stderr, told.stdout) == (0, as_ever.stderr, as_ever.stdout)
    assert not keys.exists()


@pytest.mark.parametrize(
    "words",
    [
        ("certificate", "check", "back.pem", "--host", "mail1", "--csr", "sent.pem"),
        ("plan",),
        ("apply", "--reason", "A"),
    ],
    ids=lambda words: words[0],
)
def test_roots_that_are_not_there_are_told_once_and_are_no_cause_on_a_host(
    words: tuple[str, ...], tmp_path: Path
) -> None:
    book = write_inventory(tmp_path, "mail1", "mail2")
    write_chapter(tmp_path / "notebooks", "11-key", *WHOLE)
    (tmp_path / "sent.pem").write_bytes(pki_samples.csr(NAMES, NAMES[0]))
    (tmp_path / "back.pem").write_text(PUBLIC.pem + PUBLIC_INTERMEDIATE.pem, encoding="ascii")
    where = ("--inventory", str(book)) + (() if "check" in words else ("--notebooks", "notebooks"))
    own = {"SSL_CERT_FILE": "/nonexistent/cacert.pem", "RUNBOOK_RECORDS": str(tmp_path / "records")}
    told = command_line.runbook(*words, *where, cwd=tmp_path, environment=own)
    assert (told.returncode, told.stdout) == (2, "")
    assert "SSL_CERT_FILE: names /nonexistent/cacert.pem, which cannot be read" in told.stderr
    assert told.stderr.count("SSL_CERT_FILE: names") == 1
    assert "Nothing was changed." in told.stderr
    assert [word for word in ("Traceback", "not trusted", "mail1") if word in told.stderr] == []
    assert not (tmp_path / "records").exists()


def test_plan_goes_on_where_this_machine_asks_nobody(lab: Lab, tmp_path: Path) -> None:
    host, book, empty = "debian12", tmp_path / "site.yaml", tmp_path / "resolv.conf"
    lab.reset(host, "fresh")
    book.write_text(re.sub(r"(?m)^  resolver: .*\n", "", lab.inventory.read_text(encoding="utf-8")))
    empty.touch()
    command = [str(RUNBOOK), "plan", "--host", host, "--inventory", str(book)]
    bare = ["unshare", "-m", "sh", "-c", f'mount --bind {empty} /etc/resolv.conf; exec "$@"', "-", *command]
    environment = os.environ | {"RUNBOOK_RECORDS": str(tmp_path / "records")}
    done = subprocess.run(bare, env=environment, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    (record,) = (tmp_path / "records").glob(f"*/{host}/00-preparation.json")
    chapter = Record.open(record).data
    rows = [row for step in chapter.steps if isinstance(step, VerifyStep) for row in step.rows]
    assert {row.verdict for row in rows} == {"could not test"}
    assert [row for row in rows if "/etc/resolv.conf on this machine names no DNS server" in row.seen]
    assert "the cause on" not in done.stdout
