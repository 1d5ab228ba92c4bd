"""Pages and findings say which devices are cut off by `smtpd_forbid_bare_newline`, where the server has it set so."""

import smtplib
import ssl
from pathlib import Path

import pytest
from applied_host import applied

from lab import Lab
from runbook_lib import clients
from runbook_lib.chapters import thunderbird
from runbook_lib.mail.configuration import bare_newlines
from runbook_lib.remote.facts import Fact

HOST = "debian12"
BARE = "smtpd_forbid_bare_newline"
SAYS_NOTHING = "No client of the inventory"


@pytest.fixture(autouse=True)
def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNBOOK_RECORDS", str(tmp_path / "records"))


def told() -> tuple[str, str]:
    """What the chapter says to the administrator, and the page that it makes for users."""
    chapter = thunderbird.open("lab", HOST)
    assert chapter.settings is not None
    page = clients.files_for_users(chapter.settings, ("thunderbird",))["thunderbird.html"].decode()
    return chapter.findings().text(), page


def device_sends(lab: Lab, letter: bytes) -> bytes:
    """What a device gets on 587 that logs in as it should, and writes its lines as `letter` has them."""
    blind = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    blind.check_hostname, blind.verify_mode = False, ssl.CERT_NONE
    with smtplib.SMTP(lab.host(HOST).address, 587, timeout=30) as device:
        device.starttls(context=blind)
        device.login("kensa", lab.secret("kensa"))
        device.mail("kensa@example.test")
        device.rcpt(f"kensa@{lab.host(HOST).release.hostname}")
        assert device.docmd("DATA")[0] == 354
        device.send(letter)
        code, text = device.getreply()
        return b"%d %s" % (code, text)


def test_a_page_says_who_is_cut_off_and_only_where_the_server_does_that(lab: Lab) -> None:
    applied(lab, HOST)
    scan = b"Subject: scan\n\nhello\r\n.\r\n"
    finding, page = told()
    assert lab.exec(HOST, f"postconf -h {BARE}") == b"no\n"
    assert (finding[: len(SAYS_NOTHING)], "bare &lt;LF&gt;" in page) == (SAYS_NOTHING, False)
    # Where users submit mail, and there alone.
    lab.exec(HOST, f"postconf -P submission/inet/{BARE}=reject; systemctl restart postfix")
    finding, page = told()
    assert f"{BARE} = reject" in finding
    assert "550 5.5.2 … bare &lt;LF&gt; received" in page
    answer = device_sends(lab, scan)
    assert answer.startswith(b"550 5.5.2")
    assert answer.endswith(b"bare <LF> received")
    lab.exec(
        HOST, f"postconf -PX submission/inet/{BARE}; postconf -e {BARE}=normalize; systemctl restart postfix"
    )
    finding, page = told()
    assert f"{BARE} = normalize: lines that end with a newline alone are taken" in finding
    assert "gets no answer until it gives up" in page
    assert device_sends(lab, scan).startswith(b"250 ")
    # The end of it alike: what comes after it is part of the message still.
    assert device_sends(lab, b"Subject: scan\n\nhello\n.\nNOOP\r\n.\r\n").startswith(b"250 2.0.0 Ok: queued")
    lab.exec(HOST, f"postconf -e {BARE}=reject; postconf -P smtp/inet/{BARE}=no; systemctl restart postfix")
    assert f"{BARE} = reject" in told()[0]


@pytest.mark.parametrize(
    ("main", "apart", "known", "ports", "is_so"),
    [
        ("no", "", 2, (465, 587), "taken"),
        ("note", "", 2, (465, 587), "taken"),
        ("normalize", "", 2, (465, 587), "normalized"),
        ("yes", "", 2, (587,), "normalized"),
        ("yes", "", 1, (587,), "cut off"),
        ("reject", "", 2, (587,), "refused"),
        ("", "", 0, (465, 587), "taken"),
        ("reject", f"smtps/inet/{BARE} = no\nsubmission/inet/{BARE} = no", 2, (465, 587), "taken"),
        ("no", f"127.0.0.1:10025/inet/{BARE} = reject", 2, (465, 587), "taken"),
        ("normalize", f"587/inet/{BARE} = reject", 2, (465, 587), "refused"),
        ("normalize", f"587/inet/{BARE} = reject", 2, (465,), "normalized"),
    ],
)
def test_what_becomes_of_a_newline_alone(
    main: str, apart: str, known: int, ports: tuple[int, ...], is_so: str
) -> None:
    names = "\n".join((BARE, f"{BARE}_reject_code")[:known])
    facts = {
        name: Fact(value, 0)
        for name, value in (("bare_newlines", main), ("bare_newlines_apart", apart), ("guards_known", names))
    }
    assert bare_newlines.on_submission(facts, ports) == is_so
