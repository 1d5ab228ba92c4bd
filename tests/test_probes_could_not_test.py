"""What was not reached, or could not be asked, is neither a pass nor a fail, and says who must act."""

import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager

import probes_dns
import probes_postfix
import probes_servers
import pytest
from probes_certificates import make
from probes_defects import everything
from probes_postfix import MailHost, failures, seen_by

from lab import Lab
from runbook_lib.mail import probes
from runbook_lib.mail.probes import Row, Survey, Target, Verdict
from runbook_lib.mail.probes.control import control_server, prove_against, prove_old_versions


@pytest.fixture
def host(lab: Lab) -> MailHost:
    return probes_postfix.host(lab)


def about(rows: list[Row], port: int) -> list[Row]:
    return [row for row in rows if row.port == port]


def test_the_probe_for_old_versions_speaks_them_to_a_server_that_takes_them() -> None:
    assert prove_old_versions() is None


def test_a_control_that_fails_makes_the_floor_untested(host: MailHost) -> None:
    """A client that cannot speak TLS 1.0 is 'refused' by everybody."""
    trouble = prove_against(control_server(ssl.TLSVersion.TLSv1_2))
    assert trouble == "TLS 1.0 and TLS 1.1 cannot be spoken by this machine's OpenSSL: ask from another one"
    survey = Survey(host.target, control=lambda: trouble)
    rows = probes.old_versions_refused(survey)
    assert {(row.verdict, row.seen) for row in rows} == {(Verdict.UNTESTED, trouble)}


def test_a_closed_port_is_untested_and_the_others_are_judged(host: MailHost) -> None:
    """A firewall, or a service that is not there: from outside they look the same."""
    with host.broken("postconf -MX submissions/inet; " + probes_postfix.RELOAD, "systemctl restart postfix"):
        rows = everything(host.survey(account=None))
    assert failures(rows) == {}
    words = {row.seen.removeprefix("TLS 1.0: ").removeprefix("TLS 1.1: ") for row in about(rows, 465)}
    assert all("connection refused: nothing listens there" in word for word in words), words
    assert {row.verdict for row in about(rows, 465)} == {Verdict.UNTESTED}
    assert {row.verdict for row in about(rows, 587)} == {Verdict.PASS}


def test_a_dropping_firewall_is_untested_and_named(host: MailHost) -> None:
    with host.lab.outsider() as outsider:
        route = f"{outsider.address4}/32"
        with host.broken(f"ip route add blackhole {route}", f"ip route del blackhole {route}"):
            survey = Survey(host.seen_by_v4(outsider.address4), timeout_s=2.0)
            rows = everything(survey)
    assert failures(rows) == {}
    assert any("a firewall on the way drops it; who runs it must open the port" in row.seen for row in rows)


def test_an_unrouted_address_is_untested_and_the_other_family_is_judged(host: MailHost) -> None:
    """An AAAA record of a network that is not routed from here (the lab's guard route answers for it)."""
    with probes_dns.answering(
        {host.target.name: (host.lab.host(host.name).address, "fd77:250::1")}
    ) as resolver:
        rows = everything(host.survey(account=None, resolver=resolver))
    unrouted = [row for row in rows if row.address == "fd77:250::1"]
    assert {row.verdict for row in unrouted} == {Verdict.UNTESTED}
    assert any(
        "no route to this address from here: who publishes the address" in row.seen for row in unrouted
    )
    assert failures(rows) == {}
    assert {row.verdict for row in rows if row.address.startswith("10.")} == {Verdict.PASS}


@pytest.mark.parametrize(
    ("addresses", "silent", "verdict", "words"),
    [
        ({}, False, Verdict.FAIL, "no such name in the DNS (NXDOMAIN)"),
        ({"mail.example.test": ()}, False, Verdict.FAIL, "the name exists and has no address"),
        ({}, True, Verdict.UNTESTED, "the DNS server does not answer"),
    ],
)
def test_no_such_name_no_record_and_no_answer_are_three_verdicts(
    addresses: dict[str, tuple[str, ...]], silent: bool, verdict: Verdict, words: str
) -> None:
    with probes_dns.answering(addresses, silent) as resolver:
        survey = Survey(Target("mail.example.test", "example.test", resolver=resolver))
        rows = everything(survey)
    resolved = [row for row in rows if row.claim == probes.NAME_RESOLVES]
    assert {(row.verdict, row.seen) for row in resolved} == {(verdict, words)}
    others = [row for row in rows if row.claim != probes.NAME_RESOLVES]
    assert {row.verdict for row in others} == {Verdict.UNTESTED}
    assert f"no address to ask: {words}" in seen_by(others)


