"""Somebody edits main.cf or adds a service after a run: the way back takes nothing away that the edit rests on.

Logins in clear, a port without a certificate, a file that is named and gone: each edit keeps all that the run made, and
is named with the way out, which works.
"""

from applied_host import applied, run_of, runbook
from trees import MAY_DIFFER, changed

from lab import Lab
from runbook_lib.mail.probes import Target
from runbook_lib.mail.probes.asker import Asker
from runbook_lib.mail.probes.served import served
from runbook_lib.mail.probes.target import Endpoint

HOST = "debian12"
OUR_FILE = "/etc/ssl/private/postfix_mail-server.pem"
# What somebody types, what is named then, and how he takes it out.
EDITS = (
    (
        "postconf -e smtpd_sasl_auth_enable=yes",
        "main.cf: smtpd_sasl_auth_enable = yes",
        "postconf -X smtpd_sasl_auth_enable",
    ),
    (
        f"postconf -e smtp_tls_chain_files={OUR_FILE}",
        f"main.cf: smtp_tls_chain_files = {OUR_FILE}",
        "postconf -X smtp_tls_chain_files",
    ),
    (
        "postconf -e smtpd_tls_security_level=encrypt",
        "main.cf: smtpd_tls_security_level = encrypt",
        "postconf -e smtpd_tls_security_level=may",
    ),
    (
        "postconf -M 2525/inet='2525 inet n - y - - smtpd -o smtpd_sasl_auth_enable=yes'",
        "master.cf: 2525 inet n - y - - smtpd -o smtpd_sasl_auth_enable=yes",
        "postconf -MX 2525/inet",
    ),
)
AT_WORK = ("/var/lib/runbook", "/var/lib/postfix", "/var/spool/postfix", "/etc/postfix/m")


def settings(lab: Lab) -> bytes:
    """main.cf by value: what is put back beside somebody's edit comes back by value."""
    return lab.exec(HOST, "postconf -n | sort")


def test_an_edit_keeps_what_it_rests_on(lab: Lab) -> None:
    lab.reset(HOST, "fresh")
    before, values = lab.tree(HOST), settings(lab)
    applied(lab, HOST, "fresh")
    run = run_of(lab, HOST)
    after = lab.tree(HOST)
    lab.exec(HOST, "; ".join((*(edit for edit, _, _ in EDITS), "postfix reload 2>/dev/null")))
    kept = runbook("rollback", run, "--host", HOST)
    assert kept.returncode == 1, kept.stdout
    for _, named, _ in EDITS:
        assert f"CONFLICT /etc/postfix/{named} was set since, and rests on what the run made" in kept.stderr
    assert kept.stderr.count("the way out: write it as we left it, or take it out") == len(EDITS)
    assert "WRONG" not in kept.stdout
    assert changed(after, lab.tree(HOST), AT_WORK) == []
    lab.exec(HOST, "; ".join((*(takes_out for _, _, takes_out in EDITS), "postfix reload 2>/dev/null")))

    # A certificate of his own rests on nothing of ours: it is spared alone, and what the ports serve is said.
    lab.exec(HOST, "cd /etc/ssl; cat private/ssl-cert-snakeoil.key certs/ssl-cert-snakeoil.pem > his.pem")
    lab.exec(HOST, "postconf -e smtpd_tls_chain_files=/etc/ssl/his.pem; postfix reload 2>/dev/null")
    spared = runbook("rollback", run, "--host", HOST)
    assert spared.returncode == 1, spared.stdout
    assert "CONFLICT /etc/postfix/main.cf: smtpd_tls_chain_files was changed since" in spared.stderr
    # Postfix was there before the run, so its files do not go with the packages of the run.
    assert "KEPT packages" not in spared.stderr
    assert lab.exec(HOST, "dpkg-query -W -f '${db:Status-Abbrev}' sasl2-bin 2>/dev/null || :") in (
        b"",
        b"un ",
    )
    assert "port 25 answers with TLS\n" in spared.stdout
    assert "port 587 serves nobody now: " in spared.stdout
    lab.exec(HOST, "postconf -X smtpd_tls_chain_files; rm /etc/ssl/his.pem")
    done = runbook("rollback", run, "--host", HOST)
    assert done.returncode == 0, done.stdout + done.stderr
    assert settings(lab) == values
    assert changed(before, lab.tree(HOST), (*MAY_DIFFER, "/etc/postfix/main.cf")) == []


def test_logins_in_clear_and_a_dead_port_are_told(lab: Lab) -> None:
    """As they may have been before a run, to which the way back leads."""
    applied(lab, HOST, "fresh")
    asker = Asker(Target(name="ms12.example.test", domain="example.test"), 10.0)
    port = Endpoint(lab.host(HOST).address, 25)
    lab.exec(
        HOST, "postconf -X smtpd_tls_auth_only; postconf -e smtpd_sasl_auth_enable=yes; postfix reload 2>&1"
    )
    assert served(asker, port) == (
        "answers with TLS, offers logins (PLAIN LOGIN); WRONG: before TLS, too, so that passwords can be read on the "
        "way: set smtpd_tls_auth_only = yes in main.cf, or take smtpd_sasl_auth_enable = yes out, then postfix reload"
    )
    lab.exec(HOST, "postconf -e tls_high_cipherlist= tls_medium_cipherlist=; postfix reload 2>/dev/null")
    told = served(asker, port)
    assert told.startswith("serves nobody now: ")
    assert told.endswith("WRONG: its smtpd ends; `journalctl -g fatal -n 5` says why")
