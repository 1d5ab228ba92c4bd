"""Whether a server relays for strangers is asked by one: a client that the server counts to its own is none."""

from contextlib import nullcontext

import probes_postfix
import pytest
from probes_defects import everything
from probes_postfix import MailHost, failures, seen_by

from lab import Lab
from runbook_lib.mail import probes
from runbook_lib.mail.probes import Survey, Verdict, networks

OURS = "mynetworks=127.0.0.0/8 10.0.0.0/8 [fd00::]/8"


@pytest.fixture
def host(lab: Lab) -> MailHost:
    return probes_postfix.host(lab)


def test_from_inside_mynetworks_relaying_could_not_be_tested(host: MailHost) -> None:
    """On 25 it is allowed then, and no fault; that the other ports refuse does not make it tested, either."""
    with host.main_cf(OURS):
        rows = everything(host.survey(account=None))
    assert failures(rows) == {}
    relayed = [row for row in rows if row.claim == probes.NO_RELAY_WITHOUT_LOGIN]
    assert {(row.port, row.verdict) for row in relayed} == {
        (port, Verdict.UNTESTED) for port in (25, 465, 587)
    }
    assert seen_by(relayed) == {
        "this client is inside the server's mynetworks, for which relaying is allowed: ask from outside of them"
    }


def test_a_stranger_is_judged_while_the_controller_is_inside(host: MailHost) -> None:
    with host.main_cf(OURS), host.lab.outsider() as outsider:
        rows = probes.no_relay_without_login(Survey(host.seen_by_v4(outsider.address4), host.view))
    assert {row.verdict for row in rows} == {Verdict.PASS}
    assert {row.client for row in rows} == {outsider.address4}


def test_a_table_in_mynetworks_leaves_open_whether_relaying_is_allowed(host: MailHost) -> None:
    """Only where something was relayed: a refusal is one, whatever the table says."""
    controller = host.lab.network
    table = f"inline:{{{controller.gateway4}=OK,{controller.gateway6}=OK}}"
    with host.main_cf(f"mynetworks=127.0.0.0/8 {table}"):
        rows = probes.no_relay_without_login(host.survey(account=None))
    assert {(row.port, row.verdict) for row in rows} == {
        (25, Verdict.UNTESTED),
        (465, Verdict.PASS),
        (587, Verdict.PASS),
    }
    assert {row.seen for row in rows if row.port == 25} == {
        "a foreign recipient is taken without a login, from a foreign sender (250); whether this client is inside the "
        "server's mynetworks cannot be read, since a table is named there: ask from outside of them"
    }


def test_by_name_alone_an_open_relay_is_called_so_with_the_one_excuse_that_it_may_have(
    host: MailHost,
) -> None:
    with host.main_cf(OURS):
        rows = probes.no_relay_without_login(Survey(host.target))
    assert failures(rows) == {probes.NO_RELAY_WITHOUT_LOGIN: {25}}
    excuse = "; right only where the server counts this client to its mynetworks"
    assert all(row.seen.endswith(excuse) for row in rows if row.port == 25)


@pytest.mark.parametrize(
    ("client", "listed", "is_inside"),
    [
        ("192.0.2.7", "127.0.0.0/8, 192.0.2.0/24", True),
        ("192.0.2.7", "192.0.2.7", True),
        ("192.0.2.7", "!192.0.2.7 192.0.2.0/24", False),
        ("192.0.2.7", "192.0.2.0/24 !192.0.2.7", True),
        ("192.0.2.7", "0.0.0.0/0", False),
        ("192.0.2.7", "192.0.2.0/24 0.0.0.0/0", False),
        ("192.0.2.7", "static:all", False),
        ("192.0.2.7", "10.0.0.0/8 hash:/etc/postfix/networks", None),
        ("192.0.2.7", "/etc/postfix/networks", None),
        ("192.0.2.7", "192.0.2.0/24 hash:/etc/postfix/networks", True),
        ("192.0.2.7", "192.0.2.0/28\n 192.0.2.9", True),
        ("2001:db8::7", "[2001:db8::]/32", True),
        ("2001:db8::7", "[::]/0", False),
        ("2001:db8::7", "10.0.0.0/8 [::1]/128", False),
        ("::ffff:192.0.2.7", "192.0.2.0/24", True),
    ],
)
def test_networks_are_read_as_postfix_reads_them(client: str, listed: str, is_inside: bool | None) -> None:
    assert networks.inside(client, listed) is is_inside


GREYLISTED = "smtpd_recipient_restrictions=check_recipient_access static:{450 4.2.0 Greylisted}"
TAKEN = {
    "as it was set up": (None, Verdict.PASS, "kensa@example.test: taken (250)"),
    "a list that refuses": (
        "smtpd_recipient_restrictions=permit_mynetworks, reject",
        Verdict.FAIL,
        "(554 5.7.1",
    ),
    "a list that puts off": (
        "smtpd_recipient_restrictions=permit_mynetworks, defer",
        Verdict.FAIL,
        "(450 4.",
    ),
    "a list of clients": (
        "smtpd_client_restrictions=check_client_access static:REJECT",
        Verdict.UNTESTED,
        "refused for who asks, which says nothing about others (554 5.7.1",
    ),
    "mynetworks that cannot be read": ("mynetworks=192.0.2.7:25", Verdict.FAIL, "(451 4."),
    "greylisting": (
        GREYLISTED,
        Verdict.UNASKED,
        "greylisted: a stranger has to come again, and this asks once (450",
    ),
    "no stranger": (OURS, Verdict.UNTESTED, "what it is told says nothing about strangers"),
}


@pytest.mark.parametrize(("setting", "verdict", "words"), TAKEN.values(), ids=TAKEN)
def test_whether_mail_for_the_domain_comes_in_is_asked_on_25(
    host: MailHost, setting: str | None, verdict: Verdict, words: str
) -> None:
    """The message of the account for checks goes in by 587, so it arrives in each of these."""
    with host.main_cf(setting) if setting else nullcontext():
        rows = probes.mail_taken_on_25(host.survey())
    assert {(row.port, row.verdict) for row in rows} == {(25, verdict)}
    assert all(words in row.seen for row in rows)


def test_mail_for_a_domain_of_another_server_is_not_asked_for(host: MailHost) -> None:
    rows = probes.mail_taken_on_25(host.survey(domain="elsewhere.example", account=None))
    assert {row.verdict for row in rows} == {Verdict.UNASKED}
    assert all("mail for elsewhere.example is not this server's to take" in row.seen for row in rows)
