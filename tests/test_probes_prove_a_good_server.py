"""A server that is as it should be passes every claim, and what the rows say stays the same."""

import re
from collections.abc import Iterator
from dataclasses import replace

import probes_dns
import probes_postfix
import pytest
from probes_postfix import MailHost, Password, failures, seen_by

from lab import Lab
from runbook_lib.mail import probes
from runbook_lib.mail.probes import Account, Row, Survey, Verdict


@pytest.fixture
def host(lab: Lab) -> MailHost:
    return probes_postfix.host(lab)


@pytest.fixture(scope="module")
def rows(lab: Lab) -> list[Row]:
    host = probes_postfix.host(lab)
    return probes.verify(host.target, host.view)


def test_every_claim_passes_on_each_address_and_port(rows: list[Row]) -> None:
    assert {row.verdict for row in rows} == {Verdict.PASS}
    assert list(dict.fromkeys(row.claim for row in rows)) == [
        probes.NAME_RESOLVES,
        probes.PORTS_REACHED,
        probes.SAYS_WHO_IT_IS,
        probes.NO_AUTH_IN_CLEAR,
        probes.ONLY_TLS_ON_465,
        probes.STARTTLS_OFFERED,
        probes.NO_MAIL_BEFORE_STARTTLS,
        probes.CHAIN_VALIDATES,
        probes.SERIAL_ON_EACH_PORT,
        probes.DAYS_LEFT,
        probes.NAMES_COVERED,
        probes.TLSA_MATCHES,
        probes.OLD_VERSIONS_REFUSED,
        probes.NEW_VERSIONS_ACCEPTED,
        probes.ONE_KIND_ALONE,
        probes.AUTH_AFTER_TLS,
        probes.NO_RELAY_WITHOUT_LOGIN,
        probes.MAIL_TAKEN_ON_25,
        probes.SMTPUTF8_AS_OFFERED,
        probes.UNKNOWN_NAME_REFUSED,
        probes.WRONG_PASSWORD_REFUSED,
        probes.RIGHT_PASSWORD_ACCEPTED,
        probes.NO_LOGIN_IS_REFUSED,
        probes.LOGIN_IS_NARROW,
        probes.MESSAGE_ARRIVES,
    ]
    asked = {(row.port, ":" in row.address) for row in rows if row.claim == probes.NO_RELAY_WITHOUT_LOGIN}
    assert asked == {(port, is_v6) for port in (25, 465, 587) for is_v6 in (False, True)}


def test_a_client_of_the_other_kind_is_refused_and_that_is_no_fault(rows: list[Row]) -> None:
    """The certificate is P-256; each pair of version and kind has a row."""
    assert {row.seen for row in rows if row.claim == probes.ONE_KIND_ALONE} == {
        "TLS 1.2, EC alone: accepted",
        "TLS 1.3, EC alone: accepted",
        "TLS 1.2, RSA alone: refused, as the certificate is EC",
        "TLS 1.3, RSA alone: refused, as the certificate is EC",
        "TLS 1.2, no certificate at all (anonymous ciphers): accepted, as found; encrypted, with whoever answers",
    }


def test_what_is_seen_is_the_same_at_every_run(host: MailHost, rows: list[Row]) -> None:
    """The rows become a stored notebook: no address, no serial, no token, no date in them."""
    again = probes.verify(host.target, host.view)
    assert [(row.claim, row.port, row.verdict, row.seen) for row in again] == [
        (row.claim, row.port, row.verdict, row.seen) for row in rows
    ]
    for row in rows:
        assert not re.search(r"10\.77|fd77|[0-9A-Fa-f]{16}|20[0-9][0-9]", row.seen), row.seen


def test_each_row_has_the_client_address_that_the_server_saw(host: MailHost, rows: list[Row]) -> None:
    network = host.lab.network
    seen = {row.client for row in rows if row.address}
    assert seen == {network.gateway4, network.gateway6}