def test_a_name_with_one_family_is_fine(lab: Lab) -> None:
    survey = Survey(Target("v6only.example.test", "example.test", resolver=lab.network.gateway4))
    assert seen_by(probes.name_resolves(survey)) == {"no A record", "AAAA record found"}
    assert failures(probes.name_resolves(survey)) == {}


def test_a_limiting_server_is_called_so(host: MailHost) -> None:
    """Five connections a minute; never 'TLS failed'."""
    with host.main_cf("smtpd_client_connection_rate_limit=1", "anvil_rate_time_unit=60s"):
        rows = everything(host.survey(account=None))
        rows += everything(host.survey(account=None))
    assert failures(rows) == {}
    assert any(row.seen.endswith("limited by the server (421)") for row in about(rows, 25))
    assert any(row.seen.endswith("limited by the server (421)") for row in about(rows, 465))


def test_a_limit_of_logins_is_no_wrong_password(host: MailHost) -> None:
    """The third login within the minute is refused, with the right password too."""
    with host.main_cf("smtpd_client_auth_rate_limit=2"):
        rows = probes.right_password_accepted(host.survey())
    assert failures(rows) == {}
    assert any("limited by the server (450)" in row.seen for row in rows)


def test_no_password_is_sent_to_a_server_that_is_not_trusted(host: MailHost) -> None:
    stranger = make("Other root")
    survey = host.survey(ca_pem=stranger.pem.encode())
    rows = [
        *probes.wrong_password_refused(survey),
        *probes.right_password_accepted(survey),
        *probes.message_arrives(survey),
    ]
    assert {row.verdict for row in rows} == {Verdict.UNTESTED}
    assert any("no password is sent to a server whose certificate is not trusted" in row.seen for row in rows)
    assert "AUTH" not in host.sh("journalctl -q -o cat --since=-2sec SYSLOG_FACILITY=2 | grep sasl || :")


def test_without_an_account_the_rows_say_what_to_add(host: MailHost) -> None:
    survey = host.survey(account=None)
    claims = (
        probes.unknown_name_refused,
        probes.wrong_password_refused,
        probes.right_password_accepted,
        probes.message_arrives,
    )
    rows = [row for claim in claims for row in claim(survey)]
    assert seen_by(rows) == {"no account for checks: name one under check_account in the inventory"}


def test_mail_that_another_program_delivers_is_not_sent(host: MailHost) -> None:
    with host.main_cf("mailbox_transport=lmtp:unix:private/elsewhere"):
        (row,) = probes.message_arrives(host.survey())
    assert row.verdict is Verdict.UNTESTED
    assert "mailbox_transport = lmtp:unix:private/elsewhere" in row.seen


@contextmanager
def local_server(behaviour: probes_servers.Behaviour) -> Iterator[Survey]:
    with probes_servers.serving(behaviour) as endpoint:
        yield Survey(Target(endpoint.address, "example.test", ports=(endpoint.port,)), timeout_s=1.0)


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        (probes_servers.script(b"421 4.7.0 too many connections\r\n"), "limited by the server (421)"),
        (
            probes_servers.script(b"554 5.7.1 go away\r\n"),
            "the server refuses this client (554 5.7.1 go away)",
        ),
        (probes_servers.script(b"SSH-2.0-OpenSSH_9\r\n"), "the answer is no SMTP"),
        (probes_servers.drip, "the connection is accepted, but nothing comes before the greeting"),
    ],
)
def test_an_odd_server_ends_a_conversation_in_time(behaviour: probes_servers.Behaviour, words: str) -> None:
    began = time.monotonic()
    with local_server(behaviour) as survey:
        rows = probes.no_relay_without_login(survey)
    assert seen_by(rows) == {words}
    assert {row.verdict for row in rows} == {Verdict.UNTESTED}
    assert time.monotonic() - began < 20


def test_bytes_sent_behind_the_220_are_not_taken_for_protected_ones() -> None:
    """A server, or somebody on the way, that sends more in clear after the reply to STARTTLS."""
    behaviour = probes_servers.script(
        b"220 x ESMTP\r\n", b"250-x\r\n250 STARTTLS\r\n", b"503 no\r\n", b"530 no\r\n", b"250 ok\r\n",
        b"220 go\r\n250 injected\r\n",
    )  # fmt: skip
    with local_server(behaviour) as survey:
        rows = probes.chain_validates(survey)
    assert {(row.verdict, row.seen) for row in rows} == {
        (Verdict.FAIL, "the server sends more in clear after its 220")
    }
