"""The settings that we hand to users work: a real Thunderbird sends with them, and sends nothing without the CA."""

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest
from applied_host import applied
from clients_thunderbird import Thunderbird, thunderbird

from lab import Lab
from runbook_lib import inventory
from runbook_lib.clients import ClientSettings, autoconfig_xml, settings_for
from runbook_lib.pki import authority

HOST = "debian12"
START = Callable[[], AbstractContextManager[Thunderbird]]


@pytest.fixture(scope="module")
def applied_host(lab: Lab) -> str:
    """A host with every chapter applied."""
    applied(lab, HOST)
    return HOST


@pytest.fixture
def settings(applied_host: str) -> ClientSettings:
    book = inventory.load("lab")
    host = book.host(applied_host)
    return settings_for(
        book.site, host, authority.read_certificate(Path(book.site.ca.directory)), host.names.all
    )


@pytest.fixture
def client(lab: Lab, applied_host: str, tmp_path: Path) -> Iterator[Thunderbird]:
    with thunderbird(tmp_path, lab.host(applied_host).address) as running:
        yield running


@pytest.fixture(scope="module")
def recipient(lab: Lab, applied_host: str) -> str:
    """An address that this very host delivers."""
    return f"kensa@{lab.exec(applied_host, 'postconf -h myhostname').decode().strip()}"


def password(lab: Lab, user: str) -> str:
    return (lab.folder / "secrets" / user).read_text().removesuffix("\n")


def arrived(lab: Lab, host: str, user: str, subject: str, within_s: float = 20.0) -> str:
    """The mail with this subject in the user's mailbox, header and body."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        mailbox = lab.exec(host, f"cat /var/mail/{user}", check=False).decode()
        mails = [mail for mail in mailbox.split("\nFrom ") if f"Subject: {subject}\n" in mail]
        if mails:
            return mails[0]
        time.sleep(0.2)
    raise AssertionError(f"no mail '{subject}' came to {user}")


@pytest.mark.parametrize(("port", "socket_type"), [(465, 3), (587, 2)])
@pytest.mark.parametrize("user", ["hanako", "tarou"])
def test_a_mail_sent_with_the_generated_settings_arrives(
    lab: Lab,
    applied_host: str,
    client: Thunderbird,
    settings: ClientSettings,
    recipient: str,
    port: int,
    socket_type: int,
    user: str,
) -> None:
    """Each port, and the password with blanks, quotes and a letter outside ASCII too."""
    subject = f"by Thunderbird {secrets.token_hex(8)}"
    assert settings.ca is not None
    assert client.import_ca(settings.ca.content) == settings.ca.sha256
    account = client.make_account(
        autoconfig_xml(replace(settings, ports=(port,))), f"{user}@{settings.domain}", password(lab, user)
    )
    assert account["username"] == settings.login_name(user)
    assert (account["hostname"], account["port"], account["socketType"]) == (
        settings.smtp_name,
        port,
        socket_type,
    )
    assert client.send(recipient, subject).alerts == ()
    mail = arrived(lab, applied_host, "kensa", subject)
    assert f"From: {user}@{settings.domain}" in mail
    assert "with ESMTPSA" in mail
    assert "(using TLSv1.3" in mail


def test_thunderbird_prefers_465_and_keeps_587(
    lab: Lab, client: Thunderbird, settings: ClientSettings
) -> None:
    account = client.make_account(
        autoconfig_xml(settings), f"hanako@{settings.domain}", password(lab, "hanako")
    )
    assert account["port"] == 465
    assert account["alternatives"] == [[settings.smtp_name, 587, 2]]


def test_without_the_ca_nothing_is_sent_and_the_user_sees_what_the_page_says(
    lab: Lab, applied_host: str, client: Thunderbird, settings: ClientSettings, recipient: str
) -> None:
    """Thunderbird names the unknown issuer, the server's log the alert."""
    subject = f"never {secrets.token_hex(8)}"
    client.make_account(autoconfig_xml(settings), f"hanako@{settings.domain}", password(lab, "hanako"))
    sent = client.send(recipient, subject)
    assert sent.certificate_fault == "SEC_ERROR_UNKNOWN_ISSUER"
    assert "Certificate issuer is not recognized" in sent.alerts[0]
    assert f"The configuration related to {settings.smtp_name} must be corrected" in sent.alerts[0]
    assert b"alert unknown ca" in lab.exec(applied_host, "journalctl -q --no-pager -n 50")
    with pytest.raises(AssertionError, match="no mail"):
        arrived(lab, applied_host, "kensa", subject, within_s=2.0)


def test_a_wrong_password_is_told_as_the_page_says(
    client: Thunderbird, settings: ClientSettings, recipient: str
) -> None:
    assert settings.ca is not None
    client.import_ca(settings.ca.content)
    client.make_account(autoconfig_xml(settings), f"hanako@{settings.domain}", "not the password")
    sent = client.send(recipient, "never")
    assert sent.alerts[0] == f"Login to server {settings.smtp_name} with username hanako failed."


def test_thunderbird_speaks_nothing_below_tls_1_2(client: Thunderbird) -> None:
    """So the floor of the submission ports shuts out no Thunderbird of today (3 is TLS 1.2)."""
    assert client.preference("security.tls.version.min") == 3
