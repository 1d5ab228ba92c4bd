"""Settings send users only where TLS works: right security for each port, only names that are covered."""

import subprocess
from pathlib import Path

import pytest
from clients_samples import NAMES, ca_pem, settings

from runbook_lib.clients import CLIENTS, CaFile, Server, findings_shown
from runbook_lib.errors import NameNotCovered, UsageError


def test_465_is_tls_from_the_first_byte_and_587_is_starttls() -> None:
    """The pair that a profile gets wrong makes clients hang."""
    assert settings().servers == (Server(465, "SSL/TLS"), Server(587, "STARTTLS"))


def test_465_comes_first_whatever_the_inventory_s_order() -> None:
    assert [server.port for server in settings(ports=(587, 465)).servers] == [465, 587]


@pytest.mark.parametrize("ports", [(25,), (465, 25), ()])
def test_only_submission_ports_are_given_to_users(ports: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match="not submission ports"):
        settings(ports=ports)


@pytest.mark.parametrize("field", ["smtp_name", "pop_name"])
def test_a_name_outside_the_certificate_is_refused(field: str) -> None:
    """DNS may know imap. and smtp., the certificate only mail.: users would see warnings."""
    with pytest.raises(NameNotCovered, match=r"smtp\.example\.test, which the certificate does not name"):
        settings(**{field: "smtp.example.test"})


def test_a_wildcard_covers_one_label_and_no_more() -> None:
    assert settings(certificate_names=("*.example.test",)).smtp_name == NAMES[0]
    with pytest.raises(NameNotCovered):
        settings(smtp_name="a.b.example.test", certificate_names=("*.example.test",), pop_name=None)


def test_the_printed_fingerprint_is_the_hash_of_the_file_users_get(tmp_path: Path) -> None:
    """So `certutil -hashfile` and a certificate viewer show the same number."""
    ca = CaFile.from_pem(ca_pem(), "Example Corp.")
    file = tmp_path / ca.name
    file.write_bytes(ca.content)
    viewer = subprocess.run(
        ["openssl", "x509", "-inform", "DER", "-in", file, "-noout", "-fingerprint", "-sha256"],
        capture_output=True,
        text=True,
        check=True,
    )
    hashed = subprocess.run(["sha256sum", file], capture_output=True, text=True, check=True)
    assert viewer.stdout.strip().rpartition("=")[2] == ca.sha256
    assert hashed.stdout.split()[0].upper() == ca.sha256.replace(":", "")


def test_the_ca_s_file_is_named_after_the_site_in_plain_letters() -> None:
    assert CaFile.from_pem(ca_pem(), "Example Corp.").name == "example-corp-ca.cer"
    assert CaFile.from_pem(ca_pem(), "株式会社").name == "mail-ca.cer"


@pytest.mark.parametrize(
    ("realm", "shown"),
    [
        ("", "the account's name alone, without '@': hanako, not hanako@example.test"),
        ("example.test", "the whole mail address, such as hanako@example.test"),
        ("ad.example.test", "such as hanako@ad.example.test"),
    ],
)
@pytest.mark.parametrize("client", CLIENTS)
def test_each_page_shows_the_form_of_the_user_name_that_works(client: str, realm: str, shown: str) -> None:
    """The realm of the inventory decides."""
    assert shown in CLIENTS[client](settings(realm=realm)).values_shown().text()


def test_a_client_that_the_ciphers_shut_out_is_named_with_what_lets_it_in() -> None:
    """Nobody finds out from a user."""
    shown = findings_shown(settings(ciphers="strict"), ["windows-live-mail", "thunderbird"]).text()
    assert "windows-live-mail" in shown
    assert "submission.ciphers: base" in shown


def test_live_mail_without_login_is_named() -> None:
    """LOGIN is all that it knows."""
    shown = findings_shown(settings(mechanisms=("PLAIN",)), ["windows-live-mail"]).text()
    assert "does not offer AUTH LOGIN" in shown


@pytest.mark.parametrize("clients", [["thunderbird"], []])
def test_no_client_is_named_that_users_do_not_have(clients: list[str]) -> None:
    assert "is shut out" in findings_shown(settings(ciphers="strict"), clients).text()


def test_the_document_s_own_words_are_there_in_its_order() -> None:
    """Chapter 3-1 reads as the document has it."""
    shown = CLIENTS["windows-live-mail"](settings()).steps_shown().text()
    words = [
        "左のペインからTLSとしたいメールサーバを右クリックして、[プロパティ]を選択します。",
        "[詳細設定]タブを選択し、",
    ]
    words.append('SMTPのところの"このサーバーはセキュリティで保護された接続(SSL)が必要(Q)"を有効にします。')
    places = [shown.index(phrase) for phrase in words]
    assert places == sorted(places)


def test_thunderbird_s_page_follows_the_document_s_menus() -> None:
    guide = CLIENTS["thunderbird"](settings())
    shown = guide.steps_shown().text() + guide.compared_shown().text()
    for phrase in (
        "[ツール]-[アカウント設定]",
        "[送信(SMTP)サーバ]",
        "[編集...]",
        "STARTTLS",
        "通常のパスワード認証",
    ):
        assert phrase in shown
