"""What an administrator shaped before: kept where the chapter has nothing to do with it, else a person decides."""

import smtplib
import ssl

import pytest
from applied_host import run_cells
from shaped_host import HOST

from lab import Lab
from lab.tree import compare
from runbook_lib.chapters import postfix
from runbook_lib.errors import ApplyRefused

pytestmark = pytest.mark.usefixtures("as_a_batch")

BLIND = ssl.create_default_context()
BLIND.check_hostname, BLIND.verify_mode = False, ssl.CERT_NONE

OWN = "smtpd -o syslog_name=own"
SHAPED = {
    "restrictions": ("postconf -e smtpd_recipient_restrictions=reject", "smtpd_recipient_restrictions"),
    "a Dovecot that is not there": ("postconf -e smtpd_sasl_type=dovecot", "smtpd_sasl_type"),
    "AUTH in clear": ("postconf -e smtpd_sasl_auth_enable=yes", "smtpd_sasl_auth_enable"),
    "wrapper mode everywhere": ("postconf -e smtpd_tls_wrappermode=yes", "smtpd_tls_wrappermode"),
    "a certificate of its own": ("postconf -e smtpd_tls_cert_file=/etc/ssl/own.pem", "smtpd_tls_cert_file"),
    "a floor of its own": ("postconf -e 'smtpd_tls_protocols=>=TLSv1.2'", "smtpd_tls_protocols"),
    "a service on 465": (f"postconf -M 'smtps/inet=smtps inet n - y - - {OWN}'", "master.cf, smtps/inet"),
    "a service on 587 by number": (f"postconf -M '587/inet=587 inet n - y - - {OWN}'", "master.cf, 587/inet"),
    "two services on 587": (
        "postconf -M 'submission/inet=submission inet n - y - - smtpd' '587/inet=587 inet n - y - - smtpd'",
        "several services on one port",
    ),
    "another daemon on 25": (
        "postconf -M 'smtp/inet=smtp inet n - y - 1 postscreen'",
        "master.cf, smtp/inet",
    ),
    "no port but on loopback": ("postconf -e inet_interfaces=loopback-only", "inet_interfaces"),
    "a client certificate demanded": ("postconf -e smtpd_tls_req_ccert=yes", "smtpd_tls_req_ccert"),
    "no tlsmgr": ("postconf -MX tlsmgr/unix", "master.cf, tlsmgr/unix"),
    "PAM's service smtp": ("echo '@include common-auth' > /etc/pam.d/smtp", "/etc/pam.d/smtp"),
    "smtpd.conf": (
        "mkdir -p /etc/postfix/sasl; echo 'pwcheck_method: auxprop' > /etc/postfix/sasl/smtpd.conf",
        "/etc/postfix/sasl/smtpd.conf",
    ),
}


@pytest.mark.parametrize(("shape", "named"), SHAPED.values(), ids=SHAPED)
def test_what_the_chapter_would_have_to_touch_is_named_and_apply_refused(
    lab: Lab, shape: str, named: str
) -> None:
    lab.reset(HOST, "signed")
    lab.exec(HOST, f"{shape} 2>/dev/null")
    before = lab.tree(HOST)
    chapter = postfix.open("lab", HOST)
    told = chapter.differences().text()
    assert any(named in line and "you decide" in line for line in told.splitlines())
    plan = chapter.plan_packages()
    with pytest.raises(ApplyRefused, match="a person has to decide about it") as refusal:
        chapter.apply(plan)
    assert named in str(refusal.value)
    assert "Nothing was changed." in str(refusal.value)
    assert list(compare(before, lab.tree(HOST))) == []


def test_plan_and_verification_work_where_apply_is_refused(lab: Lab) -> None:
    lab.reset(HOST, "signed")
    lab.exec(HOST, "postconf -e smtpd_sasl_type=dovecot")
    shown = run_cells("20-postfix-debian", host=HOST, mode="plan")
    assert "nothing was changed" in shown[-1].text()
    assert "changed" in run_cells("90-verification", host=HOST, mode="plan")[-1].text()


def test_helo_rules_for_strangers_stay_on_25_and_do_not_hit_users(lab: Lab) -> None:
    """Phones say `localhost` or a bare name."""
    lab.reset(HOST, "signed")
    lab.exec(
        HOST,
        "postconf -e smtpd_helo_required=yes smtpd_helo_restrictions=reject_non_fqdn_helo_hostname; postfix reload",
    )
    shown = [repr(one) for one in run_cells("20-postfix-debian", host=HOST)]
    assert any("kept for port 25; 465 and 587 do not inherit it" in one for one in shown)
    address = lab.host(HOST).address
    with smtplib.SMTP(address, 587, timeout=30) as phone:
        phone.starttls(context=BLIND)
        phone.ehlo("localhost")
        phone.login("hanako", lab.secret("hanako"))
        phone.mail("hanako@example.test")
        assert phone.rcpt("kensa@example.test")[0] == 250
    with (
        lab.outsider() as outside,
        smtplib.SMTP(address, 25, timeout=30, source_address=(outside.address4, 0)) as stranger,
    ):
        stranger.ehlo("bare")
        stranger.mail("s@example.org")
        assert stranger.rcpt("kensa@example.test")[0] == 504


def test_words_of_postfix_check_are_heeded_though_it_answers_0(lab: Lab) -> None:
    """The protocol list that is no list."""
    lab.reset(HOST, "signed")
    lab.exec(HOST, "postconf -e smtp_tls_mandatory_protocols=TLSv1.2x")
    assert lab.exec(HOST, "postfix check; echo $?") == b"0\n"
    assert "passed" in run_cells("20-postfix-debian", host=HOST)[-1].text()


def test_services_beside_the_chapters_are_listed_and_stay(lab: Lab) -> None:
    lab.reset(HOST, "signed")
    lab.exec(
        HOST, "postconf -M '10025/inet=10025 inet n - y - - smtpd'; postconf -F qmgr/unix/process_limit=2"
    )
    before = lab.exec(HOST, "postconf -M 10025/inet qmgr/unix")
    shown = run_cells("20-postfix-debian", host=HOST)
    rows = {line.split("  ")[0]: line for line in shown[2].text().splitlines()[2:]}
    assert sorted(rows) == ["master.cf, 10025/inet", "master.cf, qmgr/unix"]
    assert all("stays" in row and "neither written nor read here" in row for row in rows.values())
    assert "passed" in shown[-1].text()
    assert lab.exec(HOST, "postconf -M 10025/inet qmgr/unix") == before
