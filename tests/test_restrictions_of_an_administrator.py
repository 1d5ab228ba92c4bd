"""Restriction lists of an administrator: strangers' rules do not hit users on 465 and 587, users' rules hold there."""

import pytest
from applied_host import runbook
from shaped_host import HOST, applied, replies, session, with_packages
from trees import AT_WORK, MAY_DIFFER, changed

from lab import Lab
from lab.tree import compare
from runbook_lib.chapters import postfix
from runbook_lib.errors import ApplyRefused
from runbook_lib.mail.target.restrictions.table import TABLE

pytestmark = pytest.mark.usefixtures("as_a_batch")

HERE, THERE = "kensa@example.test", "somebody@example.org"
DNSBL = "reject_rbl_client dnsbl.example.test"
POSTGREY = "check_policy_service inet:127.0.0.1:10023"
# Rules for strangers by list, and what each answers a stranger on 25 where it stands alone.
FOR_STRANGERS = {
    "smtpd_client_restrictions": ("reject_unknown_client_hostname", 450),
    "smtpd_sender_restrictions": (f"permit_mynetworks, {DNSBL}", 554),
    "smtpd_recipient_restrictions": (f"reject_unauth_destination, {POSTGREY}", 450),
}
USERS_RULES = (
    "'smtpd_sender_login_maps = inline:{ hanako@example.test=hanako, boss@example.test=tarou }' "
    f"'smtpd_sender_restrictions = {DNSBL}, reject_sender_login_mismatch' "
    f"'smtpd_recipient_restrictions = {DNSBL}, {POSTGREY}, check_policy_service {{ inet:127.0.0.1:10040, "
    "timeout=20s }, check_recipient_access inline:{ { tarou@example.test = REJECT not to $$5 } }'"
)
POSTFWD = """
printf 'id=NO1; recipient==nobody@example.org; action=REJECT not there\\n' > /etc/postfix/postfwd.cf
sed -i 's/^STARTUP=.*/STARTUP=1/' /etc/default/postfwd
systemctl restart postfwd
systemctl enable -q postfwd postgrey
"""


# Postfix with a certificate, postgrey and postfwd; SASL's packages are there, so that chapter 2 is quick.
RULED = with_packages("ruled", "postgrey postfwd sasl2-bin libsasl2-modules", POSTFWD)


def shaped(lab: Lab, settings: str) -> None:
    """Give the host back with settings of the administrator's in force."""
    lab.reset(HOST, RULED)
    lab.exec(HOST, f"postconf -e {settings}\npostfix reload 2>/dev/null")


def test_rules_for_strangers_stay_on_25_and_do_not_hit_users(lab: Lab) -> None:
    """The client's name, a DNS block list and greylisting, each alive on 25."""
    shaped(lab, " ".join(f"'{name} = {value}'" for name, (value, _) in FOR_STRANGERS.items()))
    before = lab.exec(HOST, f"postconf -n {' '.join(FOR_STRANGERS)}")
    with lab.outsider() as outside:
        _, shown = applied()
        assert any("kept for port 25; 465 and 587 do not inherit it: for strangers" in text for text in shown)
        for port in (465, 587):
            with session(lab, port, outside.address4) as user:
                assert replies(user, "hanako@example.test", [HERE, THERE]) == [250, 250, 250]
        assert lab.exec(HOST, f"postconf -n {' '.join(FOR_STRANGERS)}") == before
        for name, (_, code) in FOR_STRANGERS.items():
            others = " ".join(other for other in FOR_STRANGERS if other != name)
            # Not by a reload: a waiting smtpd takes one connection more before it hears of that.
            restart = "systemctl reset-failed postfix; systemctl restart postfix"
            lab.exec(HOST, f"cp /etc/postfix/main.cf /root; postconf -X {others}; {restart}")
            with session(lab, 25, outside.address4) as stranger:
                assert (name, replies(stranger, "s@example.org", [HERE])) == (name, [250, code])
            lab.exec(HOST, "cp /root/main.cf /etc/postfix")


