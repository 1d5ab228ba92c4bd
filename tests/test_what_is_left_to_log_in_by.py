"""Options of SASL that leave users no mechanism to log in by: no setting that stays, in main.cf or behind -o."""

import pytest
from mail_states import mail_state
from shaped_host import HOST, WITH_SASL, applied
from trees import AT_WORK, changed

from lab import Lab
from runbook_lib.chapters import postfix
from runbook_lib.errors import ApplyRefused
from runbook_lib.inventory.place import Place
from runbook_lib.mail.target import logins, mechanisms, services
from runbook_lib.mail.target.logins import OtherLogin
from runbook_lib.mail.target.postfix import plan_services

pytestmark = pytest.mark.usefixtures("as_a_batch")

OPTIONS, TLS, FILTER = mechanisms.SETTINGS
SHUT = "leaves no mechanism to log in by on 465 and 587"
DOVECOT = {"smtpd_sasl_type": "dovecot"}
LACKS = {
    "noplaintext": ({OPTIONS: "noanonymous, noplaintext"}, OPTIONS, f"noplaintext {SHUT}"),
    "noplaintext, and Dovecot checks": ({OPTIONS: "noanonymous noplaintext", **DOVECOT}, OPTIONS, SHUT),
    "noplaintext before TLS alone": ({OPTIONS: "noanonymous, noplaintext", TLS: "noanonymous"}, "", ""),
    "the other one by its name": ({OPTIONS: "noanonymous,noplaintext", TLS: f"${OPTIONS}"}, TLS, SHUT),
    "the other one in braces": ({OPTIONS: "noanonymous", TLS: f"${{{OPTIONS}}}"}, "", ""),
    "mutual_auth": ({TLS: "noanonymous, mutual_auth"}, TLS, f"mutual_auth {SHUT}"),
    "noactive": ({OPTIONS: "noanonymous,noactive"}, OPTIONS, f"noactive {SHUT}"),
    "noactive, and Dovecot checks": ({OPTIONS: "noanonymous,noactive", **DOVECOT}, "", ""),
    "misspelt": ({OPTIONS: "noanonymus"}, OPTIONS, "smtpd does not know noanonymus"),
    "anybody": ({OPTIONS: "nodictionary", **DOVECOT}, OPTIONS, "without noanonymous"),
    "empty": ({TLS: ""}, TLS, "without noanonymous"),
    "a filter for others": ({FILTER: "cram-md5, digest-md5"}, FILTER, "it leaves out PLAIN"),
    "a filter of exceptions": ({FILTER: "!Plain, static:rest"}, FILTER, "it leaves out PLAIN"),
    "a filter with it": ({FILTER: "!gssapi, static:rest"}, "", ""),
}


@pytest.mark.parametrize(("settings", "name", "why"), LACKS.values(), ids=LACKS)
def test_what_shuts_users_out_is_known(settings: dict[str, str], name: str, why: str) -> None:
    found = mechanisms.lacks(settings)
    assert list(found) == ([name] if name else [])
    assert why in found.get(name, "")


def test_what_our_own_saslauthd_needs_is_more_than_what_another_login_needs() -> None:
    """LOGIN is the one that Live Mail knows."""
    state = mail_state({FILTER: "plain"})
    with_dovecot = OtherLogin("Dovecot at private/auth", Place.main("smtpd_sasl_type"))
    ours, theirs = (logins.rulings(state, other)[FILTER] for other in (None, with_dovecot))
    assert (ours.kept, ours.why) == (False, "it leaves out LOGIN, by which users log in on 465 and 587")
    assert theirs.kept


def test_such_an_option_of_a_line_of_its_own_gives_way_and_such_a_line_cannot_be_kept() -> None:
    head = "submission inet n - y - - smtpd -o smtpd_tls_security_level=encrypt -o smtpd_sasl_auth_enable=yes"
    bad, beside = f"-o {OPTIONS}=noanonymous,noplaintext", f"-o {TLS}=noanonymous"
    name = "submission/inet"
    for options, main_cf, gives_way in (
        (bad, {}, True),
        (f"{bad} {beside}", {}, False),
        (bad, {TLS: "noanonymous"}, False),
        (f"-o {OPTIONS}=", {}, True),
    ):
        line = f"{head} {options}"
        state = mail_state(main_cf, {name: (line,)})
        own = services.own_line(services.line_of(587, state, name), name, state)
        assert (OPTIONS in {one.name for one in own.give_way}) is gives_way
        assert (OPTIONS in {one.name for one in own.stay}) is not gives_way
        assert bool(services.why_not_kept(587, (line,), state)) is gives_way


def test_on_a_host_it_is_a_persons_decision_and_what_counts_under_tls_decides(lab: Lab) -> None:
    """smtpd of such a host ends at each connection: 'no SASL authentication mechanisms'."""
    lab.reset(HOST, WITH_SASL)
    lab.exec(HOST, f"postconf -e {OPTIONS}=noanonymous,noplaintext")
    tree = lab.tree(HOST)
    chapter = postfix.open("lab", HOST)
    (row,) = [line for line in chapter.differences().text().splitlines() if OPTIONS in line]
    assert "you decide" in row
    with pytest.raises(ApplyRefused, match=f"noplaintext {SHUT}") as refusal:
        chapter.apply(chapter.plan_sasl())
    assert "Nothing was changed." in str(refusal.value)
    assert changed(tree, lab.tree(HOST), AT_WORK) == []
    lab.exec(HOST, f"postconf -e {TLS}=noanonymous")
    _, shown = applied()
    assert "passed" in shown[-1]
    assert lab.exec(HOST, f"postconf -h {OPTIONS}") == b"noanonymous,noplaintext\n"


@pytest.mark.parametrize(
    ("main_cf", "option", "told"),
    [
        ({}, "", "Postfix does not limit how often one client tries a password"),
        ({"smtpd_client_auth_rate_limit": "6"}, "", "One client may try 6 logins"),
        ({}, " -o smtpd_client_auth_rate_limit=3", ""),
    ],
)
def test_the_plan_says_how_often_a_password_may_be_tried(
    main_cf: dict[str, str], option: str, told: str
) -> None:
    state = mail_state(main_cf, {"submission/inet": (f"submission inet n - y - - smtpd{option}",)})
    notes = " ".join(plan_services(state).notes)
    assert told in notes
    assert ("tr" in notes) is bool(told)
