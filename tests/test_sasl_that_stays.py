"""Logins that somebody set up stay: no package, file or unit of SASL is touched, and users log in through it."""

import smtplib
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
import shaped_host
from applied_host import runbook
from shaped_host import HOST, applied
from trees import AT_WORK, MAY_DIFFER, changed

from lab import Lab
from lab.tree import Entry, compare
from runbook_lib.chapters import postfix, verification
from runbook_lib.errors import ApplyRefused
from runbook_lib.mail import probes
from runbook_lib.records.origin import run_id

# Dovecot 2.3 as Debian 12 has it, its passdb PAM by the package's own settings, and a user whom Dovecot alone knows.
# What is enabled starts with the host, when the state is given back.
DOVECOT = """
cat > /etc/dovecot/conf.d/99-postfix.conf <<'OWN'
service auth {
  unix_listener /var/spool/postfix/private/auth {
    mode = 0660
    user = postfix
    group = postfix
  }
}
passdb {
  driver = static
  args = user=virtual password=virtual-of-dovecot
}
OWN
"""
SASLAUTHD = """
sed -i 's/^MECHANISMS=.*/MECHANISMS="shadow"/; s|^OPTIONS=.*|OPTIONS="-m /var/spool/postfix/var/run/saslauthd"|' \\
  /etc/default/saslauthd
echo START=yes >> /etc/default/saslauthd
mkdir -p /etc/postfix/sasl
printf 'pwcheck_method: saslauthd\\nmech_list: PLAIN LOGIN\\n' > /etc/postfix/sasl/smtpd.conf
usermod -aG sasl postfix
systemctl enable -q saslauthd
"""
SASLDB = """
systemctl disable -q --now saslauthd
mkdir -p /etc/postfix/sasl
printf 'pwcheck_method: auxprop\\nauxprop_plugin: sasldb\\nmech_list: PLAIN\\n' > /etc/postfix/sasl/smtpd.conf
printf %s hanako-of-sasldb | saslpasswd2 -p -c -u "$(postconf -h myhostname)" hanako
install -D -o root -g postfix -m 0640 /etc/sasldb2 /var/spool/postfix/etc/sasldb2
"""
BY_DOVECOT = "smtpd_sasl_type=dovecot smtpd_sasl_path=private/auth"
SASL_FILES = (
    "/etc/postfix/sasl",
    "/etc/pam.d",
    "/etc/default/saslauthd",
    "/etc/systemd",
    "/etc/dovecot",
    "/etc/sasldb2",
)


@pytest.fixture(scope="module")
def dovecot(lab: Lab) -> str:
    """Dovecot's auth service, which Postfix may ask; SASL's packages are not there."""
    shaped_host.signed(lab)
    shaped_host.with_packages(lab, "dovecot-core", "dovecot", DOVECOT)
    return "dovecot"


@pytest.fixture(scope="module")
def saslauthd(lab: Lab, dovecot: str) -> str:
    """saslauthd with the mechanism shadow, in the chroot of smtpd."""
    del dovecot  # only that 'signed' is there
    shaped_host.with_packages(lab, "sasl2-bin libsasl2-modules", "shadow", SASLAUTHD)
    return "shadow"


def untouched(lab: Lab, before: Mapping[str, Entry], packages: bytes) -> None:
    """Nothing of SASL was written, started or installed."""
    after = lab.tree(HOST)
    assert [path for path in compare(before, after) if path.startswith(SASL_FILES)] == []
    assert lab.exec(HOST, "dpkg-query -W") == packages