def test_rules_for_users_hold_on_465_and_587(lab: Lab) -> None:
    """What they refuse: another's address as sender, a recipient by policy service, a recipient by access table."""
    shaped(lab, USERS_RULES)
    before = lab.tree(HOST)
    run, shown = applied()
    told = next(text for text in shown if "@ /etc/postfix/master.cf" in text)
    assert f"465 and 587 leave out {DNSBL}, {POSTGREY}, and keep check_policy_service" in told
    rows = next(text for text in shown if "-o syslog_name" in text and not text.startswith(("@", "smtpd")))
    assert "greylisting (postgrey)" in rows
    with lab.outsider() as outside:
        for port in (465, 587):
            with session(lab, port, outside.address4) as user:
                assert replies(user, "hanako@example.test", [HERE, THERE]) == [250, 250, 250]
                assert replies(user, "boss@example.test", [HERE]) == [250, 553]
                recipients = ["nobody@example.org", "tarou@example.test"]
                assert replies(user, "hanako@example.test", recipients) == [250, 554, 554]
                user.mail("hanako@example.test")
                assert user.rcpt("tarou@example.test")[1].endswith(b"not to $5")
    assert "nothing to do" in applied()[1][-1]
    assert runbook("rollback", run).returncode == 0
    # postgrey writes its database when it is asked, as it was for the mail that was tried.
    assert changed(before, lab.tree(HOST), (*MAY_DIFFER, *AT_WORK, "/var/lib/postgrey/")) == []


def test_lists_that_let_users_by_first_are_inherited_whole(lab: Lab) -> None:
    """Then no option is written, and what stands behind may be anything: it meets nobody who logged in."""
    shaped(
        lab,
        f"'smtpd_recipient_restrictions = permit_sasl_authenticated, {DNSBL}, own_class' "
        f"smtpd_restriction_classes=own_class 'own_class = {POSTGREY}'",
    )
    applied()
    assert b"smtpd_recipient_restrictions" not in lab.exec(HOST, "postconf -M submission/inet")
    with lab.outsider() as outside, session(lab, 587, outside.address4) as user:
        assert replies(user, "hanako@example.test", [HERE, THERE]) == [250, 250, 250]


def test_lists_are_asked_after_the_login_and_a_users_rule_of_relaying_holds(lab: Lab) -> None:
    """With smtpd_delay_reject = no lists are asked before a login; 465 and 587 have their own rule of relaying."""
    shaped(
        lab,
        "smtpd_delay_reject=no "
        "'smtpd_client_restrictions = permit_sasl_authenticated, reject_unknown_client_hostname' "
        "'smtpd_sender_login_maps = inline:{ boss@example.test=tarou, hanako@example.test=hanako }' "
        "'smtpd_relay_restrictions = permit_mynetworks, reject_sender_login_mismatch, "
        "permit_sasl_authenticated, reject_unauth_destination'",
    )
    applied()
    with lab.outsider() as outside, session(lab, 587, outside.address4) as user:
        assert replies(user, "hanako@example.test", [HERE, THERE]) == [250, 250, 250]
        assert replies(user, "boss@example.test", [HERE]) == [250, 553]
    assert lab.exec(HOST, "postconf -h smtpd_delay_reject") == b"no\n"


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ("'smtpd_sender_restrictions = reject_frobnication'", "reject_frobnication: the table"),
        ("'smtpd_client_restrictions = check_sender_access hash:/x, reject'", "reject: it stops every user"),
        (
            "'smtpd_relay_restrictions = check_client_access hash:/x, reject'",
            "check_client_access hash:/x: it may let",
        ),
        ("'smtpd_data_restrictions = { reject'", "a brace is not closed"),
    ],
)
def test_what_nobody_can_tell_is_a_persons_decision(lab: Lab, settings: str, named: str) -> None:
    lab.reset(HOST, RULED)
    lab.exec(HOST, f"postconf -e {settings}")
    before = lab.tree(HOST)
    chapter = postfix.open("lab", HOST)
    plan = chapter.plan_settings()
    with pytest.raises(ApplyRefused) as refusal:
        chapter.apply(plan)
    assert named in str(refusal.value)
    assert list(compare(before, lab.tree(HOST))) == []


def test_postfix_knows_every_element_of_the_table(lab: Lab, host_name: str) -> None:
    lab.reset(host_name, "fresh")
    words = lab.exec(host_name, "tr -c 'a-z_' '\\n' < $(postconf -h daemon_directory)/smtpd").decode().split()
    # The linker lets a string be the end of a longer one.
    known = {name for name in (*TABLE, "reject_frobnication") if any(word.endswith(name) for word in words)}
    assert known == set(TABLE)
