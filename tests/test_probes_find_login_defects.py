"""Each way to break logins and delivery is found by the claim that is about it, and by no other claim."""

import probes_postfix
import pytest
from probes_defects import Defect, find, main_cf, shell
from probes_postfix import MailHost, Password, failures, seen_by

from lab import Lab
from runbook_lib.mail import probes
from runbook_lib.mail.probes import Account


@pytest.fixture
def host(lab: Lab) -> MailHost:
    return probes_postfix.host(lab)


LOGIN_DEFECTS = (
    Defect(
        "saslauthd down",
        shell("systemctl stop saslauthd", mend="systemctl start saslauthd"),
        {
            probes.UNKNOWN_NAME_REFUSED: (587,),
            probes.WRONG_PASSWORD_REFUSED: (587,),
            probes.RIGHT_PASSWORD_ACCEPTED: (587,),
        },
        "the server cannot ask its password check (454): saslauthd is down",
        {
            probes.UNKNOWN_NAME_REFUSED: r"^<~\* 454 4\.7\.0.*\n28\n\Z",
            probes.WRONG_PASSWORD_REFUSED: r"^<~\* 454 4\.7\.0.*\n28\n\Z",
            probes.RIGHT_PASSWORD_ACCEPTED: r"^(<~\* )?454 4\.7\.0",
        },
    ),
    Defect(
        "PAM permits everything",
        shell(
            "cp /etc/pam.d/smtp /root/pam; sed -i '1,2c auth required pam_permit.so' /etc/pam.d/smtp",
            mend="cp /root/pam /etc/pam.d/smtp",
        ),
        {probes.WRONG_PASSWORD_REFUSED: (587,)},
        "a made-up password: accepted (235): the password check does not check",
        {probes.WRONG_PASSWORD_REFUSED: r"^<~  235 2\.7\.0.*\n0\n\Z"},
    ),
    Defect(
        "LOGIN is not offered",
        shell("sed -i 's/ LOGIN//' /etc/postfix/sasl/smtpd.conf; postfix reload"),
        {probes.AUTH_AFTER_TLS: (587,), probes.RIGHT_PASSWORD_ACCEPTED: (587,)},
        "LOGIN: LOGIN is not offered",
        {
            probes.AUTH_AFTER_TLS: r"^<~  250-AUTH PLAIN$",
            probes.RIGHT_PASSWORD_ACCEPTED: r"250-AUTH PLAIN\n.*Auth not attempted|no mechanism available",
        },
    ),
    Defect(
        "no smtpd.conf",
        shell("rm /etc/postfix/sasl/smtpd.conf; postfix reload"),
        {probes.AUTH_AFTER_TLS: (587,), probes.RIGHT_PASSWORD_ACCEPTED: (587,)},
        "PLAIN: refused as wrong (535)",
        {probes.AUTH_AFTER_TLS: r"^<~  250-AUTH .*CRAM-MD5", probes.RIGHT_PASSWORD_ACCEPTED: r"535 5\.7\.8"},
    ),
    Defect(
        "the mail domain is nobody's",
        main_cf("mydestination=$myhostname, localhost"),
        {probes.MESSAGE_ARRIVES: (587,)},
        "taken (250), and neither in the mailbox nor in the queue",
        {probes.MESSAGE_ARRIVES: r"250 2\.0\.0 Ok: queued as.*\n0\n\Z"},
    ),
    Defect(
        "Received does not say TLS",
        main_cf("smtpd_tls_received_header=no"),
        {probes.MESSAGE_ARRIVES: (587,)},
        "Received has no TLS version",
        {probes.MESSAGE_ARRIVES: r"250 2\.0\.0 Ok: queued as.*\n0\n\Z"},
    ),
)


@pytest.mark.parametrize("defect", LOGIN_DEFECTS, ids=str)
def test_each_defect_is_found_by_the_claim_about_it_and_by_the_line_beside_it(
    host: MailHost, defect: Defect
) -> None:
    # The other ports have the same password check.
    find(host, defect, lambda: host.survey(ports=(587,)))


def test_another_saslauthd_that_answers_proves_nothing(host: MailHost) -> None:
    """testsaslauthd asks it and is content; smtpd asks elsewhere, and the row says where."""
    other = "mkdir -p /run/other; saslauthd -a shadow -n 1 -m /run/other"
    with host.broken(
        f"{other}; systemctl stop saslauthd",
        "kill $(cat /run/other/saslauthd.pid); systemctl start saslauthd",
    ):
        password = host.lab.secret("kensa")
        assert "Success" in host.sh(f"testsaslauthd -s smtp -f /run/other/mux -u kensa -p '{password}'")
        asked = host.survey(asks_at="/var/spool/postfix/var/run/saslauthd/mux", ports=(587,))
        rows = probes.right_password_accepted(asked)
    assert failures(rows) == {probes.RIGHT_PASSWORD_ACCEPTED: {587}}
    assert probes.Verdict.PASS not in {row.verdict for row in rows}
    wrong = [row.seen for row in rows if row.verdict is probes.Verdict.FAIL]
    assert all("its socket is not /var/spool/postfix/var/run/saslauthd/mux" in words for words in wrong)


def test_a_cached_password_is_found_by_the_former_one(host: MailHost) -> None:
    """With -c saslauthd takes the old password for eight hours after it was changed."""
    old, new = host.lab.secret("kensa"), "changed-for-a-test"
    options = "sed -i 's,OPTIONS=\"-m,OPTIONS=\"-c -m,' /etc/default/saslauthd"
    mend = (
        f"sed -i 's,-c ,,' /etc/default/saslauthd; echo 'kensa:{old}' | chpasswd; systemctl restart saslauthd"
    )
    ask = f"testsaslauthd -s smtp -f /var/spool/postfix/var/run/saslauthd/mux -u kensa -p '{old}'"
    # The question fills the cache; on a busy machine saslauthd does not listen yet when systemctl comes back.
    fill = f"for try in 1 2 3 4 5; do ! {ask} || break; sleep 1; done; {ask}"
    with host.broken(f"{options}; systemctl restart saslauthd; {fill}", mend):
        host.sh(f"echo 'kensa:{new}' | chpasswd")
        account = Account("kensa", Password(new), former_password=Password(old))
        rows = probes.wrong_password_refused(host.survey(account=account, ports=(587,)))
    assert seen_by(rows) == {"the former password: accepted (235): the password check does not check"}