def verified() -> str:
    """What the verification says of the right password, with the inventory's account for checks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RUNBOOK_RUN", run_id(datetime.now(UTC)))
        return verification.open("lab", HOST).ask(probes.right_password_accepted).text()


def login(lab: Lab, user: str, password: str) -> int:
    """The code that a login on 587 gets."""
    with smtplib.SMTP(lab.host(HOST).address, 587, timeout=30) as smtp:
        smtp.starttls(context=shaped_host.BLIND)
        return smtp.login(user, password)[0]


def test_dovecot_goes_on_checking_logins(lab: Lab, dovecot: str) -> None:
    lab.reset(HOST, dovecot)
    lab.exec(HOST, f"postconf -e {BY_DOVECOT}; postfix reload 2>/dev/null")
    before, packages = lab.tree(HOST), lab.exec(HOST, "dpkg-query -W")
    run, shown = applied()
    assert "passed" in shown[-1]
    assert any("Logins are checked by Dovecot at private/auth; that stays." in text for text in shown)
    assert not any("saslauthd" in text for text in shown)
    untouched(lab, before, packages)
    assert lab.exec(HOST, "command -v saslauthd || echo none") == b"none\n"
    assert "PLAIN: accepted (235)" in verified()  # Dovecot's default: no LOGIN
    assert login(lab, "virtual", "virtual-of-dovecot") == 235
    assert "nothing to do" in applied()[1][-1]
    assert runbook("rollback", run).returncode == 0
    assert changed(before, lab.tree(HOST), (*MAY_DIFFER, *AT_WORK)) == []


def test_auth_on_25_stays_where_it_was_under_tls_only(lab: Lab, dovecot: str) -> None:
    """Nothing that this chapter does alters it, so nobody has to decide."""
    lab.reset(HOST, dovecot)
    lab.exec(
        HOST, f"postconf -e {BY_DOVECOT} smtpd_sasl_auth_enable=yes smtpd_tls_auth_only=yes; postfix reload"
    )
    _, shown = applied()
    assert "passed" in shown[-1]
    assert any("AUTH is offered (PLAIN), as found" in text for text in shown)


def test_auth_in_clear_on_25_is_a_persons_decision_and_says_how(lab: Lab, dovecot: str) -> None:
    lab.reset(HOST, dovecot)
    lab.exec(HOST, f"postconf -e {BY_DOVECOT} smtpd_sasl_auth_enable=yes")
    told = refused(lab)
    assert "main.cf, smtpd_sasl_auth_enable: yes" in told
    assert "submission.auth_on_25" in told
    assert "smtpd_sasl_type" not in told


def test_saslauthd_with_another_mechanism_goes_on_checking_logins(lab: Lab, saslauthd: str) -> None:
    lab.reset(HOST, saslauthd)
    before, packages = lab.tree(HOST), lab.exec(HOST, "dpkg-query -W")
    run, shown = applied()
    assert "passed" in shown[-1]
    assert any("Logins are checked by saslauthd (shadow); that stays." in text for text in shown)
    untouched(lab, before, packages)
    assert "LOGIN: accepted (235)" in verified()
    assert lab.exec(HOST, "ps -o args= -C saslauthd | grep -c 'a shadow'") != b"0\n"
    assert runbook("rollback", run).returncode == 0
    assert changed(before, lab.tree(HOST), (*MAY_DIFFER, *AT_WORK)) == []


def test_passwords_in_sasldb_stay(lab: Lab, saslauthd: str) -> None:
    """Nobody but sasldb knows these passwords, and no saslauthd runs."""
    lab.reset(HOST, saslauthd)
    lab.exec(HOST, SASLDB)
    before, packages = lab.tree(HOST), lab.exec(HOST, "dpkg-query -W")
    _, shown = applied()
    assert "passed" in shown[-1]
    assert any("SASL's auxprop plug-in sasldb; that stays" in text for text in shown)
    untouched(lab, before, packages)
    assert login(lab, "hanako", "hanako-of-sasldb") == 235


HALF_MADE = {
    "no socket of Dovecot's": (
        f"rm /var/spool/postfix/private/auth; postconf -e {BY_DOVECOT}",
        "/var/spool/postfix/private/auth is not there",
    ),
    "Dovecot does not run": (
        f"systemctl kill -s KILL dovecot; postconf -e {BY_DOVECOT}",
        "/var/spool/postfix/private/auth is there, but nothing listens on it",
    ),
    "a socket that Postfix may not open": (
        f"chown root:root /var/spool/postfix/private/auth; postconf -e {BY_DOVECOT}",
        "/var/spool/postfix/private/auth may not be opened by the user postfix",
    ),
    "a path outside the chroot": (
        "postconf -e smtpd_sasl_type=dovecot smtpd_sasl_path=/run/dovecot/auth-client",
        "/var/spool/postfix/run/dovecot/auth-client is not there",
    ),
}


@pytest.mark.parametrize(("script", "named"), HALF_MADE.values(), ids=HALF_MADE)
def test_a_dovecot_that_the_services_cannot_ask_is_named(
    lab: Lab, dovecot: str, script: str, named: str
) -> None:
    lab.reset(HOST, dovecot)
    lab.exec(HOST, f"{script} 2>/dev/null")
    assert named in refused(lab)


@pytest.mark.parametrize(
    ("script", "named"),
    [
        ("sed -i s%/var/spool/postfix%% /etc/default/saslauthd; rm -r {0}", "{0}/mux is not there"),
        ("rm /etc/postfix/sasl/smtpd.conf", "smtpd finds nothing in /etc/postfix/sasl/smtpd.conf"),
        ("sed -i /mech_list/d /etc/postfix/sasl/smtpd.conf", "without mech_list"),
        ("gpasswd -d postfix sasl", "{0}/mux may not be opened by the user postfix"),
    ],
    ids=["socket outside the chroot", "no smtpd.conf", "every mechanism offered", "not in the group"],
)  # fmt: skip
def test_a_saslauthd_that_the_services_cannot_ask_is_named(
    lab: Lab, saslauthd: str, script: str, named: str
) -> None:
    folder = "/var/spool/postfix/var/run/saslauthd"
    lab.reset(HOST, saslauthd)
    lab.exec(HOST, f"{script.format(folder)} > /dev/null 2>&1")
    assert named.format(folder) in refused(lab)


def refused(lab: Lab) -> str:
    """What apply says when it refuses; the host is as it was."""
    before = lab.tree(HOST)
    chapter = postfix.open("lab", HOST)
    plan = chapter.plan_settings()
    with pytest.raises(ApplyRefused) as refusal:
        chapter.apply(plan)
    assert list(compare(before, lab.tree(HOST))) == []
    return str(refusal.value)