def test_without_a_view_the_own_address_is_labelled_and_no_message_is_sent(host: MailHost) -> None:
    survey = Survey(host.target)
    clients = {row.client for row in probes.no_relay_without_login(survey)}
    assert clients == {f"own: {host.lab.network.gateway4}", f"own: {host.lab.network.gateway6}"}
    (row,) = probes.message_arrives(survey)
    assert row.verdict is Verdict.UNTESTED
    assert "needs SSH" in row.seen


def test_the_message_is_gone_afterwards_and_the_mail_of_others_is_not(host: MailHost) -> None:
    host.sh(
        "printf 'Subject: mine\\n\\nkeep\\n' | sendmail -f hanako@example.test kensa@example.test; sleep 1"
    )
    before = host.sh("cat /var/mail/kensa")
    assert failures(probes.message_arrives(host.survey())) == {}
    assert host.sh("cat /var/mail/kensa") == before
    assert "Mail queue is empty" in host.sh("mailq")


def test_relay_is_tried_from_the_address_that_is_given(host: MailHost, outsider: tuple[str, str]) -> None:
    survey = host.survey(account=None, source_v4=outsider[0], source_v6=outsider[1])
    with host.main_cf("mynetworks=127.0.0.0/8 10.0.0.0/8 [fd77::]/16"):
        rows = probes.no_relay_without_login(survey)
    assert {row.client for row in rows} == set(outsider)
    assert failures(rows) == {}  # an insider could relay on this host, as the other defects' test shows


@pytest.fixture
def outsider(lab: Lab) -> Iterator[tuple[str, str]]:
    with lab.outsider() as addresses:
        yield addresses.address4, addresses.address6


def test_a_hard_password_goes_as_utf8_and_its_old_encoding_is_the_wrong_one(host: MailHost) -> None:
    """Blanks, quotes, %, $, a backslash, a letter outside ASCII."""
    account = Account("tarou", Password(host.lab.secret("tarou")))
    survey = host.survey(account=account)
    (wrong,) = probes.wrong_password_refused(survey)
    assert wrong.seen == "the right letters in an old client's encoding, not in UTF-8: refused (535)"
    assert seen_by(probes.right_password_accepted(survey)) == {
        "PLAIN: accepted (235)",
        "LOGIN: accepted (235)",
        "PLAIN in two steps: accepted (235)",
        "LOGIN with the name at once: accepted (235)",
    }
    assert host.lab.secret("tarou") not in repr(account) + repr(survey.target)


def test_a_password_that_is_too_long_is_not_called_wrong(host: MailHost) -> None:
    """PAM knows it, saslauthd's request has no room for it."""
    long = "x" * 300
    host.sh(f"useradd -M nagai 2>/dev/null || :; echo 'nagai:{long}' | chpasswd")
    rows = probes.right_password_accepted(host.survey(account=Account("nagai", Password(long))))
    assert "PLAIN: refused (535): the password has 300 bytes, saslauthd takes 255" in seen_by(rows)


def test_smtputf8_is_not_declared_where_it_is_not_offered(host: MailHost) -> None:
    """Without it, mail to an address outside ASCII cannot be sent by way of this server (RFC 6531)."""
    with host.main_cf("smtputf8_enable=no"):
        rows = probes.smtputf8_as_offered(host.survey(account=None))
    assert seen_by(rows) == {"SMTPUTF8 offered: no; addresses outside ASCII cannot be used here"}


def test_a_name_that_leads_here_uncovered_is_a_warning(host: MailHost) -> None:
    """Clients that guess it complain."""
    here = (host.lab.host(host.name).address,)
    names = {host.target.name: here, "imap.example.test": here, "pop.example.test": ("192.0.2.1",)}
    with probes_dns.answering(names) as resolver:
        rows = probes.names_covered(host.survey(account=None, resolver=resolver))
    (warning,) = [row for row in rows if row.warns]
    assert warning.seen.startswith("warning: imap.example.test leads here and is not in the certificate")
    assert warning.verdict is Verdict.PASS


def test_the_serial_is_not_judged_where_nobody_knows_it(host: MailHost) -> None:
    survey = Survey(replace(host.target, expected_serial=None, account=None))
    rows = probes.serial_on_each_port(survey)
    assert {row.verdict for row in rows} == {Verdict.UNTESTED}
