"""Each way to write a login is asked on each port; what is no login is refused, and counts for nothing."""

from dataclasses import replace

import probes_postfix
import pytest
from probes_postfix import MailHost

from lab import Lab
from runbook_lib.mail import probes
from runbook_lib.mail.probes import Row, Verdict

FILTER = "/etc/postfix/command_filter"
HOW = ("PLAIN", "LOGIN", "PLAIN in two steps", "LOGIN with the name at once")


@pytest.fixture
def host(lab: Lab) -> MailHost:
    return probes_postfix.host(lab)


def by_port(rows: list[Row]) -> set[tuple[int | None, Verdict, str]]:
    return {(row.port, row.verdict, row.seen) for row in rows}


def test_each_way_has_a_row_on_each_port_and_no_fault_counts_against_the_account(host: MailHost) -> None:
    """The password check sees one refused login, that of a name that nobody has."""
    cursor = host.sh("journalctl -q -n 0 --show-cursor | sed 's/^-- cursor: //'").strip()
    assert host.target.account is not None
    survey = host.survey(account=replace(host.target.account, unasked="left out"))
    rows = probes.right_password_accepted(survey)
    assert by_port(rows) == {
        (port, Verdict.PASS, f"{how}: accepted (235)") for port in (465, 587) for how in HOW
    }
    faults = probes.no_login_is_refused(survey)
    assert by_port(faults) == {
        (port, Verdict.PASS, seen)
        for port in (465, 587)
        for seen in (
            "base64 that is none: refused (535) (RFC 4954 has 501); NOOP: 250",
            "a login that is broken off with '*': refused (501); NOOP: 250",
            "a mechanism that nobody has: refused (535) (RFC 4954 has 504); NOOP: 250",
            "AUTH by who has logged in: refused (503); NOOP: 250",
        )
    }
    told = host.sh(f"journalctl -q --after-cursor='{cursor}' | grep 'auth failure' || :").splitlines()
    assert [line for line in told if "[user=runbook-probe-nobody]" not in line] == []
    assert len(told) == 1


def test_without_an_account_nothing_comes_to_the_password_check(host: MailHost) -> None:
    cursor = host.sh("journalctl -q -n 0 --show-cursor | sed 's/^-- cursor: //'").strip()
    rows = probes.no_login_is_refused(host.survey(account=None, ports=(587,)))
    assert [row.verdict for row in rows] == [*[Verdict.PASS] * 3, Verdict.UNTESTED]
    assert (rows[-1].port, rows[-1].seen[:21]) == (None, "no account for checks")
    assert host.sh(f"journalctl -q --after-cursor='{cursor}' -t saslauthd").strip() == ""


@pytest.mark.parametrize(
    ("rule", "claim", "seen"),
    [
        ("/^AUTH PLAIN$/ AUTH", "right", "PLAIN in two steps: refused (501 5.5.4 Syntax: AUTH mechanism)"),
        ("/^AUTH LOGIN .*$/ AUTH", "right",
         "LOGIN with the name at once: refused (501 5.5.4 Syntax: AUTH mechanism)"),
        ("/^AUTH PLAIN !+$/ NOOP", "no login", "base64 that is none: not refused (250 2.0.0 Ok)"),
        ("/^NOOP$/ QUIT", "no login",
         "base64 that is none: refused (535) (RFC 4954 has 501); NOOP: 221"),
    ],
)  # fmt: skip
def test_a_server_that_does_otherwise_is_found(host: MailHost, rule: str, claim: str, seen: str) -> None:
    ask = probes.right_password_accepted if claim == "right" else probes.no_login_is_refused
    host.write(FILTER, rule + "\n")
    with host.main_cf(f"smtpd_command_filter=regexp:{FILTER}"):
        rows = ask(host.survey(ports=(587,)))
    assert seen in {row.seen for row in rows if row.verdict is Verdict.FAIL}


def test_a_server_that_has_enough_of_a_client_was_not_tested(host: MailHost) -> None:
    """After one error it hangs up with 421: what comes after it was not asked."""
    with host.main_cf("smtpd_hard_error_limit=1"):
        rows = probes.no_login_is_refused(host.survey(account=None, ports=(587,)))
    assert {row.verdict for row in rows} == {Verdict.UNTESTED}
    assert any("limited by the server (421)" in row.seen for row in rows)


NAMES = "the certificate has mail12.example.test, pop12.example.test"


@pytest.mark.parametrize(
    ("banner", "name", "warns", "seen"),
    [
        ("$myhostname ESMTP", "mail12.example.test", False,
         f"greeting: mail12.example.test; EHLO: mail12.example.test; {NAMES}"),
        ("other.example.test ESMTP", "ms12.example.test", False,
         f"greeting: other.example.test; EHLO: ms12.example.test; {NAMES}; they differ, and need not be the same: "
         "programs compare the name that users type (RFC 9525, 6)"),
        ("ESMTP", "ms12.example.test", True,
         f"warning: greeting: ESMTP; EHLO: ms12.example.test; {NAMES}; "
         "'ESMTP' is no full name, which RFC 5321 (4.3.1, 2.3.5) asks for"),
        ("$myhostname ESMTP", "clone", True,
         f"warning: greeting: clone; EHLO: clone; {NAMES}; "
         "'clone' is no full name, which RFC 5321 (4.3.1, 2.3.5) asks for"),
    ],
)  # fmt: skip
def test_greeting_ehlo_and_certificate_stand_side_by_side(
    host: MailHost, banner: str, name: str, warns: bool, seen: str
) -> None:
    with host.main_cf(f"smtpd_banner={banner}", f"myhostname={name}"):
        rows = probes.says_who_it_is(host.survey(account=None, ports=(25, 465, 587)))
    assert {row.port for row in rows} == {25, 465, 587}
    assert {row.verdict for row in rows} == {Verdict.PASS}
    assert {row.warns for row in rows} == {warns}
    assert {row.seen for row in rows if row.port != 25} == {seen}
