"""Logins that somebody set up stay: no package, file or unit of SASL is touched, and users log in through it."""

import smtplib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
import shaped_host
from applied_host import run_cells, runbook
from decided import decided
from shaped_host import HOST, applied
from trees import AT_WORK, MAY_DIFFER, changed

from lab import Lab
from lab.tree import Entry, compare
from runbook_lib.chapters import postfix, verification
from runbook_lib.errors import ApplyRefused
from runbook_lib.mail import probes
from runbook_lib.records.origin import run_id

pytestmark = pytest.mark.usefixtures("as_a_batch")

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
OWN = """submission inet n - y - - smtpd
  -o smtpd_tls_security_level=encrypt
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_sasl_type=dovecot
  -o smtpd_sasl_path=private/auth
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


# Dovecot's auth service, which Postfix may ask; SASL's packages are not there.
WITH_DOVECOT = shaped_host.with_packages("dovecot", "dovecot-core", DOVECOT)
# saslauthd with the mechanism shadow, in the chroot of smtpd.
WITH_SHADOW = shaped_host.with_packages("shadow", "sasl2-bin libsasl2-modules", SASLAUTHD)


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


def test_dovecot_goes_on_checking_logins(lab: Lab) -> None:
    lab.reset(HOST, WITH_DOVECOT)
    lab.exec(HOST, f"postconf -e {BY_DOVECOT}; postfix reload 2>/dev/null")
    before, packages = lab.tree(HOST), lab.exec(HOST, "dpkg-query -W")
    doctor = runbook("doctor", HOST).stdout
    assert "all that is needed is installed" in doctor  # as the plan has it
    assert "sasl2-bin" not in doctor
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


def test_who_checks_logins_is_seen_where_master_cf_alone_says_so(lab: Lab, tmp_path: Path) -> None:
    """The service that is written beside it asks the same one, and no saslauthd comes."""
    lab.reset(HOST, WITH_DOVECOT)
    lab.exec(HOST, f"cat >>/etc/postfix/master.cf <<'EOF'\n{OWN}EOF\npostfix reload 2>/dev/null")
    before, packages = lab.tree(HOST), lab.exec(HOST, "dpkg-query -W")
    book = decided(lab, tmp_path, {"master.cf, submission/inet": "replace"})
    _, shown = applied(inventory=book)
    assert "passed" in shown[-1]
    assert any("Logins are checked by Dovecot at private/auth; that stays." in text for text in shown)
    untouched(lab, before, packages)
    assert "PLAIN: accepted (235)" in verified()
    assert login(lab, "virtual", "virtual-of-dovecot") == 235
    for port in (587, 465):
        line = lab.exec(HOST, f"postconf -M {'submission' if port == 587 else 'submissions'}/inet").decode()
        assert "smtpd_sasl_type=dovecot" in line
        assert "smtpd_sasl_path=private/auth" in line
    assert "nothing to do" in applied(inventory=book)[1][-1]


def test_auth_on_25_stays_where_it_was_under_tls_only(lab: Lab) -> None:
    """Nothing that this chapter does alters it, so nobody has to decide."""
    lab.reset(HOST, WITH_DOVECOT)
    lab.exec(
        HOST, f"postconf -e {BY_DOVECOT} smtpd_sasl_auth_enable=yes smtpd_tls_auth_only=yes; postfix reload"
    )
    _, shown = applied()
    assert "passed" in shown[-1]
    assert any("AUTH is offered (PLAIN), as found" in text for text in shown)


def test_auth_in_clear_on_25_is_a_persons_decision_and_says_how(lab: Lab) -> None:
    lab.reset(HOST, WITH_DOVECOT)
    lab.exec(HOST, f"postconf -e {BY_DOVECOT} smtpd_sasl_auth_enable=yes")
    told = refused(lab)
    assert "main.cf, smtpd_sasl_auth_enable: yes" in told
    assert "submission.auth_on_25" in told
    assert "smtpd_sasl_type" not in told


def test_saslauthd_with_another_mechanism_goes_on_checking_logins(lab: Lab) -> None:
    lab.reset(HOST, WITH_SHADOW)
    before, packages = lab.tree(HOST), lab.exec(HOST, "dpkg-query -W")
    run, shown = applied()
    assert "passed" in shown[-1]
    assert any("Logins are checked by saslauthd (shadow); that stays." in text for text in shown)
    untouched(lab, before, packages)
    assert "LOGIN: accepted (235)" in verified()
    assert lab.exec(HOST, "ps -o args= -C saslauthd | grep -c 'a shadow'") != b"0\n"
    assert runbook("rollback", run).returncode == 0
    assert changed(before, lab.tree(HOST), (*MAY_DIFFER, *AT_WORK)) == []


def test_passwords_in_sasldb_stay(lab: Lab) -> None:
    """Nobody but sasldb knows these passwords, and no saslauthd runs."""
    lab.reset(HOST, WITH_SHADOW)
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
def test_a_dovecot_that_the_services_cannot_ask_is_named(lab: Lab, script: str, named: str) -> None:
    lab.reset(HOST, WITH_DOVECOT)
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
def test_a_saslauthd_that_the_services_cannot_ask_is_named(lab: Lab, script: str, named: str) -> None:
    folder = "/var/spool/postfix/var/run/saslauthd"
    lab.reset(HOST, WITH_SHADOW)
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


# Debian 11's own lines, uncommented; of the lists that they name, main.cf defines none.
STOCK = """submission inet n - y - - smtpd
  -o syslog_name=postfix/submission
  -o smtpd_tls_security_level=encrypt
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_tls_auth_only=yes
  -o smtpd_reject_unlisted_recipient=no
  -o smtpd_client_restrictions=$mua_client_restrictions
  -o smtpd_sender_restrictions=$mua_sender_restrictions
  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject
"""
TWO_METHODS = "pwcheck_method: saslauthd auxprop\\nmech_list: PLAIN LOGIN\\n"
# Of chapter 0's rows: file and line, and what is said of it.
FOUND = {
    "main.cf, line {mynetworks} ": (
        "192.168.1.1/24 has host bits that are not zero for its length (/24)",
        "192.0.2.7:25 has a port, and a network has none",
        "answers 451 to every client",
    ),
    "main.cf, line {mydestination} ": (
        "$mydomian is defined nowhere, so nothing stands in its place: the list is without it",
        "was $mydomain meant?",
    ),
    "master.cf, line {mua} ": (
        "$mua_client_restrictions is defined nowhere",
        "one that is empty for that refuses nobody",
    ),
}


def test_what_stops_mail_and_logins_is_found_and_two_methods_stay(lab: Lab, tmp_path: Path) -> None:
    """Postfix itself was asked: its warnings of undefined names, its 451, and a login by two methods in turn."""
    lab.reset(HOST, WITH_SHADOW)
    lab.exec(
        HOST,
        f"cat >>/etc/postfix/master.cf <<'EOF'\n{STOCK}EOF\n"
        "postconf -e 'mynetworks = 192.168.1.1/24, 192.0.2.7:25' 'mydestination = $myhostname, $mydomian, localhost'\n"
        f"printf '{TWO_METHODS}' >/etc/postfix/sasl/smtpd.conf; systemctl restart postfix",
    )
    with shaped_host.session(lab, 25) as smtp:
        assert shaped_host.replies(smtp, "a@example.org", ["root@localhost"]) == [250, 451]
    looks = {
        "mynetworks": "grep -n ^mynetworks /etc/postfix/main.cf",
        "mydestination": "grep -n ^mydestination /etc/postfix/main.cf",
        "mua": "grep -n mua_client_restrictions$ /etc/postfix/master.cf | grep -v '#'",
    }
    lines = {name: lab.exec(HOST, f"{look} | cut -d: -f1").decode().strip() for name, look in looks.items()}
    text = "\n".join(one.text() for one in run_cells("00-preparation", host=HOST) if one is not None)
    rows = [" ".join(row.split()) for row in text.splitlines()]
    for place, words in FOUND.items():
        told = [row for row in rows if row.startswith(place.format(**lines))]
        assert [word for word in words if not any(word in row for row in told)] == [], (place, lines, told)
    lab.exec(HOST, "postconf -e 'mynetworks = 127.0.0.0/8' 'mydestination = $myhostname, localhost'")
    before, packages = lab.tree(HOST), lab.exec(HOST, "dpkg-query -W")
    _, shown = applied(inventory=decided(lab, tmp_path, {"master.cf, submission/inet": "replace"}))
    assert "passed" in shown[-1]
    assert any("saslauthd (shadow), then SASL's auxprop plug-in sasldb" in one for one in shown)
    untouched(lab, before, packages)
    assert "PLAIN: accepted (235)" in verified()
    assert login(lab, "hanako", lab.secret("hanako")) == 235
    with shaped_host.session(lab, 25) as smtp:
        assert shaped_host.replies(smtp, "a@example.org", ["root@localhost"]) == [250, 250]
