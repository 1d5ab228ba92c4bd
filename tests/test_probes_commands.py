"""The line beside each row, typed as it stands, shows what the row says, and holds no secret."""

import os
import subprocess
from pathlib import Path

import probes_postfix
import pytest
from probes_postfix import MailHost

from lab import Lab
from runbook_lib.mail import probes
from runbook_lib.mail.probes import Row, byhand
from runbook_lib.mail.probes.target import Endpoint


@pytest.fixture(scope="module")
def host(lab: Lab) -> MailHost:
    return probes_postfix.host(lab)


@pytest.fixture(scope="module")
def rows(host: MailHost) -> list[Row]:
    return probes.verify(host.target, host.view)


@pytest.fixture(scope="module")
def typed(host: MailHost, rows: list[Row]) -> dict[str, tuple[int, str]]:
    return host.typed(row.command for row in rows)


EXPECTED: dict[str, tuple[int, tuple[str, ...]]] = {
    probes.NAME_RESOLVES: (0, ("10.77.", "fd77:")),
    probes.TLSA_MATCHES: (0, ("status: NXDOMAIN", "ANSWER: 0")),
    probes.UNKNOWN_NAME_REFUSED: (28, ("535 5.7.8",)),
    probes.WRONG_PASSWORD_REFUSED: (28, ("535 5.7.8",)),
    probes.LOGIN_IS_NARROW: (0, ("250 2.1.5", "sudo:")),
    probes.PORTS_REACHED: (0, ("succeeded",)),
    probes.NO_AUTH_IN_CLEAR: (0, ("503 5.5.1", "530 5.7.0")),
    probes.ONLY_TLS_ON_465: (0, ("",)),
    probes.STARTTLS_OFFERED: (0, ("250-STARTTLS",)),
    probes.NO_MAIL_BEFORE_STARTTLS: (0, ("530 5.7.0",)),
    probes.CHAIN_VALIDATES: (0, ("Verify return code: 0 (ok)",)),
    probes.SERIAL_ON_EACH_PORT: (0, ("serial=",)),
    probes.DAYS_LEFT: (0, ("notAfter=",)),
    probes.NAMES_COVERED: (0, ("DNS:mail12.example.test", "subject=")),
    probes.NEW_VERSIONS_ACCEPTED: (0, ("New, TLSv1.",)),
    probes.AUTH_AFTER_TLS: (0, ("250-AUTH PLAIN LOGIN", "250-ENHANCEDSTATUSCODES")),
    probes.NO_RELAY_WITHOUT_LOGIN: (24, ("454 4.7.1", "554 5.7.1")),
    probes.MAIL_TAKEN_ON_25: (0, ("250 2.1.5",)),
    probes.SMTPUTF8_AS_OFFERED: (0, ("SMTPUTF8",)),
    probes.RIGHT_PASSWORD_ACCEPTED: (0, ("235 2.7.0",)),
    probes.NO_LOGIN_IS_REFUSED: (0, ("535 5.7.8", "501 5.7.0", "503 5.5.1")),
    probes.SAYS_WHO_IT_IS: (0, ("220 mail12.example.test", "220 ms12.example.test")),
    probes.MESSAGE_ARRIVES: (0, ("queued as",)),
}


@pytest.mark.parametrize("claim", list(EXPECTED))
def test_the_command_shows_what_the_row_says(
    typed: dict[str, tuple[int, str]], rows: list[Row], claim: str
) -> None:
    status, words = EXPECTED[claim]
    chosen = [row.command for row in rows if row.claim == claim]
    assert chosen
    for command in chosen:
        seen_status, shown = typed[command]
        assert seen_status == status, (command, shown)
        assert any(word in shown for word in words), (command, shown)


OF_A_SENDER = (
    "smtpd_relay_restrictions=check_sender_access inline:{example.test=OK}, reject_unauth_destination"
)
# Recipients are made up anew each time, so what is typed has to be of the same kind as what was asked.
OF_A_RECIPIENT = (
    "smtpd_relay_restrictions="
    "check_recipient_access regexp:{{/^[0-9a-f]{24}@/ OK}}, reject_unauth_destination"
)


@pytest.mark.parametrize(
    ("settings", "sender"),
    [
        ((OF_A_SENDER,), "a sender of its own domain"),
        ((OF_A_SENDER, "smtpd_tls_security_level=none"), "a sender of its own domain"),
        ((OF_A_RECIPIENT,), "a foreign sender"),
    ],
    ids=["a sender's rule", "without TLS", "a recipient's rule"],
)
def test_the_command_repeats_a_fail(host: MailHost, settings: tuple[str, ...], sender: str) -> None:
    """The sender that was taken, in clear where it was asked in clear, on a port without STARTTLS too."""
    with host.main_cf(*settings):
        rows = probes.no_relay_without_login(host.survey(account=None, ports=(25,)))
        shown = host.sh(f"set +e; {rows[0].command} 2>&1; echo ended $?")
    assert rows[0].verdict is probes.Verdict.FAIL
    assert f"from {sender} (250)" in rows[0].seen
    assert "<~  250 2.1.5" in shown or "<-  250 2.1.5" in shown, shown
    assert shown.split()[-1] == "0"


def test_the_command_for_old_versions_speaks_them(typed: dict[str, tuple[int, str]], rows: list[Row]) -> None:
    """On 25 they are taken as found, on 587 the server says no: the same line tells the two apart."""
    old = {row.port: row for row in rows if row.claim == probes.OLD_VERSIONS_REFUSED}
    assert "Protocol  : TLSv1.1" in typed[old[25].command][1]
    assert "alert protocol version" in typed[old[587].command][1]


def test_the_command_for_one_kind_of_certificate_tells_who_is_served(
    typed: dict[str, tuple[int, str]], rows: list[Row]
) -> None:
    """`openssl s_client -tls1_2 -sigalgs …`, a line for each pair."""
    asked = {row.seen: typed[row.command] for row in rows if row.claim == probes.ONE_KIND_ALONE}
    assert {seen for seen, (status, _) in asked.items() if status == 0} == {
        "TLS 1.2, no certificate at all (anonymous ciphers): accepted, as found; encrypted, with whoever answers",
        "TLS 1.2, EC alone: accepted",
        "TLS 1.3, EC alone: accepted",
    }
    assert all("handshake failure" in shown for status, shown in asked.values() if status)


def test_no_command_holds_a_password(host: MailHost, rows: list[Row]) -> None:
    secret = host.lab.secret("kensa")
    assert not [row for row in rows if secret in row.command or secret in row.seen]


def test_a_name_with_odd_characters_stays_one_word(tmp_path: Path) -> None:
    """A name comes from a person: in a shell it must not become a command."""
    target = probes.Target("mail.example.test", "example.test; touch " + str(tmp_path / "made"))
    command = byhand.relay(Endpoint("127.0.0.1", 25), target)
    subprocess.run(["sh", "-c", command.replace("swaks", "true")], check=True, env=os.environ, timeout=10)
    assert not (tmp_path / "made").exists()
